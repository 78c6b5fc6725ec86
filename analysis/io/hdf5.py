"""HDF5 files that nobody vouches for: what is in them, or in one line why it is not.

HDF5 follows links into other files, hands out zeros for what was never written, and has an error of
every kind for damage. Here nothing outside the file is opened, and every failure is a
`RawFileError` that names the dataset.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

from analysis.io.schema import RawFileError

__all__ = ["DAMAGE", "find", "naming", "string", "text"]

DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError)
"""What h5py raises where a file is damaged: it depends on the place."""


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Put the dataset's name in front of what h5py says is wrong with it, in one line."""
    try:
        yield
    except RawFileError:
        raise
    except DAMAGE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RawFileError(f"{path}: cannot be read, file damaged or closed ({said})") from error


def find(file: h5py.File, path: str) -> h5py.Dataset | None:
    """Return a dataset, None where there is none.

    Raises
    ------
    RawFileError
        It is a link or no dataset, or its data are not all in it.
    """
    place: Any = file
    with naming(path):
        for name in path.strip("/").split("/"):
            if not isinstance(place, h5py.Group):
                raise RawFileError(f"{path}: {place.name} is no group")
            link = place.get(name, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise RawFileError(f"{path}: is a link; a raw file holds its data itself")
            place = place[name]
        if not isinstance(place, h5py.Dataset):
            raise RawFileError(f"{path}: is no dataset")
        if place.is_virtual or place.external:
            raise RawFileError(f"{path}: its data are elsewhere; a raw file holds its data itself")
        if place.shape is None:
            raise RawFileError(f"{path}: is empty")
        if not _is_written(place):
            raise RawFileError(f"{path}: was never written, or not to its end")
    return place


def _is_written(source: h5py.Dataset) -> bool:
    """Whether all of a dataset is in the file; HDF5 hands out zeros for what is not."""
    if source.chunks is None:
        return source.size == 0 or source.id.get_storage_size() > 0
    chunks = [-(-size // chunk) for size, chunk in zip(source.shape, source.chunks, strict=True)]
    return source.id.get_num_chunks() >= math.prod(chunks)


def string(source: h5py.Dataset, path: str) -> str:
    """Return the one text that a dataset holds.

    Raises
    ------
    RawFileError
        It holds something else.
    """
    with naming(path):
        if source.size != 1 or (
            source.dtype.kind != "S" and not h5py.check_string_dtype(source.dtype)
        ):
            raise RawFileError(f"{path}: must be one text")
        return text(np.asarray(source[()], object).item())


def text(value: Any) -> str:
    """Return the text of a string or of an attribute, whose list of words it joins."""
    if isinstance(value, np.ndarray):
        return " ".join(text(item) for item in value.ravel())
    decoded = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return decoded.strip(" \0")  # what programs in Fortran and C fill up with
