"""Scans over several axes, folded back into grids."""

import numpy as np
import xarray as xr

__all__ = ["fold"]


def fold(reduced: xr.Dataset) -> xr.Dataset:
    """Fold the points of a scan into the grid that its `shape` and `axes` describe.

    Parameters
    ----------
    reduced : xr.Dataset
        Over `point`, with the attributes `shape` and `axes` (names, slowest first).

    Returns
    -------
    xr.Dataset
        Over the axes. The coordinate of an axis is the mean of where its points really were.

    Raises
    ------
    ValueError
        Where the scan does not say how it folds, as one that was broken off does not.
    """
    if "shape" not in reduced.attrs or "axes" not in reduced.attrs:
        msg = "the scan has no shape: it was broken off, or its points are no grid"
        raise ValueError(msg)
    axes = str(reduced.attrs["axes"]).split()
    shape = tuple(int(length) for length in np.atleast_1d(reduced.attrs["shape"]))
    if int(np.prod(shape)) != reduced.sizes["point"] or len(axes) != len(shape):
        msg = f"{reduced.sizes['point']} points do not fold into {shape} over {axes}"
        raise ValueError(msg)
    folded = xr.Dataset(attrs=reduced.attrs)
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
