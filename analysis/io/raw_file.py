"""Reading and writing raw files: HDF5 on disk, `analysis.io.schema`'s dataset in memory."""

from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers the filters that other people's files may need
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from analysis.io.hdf5 import DAMAGE, find, naming, naming_file, string, text
from analysis.io.schema import (
    CLASSES,
    DEFINITION,
    ESTIMATED,
    NUMBERS,
    STRINGS,
    VARIABLES,
    VERSION,
    Entry,
    RawFileError,
)
from analysis.io.validation import as_counts, check_type, check_units, validate
from ocm_ophyd.errors import OutputExistsError

__all__ = ["LazyFrames", "read_raw", "write_raw"]

_LARGEST = 2**30
"""Largest size in bytes of a dataset that is read as a whole: the times of all frames of two weeks
at 120 Hz. A damaged file can claim any size in a few bytes, and would fill the memory."""

_SCALAR = h5py.h5s.SCALAR
_COMPACT = 2**15
"""Bytes up to which a dataset is written into its header; HDF5 allows 2**16 for all of a header."""


class LazyFrames(BackendArray):
    """Frames that are read when they are used.

    Parameters
    ----------
    source : array-like
        Anything with `shape` (P, F, K), `dtype` and slicing: an HDF5 dataset, an array of a
        catalog.
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


def read_raw(path: str | Path, *, pumped: bool = True) -> xr.Dataset:
    """Open and check a raw file, and return its dataset without estimates of what it lacks.

    The frames are read when they are used: close the dataset, or use it in a `with`. Damage to
    them is noticed then, and is a `RawFileError` too. Links and virtual or external datasets are
    refused: nothing outside the file is opened.

    Parameters
    ----------
    path : str or Path
        The raw file.
    pumped : bool
        Whether the chopper must modulate the pump. False admits records without the pump.

    Returns
    -------
    xr.Dataset
        Variables and attributes as in `analysis.io.schema`.

    Raises
    ------
    RawFileError
        Not a raw file of this version, damaged, incomplete, or with contents that `validate`
        refuses.
    """
    with naming_file(path):
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
    """Return in one line the reason why HDF5 does not open a file."""
    reason = " ".join(str(error).split())
    if "already open for write" in reason:  # HDF5 has no error number for it
        return (
            "is being written, or its writer was killed; the frames that the spectrometer wrote "
            "during a run are safe: export them with `ocm export RUN`"
        )
    return f"not an HDF5 file, or a truncated one ({reason})"


def write_raw(dataset: xr.Dataset, path: str | Path) -> None:
    """Write a raw dataset to a new file.

    Attributes that were estimated when the dataset was opened are not written: a raw file holds
    what was measured or set. The definition is written last, so that a file whose writing was
    interrupted is refused on reading.

    Parameters
    ----------
    dataset : xr.Dataset
        Variables and attributes as in `analysis.io.schema`.
    path : str or Path
        The file to write; it must not exist.

    Raises
    ------
    RawFileError
        `validate` refuses the dataset.
    OutputExistsError
        There is a file already: raw data are never overwritten.

    Examples
    --------
    >>> from analysis import open_raw, write_raw
    >>> with open_raw("sweep.h5") as raw:
    ...     write_raw(raw.isel(point=slice(4)).assign_attrs(shape=[4]), "first-half.h5")
    """
    validate(dataset)
    if Path(path).exists():
        raise OutputExistsError(f"{path} exists and is not overwritten; choose another name")
    with h5py.File(path, "x", libver="v110") as file:  # whose headers have checksums
        file.attrs["default"] = "entry"
        for group, nexus_class in CLASSES.items():
            file.require_group(group).attrs["NX_class"] = nexus_class
        file["entry"].attrs["default"] = "scan"
        for name, entry in VARIABLES.items():
            if name == "frames":
                _write_frames(file, dataset["frames"])
            elif name in dataset.variables:
                values = np.asarray(dataset[name].values)
                _write(file, entry, values if entry.integer else values.astype(np.float64))
        estimated = str(dataset.attrs.get(ESTIMATED, "")).split()
        for name, value in dataset.attrs.items():
            if name in NUMBERS and name not in estimated:
                _write(file, NUMBERS[name], np.asarray(value))
            elif name in STRINGS:
                _write(file, STRINGS[name], _fixed(value))
        if "shape" in dataset.attrs:
            file[NUMBERS["shape"].path].attrs["axes"] = dataset.attrs.get("axes", "")
        file["/entry/definition"] = DEFINITION
        file["/entry/definition"].attrs["version"] = VERSION


def _write(file: h5py.File, entry: Entry, values: NDArray[Any]) -> None:
    """Write values with their unit where HDF5 keeps a checksum, so that damage is noticed."""
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
    if values.dtype.kind != "S":
        file[entry.path].attrs["units"] = entry.units


def _fixed(text: str) -> NDArray[Any]:
    """Return text of fixed length: HDF5 keeps text of variable length without a checksum."""
    raw = text.encode()
    return np.array(raw, h5py.string_dtype("utf-8", max(len(raw), 1)))


def _write_frames(file: h5py.File, frames: xr.DataArray) -> None:
    """Write one compressed chunk a point, with gzip, which every HDF5 reads."""
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
    target.attrs["units"] = VARIABLES["frames"].units


def _dataset(file: h5py.File) -> xr.Dataset:
    """Return the dataset of an open file; refuse missing datasets and shapes that disagree."""
    _check_definition(file)
    sizes: dict[str, int] = {}
    variables: dict[str, xr.Variable] = {}
    for name, entry in VARIABLES.items():
        source = _source(file, entry)
        if source is None:
            continue
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
        variables[name] = xr.Variable(entry.dims, data, {"units": entry.units})
    attrs: dict[str, Any] = {}
    for name, entry in NUMBERS.items():
        source = _source(file, entry)
        if source is None:
            continue
        value = _numbers(source, entry)
        # Some programs write one number as a list of one.
        attrs[name] = value.item() if not entry.dims and value.size == 1 else value
    for name, entry in STRINGS.items():
        source = _source(file, entry)
        assert source is not None, "no text is optional"
        attrs[name] = string(source, entry.path)
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


def _source(file: h5py.File, entry: Entry) -> h5py.Dataset | None:
    """Return the dataset of an entry, None where the file lacks one that is optional."""
    source = find(file, entry.path)
    if source is None and not entry.optional:
        raise RawFileError(f"{entry.path}: missing")
    return source


def _numbers(source: h5py.Dataset, entry: Entry) -> NDArray[np.float64]:
    with naming(entry.path):
        if source.nbytes > _LARGEST:
            raise RawFileError(f"{entry.path}: {source.shape} values are too many")
        check_type(source.dtype, entry)
        check_units(text(source.attrs.get("units", "")), entry)
        with np.errstate(over="ignore"):  # of longer floats; infinite ones are refused
            return np.asarray(source[()], np.float64)
