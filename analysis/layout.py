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

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.band import PROBE_BAND

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
_AXES = ("delay", "y", "x", "fluence")
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

_BEYOND = 1e12
"""No quantity of the format is as large in its unit, and none that must be positive as small as the
inverse: squares of such numbers still are numbers."""

_COUNT_LIMIT = 2**32  # uint32
_SATURATION_LIMIT = 2**31  # the demodulation counts in int32

_UNCOVERED = 5.0
"""Part of the probe's band in nm at either end that a chirp calibration may leave out: 0.1 ps of
the 5 ps of the pulse, where there is least light."""

_UNIT = re.compile(r"[fpnumkMG]?(s|m|Hz)|[numk]?J/[cm]?m2")
"""Units that differ by powers of ten from the format's; other spellings are not judged."""


def check_units(found: str, entry: Entry) -> None:
    """Refuse a unit that is the format's but for powers of ten: numbers in it would mislead.

    Raises
    ------
    RawFileError
        Names the dataset, the unit and the one that it needs.
    """
    plain, needed = (
        re.sub(r"[µμ]|\s|\^|\*\*|²", lambda m: {"µ": "u", "μ": "u", "²": "2"}.get(m[0], ""), unit)
        for unit in (found, entry.units or "")
    )
    if plain != needed and _UNIT.fullmatch(plain) and _UNIT.fullmatch(needed):
        raise RawFileError(f"{entry.path}: is in {found}, must be in {entry.units}")


def check_type(dtype: np.dtype[Any], entry: Entry) -> None:
    """Refuse what is no number: text, truth values, complex and compound values.

    Frames must be integers.

    Raises
    ------
    RawFileError
        Names the dataset and its type.
    """
    if entry is VARIABLES["frames"]:
        if dtype.kind not in "iu":
            raise RawFileError(f"{entry.path}: must hold integers, not {_short(dtype)}")
    elif dtype.kind not in "iuf":
        raise RawFileError(f"{entry.path}: must hold real numbers, not {_short(dtype)}")


def as_counts(values: NDArray[Any]) -> NDArray[Any]:
    """Return frames that are counts; others would wrap around silently.

    Raises
    ------
    RawFileError
        Counts are negative or do not fit in uint32.
    """
    checked = values.dtype.kind != "u" or values.dtype.itemsize > 4
    if checked and values.size and (values.min() < 0 or values.max() >= _COUNT_LIMIT):
        raise RawFileError(
            f"{VARIABLES['frames'].path}: holds counts from {values.min()} to {values.max()}, "
            f"must lie between 0 and {_COUNT_LIMIT - 1}"
        )
    return values


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
        if 0 in dataset[name].shape:
            raise RawFileError(f"{entry.path}: is empty")
        check_type(dataset[name].dtype, entry)
        if name != "frames":
            _validate_numbers(dataset[name].values, entry)
    _validate_attributes(dataset.attrs)
    _validate_axis(dataset)
    _validate_modulation(dataset)
    _validate_chirp(dataset)
    _validate_grid(dataset)


def _short(value: object) -> str:
    """Return a value in a form that fits in a line."""
    return f"{value!s:.60}" if isinstance(value, np.dtype) else f"{value!r:.60}"


def _validate_numbers(values: NDArray[Any], entry: Entry) -> None:
    if not np.isfinite(values).all():
        raise RawFileError(f"{entry.path}: holds values that are not finite")
    limit = _COUNT_LIMIT if entry.units == "counts" else _BEYOND
    if (np.abs(values) > limit).any():
        raise RawFileError(
            f"{entry.path}: holds {np.abs(values).max():g}, beyond anything in its unit"
        )


def _validate_attributes(attrs: Mapping[str, Any]) -> None:
    for name, entry in {**NUMBERS, **STRINGS}.items():
        if name not in attrs:
            if name in OPTIONAL:
                continue
            raise RawFileError(f"{entry.path}: missing")
        value = attrs[name]
        if name in STRINGS:
            if not isinstance(value, str):
                raise RawFileError(f"{entry.path}: must be text, not {_short(value)}")
            continue
        values = np.asarray(value)
        check_type(values.dtype, entry)
        if values.ndim != len(entry.dims):
            raise RawFileError(f"{entry.path}: must be {'a list' if entry.dims else 'one number'}")
        _validate_numbers(values, entry)
        if name in _POSITIVE and not values > 1 / _BEYOND:
            raise RawFileError(f"{entry.path}: is {value}, must be positive")
    if attrs["read_noise"] < 0:
        raise RawFileError(f"{NUMBERS['read_noise'].path}: is negative")
    if not attrs.get("saturation", 0) < _SATURATION_LIMIT:
        raise RawFileError(f"{NUMBERS['saturation'].path}: must be less than {_SATURATION_LIMIT}")
    if attrs["geometry"] not in _GEOMETRIES:
        raise RawFileError(
            f"{STRINGS['geometry'].path}: is {_short(attrs['geometry'])}, "
            f"must be {' or '.join(_GEOMETRIES)}"
        )


