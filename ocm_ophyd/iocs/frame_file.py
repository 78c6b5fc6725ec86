"""The spectrometer's HDF5 file: one run's frames, readable while it is written."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from ocm_ophyd.frame_schema import CONSTANTS, POINT_DATASETS, SPECTRA, SPECTROMETER_GROUP, Dataset

__all__ = ["FrameFile", "explain"]

_MARGIN = 2**22  # bytes kept free, so that the file can always be closed in order


class FrameFile:
    """A new HDF5 file for points of `frames` frames: the datasets of `ocm_ophyd.frame_schema`.

    SWMR from the start: readers open it with ``swmr=True`` while it grows. Each point is one
    compressed chunk (bitshuffle and LZ4).

    Parameters
    ----------
    path : Path
        File to be made; its directory is made where missing.
    frames : int
        Frames a point.
    wavelength : ndarray
        Pixel wavelengths (K), nm.
    constants : dict
        Some of `frame_schema.CONSTANTS`: name to value, in the unit of the table.

    Raises
    ------
    FileExistsError
        The file is there already.
    OSError
        The directory cannot be written.
    """

    def __init__(
        self,
        path: Path,
        frames: int,
        wavelength: NDArray[np.float64],
        constants: dict[str, float],
    ) -> None:
        self.path = path
        self.frames = frames
        shapes = [
            tuple({"frame": frames, "wavelength": wavelength.size}[dim] for dim in entry.dims)
            for entry in POINT_DATASETS
        ]
        self._point_bytes = sum(
            prod(shape) * np.dtype(entry.dtype).itemsize
            for entry, shape in zip(POINT_DATASETS, shapes, strict=True)
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._require_space()
        self._file = h5py.File(path, "x", libver="latest")
        self._file.attrs["default"] = "entry"
        spectrometer = self._file
        classes = "NXentry", "NXinstrument", "NXdetector"
        for name, nexus_class in zip(SPECTROMETER_GROUP.split("/")[1:], classes, strict=True):
            spectrometer = spectrometer.create_group(name)
            spectrometer.attrs["NX_class"] = nexus_class
        fixed = {"wavelength": wavelength, **constants}
        self._datasets = {
            entry.name: _table(spectrometer, entry, shape)
            for entry, shape in zip(POINT_DATASETS, shapes, strict=True)
        }
        for entry in (*SPECTRA, *CONSTANTS):
            if entry.name in fixed:
                dataset = spectrometer.create_dataset(entry.name, data=fixed[entry.name])
                dataset.attrs["units"] = entry.unit
        self._file.swmr_mode = True

    @property
    def points(self) -> int:
        """Points in the file."""
        return int(self._datasets["frames"].shape[0])

    def write(self, index: int, **arrays: NDArray[Any]) -> None:
        """Write the arrays of the point `index`, one for each of `frame_schema.POINT_DATASETS`.

        Raises
        ------
        OSError
            The disk is full; what was written before stays readable.
        """
        self._require_space()
        with _os_errors():
            for name, dataset in self._datasets.items():
                if index >= dataset.shape[0]:
                    dataset.resize(index + 1, axis=0)
                dataset[index] = arrays[name]
            self._file.flush()

    def close(self) -> None:
        """Close the file.

        Raises
        ------
        OSError
            What HDF5 still had to write could not be written.
        """
        with _os_errors():
            self._file.close()

    def _require_space(self) -> None:
        """Refuse while the file is still sound: HDF5 cannot recover from a failed write."""
        if shutil.disk_usage(self.path.parent).free < self._point_bytes + _MARGIN:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))


@contextmanager
def _os_errors() -> Iterator[None]:
    """Raise what h5py reports of a failed flush as the OSError that it was."""
    try:
        yield
    except RuntimeError as error:
        number = re.search(r"errno = (\d+)", str(error))
        raise OSError(int(number[1]) if number else errno.EIO, str(error)) from error


def _table(parent: h5py.Group, entry: Dataset, shape: tuple[int, ...]) -> h5py.Dataset:
    """Make a dataset that grows by one point (of `shape`) at a time; spectra are compressed."""
    spectra = "wavelength" in entry.dims
    dataset = parent.create_dataset(
        entry.name,
        shape=(0, *shape),
        maxshape=(None, *shape),
        chunks=(1, *shape),
        dtype=entry.dtype,
        **(dict(hdf5plugin.Bitshuffle(cname="lz4")) if spectra else {}),
    )
    dataset.attrs["units"] = entry.unit
    return dataset


def explain(error: OSError, path: Path) -> str:
    """Return one line that says what is wrong with the file and what to do."""
    match error.errno:
        case errno.EEXIST:
            return f"{path} exists and is never overwritten: choose another FileName"
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return f"no room for another point in {path.parent}: free some space, then start again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{path.parent} is read-only: make it writable or choose another directory"
        case _:
            return f"{path} cannot be written: {error}"
