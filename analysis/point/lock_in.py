"""The pump's effect among drifting frames, by generalised least squares.

Frame f shows the phase

    θ_f + x_f Δ + s t_f + noise

with a random walk θ, the pump's effect Δ times the frame's response x (its open fraction o, where
Δ is small), a steady drift s, and white noise of known variance r_f up to a common factor. The
increments from frame to frame have a tridiagonal covariance, in which only the walk's rate Q
(rad²/s) is unknown. For times dt between frames and the exposure τ,

    variance   Q (dt − τ/3) + r_f + r_f+1
    covariance Q τ/6 − r_f+1           of neighbours, which share frame f + 1.

Lost frames and slips of the chopper need no further treatment: dt and o describe them.

Where the pump's effect is large, the phase of a partly open frame is not θ_f, the mean over its
exposure, but θ_f + β_f δ_f. Here β is the frame's imbalance (`FramePhases.imbalance`) and δ_f the
difference between the path's means over the parts with and without the pump. Its variance is Q τ/3,
wherever the pump's edge is. A pump that comes on shares Q τ (1 + o)/6 of it with the step to this
frame and Q τ (2 − o)/6 with the step from it; for a pump that goes off, the two are exchanged and
negative. The walk may be too slow to matter within an exposure: both models are averaged.

The rate is not fitted. The result is the mean over a few rates, a factor of ten apart (nothing
changes much in between), weighted with the posterior probability that the point's own increments
give to each of them. A point of four periods hardly determines its rate, and gets weights and a
sigma that allow for that. See docs/explanation/drift.md.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.io.schema import MODULATED
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.moments import variance
from analysis.numerics.small_linalg import dot

Floats = NDArray[np.float64]

RATIOS = 10.0 ** np.arange(-3.0, 3.0)
"""Rates of the walk to average over: Q dt in units of the variance of the white noise. At either
end one of the two is negligible."""

_MIN_FRAMES = 5
"""Frames that are needed to distinguish an effect and a drift from noise."""

_PRIOR_FRAMES = 4.0
"""Weight, in frames, of the prior knowledge that the white noise is the detector's. Test:
tests/analysis/point/test_limits.py (few frames)."""

_LOG_INTERVAL = 32
"""Factors of a determinant between two logarithms: the product of more might underflow."""


class PhaseRecord(NamedTuple):
    """Phases of F frames.

    Attributes
    ----------
    phase : (F,) array
        rad.
    response : (F,) array
        x: change of the phase by a unit effect.
    time : (F,) array
        s, increasing.
    variance : (F,) array
        r: variance of each phase by the detector's noise, rad².
    """

    phase: Floats
    response: Floats
    time: Floats
    variance: Floats


class WithinExposure(NamedTuple):
    """Change of the increments' covariance by the frames' imbalance, in units of Q τ.

    Attributes
    ----------
    variance : (F,) array
        Added to the variance of the step from a frame.
    covariance : (F,) array
        Added to the covariance of the steps to and from a frame.
    """

    variance: Floats
    covariance: Floats


class WalkModels(NamedTuple):
    """Models of the walk to average over.

    Attributes
    ----------
    ratio : (J,) array
        Rates, in the units of `RATIOS`.
    within : (J,) array
        1 where the walk of this rate goes on within exposures, else 0.
    """

    ratio: Floats
    within: Floats


class LockIn(NamedTuple):
    """The pump's effect, with the terms of its variance.

    Attributes
    ----------
    effect, variance : float
        rad, rad².
    detector, source : float
        White parts of the variance: by the detector's noise, and by the scatter beyond it. The rest
        is drift.
    within : float
        Probability that the walk goes on within exposures.
    weights : (F,) array
        The effect is Σ weights·phase. The sum is 0 for a constant and for a straight line, and 1
        for `PhaseRecord.response`.
    """

    effect: float
    variance: float
    detector: float
    source: float
    within: float
    weights: Floats


class _Whitened(NamedTuple):
    """Increments after elimination, for J rates and F − 1 steps, each a (J, F − 1) array.

    Attributes
    ----------
    inverse : (J, F − 1) array
        Inverse variances.
    response, time, phase : (J, F − 1) array
        Increments of `PhaseRecord`.
    """

    inverse: Floats
    response: Floats
    time: Floats
    phase: Floats


class _Regression(NamedTuple):
    """Regression of the increments on response and time, (J,) arrays for J rates.

    Attributes
    ----------
    effect : (J,) array
        rad.
    by_response, by_time : (J,) array
        First row of the inverse normal matrix; the first is the variance of the effect for a unit
        factor on the noise.
    scale : (J,) array
        Factor on the noise's variance that the residuals show.
    probability : (J,) array
        Posterior probability of the rate.
    """

    effect: Floats
    by_response: Floats
    by_time: Floats
    scale: Floats
    probability: Floats


@compiled
def modulated(pump_open: Floats) -> bool:
    """Return whether the open fractions (F,) swing by more than `MODULATED`."""
    if len(pump_open) < _MIN_FRAMES:
        return False
    return variance(pump_open) > MODULATED**2 / 8  # variance of a sine of that swing


@compiled
def lock_in(
    record: PhaseRecord, change: WithinExposure, exposure: float, models: WalkModels
) -> LockIn:
    """Estimate the pump's effect on the phases of frames.

    Parameters
    ----------
    record : PhaseRecord
    change : WithinExposure
        See `imbalance_covariance`.
    exposure : float
        τ, s.
    models : WalkModels
    """
    time, white = record.time, record.variance
    steps = len(time) - 1
    spacing, information = (time[-1] - time[0]) / steps, 0.0
    # Frames that show no fringe do not count in what is small beside the white noise.
    for f in range(len(white)):
        information += 1 / white[f]
    exposure = min(exposure, spacing)
    rate = models.ratio / (spacing * information / len(white))
    whitened, link = _whiten(record, change, exposure, rate, models.within)
    result = _regress(record, whitened)
    mean = dot(result.probability, result.effect)
    total = within = scale = 0.0
    for j in range(len(rate)):
        away = result.effect[j] - mean
        total += result.probability[j] * (result.by_response[j] * result.scale[j] + away * away)
        within += result.probability[j] * models.within[j]
        scale += result.probability[j] * result.scale[j]
    # Eliminate backwards: weights of steps, then of frames.
    back, weight, weights = np.zeros(len(rate)), 0.0, np.empty(len(time))
    for i in range(steps - 1, -1, -1):
        previous, weight = weight, 0.0
        for j in range(len(rate)):
            value = result.by_response[j] * whitened.response[j, i]
            value += result.by_time[j] * whitened.time[j, i]
            back[j] = (value - link[j] * back[j]) * whitened.inverse[j, i]
            shared = exposure * (1 / 6 + models.within[j] * change.covariance[i])
            link[j] = rate[j] * shared - white[i]
            weight += result.probability[j] * back[j]
        weights[i + 1] = weight - previous
    weights[0] = -weight
    detector = 0.0
    for f in range(len(weights) - 1, -1, -1):
        detector += weights[f] ** 2 * white[f]
    return LockIn(mean, total, detector, detector * max(scale - 1, 0.0), within, weights)


@compiled_within
def _whiten(
    record: PhaseRecord, change: WithinExposure, exposure: float, rate: Floats, within: Floats
) -> tuple[_Whitened, Floats]:
    """Return increments without correlations, for rates (J,) in rad²/s, all rates at once.

    The forward half of solving the tridiagonal equations; other parameters are as of `lock_in`.
    The second result (J,) is the covariance of the last step with the next one, for the backward
    half.
    """
    time, white = record.time, record.variance
    rates, steps = len(rate), len(time) - 1
    result = _Whitened(
        np.empty((rates, steps)),
        np.empty((rates, steps)),
        np.empty((rates, steps)),
        np.empty((rates, steps)),
    )
    x, t, d, share, link = np.zeros((5, rates))  # of the step before
    for i in range(steps):
        dt, noise = time[i + 1] - time[i], white[i] + white[i + 1]
        step, rise = (
            record.phase[i + 1] - record.phase[i],
            record.response[i + 1] - record.response[i],
        )
        own, uneven = dt - min(exposure, dt) / 3, exposure * change.variance[i]
        for j in range(rates):
            factor = link[j] * share[j]
            share[j] = 1 / (rate[j] * (own + within[j] * uneven) + noise - factor * link[j])
            x[j] = rise - factor * x[j]
            t[j] = dt - factor * t[j]
            d[j] = step - factor * d[j]
            shared = exposure * (1 / 6 + within[j] * change.covariance[i + 1])
            link[j] = rate[j] * shared - white[i + 1]
            result.inverse[j, i], result.response[j, i] = share[j], x[j]
            result.time[j, i], result.phase[j, i] = t[j], d[j]
    return result, link


@compiled_within
def _regress(record: PhaseRecord, whitened: _Whitened) -> _Regression:
    """Regress the phase's increments on those of response and time, for each rate."""
    white = record.variance
    rates, steps = whitened.inverse.shape
    effect, by_response, by_time, scale, probability = np.zeros((5, rates))
    for j in range(rates):
        inverse, response = whitened.inverse[j], whitened.response[j]
        time, phase = whitened.time[j], whitened.phase[j]
        xx = xt = tt = xd = td = dd = 0.0
        for i in range(steps):
            in_x, in_t = response[i] * inverse[i], time[i] * inverse[i]
            xx += in_x * response[i]
            xt += in_x * time[i]
            tt += in_t * time[i]
            xd += in_x * phase[i]
            td += in_t * phase[i]
            dd += phase[i] * phase[i] * inverse[i]
        likelihood = 0.0
        for begin in range(0, steps, _LOG_INTERVAL):
            volume = 1.0
            for i in range(begin, min(begin + _LOG_INTERVAL, steps)):
                volume *= inverse[i] * (white[i] + white[i + 1])
            likelihood += np.log(volume) / 2
        free = xx * tt - xt**2
        by_response[j], by_time[j] = tt / free, -xt / free
        effect[j] = by_response[j] * xd + by_time[j] * td
        drift = (xx * td - xt * xd) / free
        rest = max(dd - effect[j] * xd - drift * td, 0.0) + _PRIOR_FRAMES
        scale[j] = rest / (steps - 4 + _PRIOR_FRAMES)
        likelihood -= np.log(free) / 2 + (steps - 2 + _PRIOR_FRAMES) / 2 * np.log(rest)
        probability[j] = likelihood
    normalise_odds(probability)
    return _Regression(effect, by_response, by_time, scale, probability)


