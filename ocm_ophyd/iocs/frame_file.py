"""The spectrometer's HDF5 file: one run's frames, readable while it is written."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameFile", "explain"]

_MARGIN = 2**22  # bytes kept free, so that the file can always be closed in order


class FrameFile:
    """A new HDF5 file for points of `frames` frames, in the layout of ``raw_format.md``.

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
        Scalars of the spectrometer: name to (value, unit).

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
        constants: dict[str, tuple[float, str]],
    ) -> None:
        self.path = path
        self.frames = frames
        self._point_bytes = frames * (wavelength.size * 4 + 16)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._require_space()
        self._file = h5py.File(path, "x", libver="latest")
        entry = _group(self._file, "entry", "NXentry")
        self._file.attrs["default"] = "entry"
        instrument = _group(entry, "instrument", "NXinstrument")
        spectrometer = _group(instrument, "spectrometer", "NXdetector")
        compression = dict(hdf5plugin.Bitshuffle(cname="lz4"))
        self._datasets = {
            "frames": _table(
                spectrometer, "frames", "u4", (frames, wavelength.size), "counts", **compression
            ),
            "frame_time": _table(spectrometer, "frame_time", "f8", (frames,), "s"),
            "pump_open": _table(spectrometer, "pump_open", "f8", (frames,), ""),
        }
        spectrometer.create_dataset("wavelength", data=wavelength).attrs["units"] = "nm"
        for name, (value, units) in constants.items():
            spectrometer.create_dataset(name, data=float(value)).attrs["units"] = units
        self._file.swmr_mode = True

    @property
    def points(self) -> int:
        """Points in the file."""
        return int(self._datasets["frames"].shape[0])

    def write(self, index: int, **arrays: NDArray[Any]) -> None:
        """Write the point `index`: ``frames`` (F, K), ``frame_time`` (F) and ``pump_open`` (F).

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


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nx_class
    return group


def _table(
    parent: h5py.Group, name: str, dtype: str, shape: tuple[int, ...], units: str, **kwargs: Any
) -> h5py.Dataset:
    """Make a dataset that grows by one point at a time."""
    dataset = parent.create_dataset(
        name, shape=(0, *shape), maxshape=(None, *shape), chunks=(1, *shape), dtype=dtype, **kwargs
    )
    dataset.attrs["units"] = units
    return dataset


def explain(error: OSError, path: Path) -> str:
    """One line that says what is wrong with the file and how to mend it."""
    match error.errno:
        case errno.EEXIST:
            return f"{path} exists and is never overwritten: choose another FileName"
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return f"no room for another point in {path.parent}: free some space, then start again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{path.parent} is read-only: make it writable or choose another directory"
        case _:
            return f"{path} cannot be written: {error}"
