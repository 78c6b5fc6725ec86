"""Reduced runs as the arrays that the fits take; runs that were broken off too."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.rate_equations.fit import Curve
from analysis.scan_grid import levels

__all__ = ["FIRST", "kinetics_curves", "movie_grid", "probe_time", "taken"]

Floats = NDArray[np.float64]

FIRST = 3.0
"""ps: from here on the whole chirped probe lies behind the pump."""

REDUCTION = 1e-3
"""Relative error of a density beyond its noise: what the reduction is off by on frames without
noise, 0.03 % at most phases of the fringe and up to 0.1 % at the worst."""

_FLUENCE, _DELAY, _PLACE = 0.01, 0.5, 0.1  # mJ/cm², ps, um: what tells one setting from the next


def taken(scan: xr.Dataset | None, what: str) -> xr.Dataset:
    """Return a scan that was taken.

    Raises
    ------
    ValueError
        It was not, or has no points.
    """
    if scan is None or not scan.sizes.get("point"):
        msg = f"no {what} was taken"
        raise ValueError(msg)
    return scan


def kinetics_curves(kinetics: xr.Dataset) -> list[Curve]:
    """Split delay scans at several fluences into curves of density, after `FIRST`.

    Points that were not determined are left out, and so is a fluence of which less than half of
    the delays is there.

    Raises
    ------
    ValueError
        Nothing is left.
    """
    fluence, place = levels(kinetics["fluence"].values, _FLUENCE)
    time, spread = probe_time(kinetics)
    density = kinetics["carrier_density"].values
    sigma = kinetics["carrier_density_sigma"].values
    most = max(np.bincount(place))
    good = np.isfinite(density) & np.isfinite(sigma) & (sigma > 0)
    curves = []
    for index, value in enumerate(fluence):
        mine = place == index
        if 2 * np.count_nonzero(mine & good) < most:
            continue
        use = mine & good & (time >= FIRST)
        order = np.flatnonzero(use)[np.argsort(time[use])]
        seen = density[order]
        error = np.hypot(sigma[order], REDUCTION * seen)
        curves.append(Curve(float(value), time[order], seen, error, spread[order]))
    if not curves:
        raise ValueError("at no fluence of the kinetics half of the delays gave an index change")
    return curves


def movie_grid(
    movie: xr.Dataset, name: str = "carrier_density"
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Put the points of maps at several delays into a grid, of `name` and its sigma.

    Returns
    -------
    time, x, y : (T,), (X,), (Y,) arrays
        ps after the pump, mean over the points of a frame; um.
    values, sigma : (T, Y, X) arrays
        NaN where there is no point.
    spread : (T,) array
        ps.
    """
    _, frame = levels(movie["delay"].values, _DELAY)
    x, column = levels(movie["x"].values, _PLACE)
    y, row = levels(movie["y"].values, _PLACE)
    shape = (int(frame.max()) + 1, len(y), len(x))
    values, sigma = np.full(shape, np.nan), np.full(shape, np.nan)
    values[frame, row, column] = movie[name].values
    sigma[frame, row, column] = movie[f"{name}_sigma"].values
    count = np.bincount(frame)
    time, spread = (np.bincount(frame, moment) / count for moment in probe_time(movie))
    return time, x, y, values, sigma, spread


def probe_time(scan: xr.Dataset) -> tuple[Floats, Floats]:
    """When each point's phase samples the sample, on average, and the spread of it; ps.

    Without a chirp calibration that is the scan delay and no spread.
    """
    delay = scan["delay"].values
    if "probe_delay" not in scan:
        return delay, np.zeros_like(delay)
    late, spread = scan["probe_delay"].values, scan["probe_spread"].values
    return delay + np.nan_to_num(late), np.nan_to_num(spread)
