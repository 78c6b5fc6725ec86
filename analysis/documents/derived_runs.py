"""Composes the documents of reduced runs and of fits, which name the raw run they come from."""

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr
from event_model import compose_run

from analysis.estimate import Estimate
from analysis.probe_band import CENTRE_WAVELENGTH, PROBE_BAND
from ocm_ophyd.frame_schema import DETECTOR, SCAN_AXES, SPECTRA

__all__ = ["DerivedRun", "keep_fit", "keep_reduction", "reduction_parameters"]

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
"""Entries of the raw run's start document that the reduced run repeats."""

_SOURCE = "analysis.reduction.scan"


def reduction_parameters() -> dict[str, Any]:
    """Return the version of the code and the parameters that a reduced run depends on."""
    return {
        "ocm-ophyd": version("ocm-ophyd"),
        "probe_band": list(PROBE_BAND),
        "centre_wavelength": CENTRE_WAVELENGTH,
    }


class DerivedRun:
    """Composes the documents of one reduced run, point by point.

    Parameters
    ----------
    raw_start : mapping
        Start document of the raw run.
    emit : callable
        Receives every document as ``emit(name, doc)``.
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
                "reduction": reduction_parameters(),
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
        data_keys = {axis.name: axis.data_key for axis in SCAN_AXES}
        columns = {
            data_keys.get(str(name), str(name)): variable
            for name, variable in reduced.variables.items()
            if variable.dims[:1] == ("point",)
        }
        units = {key: str(column.attrs["units"]) for key, column in columns.items()}
        for i in range(reduced.sizes["point"]):
            data = {
                key: np.asarray(column.values[i], float).tolist() for key, column in columns.items()
            }
            if self._event is None:
                self._event = self._describe(data, units, reduced["wavelength"].values.tolist())
            self._point(data, self._event)

    def _describe(
        self, data: Mapping[str, Any], units: Mapping[str, str], wavelength: list[float]
    ) -> Callable[..., Any]:
        """Emit the descriptor; the wavelengths are its configuration, the same at every point."""
        key = f"{DETECTOR}_wavelength"
        unit = next(each.unit for each in SPECTRA if each.name == "wavelength")
        described = self._run.compose_descriptor(
            name="primary",
            data_keys={
                name: _data_key(value, units[name], _SOURCE) for name, value in data.items()
            },
            configuration={
                DETECTOR: {
                    "data": {key: wavelength},
                    "timestamps": {key: time.time()},
                    "data_keys": {key: _data_key(wavelength, unit, _SOURCE)},
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
        """Emit the end of the run; a run that lacks points has failed."""
        if self._missing > 0 and exit_status == "success":
            exit_status, reason = "fail", reason or f"{self._missing} points are missing"
        self._emit("stop", self._run.compose_stop(exit_status=exit_status, reason=reason))


def keep_reduction(
    raw_start: Mapping[str, Any],
    reduced: xr.Dataset,
    emit: Callable[[str, Any], None],
) -> str:
    """Emit a reduced scan as a run, and return its uid."""
    derived = DerivedRun(raw_start, emit)
    derived.add(reduced)
    derived.close()
    return derived.uid


def keep_fit(
    raw_start: Mapping[str, Any],
    found: Mapping[str, Estimate],
    emit: Callable[[str, dict[str, Any]], None],
) -> str:
    """Emit the results of a fit to a run as a run of one event, and return its uid.

    Parameters
    ----------
    raw_start : mapping
        Start document of the run to which the fit was made.
    found : mapping
        The estimates by name; the event also has ``<name>_sigma`` for each. Their notes are in
        the start document.
    emit : callable
        Receives every document as ``emit(name, doc)``.
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
            keys[key] = _data_key(data[key], estimate.unit, "analysis.fit")
    described = run.compose_descriptor(name="primary", data_keys=keys)
    emit("descriptor", dict(described.descriptor_doc))
    stamps = dict.fromkeys(data, time.time())
    emit("event", dict(described.compose_event(data=data, timestamps=stamps, validate=False)))
    emit("stop", dict(run.compose_stop()))
    return str(run.start_doc["uid"])


def _data_key(value: float | list[float], unit: str, source: str) -> dict[str, Any]:
    """Return the description of a quantity like `value`."""
    return {
        "source": source,
        "dtype": "array" if isinstance(value, list) else "number",
        "dtype_numpy": "<f8",
        "shape": [len(value)] if isinstance(value, list) else [],
        "units": unit,
        "precision": 6,
    }