def _validate_axis(dataset: xr.Dataset) -> None:
    """Refuse wavelengths in disorder, no light, and fringes too fine for the pixels."""
    wavelength, path = dataset["wavelength"].values, VARIABLES["wavelength"].path
    if (wavelength <= 0).any():
        raise RawFileError(f"{path}: must be positive")
    steps = np.diff(wavelength)
    if not len(steps) or not ((steps > 0).all() or (steps < 0).all()):
        raise RawFileError(f"{path}: must rise or fall all the way")
    if (dataset["reference"].values <= dataset["dark"].values).all():
        raise RawFileError(f"{VARIABLES['reference'].path}: nowhere brighter than the dark frame")
    attrs = dataset.attrs
    optical = 2 * attrs["thickness"] * attrs["refractive_index"]
    pitch = np.median(np.abs(np.diff(2e3 * np.pi / wavelength)))  # rad/um
    for name, longest in ("thickness", optical), ("path_difference", attrs.get("path_difference")):
        if longest is not None and abs(longest) * pitch > np.pi:
            raise RawFileError(
                f"{NUMBERS[name].path}: fringes of a path of {longest:g} um are finer than the "
                "pixels; is it in um?"
            )


def _validate_modulation(dataset: xr.Dataset) -> None:
    if (np.diff(dataset["frame_time"].values, axis=1) <= 0).any():
        raise RawFileError(f"{VARIABLES['frame_time'].path}: must increase from frame to frame")
    pump_open, path = dataset["pump_open"].values, VARIABLES["pump_open"].path
    if (np.abs(pump_open - 0.5) > 0.5 + 1e-6).any():  # a little for rounding
        raise RawFileError(f"{path}: must lie between 0 and 1")
    if np.ptp(pump_open, axis=1).max() < MODULATED:
        raise RawFileError(f"{path}: the chopper never modulated, nothing can be demodulated")


def _validate_chirp(dataset: xr.Dataset) -> None:
    """Refuse a chirp calibration that leaves times open which the reduction needs."""
    given = [name for name in _CHIRP if name in dataset.attrs]
    if not given:
        return
    path = NUMBERS["chirp_wavelength"].path
    if len(given) == 1:
        raise RawFileError(f"{path} and chirp_delay: one of them is missing")
    known, delay = (np.asarray(dataset.attrs[name]) for name in _CHIRP)
    if len(known) != len(delay) or len(known) < 2:
        raise RawFileError(
            f"{NUMBERS['chirp_delay'].path}: needs as many values (two or more) as chirp_wavelength"
        )
    if len(np.unique(known)) != len(known):
        raise RawFileError(f"{path}: holds a wavelength twice")
    if known.min() > PROBE_BAND[0] + _UNCOVERED or known.max() < PROBE_BAND[1] - _UNCOVERED:
        raise RawFileError(
            f"{path}: {known.min():g} to {known.max():g} nm does not cover the probe's band, "
            f"{PROBE_BAND[0]:g} to {PROBE_BAND[1]:g} nm"
        )


def _validate_grid(dataset: xr.Dataset) -> None:
    """Refuse a grid that the points do not fold into, or whose axes the scan does not have."""
    if "shape" not in dataset.attrs:
        return
    path, shape = NUMBERS["shape"].path, np.asarray(dataset.attrs["shape"])
    text = _short(tuple(shape.tolist()))
    if not 1 <= len(shape) <= 3 or (shape != np.floor(shape)).any() or (shape < 1).any():
        raise RawFileError(f"{path}: is {text}, must be one to three numbers of points")
    points = dataset.sizes["point"]
    if math.prod(int(length) for length in shape) != points:
        raise RawFileError(f"{path}: {text} does not hold {points} points")
    axes = str(dataset.attrs.get("axes", "")).split()
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not set(axes) <= set(_AXES):
        raise RawFileError(
            f"{path}: its attribute axes is {_short(' '.join(axes))}, must name {len(shape)} of "
            f"{', '.join(_AXES)}"
        )
