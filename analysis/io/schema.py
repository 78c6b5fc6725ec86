"""The contents of a raw file, version 1; `analysis.io.validation` refuses what is not valid.

One scan is one HDF5 file, and an `xarray.Dataset` in memory.

Dimensions `point` (P), `frame` (F), `wavelength` (K).

Variables: `frames` (point, frame, wavelength) in counts as read; `frame_time` (point, frame) in s;
`pump_open` (point, frame), 0 to 1; `dark` and `reference` (wavelength) in counts; `delay` (ps),
`x`, `y` (um) and `fluence` (mJ/cm^2, peak) (point); coordinate `wavelength` in nm.

Attributes: `exposure` (s), `gain` (electrons/count), `read_noise` (electrons), `chopper_frequency`
(Hz), `geometry` (`common-path` or `reference-mirror`), `sample_name`, `material`, `thickness` (um),
`refractive_index`; optional are `pump_wavelength` (nm), `path_difference` (um), `chirp_wavelength`
(nm) with `chirp_delay` (ps), `shape` with `axes`, `saturation` (counts) and `resolution` (nm FWHM).
`estimated` names the attributes that the file does not hold and that were estimated when it was
opened.

What the spectrometer records and what a scan can change is defined in `ocm_ophyd.frame_schema`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ocm_ophyd.errors import DataError
from ocm_ophyd.frame_schema import (
    CONSTANTS,
    POINT_DATASETS,
    SCAN_AXES,
    SCAN_GROUP,
    SPECTRA,
    SPECTROMETER_GROUP,
)

__all__ = [
    "CLASSES",
    "DEFINITION",
    "ESTIMATED",
    "MODULATED",
    "NUMBERS",
    "SATURATION",
    "STRINGS",
    "VARIABLES",
    "VERSION",
    "Entry",
    "RawFileError",
]

DEFINITION, VERSION = "ocm_raw", "1"

SATURATION = 2**18 - 1
"""Largest count of the spectrometer's 18-bit converter, where a file says nothing else."""

MODULATED = 0.1
"""Smallest swing of the open fraction that counts as a modulation."""

ESTIMATED = "estimated"
"""Attribute of a raw dataset: names of the attributes that are estimates and not in the file."""

_INTERFEROMETER = "/entry/instrument/interferometer"


class RawFileError(DataError):
    """A raw file or dataset that cannot be used; the message says which part, and why."""


class Entry(NamedTuple):
    """One quantity of a raw file.

    Attributes
    ----------
    path : str
        HDF5 path of the dataset.
    dims : tuple of str
        Its dimensions.
    units : str
        Its unit, `1` where it has none.
    integer : bool
        Whether it holds integers; otherwise it holds real numbers.
    optional : bool
        Whether a file may lack it.
    """

    path: str
    dims: tuple[str, ...]
    units: str = "1"
    integer: bool = False
    optional: bool = False


VARIABLES: Mapping[str, Entry] = MappingProxyType(
    {
        **{each.name: Entry(each.path, each.dims, each.unit) for each in SPECTRA},
        **{
            each.name: Entry(
                each.path,
                ("point", *each.dims),
                each.unit,
                integer="u" in each.dtype,
                optional=each.optional,
            )
            for each in POINT_DATASETS
        },
        **{
            axis.name: Entry(axis.path, ("point",), axis.unit, optional=axis.optional)
            for axis in SCAN_AXES
        },
    }
)
"""Variables of a raw dataset by name."""

NUMBERS: Mapping[str, Entry] = MappingProxyType(
    {
        **{
            each.name: Entry(each.path, each.dims, each.unit, optional=each.optional)
            for each in CONSTANTS
        },
        "chopper_frequency": Entry("/entry/instrument/chopper/frequency", (), "Hz"),
        "thickness": Entry("/entry/sample/thickness", (), "um"),
        "refractive_index": Entry("/entry/sample/refractive_index", ()),
        "pump_wavelength": Entry("/entry/instrument/pump/wavelength", (), "nm", optional=True),
        "path_difference": Entry(f"{_INTERFEROMETER}/path_difference", (), "um", optional=True),
        "chirp_wavelength": Entry(
            f"{_INTERFEROMETER}/chirp_wavelength", ("chirp",), "nm", optional=True
        ),
        "chirp_delay": Entry(f"{_INTERFEROMETER}/chirp_delay", ("chirp",), "ps", optional=True),
        "shape": Entry(f"{SCAN_GROUP}/shape", ("axis",), optional=True),
    }
)
"""Attributes of a raw dataset that are numbers or lists of numbers, by name."""

STRINGS: Mapping[str, Entry] = MappingProxyType(
    {
        "geometry": Entry(f"{_INTERFEROMETER}/geometry", ()),
        "sample_name": Entry("/entry/sample/name", ()),
        "material": Entry("/entry/sample/material", ()),
    }
)
"""Attributes of a raw dataset that are text, by name."""

CLASSES = MappingProxyType(
    {
        "/entry": "NXentry",
        "/entry/instrument": "NXinstrument",
        SPECTROMETER_GROUP: "NXdetector",
        _INTERFEROMETER: "NXcollection",
        "/entry/instrument/chopper": "NXdisk_chopper",
        "/entry/instrument/pump": "NXbeam",
        "/entry/sample": "NXsample",
        SCAN_GROUP: "NXdata",
    }
)
"""NeXus class of every group."""
