"""Reduced runs: runs of their own that name the raw run they come from."""

import time
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.metadata import version
from typing import Any

import numpy as np
from event_model import compose_run

from analysis.reduction import CENTRE_WAVELENGTH, PROBE_BAND, PointResult

__all__ = ["DerivedRun"]

_UNITS = {
    "delta_phi": "rad",
    "delta_n": "RIU",
    "carrier_density": "cm^-3",
    "phase": "rad",
    "path": "um",
    "fluorescence": "counts",
    "delay": "ps",
    "fluence": "mJ/cm^2",
    "probe_x": "um",
    "probe_y": "um",
}

#: Start document entries that a reduced run takes over from its raw run.
_INHERITED = (
    "sample",
    "shape",
    "axes",
    "num_points",
    "fluence_min",
    "fluence_max",
    "geometry",
    "series",
    "series_index",
    "simulated",
    "hints",
    "plan_type",
)


class DerivedRun:
    """Composes the documents of one reduced run, point by point.

    Parameters
    ----------
    raw_start : mapping
        Start document of the raw run.
    emit : callable
        Gets every document as ``emit(name, doc)``.
    """

    def __init__(
        self, raw_start: Mapping[str, Any], emit: Callable[[str, dict[str, Any]], None]
    ) -> None:
        inherited = {key: raw_start[key] for key in _INHERITED if key in raw_start}
        self._emit = emit
        self._run = compose_run(
            metadata={
                **inherited,
                "plan_name": "reduce",
                "purpose": f"reduction of {raw_start.get('purpose', 'a run')}",
                "scan_id": raw_start.get("scan_id", 0),
                "raw_run": raw_start["uid"],
                "raw_plan_name": raw_start.get("plan_name", ""),
                "reduction": {
                    "ocm-ophyd": version("ocm-ophyd"),
                    "probe_band": list(PROBE_BAND),
                    "centre_wavelength": CENTRE_WAVELENGTH,
                },
            }
        )
        self._event: Callable[..., dict[str, Any]] | None = None
        emit("start", self._run.start_doc)

    @property
    def uid(self) -> str:
        """Uid of the reduced run."""
        return str(self._run.start_doc["uid"])

    def point(self, coordinates: Mapping[str, float], result: PointResult) -> None:
        """Emit one reduced point.

        Parameters
        ----------
        coordinates : mapping
            delay (ps), fluence (mJ/cm²), probe_x and probe_y (um).
        result : PointResult
            The reduction of the point.
        """
        data: dict[str, Any] = {name: float(value) for name, value in coordinates.items()}
        for field in fields(result):
            value = getattr(result, field.name)
            data[field.name] = value.tolist() if isinstance(value, np.ndarray) else float(value)
        if self._event is None:
            keys = {name: _data_key(name, value) for name, value in data.items()}
            described = self._run.compose_descriptor(name="primary", data_keys=keys)
            self._event = described.compose_event
            self._emit("descriptor", described.descriptor_doc)
        now = time.time()
        event = self._event(data=data, timestamps=dict.fromkeys(data, now), validate=False)
        self._emit("event", event)

    def close(self, exit_status: str = "success", reason: str = "") -> None:
        """Emit the end of the run."""
        self._emit("stop", self._run.compose_stop(exit_status=exit_status, reason=reason))


def _data_key(name: str, value: float | list[float]) -> dict[str, Any]:
    is_array = isinstance(value, list)
    return {
        "source": "analysis.reduction",
        "dtype": "array" if is_array else "number",
        "dtype_numpy": "<f8",
        "shape": [len(value)] if isinstance(value, list) else [],
        "units": _UNITS.get(name.removesuffix("_sigma"), ""),
        "precision": 6,
    }
