"""Reading and writing raw files: HDF5 on disk, `analysis.layout`'s dataset in memory."""

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

from analysis.layout import (
    CLASSES,
    DEFINITION,
    NUMBERS,
    OPTIONAL,
    STRINGS,
    VARIABLES,
    VERSION,
    RawFileError,
    validate,
)

__all__ = ["LazyFrames", "RawFileError", "open_raw", "validate", "write_raw"]


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
        try:
            return self._source[key]
        except (OSError, RuntimeError) as error:
            raise RawFileError(
                f"{VARIABLES['frames'].path}: cannot be read, file damaged or closed ({error})"
            ) from error


def open_raw(path: str | Path) -> xr.Dataset:
    """Open and check a raw file.

    The frames are read when they are used: close the dataset, or use it in a `with`.

    Raises
    ------
    RawFileError
        Not a raw file of this version, damaged, incomplete, or with contents that `validate`
        refuses.
    """
    with _refusing(path):
        try:
            file = h5py.File(path, "r")
        except FileNotFoundError:
            raise RawFileError("no such file") from None
        except OSError as error:
            raise RawFileError(_why_not_opened(error)) from error
        try:
            dataset = _dataset(file)
            validate(dataset)
        except BaseException:
            file.close()
            raise
    dataset.encoding["source"] = str(path)
    dataset.set_close(file.close)
    return dataset


def _why_not_opened(error: OSError) -> str:
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
    with h5py.File(path, "x") as file:
        file.attrs["default"] = "entry"
        for group, nexus_class in CLASSES.items():
            file.require_group(group).attrs["NX_class"] = nexus_class
        file["entry"].attrs["default"] = "scan"
        for name, entry in VARIABLES.items():
            if name == "frames":
                _write_frames(file, dataset["frames"])
            else:
                file[entry.path] = np.asarray(dataset[name].values, np.float64)
            if entry.units:
                file[entry.path].attrs["units"] = entry.units
        for name, entry in {**NUMBERS, **STRINGS}.items():
            if name in dataset.attrs:
                file[entry.path] = dataset.attrs[name]
                if entry.units:
                    file[entry.path].attrs["units"] = entry.units
        if "shape" in dataset.attrs:
            file["/entry/scan/shape"].attrs["axes"] = dataset.attrs.get("axes", "")
        file["/entry/definition"] = DEFINITION
        file["/entry/definition"].attrs["version"] = VERSION


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
        target[i] = frames[i].values


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
    variables = {}
    for name, entry in VARIABLES.items():
        source = _get(file, entry.path)
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
        data = (
            indexing.LazilyIndexedArray(LazyFrames(source))
            if name == "frames"
            else _read_numbers(source, entry.path)
        )
        variables[name] = xr.Variable(entry.dims, data, {"units": entry.units or "1"})
    attrs: dict[str, Any] = {}
    for name, entry in NUMBERS.items():
        if name in OPTIONAL and entry.path not in file:
            continue
        value = _read_numbers(_get(file, entry.path), entry.path)
        if value.ndim != len(entry.dims):
            raise RawFileError(f"{entry.path}: must be {'a list' if entry.dims else 'one number'}")
        attrs[name] = value if entry.dims else float(value)
    for name, entry in STRINGS.items():
        attrs[name] = _text(_get(file, entry.path)[()])
    if "shape" in attrs:
        attrs["shape"] = attrs["shape"].astype(int)
        attrs["axes"] = _text(file["/entry/scan/shape"].attrs.get("axes", ""))
    return xr.Dataset(variables, attrs=attrs)


def _check_definition(file: h5py.File) -> None:
    if "/entry/definition" not in file:
        raise RawFileError(
            "/entry/definition: missing; this is no raw file, or its writing was interrupted"
        )
    definition = file["/entry/definition"]
    if (name := _text(definition[()])) != DEFINITION:
        raise RawFileError(f"/entry/definition: is {name!r}, not {DEFINITION!r}")
    if (version := _text(definition.attrs.get("version", "missing"))) != VERSION:
        raise RawFileError(f"/entry/definition: version is {version}, this program reads {VERSION}")


def _get(file: h5py.File, path: str) -> h5py.Dataset:
    found = file.get(path)
    if not isinstance(found, h5py.Dataset):
        raise RawFileError(f"{path}: missing")
    return found


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return " ".join(_text(item) for item in value.ravel())
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_numbers(source: h5py.Dataset, path: str) -> NDArray[np.float64]:
    try:
        return np.asarray(source[()], np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise RawFileError(f"{path}: cannot be read as numbers ({error})") from error
