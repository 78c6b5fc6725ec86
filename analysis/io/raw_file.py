"""Reading and writing raw files: HDF5 on disk, `analysis.io.schema`'s dataset in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers the filters that other people's files may need
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from analysis.io.hdf5 import DAMAGE, find, naming, string, text
from analysis.io.schema import (
    CLASSES,
    DEFINITION,
    NUMBERS,
    OPTIONAL,
    STRINGS,
    VARIABLES,
    VERSION,
    Entry,
    RawFileError,
)
from analysis.io.validation import as_counts, check_type, check_units, validate

__all__ = ["LazyFrames", "RawFileError", "open_raw", "validate", "write_raw"]

_LARGEST = 2**30
"""Bytes of a dataset that is read as a whole: numbers of all frames of two weeks at 120 Hz. Files
that say they hold more, which takes them a few bytes, would fill the memory."""

_SCALAR = h5py.h5s.SCALAR
_COMPACT = 2**15
"""Bytes up to which a dataset is written into its header; HDF5 allows 2**16 for all of a header."""


class LazyFrames(BackendArray):
    """Frames that stay where they are until a point is asked for.

    `source` is anything with a shape and a dtype that slices: an HDF5 dataset, a catalogue's array.
    """

    def __init__(self, source: Any) -> None:
        self._source = source
        self.shape = source.shape
        self.dtype = source.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> Any:
        with naming(VARIABLES["frames"].path):
            return as_counts(self._source[key])


def open_raw(path: str | Path, *, pumped: bool = True) -> xr.Dataset:
    """Open and check a raw file; with `pumped` false, one that may be without the pump.

    The frames are read when they are used: close the dataset, or use it in a `with`. Damage to
    them is found then, and is a `RawFileError` too. Links and virtual or external datasets are
    refused: nothing outside the file is opened.

    Raises
    ------
    RawFileError
        Not a raw file of this version, damaged, incomplete, or with contents that `validate`
        refuses.
    """
    with _refusing(path):
        file = _opened(Path(path))
        try:
            with naming("/entry"):
                dataset = _dataset(file)
            validate(dataset, pumped=pumped)
        except BaseException:
            file.close()
            raise
    if "shape" in dataset.attrs:
        dataset.attrs["shape"] = dataset.attrs["shape"].astype(int)
    dataset.encoding["source"] = str(path)
    dataset.set_close(file.close)
    return dataset


def _opened(path: Path) -> h5py.File:
    try:
        if path.is_file() or not path.exists():
            return h5py.File(path, "r")
    except FileNotFoundError:
        raise RawFileError("no such file") from None
    except PermissionError as error:
        raise RawFileError("you have no permission to read it") from error
    except DAMAGE as error:
        raise RawFileError(_why_not_opened(error)) from error
    raise RawFileError("a directory, pipe or device, not a file")


def _why_not_opened(error: BaseException) -> str:
    """Say in one line why HDF5 does not open a file."""
    said = " ".join(str(error).split())
    if "already open for write" in said:  # HDF5 has no error number for it
        return (
            "is being written, or was when its writer was killed; what the spectrometer wrote of a "
            "run is safe: get it with `ocm export RUN`"
        )
    return f"not an HDF5 file, or a truncated one ({said})"


def write_raw(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a dataset of this module's layout to a new file.

    The definition is written last, so a file that was interrupted is refused on reading.

    Raises
    ------
    RawFileError
        `validate` refuses the dataset.
    FileExistsError
        There is a file already: raw data are never overwritten.
    """
    validate(dataset)
    if Path(path).exists():
        raise FileExistsError(f"{path} exists and is not overwritten; choose another name")
    with h5py.File(path, "x", libver="v110") as file:  # whose headers have checksums
        file.attrs["default"] = "entry"
        for group, nexus_class in CLASSES.items():
            file.require_group(group).attrs["NX_class"] = nexus_class
        file["entry"].attrs["default"] = "scan"
        for name, entry in VARIABLES.items():
            if name == "frames":
                _write_frames(file, dataset["frames"])
            else:
                _write(file, entry, np.asarray(dataset[name].values, np.float64))
            if entry.units:
                file[entry.path].attrs["units"] = entry.units
        for name, entry in {**NUMBERS, **STRINGS}.items():
            if name in dataset.attrs:
                value = dataset.attrs[name]
                _write(file, entry, _fixed(value) if name in STRINGS else np.asarray(value))
                if entry.units:
                    file[entry.path].attrs["units"] = entry.units
        if "shape" in dataset.attrs:
            file["/entry/scan/shape"].attrs["axes"] = dataset.attrs.get("axes", "")
        file["/entry/definition"] = DEFINITION
        file["/entry/definition"].attrs["version"] = VERSION


