"""Rise of a signal at time zero: its middle and its duration from 10 to 90 % of the plateau."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate
from ocm_ophyd.errors import DataError

__all__ = ["Rise", "measure_rise"]

Floats = NDArray[np.float64]

_REACH = 1.0
"""Distance from the steepest place within which the rise is searched, ps: several times the rise of
100 fs that the inversion of the chirp resolves (`docs/explanation/resolution.md`)."""

_PLATEAU = (0.3, 1.3)
"""Times after the steepest place over which the plateau is averaged, ps: after the rise, and before
a decay of 13 ps has taken more than a tenth."""


@dataclass(frozen=True)
class Rise:
    """A rise from nothing to a plateau.

    Attributes
    ----------
    middle : Estimate
        Time at which half of the plateau is reached, ps.
    duration : Estimate
        Time from 10 to 90 % of the plateau, ps.
    plateau : float
        Mean shortly after the rise, unit of the signal.
    """

    middle: Estimate
    duration: Estimate
    plateau: float


def measure_rise(time: ArrayLike, signal: ArrayLike, sigma: ArrayLike) -> Rise:
    """Measure the largest rise of a signal of either sign.

    Parameters
    ----------
    time : (T,) array
        ps, increasing.
    signal, sigma : (T,) array
        Signal and its standard deviation, in one unit. Points that are NaN are ignored; between
        points the signal is a straight line.

    Raises
    ------
    DataError
        Nothing rises from 10 to 90 % of a plateau.
    """
    t, y, s = (np.asarray(values, np.float64) for values in (time, signal, sigma))
    good = np.isfinite(t) & np.isfinite(y) & np.isfinite(s)
    t, y, s = t[good], y[good], s[good]
    if len(t) < 5:
        raise DataError("no rise: fewer than five times with a result")
    change = np.interp(t + _REACH / 2, t, y) - np.interp(t - _REACH / 2, t, y)
    start = float(t[int(np.argmax(np.abs(change)))])
    later = (t > start + _PLATEAU[0]) & (t < start + _PLATEAU[1])
    if not later.any() or not (t < start).any():
        raise DataError("no rise: there are no points before it or none after it")
    plateau = float(np.mean(y[later]))
    if plateau == 0:
        raise DataError("no rise: the signal after it is zero")
    near = np.abs(t - start) < _REACH
    t, share, s = t[near], y[near] / plateau, np.abs(s[near] / plateau)
    (low, low_sigma), (middle, middle_sigma), (high, high_sigma) = (
        _crossing(t, share, s, threshold) for threshold in (0.1, 0.5, 0.9)
    )
    duration_sigma = float(np.hypot(low_sigma, high_sigma))
    return Rise(
        Estimate(middle, middle_sigma, "ps", note="half of the plateau"),
        Estimate(high - low, duration_sigma, "ps", note="10 to 90 % of the plateau"),
        plateau,
    )


def _crossing(t: Floats, share: Floats, sigma: Floats, threshold: float) -> tuple[float, float]:
    """Return the time of the first crossing upwards after the last low value, and its sigma."""
    half = int(np.argmax(share > 0.5))
    if threshold <= 0.5:
        below = np.flatnonzero(share[: half + 1] <= threshold)
        i = int(below[-1]) + 1 if len(below) else 0
    else:
        above = np.flatnonzero(share[half:] > threshold)
        i = half + int(above[0]) if len(above) else 0
    if i == 0 or share[half] <= 0.5:
        raise DataError(f"no rise: {threshold:.0%} of a plateau is not crossed")
    slope = (share[i] - share[i - 1]) / (t[i] - t[i - 1])
    moment = float(t[i - 1] + (threshold - share[i - 1]) / slope)
    return moment, float(max(sigma[i - 1], sigma[i]) / slope)
