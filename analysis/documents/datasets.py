"""Datasets of runs: raw, reduced, and records of frames without the pump.

Data keys, units and the names of scan axes are those of `ocm_ophyd.frame_schema`. A raw dataset is
complete when it leaves this module: what an older run does not hold of the instrument has its
documented default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.core import indexing

from analysis.chirp.group_delay import chirp_delay
from analysis.documents.run_documents import RunDocuments, RunError, journal_documents
from analysis.io.raw_file import LazyFrames
from analysis.io.schema import SATURATION, VARIABLES
from analysis.point.reducer import RESOLUTION
from analysis.probe_band import PROBE_BAND
from ocm_ophyd.frame_schema import CONSTANTS, DETECTOR, POINT_DATASETS, SCAN_AXES, SPECTRA

__all__ = [
    "folding",
    "frame_record",
    "header",
    "is_pump_probe",
    "open_run",
    "raw_dataset",
    "reduced_run",
]

CATALOG = "ocm"
"""Name of the tiled profile through which the catalog is reached."""

_CHIRP_NODES = 41  # 5 nm apart: straight lines between them are exact to 1 fs

_DEFAULTS = {"resolution": RESOLUTION, "saturation": SATURATION}
"""Constants of the spectrometer where a run does not hold them."""


def open_run(which: str | int | Path) -> xr.Dataset:
    """Open a run of the catalog or of the journal as a dataset.

    Parameters
    ----------
    which : str, int or Path
        Of the catalog: a uid, the beginning of one, or a scan id. A `Path` is a file of the
        journal.

    Returns
    -------
    xr.Dataset
        The raw dataset of a pump-probe run (see `raw_dataset`), the reduced dataset of a reduced
        run (see `reduced_run`), or the frames of a run without the pump (see `frame_record`).
        Frames are read when they are used: close the dataset, or use it in a `with`.

    Raises
    ------
    RunError
        There is no such run, or it holds no such data.
    """
    if isinstance(which, Path):
        run: RunDocuments = RunDocuments.from_journal(journal_documents(which))
    else:
        run = RunDocuments.from_catalog(_catalogued(which))
    if "raw_run" in run.start:
        return reduced_run(run)
    return raw_dataset(run) if is_pump_probe(run.start) else frame_record(run)


def _catalogued(which: str | int) -> Any:
    """Return a run of the catalog, reached through its tiled profile."""
    from httpx import HTTPError  # noqa: PLC0415 - these take seconds to import
    from tiled.client import from_profile  # noqa: PLC0415
    from tiled.profiles import ProfileError, ProfileNotFound  # noqa: PLC0415

    try:
        catalog = from_profile(CATALOG)
    except (ProfileError, ProfileNotFound, HTTPError, OSError) as error:
        msg = f"the catalog cannot be reached through the tiled profile {CATALOG!r}: {error}"
        raise RunError(msg) from error
    try:
        return catalog[int(which) if str(which).isdecimal() else which]
    except (KeyError, ValueError) as error:
        msg = f"there is no run {which!r} in the catalog: {error}"
        raise RunError(msg) from None


def is_pump_probe(start: Mapping[str, Any]) -> bool:
    """Return whether the run of this start document has interferograms with the pump on."""
    return "fluence_max" in start and "geometry" in start and "raw_run" not in start


def header(run: RunDocuments) -> xr.Dataset:
    """Return everything of a raw dataset that is fixed during a run.

    Parameters
    ----------
    run : RunDocuments
        A run with one point or more, for the configuration of the spectrometer and the spectra.

    Returns
    -------
    xr.Dataset
        `wavelength`, `dark` and `reference` (K,), and the attributes of a raw dataset.

    Raises
    ------
    RunError
        Names the quantity that the run lacks.
    """
    start = run.start
    configuration = run.streams["primary"].configuration(DETECTOR)
    try:
        baseline = run.streams["baseline"]
        spectra = {
            each.name: np.asarray(baseline.column(f"{DETECTOR}_spectra_{each.name}")[0], np.float64)
            for each in SPECTRA
        }
        attrs: dict[str, Any] = {
            each.name: float(
                configuration.get(each.data_key, _DEFAULTS[each.name])
                if each.optional
                else configuration[each.data_key]
            )
            for each in CONSTANTS
        }
    except KeyError as error:
        msg = f"{run.title} has no {error.args[0]}: it cannot be reduced"
        raise RunError(msg) from None
    if len({len(spectrum) for spectrum in spectra.values()}) != 1:
        msg = f"{run.title} was taken without a reference of its own spectrometer"
        raise RunError(msg)
    attrs |= _sample_attributes(start["sample"]) | {
        "chopper_frequency": float(start["chopper_frequency"]),
        "geometry": start["geometry"],
        "raw_run": run.uid,
    }
    if np.any(configuration.get(f"{DETECTOR}_chirp_sigma", 0.0)):  # 0: not measured
        wavelength = np.linspace(*PROBE_BAND, _CHIRP_NODES)
        attrs["chirp_wavelength"] = wavelength
        attrs["chirp_delay"] = chirp_delay(wavelength, configuration[f"{DETECTOR}_chirp"])
    return xr.Dataset(
        {name: ("wavelength", spectra[name]) for name in ("dark", "reference")},
        coords={"wavelength": spectra["wavelength"]},
        attrs=attrs,
    )


def _sample_attributes(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a dataset that are properties of the sample."""
    numbers = ("thickness", "refractive_index", "path_difference", "pump_wavelength")
    return {
        "sample_name": sample["name"],
        "material": sample["material"],
        **{name: float(sample[name]) for name in numbers if name in sample},
    }