@compiled
def normalise_odds(logarithms: Floats) -> None:
    """Change logarithms of odds (J,), in place, to probabilities."""
    largest, total = logarithms[0], 0.0
    for j in range(len(logarithms)):
        largest = max(largest, logarithms[j])
    for j in range(len(logarithms)):
        logarithms[j] = np.exp(logarithms[j] - largest)
        total += logarithms[j]
    for j in range(len(logarithms)):
        logarithms[j] /= total


@compiled
def walk_rate(
    result: LockIn, time: Floats, change: WithinExposure, exposure: float, drift: float
) -> float:
    """Return the rate of the walk, rad²/s, that explains the drift's part of the variance.

    Parameters
    ----------
    result : LockIn
    time : (F,) array
        s.
    change : WithinExposure
    exposure : float
        τ, s.
    drift : float
        The part of the variance of Σ weights·phase that is drift, rad².
    """
    weights, within = result.weights, result.within
    total = later = previous = 0.0
    for i in range(len(weights) - 1, 0, -1):
        later += weights[i]
        dt = time[i] - time[i - 1]
        own = dt - min(exposure, dt) / 3 + exposure * within * change.variance[i - 1]
        shared = 2 * exposure * (1 / 6 + within * change.covariance[i])
        total += later * (later * own + previous * shared)
        previous = later
    return drift / total


