"""Decay times of the kinetics: biexponential, its dependence on the window, and 1/e times."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, not_determined
from analysis.kinetics.decay_fit import DecayFit, fit_decay, relaxation_time
from analysis.kinetics.window_dependence import window_influence
from analysis.paper.attempt import Attempt
from analysis.paper.curves import probe_time
from analysis.paper.measurements import ABOVE, BELOW, WINDOW, Calibration
from analysis.rate_equations.data import Curve
from ocm_ophyd.errors import DataError

__all__ = [
    "DeltaNCurve",
    "decay_fits",
    "decay_rows",
    "decay_times",
    "decay_windows",
    "delta_n_curve",
    "relaxation_rows",
    "relaxation_times",
]

Floats = NDArray[np.float64]

WINDOWS = [(start, stop) for start in (3.0, 4.0, 6.0) for stop in (100.0, 150.0, 250.0, 500.0)]
"""Windows in which the biexponential is fitted beside `WINDOW`, ps: from right after the passage of
the chirped probe to the last delay of the experiment."""

FLUENCE_TOLERANCE = 0.03
"""Largest relative difference between a measured fluence and one of the paper's that it stands for:
above the calibration's 1 %, below the smallest relative step of the experiment's fluences, 8 %."""


class DeltaNCurve(NamedTuple):
    """Delay scan at one fluence.

    Attributes
    ----------
    delay, delta_n, sigma : (P,) arrays
        Sampling time, ps; Δn and its standard deviation, RIU.
    """

    delay: Floats
    delta_n: Floats
    sigma: Floats


def delta_n_curve(kinetics: xr.Dataset, fluence: float) -> DeltaNCurve:
    """Return Δn of the delay scan at a fluence, with the median sigma for every point.

    A biexponential misses the data by more than the noise, so that its decay times depend on the
    weights; equal weights make them a property of the sample and the window.

    Parameters
    ----------
    kinetics : xr.Dataset
        Reduced, over `point`.
    fluence : float
        mJ/cm^2, of one of its scans.
    """
    here = np.abs(kinetics["fluence"].values - fluence) < 0.02 * fluence
    time, _ = probe_time(kinetics)
    delta_n, sigma = (kinetics[name].values[here] for name in ("delta_n", "delta_n_sigma"))
    return DeltaNCurve(time[here], delta_n, np.full(delta_n.shape, np.nanmedian(sigma)))


def decay_fits(kinetics: xr.Dataset, curves: list[Curve]) -> dict[float, DecayFit]:
    """Fit the biexponential at every fluence.

    Returns
    -------
    dict of float to DecayFit
        By the fluence, mJ/cm^2, rounded to 0.01; without those whose fit fails.
    """
    fits = {}
    for curve in curves:
        delay, delta_n, sigma = delta_n_curve(kinetics, curve.fluence)
        try:
            fit = fit_decay(delay, delta_n, sigma, window=WINDOW, model="biexponential")
        except DataError:
            continue
        fits[round(curve.fluence, 2)] = fit
    return fits


def decay_times(
    calibration: Calibration,
    kinetics: xr.Dataset,
    curves: list[Curve],
    decays: dict[float, DecayFit],
) -> dict[str, Estimate]:
    """Estimate the two decay times of the biexponential at fluence `ABOVE`.

    The variance is that of the noise plus that of the fluence (`_fluence_error`).

    Returns
    -------
    dict of str to Estimate
        `tau_lasing` and `tau_fluor`, ps.

    Raises
    ------
    DataError
        There is no fit at this fluence, one of its parameters is at a bound, or a sigma is not
        smaller than its decay time.
    """
    curve = _curve_above(curves)
    delay, delta_n, sigma = delta_n_curve(kinetics, curve.fluence)
    fit = fit_decay(delay, delta_n, sigma, window=WINDOW, model="biexponential")
    if fit.faults:
        raise DataError(fit.faults[0])
    if fit.warnings:
        why = fit.warnings[0].removeprefix("not determined: ")
        raise DataError(f"the data do not determine two decay times: {why}")
    fluences = sorted(decays)
    here = fluences.index(round(curve.fluence, 2))
    note = (
        f"window {fit.window[0]:g} to {fit.window[1]:g} ps, {curve.fluence:.2g} mJ/cm^2; "
        f"chi2/dof {fit.reduced_chi2:.1f}"
    )
    estimates = {}
    for name in ("tau_lasing", "tau_fluor"):
        if not fit.sigmas[name] < fit.values[name]:
            raise DataError("the data do not determine two decay times")
        times = [decays[fluence].values[name] for fluence in fluences]
        of_fluence = _fluence_error(calibration, fluences, times, here)
        total = float(np.hypot(fit.sigmas[name], of_fluence))
        estimates[name] = Estimate(fit.values[name], total, "ps", note=note)
    return estimates


def decay_rows(times: Attempt[dict[str, Estimate]]) -> dict[str, Estimate]:
    """Return the rows of the decay times, with the reason where there are none."""
    if times.result is None:
        return dict.fromkeys(("tau_lasing", "tau_fluor"), not_determined("ps", times.reason))
    return times.result


def decay_windows(kinetics: xr.Dataset, curves: list[Curve]) -> xr.Dataset:
    """Fit the biexponential at fluence `ABOVE` in several windows.

    Raises
    ------
    DataError
        There is no curve at this fluence.
    """
    delay, delta_n, sigma = delta_n_curve(kinetics, _curve_above(curves).fluence)
    return window_influence(delay, delta_n, sigma, sorted({*WINDOWS, WINDOW}))


def relaxation_times(kinetics: xr.Dataset, curves: list[Curve]) -> xr.Dataset:
    """Fit the 1/e time at every fluence, from the start of `WINDOW` to the last delay.

    The model is one exponential or two (`fit_decay`). Times whose sigma is not smaller than they
    are are dropped.

    Returns
    -------
    xr.Dataset
        `time` and `sigma` (ps) over `fluence` (mJ/cm^2).

    Raises
    ------
    DataError
        There is no time at any fluence.
    """
    fluences, times, sigmas = [], [], []
    for curve in curves:
        delay, delta_n, sigma = delta_n_curve(kinetics, curve.fluence)
        window = (WINDOW[0], float(delay.max()))
        try:
            time = relaxation_time(fit_decay(delay, delta_n, sigma, window=window))
        except DataError:
            continue
        if time.sigma < time.value:
            fluences.append(curve.fluence)
            times.append(time.value)
            sigmas.append(time.sigma)
    if not times:
        raise DataError("no delay scan shows a relaxation to 1/e that stands out of the noise")
    return xr.Dataset(
        {"time": ("fluence", times), "sigma": ("fluence", sigmas)}, coords={"fluence": fluences}
    )


def relaxation_rows(
    calibration: Calibration, relaxation: Attempt[xr.Dataset]
) -> dict[str, Estimate]:
    """Return the rows of the 1/e times at `BELOW`, and at the largest fluence from `ABOVE` on.

    The variance is that of the noise plus that of the fluence (`_fluence_error`).
    """
    if relaxation.result is None:
        missing = not_determined("ps", relaxation.reason)
        return {"relaxation_below": missing, "relaxation_above": missing}
    fluence, time, noise = (relaxation.result[name].values for name in ("fluence", "time", "sigma"))
    near_below = np.abs(fluence / BELOW - 1) <= FLUENCE_TOLERANCE
    from_above = fluence >= (1 - FLUENCE_TOLERANCE) * ABOVE
    choices = {
        "relaxation_below": (near_below, f"at {BELOW:g} mJ/cm^2"),
        "relaxation_above": (from_above, f"from {ABOVE:g} mJ/cm^2 on"),
    }
    rows = {}
    for name, (chosen, place) in choices.items():
        if not chosen.any():
            rows[name] = not_determined("ps", f"no relaxation to 1/e was measured {place}")
            continue
        here = int(np.flatnonzero(chosen)[np.argmax(fluence[chosen])])
        sigma = float(np.hypot(noise[here], _fluence_error(calibration, fluence, time, here)))
        rows[name] = Estimate(float(time[here]), sigma, "ps", note=f"{fluence[here]:.2f} mJ/cm^2")
    return rows


def _curve_above(curves: list[Curve]) -> Curve:
    """Return the curve at fluence `ABOVE`."""
    nearest = min(curves, key=lambda curve: abs(curve.fluence - ABOVE))
    if abs(nearest.fluence / ABOVE - 1) > FLUENCE_TOLERANCE:
        raise DataError(f"no complete delay scan at {ABOVE:g} mJ/cm^2")
    return nearest


def _fluence_error(
    calibration: Calibration, fluence: ArrayLike, time: ArrayLike, here: int
) -> float:
    """Return the standard deviation of a decay time that the uncertainty of its fluence makes.

    It is |dτ/dF| σ_F, with the slope between the neighbouring fluences.

    Parameters
    ----------
    calibration : Calibration
        Gives the relative σ_F.
    fluence, time : (M,) arrays
        mJ/cm^2, increasing, and the decay time at each, ps.
    here : int
        Index of the fluence.
    """
    fluence, time = np.asarray(fluence, np.float64), np.asarray(time, np.float64)
    first, last = max(here - 1, 0), min(here + 1, len(fluence) - 1)
    if first == last:
        return 0.0
    slope = (time[last] - time[first]) / (fluence[last] - fluence[first])
    relative = np.hypot(calibration.fluence_scale, calibration.fluence_scatter)
    return float(abs(slope) * relative * fluence[here])
