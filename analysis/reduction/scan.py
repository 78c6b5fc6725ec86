"""Reduction of a whole scan.

A reduced dataset has the dimensions `point` and `wavelength`; a delay scan adds
`chirp_resolved_delay`, `chirp_resolved_delta_n`, `chirp_resolved_delta_n_sigma` and
`chirp_resolved_resolution` over `time`. Where the delay changes but there is no such result, the
attribute `chirp_resolved_note` gives the reason.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.chirp.linear_model import DelayScan
from analysis.chirp.resolve import resolve_chirp
from analysis.io.reduced_file import CHIRP_RESOLVED, DEFINITION, VERSION
from analysis.io.schema import NUMBERS, VARIABLES, RawFileError
from analysis.materials import MATERIALS
from analysis.point.reducer import Reducer, warm_up
from analysis.point.results import QUANTITIES, PointResult, PointSpectra
from analysis.probe_band import CENTRE_WAVELENGTH, PROBE_BAND
from analysis.scan_grid import varying
from ocm_ophyd.errors import DataError
from ocm_ophyd.frame_schema import SCAN_AXES

Floats = NDArray[np.float64]

__all__ = ["reduce_scan", "reduced_dataset"]

_BLOCK_BYTES = 2**24
"""Bytes of frames that are read together, while others are reduced: some points of a scan."""


def reduce_scan(dataset: xr.Dataset) -> xr.Dataset:
    """Reduce a raw dataset point by point.

    Parameters
    ----------
    dataset : xr.Dataset
        A complete raw dataset, as `open_raw` and `open_run` return it.

    Returns
    -------
    xr.Dataset
        See `reduced_dataset`; of a delay scan with the variables over `time` that the docstring of
        this module names.

    Raises
    ------
    RawFileError
        The dataset is not complete.

    Examples
    --------
    >>> from analysis import open_raw, reduce_scan
    >>> with open_raw("sweep.h5") as raw:
    ...     reduced = reduce_scan(raw)
    >>> reduced["delta_n"].dims, reduced["delta_n"].attrs["units"]
    (('point',), 'RIU')
    """
    if "resolution" not in dataset.attrs:
        msg = (
            f"{NUMBERS['resolution'].path}: missing; a dataset that was not opened with `open_raw` "
            "needs `complete_metadata`"
        )
        raise RawFileError(msg)
    warm_up()
    reducer = Reducer.from_dataset(dataset)
    times, opens = dataset["frame_time"].values, dataset["pump_open"].values
    changes = varying(dataset)
    keep = changes == ["delay"]
    blocks: list[PointResult] = []
    differential_spectrum = np.empty((len(times), dataset.sizes["wavelength"]), np.float32)
    spectra: list[PointSpectra | None] = []
    for part, frames in _blocks(dataset["frames"]):
        if keep:
            result, kept = reducer.points_and_spectra(frames, times[part], opens[part])
            spectra += kept
        else:
            result = reducer.points(frames, times[part], opens[part])
        differential_spectrum[part] = result.differential_spectrum
        blocks.append(result._replace(differential_spectrum=()))
    results = PointResult._make(map(np.concatenate, zip(*blocks, strict=True)))
    results = results._replace(differential_spectrum=differential_spectrum)
    coordinates = {
        axis.name: dataset[axis.name].values for axis in SCAN_AXES if axis.name in dataset
    }
    reduced = reduced_dataset(dataset, coordinates, results)
    if keep:
        _add_chirp_resolved(reduced, reducer, spectra)
    elif "delay" in changes:
        reduced.attrs[f"{CHIRP_RESOLVED}_note"] = (
            f"{', '.join(changes[1:])} changed besides the delay: a time-resolved result needs a "
            "delay scan of its own"
        )
    return reduced


def _blocks(frames: xr.DataArray) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield the frames of a few points after the other; a thread reads the next ones meanwhile."""
    points, *one = frames.shape
    size = max(_BLOCK_BYTES // (math.prod(one) * frames.dtype.itemsize), 1)
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
        Values of the scan axes (`ocm_ophyd.frame_schema.SCAN_AXES`) at the P points, by name.
    results : PointResult
        Arrays over the points.

    Returns
    -------
    xr.Dataset
        Over `point`: the numbers of `PointResult` (carrier densities only where the material has a
        model, the probe's times only where its chirp is known) and the coordinates;
        `differential_spectrum` over `point` and `wavelength`. The attributes are those of the raw
        dataset, with the program and its settings.
    """
    columns = {
        name: ("point", getattr(results, name), {"units": quantity.unit})
        for name, quantity in QUANTITIES.items()
    }
    reduced = xr.Dataset(columns, attrs=_provenance(raw))
    if raw.attrs["material"] not in MATERIALS:
        reduced = reduced.drop_vars(["carrier_density", "carrier_density_sigma"])
    if "chirp_delay" not in raw.attrs:
        reduced = reduced.drop_vars(["probe_delay", "probe_spread"])
    reduced["differential_spectrum"] = (
        ("point", "wavelength"),
        results.differential_spectrum,
        {"units": VARIABLES["frames"].units},
    )
    for name, values in {**coordinates, "wavelength": raw["wavelength"].values}.items():
        entry = VARIABLES[name]
        reduced[name] = entry.dims, np.asarray(values, float), {"units": entry.units}
    return reduced


def _provenance(raw: xr.Dataset) -> dict[str, object]:
    """Return the attributes of the raw dataset, and those that tell how it was reduced."""
    carried = {key: value for key, value in raw.attrs.items() if not key.startswith("chirp_")}
    return carried | {
        "definition": DEFINITION,
        "version": VERSION,
        "program": f"ocm-ophyd {metadata.version('ocm-ophyd')}",
        "raw_file": Path(raw.encoding.get("source", "")).name,
        "probe_band": np.array(PROBE_BAND),
        "centre_wavelength": CENTRE_WAVELENGTH,
    }


def _add_chirp_resolved(
    reduced: xr.Dataset, reducer: Reducer, spectra: Sequence[PointSpectra | None]
) -> None:
    """Add Δn against time, or the reason why there is none."""
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
        reduced.attrs[f"{CHIRP_RESOLVED}_note"] = str(error)
        return
    about: dict[str, object] = {"units": "ps", "light": "pulse" if found.coherent else "swept"}
    about["chirp_source"] = "this scan" if len(found.chirp) else "calibration"
    if len(found.chirp):
        about |= {"chirp": found.chirp, "chirp_sigma": found.chirp_sigma}
        about["chirp_units"] = "ps/(100 rad/ps)^k, k from 1"
    columns = {
        "delay": (found.time, about),
        "delta_n": (found.delta_phi * scale, {"units": "RIU"}),
        "delta_n_sigma": (found.delta_phi_sigma * scale, {"units": "RIU"}),
        "resolution": (found.resolution, {"units": "ps"}),
    }
    for name, (values, attributes) in columns.items():
        reduced[f"{CHIRP_RESOLVED}_{name}"] = "time", values, attributes
