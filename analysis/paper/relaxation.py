"""Decay times of the kinetics: biexponential, its window, and 1/e times."""

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, not_determined
from analysis.kinetics.decay_fit import DecayFit, fit_decay, relaxation_time
from analysis.kinetics.window_dependence import window_influence
from analysis.paper.curves import probe_time
from analysis.paper.measurements import ABOVE, BELOW, WINDOW, Known
from analysis.rate_equations.fit import Curve

__all__ = [
    "decay_fits",
    "decay_times",
    "decay_windows",
    "delta_n_of",
    "relaxation_rows",
    "relaxation_times",
]

Floats = NDArray[np.float64]

WINDOWS = [(start, stop) for start in (3.0, 4.0, 6.0) for stop in (100.0, 150.0, 250.0, 500.0)]
"""ps: what the biexponential is tried on beside `WINDOW`."""

_SAME = 0.03
"""Relative: a fluence counts as the one that was asked for."""


def delta_n_of(kinetics: xr.Dataset, curve: Curve) -> tuple[Floats, Floats, Floats]:
    """Delay, Δn and one sigma for all (the median) of the scan that a curve is of.

    A biexponential misses more than the noise, so what it gives depends on the weights: all points
    weigh the same.
    """
    mine = np.abs(kinetics["fluence"].values - curve.fluence) < 0.02 * curve.fluence
    time, _ = probe_time(kinetics)
    delta_n, sigma = (kinetics[name].values[mine] for name in ("delta_n", "delta_n_sigma"))
    return time[mine], delta_n, np.full(delta_n.shape, np.nanmedian(sigma))


def decay_fits(kinetics: xr.Dataset, curves: list[Curve]) -> dict[float, DecayFit]:
    """Biexponential at every fluence, by its nominal size; those that fail are left out."""
    found = {}
    for curve in curves:
        try:
            fit = fit_decay(*delta_n_of(kinetics, curve), window=WINDOW, model="biexponential")
        except ValueError:
            continue
        found[round(curve.fluence, 2)] = fit
    return found


def _above(curves: list[Curve]) -> Curve:
    """Return the curve at `ABOVE`."""
    nearest = min(curves, key=lambda curve: abs(curve.fluence - ABOVE))
    if abs(nearest.fluence / ABOVE - 1) > _SAME:
        msg = f"no complete delay scan at {ABOVE:g} mJ/cm2"
        raise ValueError(msg)
    return nearest


def decay_times(
    known: Known, kinetics: xr.Dataset, curves: list[Curve], decays: dict[float, DecayFit]
) -> dict[str, Estimate]:
    """Decay times at `ABOVE`: noise, and how far the fluence may be from what it is said to be.

    Raises
    ------
    ValueError
        Where there is no fit at this fluence, it ran into a bound, or a time is lost in its sigma.
    """
    curve = _above(curves)
    fit = fit_decay(*delta_n_of(kinetics, curve), window=WINDOW, model="biexponential")
    if fit.warnings:
        raise ValueError(fit.warnings[0])
    fluences = sorted(decays)
    here = fluences.index(round(curve.fluence, 2))
    note = (
        f"window {fit.window[0]:g} to {fit.window[1]:g} ps, {curve.fluence:.2g} mJ/cm2; "
        f"chi2/dof {fit.reduced_chi2:.1f}"
    )
    found = {}
    for name in ("tau_lasing", "tau_fluor"):
        if not fit.sigmas[name] < fit.values[name]:
            raise ValueError("the data do not determine two decay times")
        change = _off(known, fluences, [decays[f].values[name] for f in fluences], here)
        sigma = float(np.hypot(fit.sigmas[name], change))
        found[name] = Estimate(fit.values[name], sigma, "ps", note=note)
    return found


def _off(known: Known, fluence: ArrayLike, time: ArrayLike, here: int) -> float:
    """By how much a decay time may be off because its fluence is: by the slope about it."""
    fluence, time = np.asarray(fluence, np.float64), np.asarray(time, np.float64)
    first, last = max(here - 1, 0), min(here + 1, len(fluence) - 1)
    if first == last:
        return 0.0
    slope = (time[last] - time[first]) / (fluence[last] - fluence[first])
    scale = np.hypot(known.fluence_scale, known.fluence_scatter)
    return float(abs(slope) * scale * fluence[here])


def decay_windows(kinetics: xr.Dataset, curves: list[Curve]) -> xr.Dataset:
    """Decay times at `ABOVE` in several windows."""
    return window_influence(*delta_n_of(kinetics, _above(curves)), sorted({*WINDOWS, WINDOW}))


def relaxation_times(kinetics: xr.Dataset, curves: list[Curve]) -> xr.Dataset:
    """1/e times at every fluence, of one decay or two, from `WINDOW`'s start to the last delay.

    Those that the noise hides are left out.

    Raises
    ------
    ValueError
        Where it hides all.
    """
    fluence, times = [], []
    for curve in curves:
        delay, delta_n, sigma = delta_n_of(kinetics, curve)
        window = (WINDOW[0], float(delay.max()))
        try:
            found = relaxation_time(fit_decay(delay, delta_n, sigma, window=window))
        except ValueError:
            continue
        if found.sigma < found.value:
            fluence.append(curve.fluence)
            times.append((found.value, found.sigma))
    if not times:
        raise ValueError("no delay scan shows a relaxation to 1/e that stands out of the noise")
    time, sigma = np.array(times).T
    return xr.Dataset(
        {"time": ("fluence", time), "sigma": ("fluence", sigma)}, coords={"fluence": fluence}
    )


def relaxation_rows(
    known: Known, relaxation: xr.Dataset | None, reason: str
) -> dict[str, Estimate]:
    """1/e times at `BELOW`, and at the largest fluence from `ABOVE` on.

    To the noise comes how far the fluence may be from what it is said to be.
    """
    if relaxation is None:
        missing = not_determined("ps", reason)
        return {"relaxation_below": missing, "relaxation_above": missing}
    fluence, time, noise = (relaxation[name].values for name in ("fluence", "time", "sigma"))
    chosen = {
        "relaxation_below": (np.abs(fluence / BELOW - 1) <= _SAME, f"at {BELOW:g} mJ/cm2"),
        "relaxation_above": (fluence >= (1 - _SAME) * ABOVE, f"from {ABOVE:g} mJ/cm2 on"),
    }
    rows = {}
    for name, (there, where) in chosen.items():
        if not there.any():
            rows[name] = not_determined("ps", f"no relaxation to 1/e is seen {where}")
            continue
        here = int(np.flatnonzero(there)[np.argmax(fluence[there])])
        sigma = float(np.hypot(noise[here], _off(known, fluence, time, here)))
        rows[name] = Estimate(float(time[here]), sigma, "ps", note=f"{fluence[here]:.2f} mJ/cm2")
    return rows