@compiled
def imbalance_covariance(imbalance: Floats, pump_open: Floats) -> WithinExposure:
    """Return the change of the increments' covariance by the imbalance β (F,) of frames.

    `pump_open` (F,) holds the open fractions; the module's docstring gives the terms.
    """
    count = len(pump_open)
    change = WithinExposure(np.zeros(count), np.zeros(count))
    for f in range(count):
        beta, on = imbalance[f], pump_open[f]
        rise = pump_open[min(f + 1, count - 1)] - pump_open[max(f - 1, 0)]
        to = rise * (1 + on if rise > 0 else 2 - on) / 6
        further = rise * (2 - on if rise > 0 else 1 + on) / 6
        if f > 0:
            change.variance[f - 1] += 2 * beta * to + beta * beta / 3
        change.variance[f] += beta * beta / 3 - 2 * beta * further
        change.covariance[f] = beta * (further - to) - beta * beta / 3
    return change


@compiled
def least_variance(response: Floats, noise: Floats) -> float:
    """Return the variance of the effect by shot and read noise alone, for a path that stands still.

    `response` and `noise` (F,) are the response and the variance of `PhaseRecord`.
    """
    total = mean = power = 0.0
    for f in range(len(noise)):
        total += 1 / noise[f]
        mean += response[f] / noise[f]
        power += response[f] ** 2 / noise[f]
    return 1 / (power - mean**2 / total)
