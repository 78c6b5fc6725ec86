"""Reduction of a whole scan, and the reduced file.

A reduced dataset has the dimensions `point` and `wavelength`; a delay scan adds
`chirp_resolved_delay`, `chirp_resolved_delta_n`, `chirp_resolved_delta_n_sigma` and
`chirp_resolved_resolution` over `time`, which are in the group `/chirp_resolved` of the file. Where
the delay changes but there is no such result, the attribute `chirp_resolved_note` says why.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.chirp.linear_model import DelayScan
from analysis.chirp.resolve import resolve_chirp
from analysis.io.schema import VARIABLES, RawFileError
from analysis.materials import MATERIALS
from analysis.point.reducer import PointResult, PointSpectra, Reducer
from analysis.point.warm_up import warm_up
from analysis.probe_band import CENTRE_WAVELENGTH, PROBE_BAND
from analysis.reduction.missing_metadata import completed
from analysis.scan_grid import varying
from ocm_ophyd.errors import DataError

Floats = NDArray[np.float64]

__all__ = [
    "CENTRE_WAVELENGTH",
    "PROBE_BAND",
    "PointResult",
    "Reducer",
    "read_reduced",
    "reduce_scan",
    "reduced_dataset",
    "write_reduced",
]

_UNITS = {
    "delta_n": "RIU",
    "delta_n_sigma": "RIU",
    "delta_n_limit": "RIU",
    "delta_n_systematic": "RIU",
    "drift_share": "1",
    "source_share": "1",
    "delta_phi": "rad",
    "delta_phi_sigma": "rad",
    "carrier_density": "cm^-3",
    "carrier_density_sigma": "cm^-3",
    "visibility": "1",
    "phase": "rad",
    "path": "um",
    "probe_delay": "ps",
    "probe_spread": "ps",
    "frames_used": "1",
    "frames_saturated": "1",
    "frames_rejected": "1",
    "frames_slipped": "1",
    "pixels_repaired": "1",
    "pixels_masked": "1",
}
"""The numbers of a `PointResult`, with their units."""

_CHIRP = "chirp_resolved"
_AT_ONCE = 2**24  # bytes of frames that are read together, while others are reduced


def reduce_scan(dataset: xr.Dataset) -> xr.Dataset:
    """Reduce a raw dataset (see `analysis.io.schema`) point by point.

    Returns
    -------
    xr.Dataset
        See `reduced_dataset`; and what the module's docstring says of a delay scan.
    """
    warm_up()
    dataset = completed(dataset)
    reducer = Reducer.from_dataset(dataset)
    times, opens = dataset["frame_time"].values, dataset["pump_open"].values
    changes = varying(dataset)
    keep = changes == ["delay"]
    blocks: list[PointResult] = []
    fluorescence = np.empty((len(times), dataset.sizes["wavelength"]), np.float32)
    spectra: list[PointSpectra | None] = []
    for part, frames in _blocks(dataset["frames"]):
        if keep:
            result, kept = reducer.points_and_spectra(frames, times[part], opens[part])
            spectra += kept
        else:
            result = reducer.points(frames, times[part], opens[part])
        fluorescence[part] = result.fluorescence
        blocks.append(result._replace(fluorescence=()))
    results = PointResult._make(map(np.concatenate, zip(*blocks, strict=True)))
    results = results._replace(fluorescence=fluorescence)
    coordinates = {name: dataset[name].values for name in ("delay", "x", "y", "fluence")}
    reduced = reduced_dataset(dataset, coordinates, results)
    if keep:
        _add_chirp_resolved(reduced, reducer, spectra)
    elif "delay" in changes:
        reduced.attrs[f"{_CHIRP}_note"] = (
            f"{', '.join(changes[1:])} changed besides the delay: a time-resolved result needs a "
            "delay scan of its own"
        )
    return reduced


def _blocks(frames: xr.DataArray) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Frames of a few points after the other; the next are read while these are used."""
    points, *one = frames.shape
    size = max(_AT_ONCE // (math.prod(one) * frames.dtype.itemsize), 1)
    parts = [slice(start, min(start + size, points)) for start in range(0, points, size)]
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(_read, frames, parts[0])
        for part, following in zip_longest(parts, parts[1:]):
            block = ahead.result()
            if following is not None:
                ahead = reader.submit(_read, frames, following)
            yield part, block


def _read(frames: xr.DataArray, part: slice) -> NDArray[Any]:
    return np.asarray(frames[part].values)


def reduced_dataset(
    raw: xr.Dataset, coordinates: Mapping[str, ArrayLike], results: PointResult
) -> xr.Dataset:
    """Gather the results of points in a reduced dataset.

    Parameters
    ----------
    raw : xr.Dataset
        Raw dataset, or its `wavelength` and attributes alone.
    coordinates : mapping
        `delay`, `x`, `y` and `fluence` of the P points.
    results : PointResult
        Arrays over the points.

    Returns
    -------
    xr.Dataset
        Over `point`: the numbers of `PointResult` (carrier densities only where the material has a
        model, the probe's times only where its chirp is known) and the coordinates; `fluorescence`
        over `point` and `wavelength`. The attributes say how it was made.
    """
    columns = {
        name: ("point", getattr(results, name), {"units": units}) for name, units in _UNITS.items()
    }
    reduced = xr.Dataset(columns, attrs=_provenance(raw))
    if raw.attrs["material"] not in MATERIALS:
        reduced = reduced.drop_vars(["carrier_density", "carrier_density_sigma"])
    if "chirp_delay" not in raw.attrs:
        reduced = reduced.drop_vars(["probe_delay", "probe_spread"])
    by_colour = "point", "wavelength"
    reduced["fluorescence"] = by_colour, results.fluorescence, {"units": "counts"}
    for name, values in {**coordinates, "wavelength": raw["wavelength"].values}.items():
        entry = VARIABLES[name]
        reduced[name] = entry.dims, np.asarray(values, float), {"units": entry.units}
    return reduced


def _provenance(raw: xr.Dataset) -> dict[str, object]:
    """Attributes of the raw dataset, and how it was reduced."""
    carried = {key: value for key, value in raw.attrs.items() if not key.startswith("chirp_")}
    return carried | {
        "definition": "ocm_reduced",
        "version": "1",
        "program": f"ocm-ophyd {metadata.version('ocm-ophyd')}",
        "raw_file": Path(raw.encoding.get("source", "")).name,
        "probe_band": np.array(PROBE_BAND),
        "centre_wavelength": CENTRE_WAVELENGTH,
    }


def _add_chirp_resolved(
    reduced: xr.Dataset, reducer: Reducer, spectra: Sequence[PointSpectra | None]
) -> None:
    """Add Δn against time, or a note on why there is none."""
    usable = [i for i, point in enumerate(spectra) if point is not None]
    found_in = [point for point in spectra if point is not None]
    scale = reducer.delta_n_per_phase
    bins = reducer.band.bins
    scan = DelayScan(
        model=reducer.model,
        wavelength=reducer.band.wavelength,
        light=bins.light / np.diff(bins.edge),
        spectra=found_in,
        delay=reduced["delay"].values[usable],
        drift_sigma=np.array([point.drift_sigma for point in found_in]),
        resolution=reducer.resolution,
    )
    try:
        found = resolve_chirp(scan, reduced["delta_phi"].values[usable], reducer.pixel_delay)
    except DataError as error:
        reduced.attrs[f"{_CHIRP}_note"] = str(error)
        return
    about: dict[str, object] = {"units": "ps", "light": "pulse" if found.coherent else "swept"}
    about["chirp_source"] = "this scan" if len(found.chirp) else "calibration"
    if len(found.chirp):
        about |= {"chirp": found.chirp, "chirp_sigma": found.chirp_sigma}
        about["chirp_units"] = "ps/(100 rad/ps)^k, k from 1"
    reduced[f"{_CHIRP}_delay"] = "time", found.time, about
    reduced[f"{_CHIRP}_delta_n"] = "time", found.delta_phi * scale, {"units": "RIU"}
    reduced[f"{_CHIRP}_delta_n_sigma"] = "time", found.delta_phi_sigma * scale, {"units": "RIU"}
    reduced[f"{_CHIRP}_resolution"] = "time", found.resolution, {"units": "ps"}


def write_reduced(reduced: xr.Dataset, path: str | Path) -> None:
    """Write a reduced dataset to a new HDF5 file.

    Raises
    ------
    FileExistsError
        There is a file already.
    """
    if Path(path).exists():
        raise FileExistsError(f"{path} exists and is not overwritten; choose another name")
    resolved = {str(name): str(name) for name in reduced if str(name).startswith(_CHIRP)}
    whole = reduced.drop_vars(resolved)
    compressed = {"fluorescence": {"zlib": True, "complevel": 1}}
    whole.to_netcdf(path, engine="h5netcdf", encoding=compressed)
    if resolved:
        group = reduced[list(resolved)].drop_vars("wavelength", errors="ignore")
        short = {name: name.removeprefix(f"{_CHIRP}_") for name in resolved}
        group.rename(short).to_netcdf(path, mode="a", group=_CHIRP, engine="h5netcdf")


def read_reduced(path: str | Path) -> xr.Dataset:
    """Read a file that `write_reduced` wrote.

    Raises
    ------
    RawFileError
        Not such a file, or a damaged one.
    """
    try:
        reduced = xr.load_dataset(path, engine="h5netcdf")
        with suppress(OSError, KeyError):  # most files have no such group
            group = xr.load_dataset(path, engine="h5netcdf", group=_CHIRP)
            names = {name: f"{_CHIRP}_{name}" for name in group}
            reduced = reduced.merge(group.rename(names))
    except FileNotFoundError:
        raise RawFileError(f"{path}: no such file") from None
    except OSError as error:
        raise RawFileError(f"{path}: not an HDF5 file, or a truncated one ({error})") from error
    if reduced.attrs.get("definition") != "ocm_reduced":
        raise RawFileError(f"{path}: definition: this is no reduced file")
    return reduced
