"""The contents of a raw file, version 1; `analysis.io.validation` says what is refused.

One scan is one HDF5 file, and an `xarray.Dataset` in memory.

Dimensions `point` (P), `frame` (F), `wavelength` (K).

Variables: `frames` (point, frame, wavelength) in counts as read; `frame_time` (point, frame) in s;
`pump_open` (point, frame), 0 to 1; `dark` and `reference` (wavelength) in counts; `delay` (ps),
`x`, `y` (um) and `fluence` (mJ/cm², peak) (point); coordinate `wavelength` in nm.

Attributes: `exposure` (s), `gain` (electrons/count), `read_noise` (electrons), `chopper_frequency`
(Hz), `geometry` (`common-path` or `reference-mirror`), `sample_name`, `material`, `thickness` (um),
`refractive_index`; optional are `path_difference` (um), `chirp_wavelength` (nm) with `chirp_delay`
(ps), `shape` with `axes`, `saturation` (counts) and `resolution` (nm FWHM).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

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
        "resolution": Entry(f"{_SPECTROMETER}/resolution", (), "nm"),
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

OPTIONAL = (
    *("path_difference", "resolution", "saturation"),
    *("chirp_wavelength", "chirp_delay", "shape"),
)
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
