"""Kinetics of Δn: Δn(t) = a e^{−t/τ_lasing} + b e^{−t/τ_fluor}, τ_lasing < τ_fluor.

Where the data begin before time zero, the decays are convolved with a Gaussian instrument response.
Which decay times come out depends on the window: it is part of every result. Below the lasing
threshold there is one decay, and `fit_decay` takes a second one only where the data ask for it.
"""

from collections.abc import Iterable

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import widening
from analysis.kinetics.decay_fit import DecayFit, exponential, run_fit, select

Floats = NDArray[np.float64]

_TAU = (0.1, 1e5)  # ps, from below the probe's resolution to far above the delay stage's range
_EARLIEST, _BROADEST = 20.0, 20.0  # ps: a response or an error of time zero beyond these is a fault
_RESPONSE = 1.0  # ps, the paper's resolution: where a free response starts


class Exponential:
    """One decay, and what outlasts the window."""

    equation = "Δn(t) = b e^{−t/τ_fluor} + c"
    size = 3

    @staticmethod
    def model(
        t: Floats, b: float, tau_fluor: float, c: float, t0: float, response: float
    ) -> Floats:
        """Index change at `t` (ps)."""
        step = exponential(t, np.inf, t0, response)
        return b * exponential(t, tau_fluor, t0, response) + c * step

    @staticmethod
    def guess(t: Floats, y: Floats, s: Floats, response: float) -> lmfit.Parameters:
        """Start from the best linear fit over a grid of decay times."""
        (tau, _), (b, c) = _best(((tau, np.inf) for tau in _grid(t)), t, y, s, response)
        parameters = lmfit.Parameters()
        parameters.add("b", b)
        parameters.add("tau_fluor", tau, min=_TAU[0], max=_TAU[1])
        parameters.add("c", c)
        return parameters


class Biexponential:
    """The paper's two decays: stimulated and spontaneous emission."""

    equation = "Δn(t) = a e^{−t/τ_lasing} + b e^{−t/τ_fluor}"
    size = 4

    @staticmethod
    def model(
        t: Floats,
        a: float,
        tau_lasing: float,
        b: float,
        tau_fluor: float,
        t0: float,
        response: float,
    ) -> Floats:
        """Index change at `t` (ps)."""
        fast = a * exponential(t, tau_lasing, t0, response)
        return fast + b * exponential(t, tau_fluor, t0, response)

    @staticmethod
    def guess(t: Floats, y: Floats, s: Floats, response: float) -> lmfit.Parameters:
        """Start from the best linear fit over a grid of decay times, in order."""
        grid = _grid(t)
        pairs = ((fast, slow) for fast in grid for slow in grid if slow > fast)
        (fast, slow), (a, b) = _best(pairs, t, y, s, response)
        parameters = lmfit.Parameters()
        parameters.add("a", a)
        parameters.add("tau_lasing", fast, min=_TAU[0], max=_TAU[1])
        parameters.add("b", b)
        parameters.add("ratio", slow / fast, min=1.0, max=_TAU[1])  # keeps the two in order
        parameters.add("tau_fluor", expr="tau_lasing * ratio")
        return parameters


def fit_biexponential(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    response: float | None = None,
) -> DecayFit:
    """Fit the paper's biexponential decay.

    Parameters
    ----------
    delay : (P,) array
        ps after time zero.
    delta_n, sigma : (P,) array
        Index change and its standard deviation; without it all points weigh the same.
    window : tuple of float, optional
        Delays to use, ps; default all.
    response : float, optional
        Standard deviation of the instrument's response in ps. Not given, it is fitted where the
        window begins before time zero, together with the remaining error of time zero, and 0
        elsewhere.

    Returns
    -------
    DecayFit
        With `a`, `tau_lasing`, `b`, `tau_fluor`, `t0`, `response`.

    Raises
    ------
    ValueError
        Too few points in the window.
    """
    return _fit(Biexponential, delay, delta_n, sigma, window, response)


def fit_exponential(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    response: float | None = None,
) -> DecayFit:
    """Fit one exponential decay with an offset: `b`, `tau_fluor`, `c`.

    Arguments as in `fit_biexponential`.
    """
    return _fit(Exponential, delay, delta_n, sigma, window, response)


