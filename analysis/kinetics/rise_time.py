"""The rise of a signal against time: when it happens, how long it takes, and a figure of it."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

__all__ = ["Rise", "measure_rise", "rise_figure"]

Floats = NDArray[np.float64]

_REACH = 1.0  # ps about the steepest place in which the rise is looked for
_PLATEAU = (0.3, 1.3)  # ps behind the middle of the rise


@dataclass(frozen=True)
class Rise:
    """A rise from nothing to a plateau.

    Attributes
    ----------
    middle, middle_sigma : float
        When half of the plateau is reached, ps.
    duration, duration_sigma : float
        From 10 to 90 % of the plateau, ps.
    plateau : float
        Mean shortly behind the rise, unit of the signal.
    """

    middle: float
    middle_sigma: float
    duration: float
    duration_sigma: float
    plateau: float


def measure_rise(time: ArrayLike, signal: ArrayLike, sigma: ArrayLike) -> Rise:
    """Measure the largest rise of a signal of either sign.

    Parameters
    ----------
    time, signal, sigma : (T,) array
        Increasing times in ps; what is NaN is left out. Levels are crossed on straight lines.

    Raises
    ------
    ValueError
        Nothing rises from 10 to 90 % of a plateau.
    """
    t, y, s = (np.asarray(values, np.float64) for values in (time, signal, sigma))
    good = np.isfinite(t) & np.isfinite(y) & np.isfinite(s)
    t, y, s = t[good], y[good], s[good]
    if len(t) < 5:
        raise ValueError("no rise: fewer than five times with a result")
    change = np.interp(t + _REACH / 2, t, y) - np.interp(t - _REACH / 2, t, y)
    start = float(t[int(np.argmax(np.abs(change)))])
    later = (t > start + _PLATEAU[0]) & (t < start + _PLATEAU[1])
    if not later.any() or not (t < start).any():
        raise ValueError("no rise: nothing is known of what is before it or behind it")
    plateau = float(np.mean(y[later]))
    if plateau == 0:
        raise ValueError("no rise: nothing is behind it")
    near = np.abs(t - start) < _REACH
    t, share, s = t[near], y[near] / plateau, np.abs(s[near] / plateau)
    (low, low_sigma), (middle, middle_sigma), (high, high_sigma) = (
        _crossing(t, share, s, level) for level in (0.1, 0.5, 0.9)
    )
    duration_sigma = float(np.hypot(low_sigma, high_sigma))
    return Rise(middle, middle_sigma, high - low, duration_sigma, plateau)


def _crossing(t: Floats, share: Floats, sigma: Floats, level: float) -> tuple[float, float]:
    """Time, with its standard deviation, of the first crossing upwards after the last low value."""
    half = int(np.argmax(share > 0.5))
    if level <= 0.5:
        below = np.flatnonzero(share[: half + 1] <= level)
        i = int(below[-1]) + 1 if len(below) else 0
    else:
        above = np.flatnonzero(share[half:] > level)
        i = half + int(above[0]) if len(above) else 0
    if i == 0 or share[half] <= 0.5:
        raise ValueError(f"no rise: {level:.0%} of a plateau is not crossed")
    slope = (share[i] - share[i - 1]) / (t[i] - t[i - 1])
    moment = float(t[i - 1] + (level - share[i - 1]) / slope)
    return moment, float(max(sigma[i - 1], sigma[i]) / slope)


def rise_figure(
    curves: dict[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    points: dict[str, tuple[ArrayLike, ArrayLike]],
    colours: tuple[str, ...],
    window: tuple[float, float] = (-4.0, 6.0),
) -> Figure:
    """Δn near time zero: resolved curves (time, Δn, sigma), and whole-band points (delay, Δn)."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, (time, delta_n, sigma)), colour in zip(curves.items(), colours, strict=False):
        t, y, s = (np.asarray(values, np.float64) for values in (time, delta_n, sigma))
        axes.fill_between(t, (y - s) * 1e3, (y + s) * 1e3, color=colour, alpha=0.3, linewidth=0)
        axes.plot(t, y * 1e3, color=colour, linewidth=1.2, label=name)
    for (name, (delay, delta_n)), colour in zip(points.items(), colours, strict=False):
        y = np.asarray(delta_n, np.float64) * 1e3
        axes.plot(delay, y, "o", color=colour, markersize=3, fillstyle="none", label=name)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="Time after the pump (ps)", ylabel="Δn (10⁻³)", xlim=window)
    axes.legend(frameon=False, fontsize=7)
    return figure