def folding(start: Mapping[str, Any], points: int) -> dict[str, Any]:
    """Return the attributes `shape` and `axes` of a run; none where it was broken off."""
    if points != start["num_points"]:
        return {}
    names = {axis.data_key: axis.name for axis in SCAN_AXES}
    return {
        "axes": " ".join(names.get(axis, axis) for axis in start["axes"]),
        "shape": np.asarray(start["shape"], np.int64),
    }


def raw_dataset(run: RunDocuments) -> xr.Dataset:
    """Return a pump-probe run as a raw dataset; frames are read when they are used.

    A run that was broken off has fewer points than were planned; those that it has are returned,
    without the shape.

    Raises
    ------
    RunError
        The run has no pump-probe data.
    """
    if not is_pump_probe(run.start):
        msg = f"{run.title} holds no pump-probe interferograms"
        raise RunError(msg)
    if not {"primary", "baseline"} <= set(run.streams):
        msg = f"{run.title} ended before its first point"
        raise RunError(msg)
    primary = run.streams["primary"]
    coordinates = {
        axis.name: np.asarray(primary.column(axis.data_key), float)
        for axis in SCAN_AXES
        if axis.data_key in primary.data_keys or not axis.optional
    }
    dataset = _with_frames(run, primary.points)
    points = dataset.sizes["point"]
    for name, values in coordinates.items():
        dataset[name] = VARIABLES[name].dims, values[:points]
    dataset.attrs |= folding(run.start, points)
    return dataset


def frame_record(run: RunDocuments) -> xr.Dataset:
    """Return the frames of a run, with the pump or without, and all that turns them into phases.

    Returns
    -------
    xr.Dataset
        Frames, times, open fractions, spectra and attributes as in `analysis.io.schema`, without
        the coordinates of the points; frames are read when they are used: close it, or use it in a
        `with`.

    Raises
    ------
    RunError
        The run has no frames, or its file is not there.
    """
    primary = run.streams.get("primary")
    frames = next(each for each in POINT_DATASETS if each.name == "frames")
    if (
        not {"sample", "geometry", "chopper_frequency"} <= set(run.start)
        or primary is None
        or frames.data_key not in primary.data_keys
    ):
        msg = f"{run.title} holds no frames of a chopped measurement"
        raise RunError(msg)
    return _with_frames(run, run.streams["primary"].points)


def _with_frames(run: RunDocuments, points: int) -> xr.Dataset:
    """Return the header and the spectrometer's arrays of `points` points, or of all if fewer."""
    primary = run.streams["primary"]
    dataset = header(run)
    try:
        arrays = {
            each: primary.array(each.data_key)
            for each in POINT_DATASETS
            if each.data_key in primary.data_keys or not each.optional
        }
    except KeyError as error:
        msg = f"{run.title} has no {error.args[0]}: it cannot be reduced"
        raise RunError(msg) from None
    points = min(points, *(array.shape[0] for array in arrays.values()))
    for each, array in arrays.items():
        dims = VARIABLES[each.name].dims
        if each.name == "frames":
            lazy = indexing.LazilyIndexedArray(LazyFrames(array))
            dataset[each.name] = xr.Variable(dims, lazy)[:points]
        else:
            dataset[each.name] = dims, np.asarray(array[:points], float)
    dataset.set_close(run.close)
    return dataset


def reduced_run(run: RunDocuments) -> xr.Dataset:
    """Return a reduced run as a reduced dataset.

    Parameters
    ----------
    run : RunDocuments
        A run whose start document names a raw run.

    Raises
    ------
    RunError
        The run has no points, or holds the results of a fit.
    """
    start = run.start
    if start.get("plan_name") == "fit":
        msg = f"{run.title} holds the results of a fit to run {start['raw_run'][:8]}"
        raise RunError(msg)
    if "primary" not in run.streams:
        msg = f"reduced {run.title} has no points"
        raise RunError(msg)
    primary = run.streams["primary"]
    names = {axis.data_key: axis.name for axis in SCAN_AXES}
    wavelength = primary.configuration(DETECTOR)[f"{DETECTOR}_wavelength"]
    reduced = xr.Dataset(
        coords={"wavelength": np.asarray(wavelength, np.float64)},
        attrs=_sample_attributes(start["sample"]) | {"raw_run": start["raw_run"]},
    )
    for key, values in primary.columns().items():
        if values.dtype.kind in "fiu":
            reduced[names.get(key, key)] = ("point", "wavelength")[: values.ndim], values
    reduced.attrs |= folding(start, reduced.sizes["point"])
    return reduced
