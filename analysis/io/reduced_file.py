"""Reading and writing reduced files: a reduced dataset in HDF5 that xarray opens.

The variables over `time` of a delay scan, whose names begin with `chirp_resolved_` in the dataset,
are in the group `/chirp_resolved` of the file.
"""

from contextlib import suppress
from pathlib import Path

import xarray as xr

from analysis.io.schema import RawFileError
from ocm_ophyd.errors import OutputExistsError

__all__ = ["CHIRP_RESOLVED", "DEFINITION", "VERSION", "read_reduced", "write_reduced"]

DEFINITION, VERSION = "ocm_reduced", "2"

CHIRP_RESOLVED = "chirp_resolved"
"""Group in the file, and beginning of the names in the dataset, of Δn with the chirp undone."""


def write_reduced(reduced: xr.Dataset, path: str | Path) -> None:
    """Write a reduced dataset to a new HDF5 file.

    Parameters
    ----------
    reduced : xr.Dataset
        From `analysis.reduction.scan.reduce_scan`.
    path : str or Path
        The file to write; it must not exist.

    Raises
    ------
    OutputExistsError
        There is a file already.

    Examples
    --------
    >>> from analysis import open_raw, reduce_scan, write_reduced
    >>> with open_raw("sweep.h5") as raw:
    ...     write_reduced(reduce_scan(raw), "new-reduced.h5")
    """
    if Path(path).exists():
        raise OutputExistsError(f"{path} exists and is not overwritten; choose another name")
    resolved = [str(name) for name in reduced if str(name).startswith(CHIRP_RESOLVED)]
    compressed = {"differential_spectrum": {"zlib": True, "complevel": 1}}
    reduced.drop_vars(resolved).to_netcdf(path, engine="h5netcdf", encoding=compressed)
    if resolved:
        group = reduced[resolved].drop_vars("wavelength", errors="ignore")
        short = {name: name.removeprefix(f"{CHIRP_RESOLVED}_") for name in resolved}
        group.rename(short).to_netcdf(path, mode="a", group=CHIRP_RESOLVED, engine="h5netcdf")


def read_reduced(path: str | Path) -> xr.Dataset:
    """Read a reduced file.

    Returns
    -------
    xr.Dataset
        The dataset that `write_reduced` wrote.

    Raises
    ------
    RawFileError
        Not a reduced file of this version, or a damaged one.

    Examples
    --------
    >>> from analysis import read_reduced
    >>> float(read_reduced("sweep-reduced.h5")["fluence"].max())
    1.0
    """
    try:
        reduced = xr.load_dataset(path, engine="h5netcdf")
        with suppress(OSError, KeyError):  # most files have no such group
            group = xr.load_dataset(path, engine="h5netcdf", group=CHIRP_RESOLVED)
            names = {name: f"{CHIRP_RESOLVED}_{name}" for name in group}
            reduced = reduced.merge(group.rename(names))
    except FileNotFoundError:
        raise RawFileError(f"{path}: no such file") from None
    except OSError as error:
        raise RawFileError(f"{path}: not an HDF5 file, or a truncated one ({error})") from error
    if reduced.attrs.get("definition") != DEFINITION:
        raise RawFileError(f"{path}: definition: this is no reduced file")
    if (version := reduced.attrs.get("version")) != VERSION:
        raise RawFileError(
            f"{path}: version is {version}, this program reads {VERSION}; reduce the raw file again"
        )
    return reduced
