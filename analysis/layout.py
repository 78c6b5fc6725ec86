"""The contents of a raw file, version 1, and what is refused.

One scan is one HDF5 file, and an `xarray.Dataset` in memory.

Dimensions `point` (P), `frame` (F), `wavelength` (K).

Variables: `frames` (point, frame, wavelength) in counts as read; `frame_time` (point, frame) in s;
`pump_open` (point, frame), 0 to 1; `dark` and `reference` (wavelength) in counts; `delay` (ps),
`x`, `y` (um) and `fluence` (mJ/cm², peak) (point); coordinate `wavelength` in nm.

Attributes: `exposure` (s), `gain` (electrons/count), `read_noise` (electrons), `chopper_frequency`
(Hz), `geometry` (`common-path` or `reference-mirror`), `sample_name`, `material`, `thickness` (um),
`refractive_index`; optional are `path_difference` (um), `chirp_wavelength` (nm) with `chirp_delay`
(ps), `shape` with `axes`, and `saturation` (counts).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xarray as xr

DEFINITION, VERSION = "ocm_raw", "1"

SATURATION = 2**18 - 1
"""Largest count of the spectrometer's 18-bit converter, where a file says nothing else."""

_SPECTROMETER = "/entry/instrument/spectrometer"
_INTERFEROMETER = "/entry/instrument/interferometer"


MODULATED = 0.1
"""Smallest swing of the open fraction that counts as a modulation."""


class RawFileError(ValueError):
    """A raw file or dataset that cannot be used; the message says which part, and why."""


class Entry(NamedTuple):
    """Where a quantity is in the file, its dimensions and its unit."""

    path: str
    dims: tuple[str, ...]
    units: str | None = None


VARIABLES: Mapping[str, Entry] = MappingProxyType(
    {
        "wavelength": Entry(f"{_SPECTROMETER}/wavelength", ("wavelength",), "nm"),
        "frames": Entry(f"{_SPECTROMETER}/frames", ("point", "frame", "wavelength"), "counts"),
        "frame_time": Entry(f"{_SPECTROMETER}/frame_time", ("point", "frame"), "s"),
        "pump_open": Entry(f"{_SPECTROMETER}/pump_open", ("point", "frame")),
        "dark": Entry(f"{_SPECTROMETER}/dark", ("wavelength",), "counts"),
        "reference": Entry(f"{_SPECTROMETER}/reference", ("wavelength",), "counts"),
        "delay": Entry("/entry/scan/delay", ("point",), "ps"),
        "x": Entry("/entry/scan/x", ("point",), "um"),
        "y": Entry("/entry/scan/y", ("point",), "um"),
        "fluence": Entry("/entry/scan/fluence", ("point",), "mJ/cm^2"),
    }
)

NUMBERS: Mapping[str, Entry] = MappingProxyType(
    {
        "exposure": Entry(f"{_SPECTROMETER}/exposure", (), "s"),
        "gain": Entry(f"{_SPECTROMETER}/gain", (), "electrons/count"),
        "read_noise": Entry(f"{_SPECTROMETER}/read_noise", (), "electrons"),
        "chopper_frequency": Entry("/entry/instrument/chopper/frequency", (), "Hz"),
        "thickness": Entry("/entry/sample/thickness", (), "um"),
        "refractive_index": Entry("/entry/sample/refractive_index", ()),
        "path_difference": Entry(f"{_INTERFEROMETER}/path_difference", (), "um"),
        "saturation": Entry(f"{_SPECTROMETER}/saturation", (), "counts"),
        "chirp_wavelength": Entry(f"{_INTERFEROMETER}/chirp_wavelength", ("chirp",), "nm"),
        "chirp_delay": Entry(f"{_INTERFEROMETER}/chirp_delay", ("chirp",), "ps"),
        "shape": Entry("/entry/scan/shape", ("axis",)),
    }
)

STRINGS: Mapping[str, Entry] = MappingProxyType(
    {
        "geometry": Entry(f"{_INTERFEROMETER}/geometry", ()),
        "sample_name": Entry("/entry/sample/name", ()),
        "material": Entry("/entry/sample/material", ()),
    }
)

