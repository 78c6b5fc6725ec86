"""Reduced runs and fits: runs of their own that name the raw run they come from."""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from event_model import compose_run

from analysis.documents.datasets import COORDINATES
from analysis.estimate import Estimate
from analysis.reduction.scan import CENTRE_WAVELENGTH, PROBE_BAND

__all__ = ["DerivedRun", "keep_fit", "keep_reduction"]

_UNITS = {
    "delta_phi": "rad",
    "delta_n": "RIU",
    "carrier_density": "cm^-3",
    "phase": "rad",
    "wavelength": "nm",
    "path": "um",
    "fluorescence": "counts",
    "delay": "ps",
    "probe_delay": "ps",
    "probe_spread": "ps",
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
                "raw_scan_id": raw_start.get("scan_id", 0),
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
        self._missing = int(raw_start.get("num_points", 0))
        emit("start", self._run.start_doc)

    @property
    def uid(self) -> str:
        """Uid of the reduced run."""
        return str(self._run.start_doc["uid"])

    def add(self, reduced: xr.Dataset) -> None:
        """Emit the points of a reduced dataset (see `analysis.reduction.scan`)."""
        keys = {
            COORDINATES.get(str(name), str(name)): reduced[name].values
            for name in reduced.variables
            if reduced[name].dims[:1] == ("point",)
        }
        for i in range(reduced.sizes["point"]):
            data = {key: np.asarray(column[i], float).tolist() for key, column in keys.items()}
            if self._event is None:
                self._event = self._describe(data, reduced["wavelength"].values.tolist())
            self._point(data, self._event)

    def _describe(self, data: dict[str, Any], wavelength: list[float]) -> Callable[..., Any]:
        """Emit the descriptor; the wavelengths are its configuration, the same at every point."""
        described = self._run.compose_descriptor(
            name="primary",
            data_keys={name: _data_key(name, value) for name, value in data.items()},
            configuration={
                "spectrometer": {
                    "data": {"spectrometer_wavelength": wavelength},
                    "timestamps": {"spectrometer_wavelength": time.time()},
                    "data_keys": {"spectrometer_wavelength": _data_key("wavelength", wavelength)},
                }
            },
        )
        self._emit("descriptor", described.descriptor_doc)
        return described.compose_event

    def _point(self, data: dict[str, Any], compose: Callable[..., Any]) -> None:
        timestamps = dict.fromkeys(data, time.time())
        self._emit("event", compose(data=data, timestamps=timestamps, validate=False))
        self._missing -= 1

    def close(self, exit_status: Any = "success", reason: str = "") -> None:
        """Emit the end of the run; one that lacks points is not called a success."""
        if self._missing > 0 and exit_status == "success":
            exit_status, reason = "fail", reason or f"{self._missing} points are missing"
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


def keep_fit(
    raw_start: Mapping[str, Any],
    found: Mapping[str, Estimate],
    emit: Callable[[str, dict[str, Any]], None],
) -> str:
    """Emit what was fitted to a run as a run of one event; returns its uid.

    Parameters
    ----------
    raw_start : mapping
        Start document of the run that was fitted.
    found : mapping
        Names and values; ``<name>_sigma`` stands beside each. What they rest on is in the start
        document.
    emit : callable
        Gets every document as ``emit(name, doc)``.
    """
    inherited = ("sample", "geometry", "series", "series_index", "simulated")
    run = compose_run(
        metadata={
            **{key: raw_start[key] for key in inherited if key in raw_start},
            "plan_name": "fit",
            "purpose": f"fit of {raw_start.get('purpose', 'a run')}",
            "raw_scan_id": raw_start.get("scan_id", 0),
            "raw_run": raw_start["uid"],
            "raw_plan_name": raw_start.get("plan_name", ""),
            "notes": {name: estimate.note for name, estimate in found.items() if estimate.note},
            "fit": {"ocm-ophyd": version("ocm-ophyd")},
        }
    )
    emit("start", dict(run.start_doc))
    data, keys = {}, {}
    for name, estimate in found.items():
        for key, value in ((name, estimate.value), (f"{name}_sigma", estimate.sigma)):
            data[key] = float(value)
            keys[key] = _data_key(key, data[key], "analysis.fit") | {"units": estimate.unit}
    described = run.compose_descriptor(name="primary", data_keys=keys)
    emit("descriptor", dict(described.descriptor_doc))
    stamps = dict.fromkeys(data, time.time())
    emit("event", dict(described.compose_event(data=data, timestamps=stamps, validate=False)))
    emit("stop", dict(run.compose_stop()))
    return str(run.start_doc["uid"])


def _data_key(
    name: str, value: float | list[float], source: str = "analysis.reduction.scan"
) -> dict[str, Any]:
    is_array = isinstance(value, list)
    return {
        "source": source,
        "dtype": "array" if is_array else "number",
        "dtype_numpy": "<f8",
        "shape": [len(value)] if isinstance(value, list) else [],
        "units": _UNITS.get(name.removesuffix("_sigma"), ""),
        "precision": 6,
    }
