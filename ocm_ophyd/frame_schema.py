"""Names, shapes, types and units of everything that a run records; the one place for each of them.

The spectrometer's server writes its frame files by these tables, the devices describe their data
keys by them, and `analysis` reads frame files, runs and raw files by them. A new dataset of the
spectrometer is one line of `POINT_DATASETS`, a new scan axis one line of `SCAN_AXES`. This module
imports nothing of the project.
"""

from typing import NamedTuple

__all__ = [
    "CONSTANTS",
    "DELAY",
    "DETECTOR",
    "FLUENCE",
    "POINT_DATASETS",
    "PROBE_X",
    "PROBE_Y",
    "SCAN_AXES",
    "SCAN_GROUP",
    "SPECTRA",
    "SPECTROMETER_GROUP",
    "Dataset",
    "ScanAxis",
]

DETECTOR = "spectrometer"
"""Name of the spectrometer device, with which all of its data keys begin."""

SPECTROMETER_GROUP = "/entry/instrument/spectrometer"
"""HDF5 group of the spectrometer's datasets, in frame files and in raw files."""

SCAN_GROUP = "/entry/scan"
"""HDF5 group of the coordinates of the points in raw files."""


class Dataset(NamedTuple):
    """One quantity of the spectrometer.

    Attributes
    ----------
    name : str
        Name of the HDF5 dataset, and of the variable or attribute of a raw dataset.
    dims : tuple of str
        Dimensions, of one point: `frame` (F), `wavelength` (K), or none.
    dtype : str
        Type in files and data keys, in numpy's notation.
    unit : str
        `1` where it has none.
    optional : bool
        Whether a file or run may lack it: those do that are older than the dataset.
    """

    name: str
    dims: tuple[str, ...]
    dtype: str
    unit: str
    optional: bool = False

    @property
    def path(self) -> str:
        """Path of the dataset in an HDF5 file."""
        return f"{SPECTROMETER_GROUP}/{self.name}"

    @property
    def data_key(self) -> str:
        """Data key in the documents of a run."""
        return f"{DETECTOR}_{self.name}"


POINT_DATASETS = (
    Dataset("frames", ("frame", "wavelength"), "<u4", "counts"),
    Dataset("frame_time", ("frame",), "<f8", "s"),
    Dataset("pump_open", ("frame",), "<f8", "1"),
)
"""Recorded at every point, as arrays in the frame file."""

SPECTRA = (
    Dataset("wavelength", ("wavelength",), "<f8", "nm"),
    Dataset("dark", ("wavelength",), "<f8", "counts"),
    Dataset("reference", ("wavelength",), "<f8", "counts"),
)
"""Recorded once a run, with the baseline; their data keys begin with `spectrometer_spectra`."""

CONSTANTS = (
    Dataset("exposure", (), "<f8", "s"),
    Dataset("gain", (), "<f8", "electrons/count"),
    Dataset("read_noise", (), "<f8", "electrons"),
    Dataset("saturation", (), "<f8", "counts", optional=True),
    Dataset("resolution", (), "<f8", "nm", optional=True),
)
"""Numbers that a run's configuration of the spectrometer holds."""


class ScanAxis(NamedTuple):
    """One coordinate of the points of a scan.

    Attributes
    ----------
    name : str
        Name in raw and reduced datasets and files.
    data_key : str
        Name in documents, devices and plans.
    unit : str
        Unit everywhere.
    tolerance : float
        Largest spread of readbacks of a coordinate that is not scanned.
    relative : bool
        Whether `tolerance` is a part of the largest readback; otherwise it is in `unit`.
    optional : bool
        Whether a file or run may lack it: those do that are older than the axis.
    """

    name: str
    data_key: str
    unit: str
    tolerance: float
    relative: bool = False
    optional: bool = False

    @property
    def path(self) -> str:
        """Path of the dataset in a raw file."""
        return f"{SCAN_GROUP}/{self.name}"


DELAY = ScanAxis("delay", "delay", "ps", 0.01)
PROBE_X = ScanAxis("x", "probe_x", "um", 0.1)
PROBE_Y = ScanAxis("y", "probe_y", "um", 0.1)
FLUENCE = ScanAxis("fluence", "fluence", "mJ/cm^2", 0.02, relative=True)

SCAN_AXES = (DELAY, PROBE_X, PROBE_Y, FLUENCE)
"""All coordinates of a point; every one of them is read at every point."""