def _write(file: h5py.File, entry: Entry, values: NDArray[Any]) -> None:
    """Write values so that damage to them is noticed: where a checksum is."""
    if values.nbytes < _COMPACT:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        # h5py's create_dataset drops the layout of scalars
        kind = h5py.h5t.py_create(values.dtype, logical=True)
        space = h5py.h5s.create_simple(values.shape) if values.ndim else h5py.h5s.create(_SCALAR)
        made = h5py.h5d.create(file.id, entry.path.encode(), kind, space, layout)
        h5py.Dataset(made)[...] = values
    else:
        file.create_dataset(entry.path, data=values, chunks=True, fletcher32=True)


def _fixed(text: str) -> NDArray[Any]:
    """Return text of fixed length: HDF5 keeps others in a heap that has no checksum."""
    raw = text.encode()
    return np.array(raw, h5py.string_dtype("utf-8", max(len(raw), 1)))


def _write_frames(file: h5py.File, frames: xr.DataArray) -> None:
    """Write one compressed chunk a point; gzip, which every HDF5 reads."""
    target = file.create_dataset(
        VARIABLES["frames"].path,
        shape=frames.shape,
        dtype=np.uint32,
        chunks=(1, *frames.shape[1:]),
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )
    for i in range(len(frames)):
        target[i] = as_counts(frames[i].values)


@contextmanager
def _refusing(path: str | Path) -> Iterator[None]:
    """Put the file's name in front of what is wrong with it."""
    try:
        yield
    except RawFileError as error:
        raise RawFileError(f"{path}: {error}") from error.__cause__


def _dataset(file: h5py.File) -> xr.Dataset:
    """Build the dataset of an open file, refusing what is missing or does not fit together."""
    _check_definition(file)
    sizes: dict[str, int] = {}
    variables: dict[str, xr.Variable] = {}
    for name, entry in VARIABLES.items():
        source = _required(file, entry.path)
        if len(source.shape) != len(entry.dims):
            raise RawFileError(
                f"{entry.path}: has {len(source.shape)} dimensions, needs {len(entry.dims)} "
                f"({', '.join(entry.dims)})"
            )
        for dim, size in zip(entry.dims, source.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise RawFileError(
                    f"{entry.path}: has {size} along {dim}, where other datasets have {sizes[dim]}"
                )
        if name == "frames":
            check_type(source.dtype, entry)
            data: Any = indexing.LazilyIndexedArray(LazyFrames(source))
        else:
            data = _numbers(source, entry)
        variables[name] = xr.Variable(entry.dims, data, {"units": entry.units or "1"})
    attrs: dict[str, Any] = {}
    for name, entry in NUMBERS.items():
        if name in OPTIONAL and find(file, entry.path) is None:
            continue
        value = _numbers(_required(file, entry.path), entry)
        # One number in a list is what some programs write for a number.
        attrs[name] = value.item() if not entry.dims and value.size == 1 else value
    for name, entry in STRINGS.items():
        attrs[name] = string(_required(file, entry.path), entry.path)
    if "shape" in attrs:
        attrs["axes"] = text(file[NUMBERS["shape"].path].attrs.get("axes", ""))
    return xr.Dataset(variables, attrs=attrs)


def _check_definition(file: h5py.File) -> None:
    definition = find(file, "/entry/definition")
    if definition is None:
        raise RawFileError(
            "/entry/definition: missing; this is no raw file, or its writing was interrupted"
        )
    if (name := string(definition, "/entry/definition")) != DEFINITION:
        raise RawFileError(f"/entry/definition: is {name!r:.60}, not {DEFINITION!r}")
    if (version := text(definition.attrs.get("version", "missing"))) != VERSION:
        raise RawFileError(
            f"/entry/definition: version is {version:.60}, this program reads {VERSION}"
        )


def _required(file: h5py.File, path: str) -> h5py.Dataset:
    found = find(file, path)
    if found is None:
        raise RawFileError(f"{path}: missing")
    return found


def _numbers(source: h5py.Dataset, entry: Entry) -> NDArray[np.float64]:
    with naming(entry.path):
        if source.nbytes > _LARGEST:
            raise RawFileError(f"{entry.path}: {source.shape} values are too many")
        check_type(source.dtype, entry)
        check_units(text(source.attrs.get("units", "")), entry)
        with np.errstate(over="ignore"):  # of longer floats; infinite ones are refused
            return np.asarray(source[()], np.float64)
