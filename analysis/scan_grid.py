"""Scans over several axes, and the grids into which their points fold."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from ocm_ophyd.errors import DataError
from ocm_ophyd.frame_schema import SCAN_AXES

__all__ = ["distinct_settings", "fold", "varying"]


def varying(scan: xr.Dataset) -> list[str]:
    """Return the names of the coordinates that a scan changes.

    Parameters
    ----------
    scan : xr.Dataset
        Raw or reduced dataset with coordinates of `ocm_ophyd.frame_schema.SCAN_AXES` over `point`.
    """
    names = []
    for axis in SCAN_AXES:
        if axis.name in scan:
            values = scan[axis.name].values
            scale = float(values.max()) if axis.relative else 1.0
            if np.ptp(values) > axis.tolerance * scale:
                names.append(axis.name)
    return names


def distinct_settings(
    values: ArrayLike, apart: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Group readbacks into the settings that they belong to.

    Parameters
    ----------
    values : (P,) array
        Readbacks, in any order and unit.
    apart : float
        Smallest difference between two settings, in the unit of `values`: sorted neighbours that
        differ by more belong to two settings.

    Returns
    -------
    (L,) array
        Mean readback of each of the L settings, increasing.
    (P,) array of int
        Index of the setting of each value.
    """
    values = np.asarray(values, np.float64)
    order = np.argsort(values, kind="stable")
    place = np.empty(len(values), np.intp)
    place[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > apart)])
    return np.bincount(place, values) / np.bincount(place), place


def fold(reduced: xr.Dataset) -> xr.Dataset:
    """Fold the points of a scan into the grid that its `shape` and `axes` describe.

    Parameters
    ----------
    reduced : xr.Dataset
        Over `point`, with the attributes `shape` and `axes` (names, slowest first). A scan without
        them, which was broken off, folds where one coordinate alone changes.

    Returns
    -------
    xr.Dataset
        Over the axes, which its attribute `axes` names. The coordinate of an axis is the mean
        readback of its points.

    Raises
    ------
    DataError
        The points do not fold into the shape, or there is no shape and not one coordinate alone
        changes.
    """
    if "point" not in reduced.sizes:
        msg = "the scan has no points"
        raise DataError(msg)
    if "shape" in reduced.attrs and "axes" in reduced.attrs:
        axes = str(reduced.attrs["axes"]).split()
        shape = tuple(int(length) for length in np.atleast_1d(reduced.attrs["shape"]))
    else:
        axes, shape = varying(reduced), (reduced.sizes["point"],)
        if len(axes) != 1:
            msg = (
                f"the scan over {' and '.join(axes) or 'nothing'} has no shape: "
                "it was broken off, or its points are no grid"
            )
            raise DataError(msg)
    if int(np.prod(shape)) != reduced.sizes["point"] or len(axes) != len(shape):
        msg = f"{reduced.sizes['point']} points do not fold into {shape} over {axes}"
        raise DataError(msg)
    kept = {name: c for name, c in reduced.coords.items() if "point" not in c.dims}
    folded = xr.Dataset(coords=kept, attrs=reduced.attrs | {"axes": " ".join(axes)})
    for name, column in reduced.data_vars.items():
        if column.dims[:1] != ("point",):
            continue
        values = column.values.reshape(shape + column.shape[1:])
        if name in axes:
            others = tuple(i for i in range(len(shape)) if i != axes.index(str(name)))
            folded[str(name)] = (str(name), values.mean(axis=others), column.attrs)
        else:
            folded[name] = ((*axes, *column.dims[1:]), values, column.attrs)
    return folded.set_coords([axis for axis in axes if axis in folded])