def fit_decay(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    response: float | None = None,
) -> DecayFit:
    """Fit one decay or two, whichever has the lower Bayesian information criterion.

    Arguments as in `fit_biexponential`.
    """
    fits = (
        _fit(kind, delay, delta_n, sigma, window, response) for kind in (Exponential, Biexponential)
    )
    return min(fits, key=lambda fit: fit.bic)


def relaxation_time(fit: DecayFit) -> tuple[float, float]:
    """Time in which a fitted decay falls to 1/e of the largest size it has in its window.

    It counts from the window's start, or from time zero where the window begins before it.
    Unlike decay times it does not depend on how a decay is split into exponentials.

    Returns
    -------
    tuple of float
        ps, and the standard deviation that follows from the fit's covariance, widened where
        the model misses more than the noise. NaN where the fit does not fall so far, and a sigma
        of NaN where the data do not determine the parameters.
    """
    names = [str(name) for name in fit.covariance["parameter"].values]
    slopes = np.zeros(len(names))
    for i, name in enumerate(names):
        step = 0.01 * fit.sigmas[name]
        later = _time_to_fall(fit, {name: fit.values[name] + step})
        slopes[i] = (later - _time_to_fall(fit, {name: fit.values[name] - step})) / (2 * step)
    variance = slopes @ fit.covariance.values @ slopes
    return _time_to_fall(fit, {}), float(np.sqrt(variance)) * widening(fit.reduced_chi2)


def _time_to_fall(fit: DecayFit, changed: dict[str, float]) -> float:
    low, high = fit.window
    # the ratio of the two decay times is what is fitted; the slower one follows from it
    values = {**fit.values, **changed}
    if "ratio" in values:
        values["tau_fluor"] = values["tau_lasing"] * values["ratio"]
    time = np.linspace(low, low + 4 * (high - low), 8000)
    known = {name: values[name] for name in fit.model.param_names}
    size = np.abs(np.asarray(fit.model.eval(t=time, **known)))
    top = int(np.argmax(np.where(time <= high, size, 0.0)))  # sought: its height, which is flat
    left = size - size[top] / np.e
    fallen = top + np.flatnonzero(left[top:] <= 0)
    if not fallen.size:
        return float("nan")
    last = fallen[0] - 1
    step = (time[1] - time[0]) * left[last] / (left[last] - left[last + 1])
    return float(time[last] + step - max(low, values["t0"]))


def _fit(
    kind: type[Exponential | Biexponential],
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None,
    window: tuple[float, float] | None,
    response: float | None,
) -> DecayFit:
    data = select(delay, delta_n, sigma, window, kind.size + 2)
    t, y, s, _ = data
    rises = bool(t[0] < 0)
    width = response if response is not None else _RESPONSE if rises else 0.0
    start = kind.guess(t, y, s, width)
    start.add("t0", 0.0, vary=rises, min=-_EARLIEST, max=_EARLIEST)
    free = rises and response is None
    start.add("response", width, vary=free, min=0.01 if free else 0.0, max=_BROADEST)
    return run_fit(lmfit.Model(kind.model), kind.equation, start, data, sigma is not None)


def _grid(t: Floats) -> Floats:
    """Decay times worth starting from."""
    span = t[-1] - max(t[0], 0.0)
    return np.geomspace(max(span / 200, 2 * _TAU[0]), 3 * span, 16)


def _best(
    pairs: Iterable[tuple[float, float]], t: Floats, y: Floats, s: Floats, response: float
) -> tuple[tuple[float, float], Floats]:
    """Find the decay times whose amplitudes, fitted linearly, describe the data best."""
    best, misfit, amplitudes = (1.0, np.inf), np.inf, np.zeros(2)
    for pair in pairs:
        basis = np.stack([exponential(t, tau, 0.0, response) / s for tau in pair], axis=1)
        linear = np.linalg.lstsq(basis, y / s, rcond=None)[0].astype(np.float64)
        distance = float(np.sum((y / s - basis @ linear) ** 2))
        if distance < misfit:
            best, misfit, amplitudes = pair, distance, linear
    return best, amplitudes
