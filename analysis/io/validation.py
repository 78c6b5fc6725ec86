"""Validation of raw datasets (`analysis.io.schema`), read from a file or made from a run.

Every refusal is a `RawFileError` of one line that names the dataset and says what is wrong.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.io.schema import MODULATED, NUMBERS, STRINGS, VARIABLES, Entry, RawFileError
from analysis.probe_band import PROBE_BAND, in_band, lit_pixels
from ocm_ophyd.frame_schema import SCAN_AXES

__all__ = ["as_counts", "check_type", "check_units", "validate"]

_POSITIVE = (
    *("exposure", "gain", "chopper_frequency", "pump_wavelength"),
    *("thickness", "refractive_index", "saturation"),
)
_CHIRP = ("chirp_wavelength", "chirp_delay")
_GEOMETRIES = ("common-path", "reference-mirror")
_AXES = tuple(axis.name for axis in SCAN_AXES)

_BEYOND = 1e12
"""No quantity of the format is as large in its unit, and none that must be positive as small as the
inverse: squares of such numbers still are numbers."""

_COUNT_LIMIT = 2**32  # uint32
_SATURATION_LIMIT = 2**31  # the demodulation counts in int32

_UNCOVERED = 5.0
"""Part of the probe's light in nm at either end that a chirp calibration may leave out: 0.1 ps of
the 5 ps of the pulse, where there is least light."""

_OVERLAP = 1.05
"""Exposure over the time from frame to frame, which clocks and rounding may make more than 1."""

_COARSEST = 20.0
"""Resolution in nm that leaves nothing of a fringe."""

_LONGEST_CHIRP = 1e3
"""Times in ps that no pulse of the probe's band takes to pass: 100 m of fibre of 35 ps/(nm km), the
dispersion of silica at 1 um, would stretch it so."""

_UNIT = re.compile(r"[fpnumkMG]?(s|m|Hz)|[numk]?J/[cm]?m2")
"""Units that differ by powers of ten from the format's; other spellings are not judged."""


def check_units(found: str, entry: Entry) -> None:
    """Refuse a unit that is the format's but for powers of ten, or its inverse: it would mislead.

    Raises
    ------
    RawFileError
        Names the dataset, the unit and the one that it needs.
    """
    plain, needed = (
        re.sub(r"[µμ]|\s|\^|\*\*|²", lambda m: {"µ": "u", "μ": "u", "²": "2"}.get(m[0], ""), unit)
        for unit in (found, entry.units)
    )
    scaled = plain != needed and _UNIT.fullmatch(plain) and _UNIT.fullmatch(needed)
    parts, inverse = (
        [part.removesuffix("s") for part in unit.split("/")][::step]
        for unit, step in ((plain, 1), (needed, -1))
    )
    if scaled or (len(parts) == 2 and parts == inverse):
        raise RawFileError(f"{entry.path}: is in {found}, must be in {entry.units}")


def check_type(dtype: np.dtype[Any], entry: Entry) -> None:
    """Refuse what is no number: text, truth values, complex and compound values.

    Frames must be integers.

    Raises
    ------
    RawFileError
        Names the dataset and its type.
    """
    if entry.integer:
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


def validate(dataset: xr.Dataset, *, pumped: bool = True) -> None:
    """Refuse a dataset that cannot be reduced. The frames themselves are not read.

    Without the pump, `pumped` false, they need no modulation.

    Raises
    ------
    RawFileError
        One line that names the dataset and says what is wrong.
    """
    for name, entry in VARIABLES.items():
        if name not in dataset.variables:
            if entry.optional:
                continue
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
    _validate_modulation(dataset, pumped)
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
            if entry.optional:
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
    if not 0 <= attrs.get("resolution", 0) < _COARSEST:
        raise RawFileError(
            f"{NUMBERS['resolution'].path}: is {attrs['resolution']:g} nm, must lie between 0 and "
            f"{_COARSEST:g}"
        )
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
    inside = in_band(wavelength)
    band = f"between {PROBE_BAND[0]:g} and {PROBE_BAND[1]:g} nm"
    if not inside.any():
        raise RawFileError(f"{path}: no pixel {band}, the probe's band")
    if (dataset["reference"].values < dataset["dark"].values + 1.0)[inside].all():  # a count
        raise RawFileError(
            f"{VARIABLES['reference'].path}: nowhere brighter than the dark frame {band}"
        )
    attrs = dataset.attrs
    optical = 2 * attrs["thickness"] * attrs["refractive_index"]
    pitch = np.median(np.abs(np.diff(2e3 * np.pi / wavelength)))  # rad/um
    for name, longest in ("thickness", optical), ("path_difference", attrs.get("path_difference")):
        if longest is not None and abs(longest) * pitch > np.pi:
            raise RawFileError(
                f"{NUMBERS[name].path}: fringes of a path of {longest:g} um are finer than the "
                "pixels; is it in um?"
            )


def _validate_modulation(dataset: xr.Dataset, pumped: bool) -> None:
    steps = np.diff(dataset["frame_time"].values, axis=1)
    if (steps <= 0).any():
        raise RawFileError(f"{VARIABLES['frame_time'].path}: must increase from frame to frame")
    exposure = dataset.attrs["exposure"]
    if steps.size and exposure > _OVERLAP * np.median(steps):
        raise RawFileError(
            f"{NUMBERS['exposure'].path}: is {exposure:g} s, but frames begin "
            f"{np.median(steps):g} s after one another; are both in s?"
        )
    pump_open, path = dataset["pump_open"].values, VARIABLES["pump_open"].path
    if (np.abs(pump_open - 0.5) > 0.5 + 1e-6).any():  # a little for rounding
        raise RawFileError(f"{path}: must lie between 0 and 1")
    if pumped and np.ptp(pump_open, axis=1).max() < MODULATED:
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
    if np.abs(delay).max() > _LONGEST_CHIRP:
        raise RawFileError(
            f"{NUMBERS['chirp_delay'].path}: {np.abs(delay).max():g} ps, longer than any pulse of "
            "the probe; is it in ps?"
        )
    if len(np.unique(known)) != len(known):
        raise RawFileError(f"{path}: holds a wavelength twice")
    colours, light = dataset["wavelength"].values, dataset["reference"] - dataset["dark"]
    lit = colours[lit_pixels(colours, light.values)]
    if len(lit) and (known.min() > lit.min() + _UNCOVERED or known.max() < lit.max() - _UNCOVERED):
        raise RawFileError(
            f"{path}: {known.min():g} to {known.max():g} nm does not cover the probe's light, "
            f"{lit.min():g} to {lit.max():g} nm"
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
