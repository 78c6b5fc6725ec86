"""Reduced runs: runs of their own that name the raw run they come from."""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from event_model import compose_run

from analysis.reduction import CENTRE_WAVELENGTH, PROBE_BAND
from analysis.runs import COORDINATES

__all__ = ["DerivedRun", "keep_reduction"]

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

    def __init__(self, raw_start: Mapping[str, Any], emit: Callable[[str, Any], None]) -> None:
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
        self._event: Callable[..., Any] | None = None
        emit("start", self._run.start_doc)

    @property
    def uid(self) -> str:
        """Uid of the reduced run."""
        return str(self._run.start_doc["uid"])

    def add(self, reduced: xr.Dataset) -> None:
        """Emit the points of a reduced dataset (see `analysis.reduction`)."""
        keys = {
            COORDINATES.get(str(name), str(name)): reduced[name].values
            for name in reduced.variables
            if reduced[name].dims[:1] == ("point",)
        }
        for i in range(reduced.sizes["point"]):
            self._point(
                {key: np.asarray(column[i], float).tolist() for key, column in keys.items()}
            )

    def _point(self, data: dict[str, Any]) -> None:
        if self._event is None:
            keys = {name: _data_key(name, value) for name, value in data.items()}
            described = self._run.compose_descriptor(name="primary", data_keys=keys)
            self._event = described.compose_event
            self._emit("descriptor", described.descriptor_doc)
        timestamps = dict.fromkeys(data, time.time())
        self._emit("event", self._event(data=data, timestamps=timestamps, validate=False))

    def close(self, exit_status: Any = "success", reason: str = "") -> None:
        """Emit the end of the run."""
        self._emit("stop", self._run.compose_stop(exit_status=exit_status, reason=reason))


def keep_reduction(
    raw_start: Mapping[str, Any],
    reduced: xr.Dataset,
    emit: Callable[[str, Any], None],
) -> str:
    """Emit a whole reduced scan as a run; returns its uid."""
    derived = DerivedRun(raw_start, emit)
    derived.add(reduced)
    derived.close()
    return derived.uid


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