OPTIONAL = ("path_difference", "saturation", "chirp_wavelength", "chirp_delay", "shape")
_POSITIVE = ("exposure", "gain", "chopper_frequency", "thickness", "refractive_index", "saturation")
_CHIRP = ("chirp_wavelength", "chirp_delay")
_GEOMETRIES = ("common-path", "reference-mirror")
CLASSES = MappingProxyType(
    {
        "/entry": "NXentry",
        "/entry/instrument": "NXinstrument",
        _SPECTROMETER: "NXdetector",
        _INTERFEROMETER: "NXcollection",
        "/entry/instrument/chopper": "NXdisk_chopper",
        "/entry/sample": "NXsample",
        "/entry/scan": "NXdata",
    }
)


def validate(dataset: xr.Dataset) -> None:
    """Refuse a dataset that cannot be reduced. The frames themselves are not read.

    Raises
    ------
    RawFileError
        One line that names the dataset and says what is wrong.
    """
    for name, entry in VARIABLES.items():
        if name not in dataset.variables:
            raise RawFileError(f"{entry.path}: missing")
        if dataset[name].dims != entry.dims:
            raise RawFileError(
                f"{entry.path}: has dimensions {dataset[name].dims}, needs {entry.dims}"
            )
        if name == "frames":
            if dataset[name].dtype.kind not in "iu":
                raise RawFileError(f"{entry.path}: must hold integers, not {dataset[name].dtype}")
        elif not np.isfinite(dataset[name].values).all():
            raise RawFileError(f"{entry.path}: holds values that are not finite")
    if 0 in dataset["frames"].shape:
        raise RawFileError(f"{VARIABLES['frames'].path}: is empty")
    _validate_attributes(dataset.attrs)
    _validate_contents(dataset)


def _validate_attributes(attrs: Mapping[str, object]) -> None:
    for name, entry in {**NUMBERS, **STRINGS}.items():
        if name not in attrs:
            if name in OPTIONAL:
                continue
            raise RawFileError(f"{entry.path}: missing")
        if name in NUMBERS and not np.isfinite(np.asarray(attrs[name], float)).all():
            raise RawFileError(f"{entry.path}: holds values that are not finite")
        if name in _POSITIVE and not np.asarray(attrs[name]) > 0:
            raise RawFileError(f"{entry.path}: is {attrs[name]}, must be positive")
    if attrs["geometry"] not in _GEOMETRIES:
        raise RawFileError(
            f"{STRINGS['geometry'].path}: is {attrs['geometry']!r}, "
            f"must be {' or '.join(_GEOMETRIES)}"
        )
    chirp = [np.size(np.asarray(attrs.get(name, ()))) for name in _CHIRP]
    if any(chirp) and (chirp[0] != chirp[1] or chirp[0] < 2):
        raise RawFileError(
            f"{NUMBERS['chirp_delay'].path}: needs as many values (two or more) as chirp_wavelength"
        )


def _validate_contents(dataset: xr.Dataset) -> None:
    wavelength = dataset["wavelength"].values
    steps = np.diff(wavelength)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise RawFileError(f"{VARIABLES['wavelength'].path}: must rise or fall all the way")
    if (np.diff(dataset["frame_time"].values, axis=1) <= 0).any():
        raise RawFileError(f"{VARIABLES['frame_time'].path}: must increase from frame to frame")
    pump_open = dataset["pump_open"].values
    if (np.abs(pump_open - 0.5) > 0.5 + 1e-6).any():  # a little for rounding
        raise RawFileError(f"{VARIABLES['pump_open'].path}: must lie between 0 and 1")
    if np.ptp(pump_open, axis=1).max() < MODULATED:
        raise RawFileError(
            f"{VARIABLES['pump_open'].path}: the chopper never modulated, "
            "nothing can be demodulated"
        )
    if (dataset["reference"].values <= dataset["dark"].values).all():
        raise RawFileError(f"{VARIABLES['reference'].path}: nowhere brighter than the dark frame")
    shape = dataset.attrs.get("shape")
    if shape is not None and np.prod(shape) != dataset.sizes["point"]:
        raise RawFileError(
            f"{NUMBERS['shape'].path}: {tuple(int(n) for n in shape)} does not hold "
            f"{dataset.sizes['point']} points"
        )
