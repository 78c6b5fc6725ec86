"""Reading of HDF5 files from unknown sources, where every failure is an error of one line.

HDF5 follows links into other files, returns zeros for data that were never written, and raises
errors of many types for damage. The functions here open nothing outside the file, and every failure
is a `RawFileError` that names the dataset.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from analysis.io.schema import RawFileError

__all__ = ["DAMAGE", "find", "naming", "naming_file", "string", "text"]

DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError)
"""Exceptions that h5py raises for damaged files; the type depends on what is damaged."""


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn errors of h5py into a `RawFileError` of one line that begins with the dataset's path."""
    try:
        yield
    except RawFileError:
        raise
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RawFileError(f"{path}: cannot be read, file damaged or closed ({reason})") from error


@contextmanager
def naming_file(path: str | Path) -> Iterator[None]:
    """Put the file's name in front of the message of a `RawFileError`."""
    try:
        yield
    except RawFileError as error:
        raise RawFileError(f"{path}: {error}") from error.__cause__


def find(file: h5py.File, path: str) -> h5py.Dataset | None:
    """Return the dataset at a path, None where there is none.

    Raises
    ------
    RawFileError
        The path is a link or no dataset, or not all of its data are in the file.
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
    """Whether all data of a dataset are in the file; HDF5 returns zeros for those that are not."""
    if source.chunks is None:
        return source.size == 0 or source.id.get_storage_size() > 0
    chunks = [-(-size // chunk) for size, chunk in zip(source.shape, source.chunks, strict=True)]
    return source.id.get_num_chunks() >= math.prod(chunks)


def string(source: h5py.Dataset, path: str) -> str:
    """Return the text that a dataset holds.

    Raises
    ------
    RawFileError
        It holds something other than one text.
    """
    with naming(path):
        if source.size != 1 or (
            source.dtype.kind != "S" and not h5py.check_string_dtype(source.dtype)
        ):
            raise RawFileError(f"{path}: must be one text")
        return text(np.asarray(source[()], object).item())


def text(value: Any) -> str:
    """Return the text of a string or of an attribute; a list of words is joined by spaces."""
    if isinstance(value, np.ndarray):
        return " ".join(text(item) for item in value.ravel())
    decoded = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return decoded.strip(" \0")  # padding of programs in Fortran and C
