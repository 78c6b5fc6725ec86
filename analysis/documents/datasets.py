"""Runs of the microscope as datasets.

The names of data keys are those of the devices (`spectrometer_frames`, `delay`, `probe_x`, ...).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from analysis.chirp.group_delay import chirp_delay
from analysis.io.raw_file import LazyFrames
from analysis.point.reducer import RESOLUTION
from analysis.probe_band import PROBE_BAND

__all__ = [
    "AXES",
    "COORDINATES",
    "RunError",
    "folding",
    "header",
    "is_pump_probe",
    "raw_dataset",
    "reduced_run",
]

#: Data keys of the coordinates in a raw dataset.
COORDINATES = {"delay": "delay", "x": "probe_x", "y": "probe_y", "fluence": "fluence"}

#: Axis names of a raw file for the axes that plans name.
AXES = {"probe_x": "x", "probe_y": "y"}

_DETECTOR = "spectrometer"
_CHIRP_NODES = 41  # 5 nm apart: straight lines between them are exact to 1 fs


class RunError(ValueError):
    """A run that holds no pump–probe data, or not all that a reduction needs."""


def is_pump_probe(start: Mapping[str, Any]) -> bool:
    """Whether the run of this start document has interferograms taken with the pump on."""
    return "fluence_max" in start and "geometry" in start and "raw_run" not in start


def header(
    start: Mapping[str, Any], configuration: Mapping[str, Any], spectra: Mapping[str, Any]
) -> xr.Dataset:
    """Return everything of a raw dataset that is fixed during a run.

    Parameters
    ----------
    start : mapping
        Start document.
    configuration : mapping
        Configuration data of the spectrometer, from the descriptor of the primary stream.
    spectra : mapping
        Data of a baseline event: wavelength (nm), dark and reference (counts).

    Raises
    ------
    RunError
        Names what the run lacks.
    """
    sample = start["sample"]
    try:
        vectors = {
            name: np.asarray(spectra[f"{_DETECTOR}_spectra_{name}"], np.float64)
            for name in ("wavelength", "dark", "reference")
        }
        attrs: dict[str, Any] = {
            name: float(configuration[f"{_DETECTOR}_{name}"])
            for name in ("exposure", "gain", "read_noise", "saturation")
        }
    except KeyError as error:
        msg = f"run {start['uid'][:8]} has no {error.args[0]}: it cannot be reduced"
        raise RunError(msg) from None
    if len({len(vector) for vector in vectors.values()}) != 1:
        msg = f"run {start['uid'][:8]} was taken without a reference of its own spectrometer"
        raise RunError(msg)
    attrs |= {
        "resolution": float(configuration.get(f"{_DETECTOR}_resolution", RESOLUTION)),
        "chopper_frequency": float(start["chopper_frequency"]),
        "geometry": start["geometry"],
        "sample_name": sample["name"],
        "material": sample["material"],
        "thickness": float(sample["thickness"]),
        "refractive_index": float(sample["refractive_index"]),
        "raw_run": start["uid"],
    }
    if "path_difference" in sample:
        attrs["path_difference"] = float(sample["path_difference"])
    if np.any(configuration.get(f"{_DETECTOR}_chirp_sigma", 0.0)):  # 0: nobody has measured it
        wavelength = np.linspace(*PROBE_BAND, _CHIRP_NODES)
        attrs["chirp_wavelength"] = wavelength
        attrs["chirp_delay"] = chirp_delay(wavelength, configuration[f"{_DETECTOR}_chirp"])
    return xr.Dataset(
        {name: ("wavelength", vectors[name]) for name in ("dark", "reference")},
        coords={"wavelength": vectors["wavelength"]},
        attrs=attrs,
    )


def folding(start: Mapping[str, Any], points: int) -> dict[str, Any]:
    """Return the attributes `shape` and `axes` of a run; none where it was broken off."""
    if points != start["num_points"]:
        return {}
    return {
        "axes": " ".join(AXES.get(axis, axis) for axis in start["axes"]),
        "shape": np.asarray(start["shape"], np.int64),
    }


def raw_dataset(run: Any) -> xr.Dataset:
    """Return a catalogued run as a raw dataset; frames are read when they are used.

    A run that was broken off has fewer points than it was to have; what is there is returned,
    without the shape.

    Parameters
    ----------
    run : BlueskyRun
        From ``databroker.catalog["ocm"]``.

    Raises
    ------
    RunError
        Where the run has no pump–probe data.
    """
    start = run.metadata["start"]
    if not is_pump_probe(start):
        msg = (
            f"run {start['uid'][:8]} ({start.get('plan_name')}) holds no pump-probe interferograms"
        )
        raise RunError(msg)
    if "primary" not in run or "baseline" not in run:
        msg = f"run {start['uid'][:8]} ended before its first point"
        raise RunError(msg)
    primary, baseline = run["primary"], run["baseline"]
    names = ("wavelength", "dark", "reference")
    spectra = {
        f"{_DETECTOR}_spectra_{name}": baseline[f"{_DETECTOR}_spectra_{name}"].read()[0]
        for name in names
    }
    configuration = primary.metadata["configuration"][_DETECTOR]["data"]
    dataset = header(start, configuration, spectra)
    table = {name: np.asarray(primary[key].read(), float) for name, key in COORDINATES.items()}
    frames = primary[f"{_DETECTOR}_frames"]
    points = min(len(table["delay"]), frames.shape[0])
    for name, values in table.items():
        dataset[name] = ("point", values[:points])
    for name in ("frame_time", "pump_open"):
        values = np.asarray(primary[f"{_DETECTOR}_{name}"].read(), float)
        dataset[name] = (("point", "frame"), values[:points])
    lazy = indexing.LazilyIndexedArray(LazyFrames(frames))
    whole = xr.Variable(("point", "frame", "wavelength"), lazy)
    dataset["frames"] = whole[:points]
    dataset.attrs |= folding(start, points)
    return dataset


def reduced_run(run: Any) -> xr.Dataset:
    """Return a catalogued reduced run as a reduced dataset.

    Parameters
    ----------
    run : BlueskyRun
        One whose start document names a raw run.

    Raises
    ------
    RunError
        Where it has no points.
    """
    start = run.metadata["start"]
    if start.get("plan_name") == "fit":
        msg = f"run {start['uid'][:8]} holds what was fitted to run {start['raw_run'][:8]}"
        raise RunError(msg)
    if "primary" not in run:
        msg = f"reduced run {start['uid'][:8]} has no points"
        raise RunError(msg)
    primary = run["primary"]
    names = {key: name for name, key in COORDINATES.items()}
    configuration = primary.metadata["configuration"][_DETECTOR]["data"]
    wavelength = np.asarray(configuration[f"{_DETECTOR}_wavelength"], np.float64)
    reduced = xr.Dataset(coords={"wavelength": wavelength}, attrs={"raw_run": start["raw_run"]})
    # Read together: a request of its own for every column takes a minute for a whole experiment.
    table = primary.read([key for key in primary if key != "seq_num" and not key.startswith("ts_")])
    for key in table.data_vars:
        values = table[key].values
        if values.dtype.kind in "fiu":
            reduced[names.get(str(key), str(key))] = ("point", "wavelength")[: values.ndim], values
    reduced.attrs |= folding(start, reduced.sizes["point"])
    return reduced
