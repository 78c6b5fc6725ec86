"""The pump's effect among drifting frames, by generalised least squares.

Frame f shows the phase θ_f + x_f Δ + s t_f + noise: a random walk θ, the pump's effect Δ times what
the frame has seen of it (x is its open fraction o, where Δ is small), a steady drift s, and white
noise of known variance up to a common factor. The increments from frame to frame have a tridiagonal
covariance, of which the walk's rate is all that is unknown: for a walk of rate Q (rad²/s), averaged
over the exposure τ, and white noise r_f,

    variance   Q (dt − τ/3) + r_f + r_f+1
    covariance Q τ/6 − r_f+1           of neighbours, which share frame f + 1.

Frames lost and choppers that slip need nothing of their own: dt and o say it all.

Where the pump's effect is large, the phase of a partly open frame is not θ_f, the mean over its
exposure, but θ_f + β_f δ_f, with the difference δ_f of the path's means over the parts with and
without the pump; its variance is Q τ/3, wherever the pump's edge is. A pump that comes on has
Q τ (1 + o)/6 of it in common with the step to this frame and Q τ (2 − o)/6 with the step from it,
one that goes off the other way round and negative. What shakes a table may have nothing at such
high frequencies: whether a walk goes on within exposures is averaged over like its rate.

The rate is not fitted but averaged over, with the probability that the point's own increments give
to each of a few rates a factor of ten apart, between which nothing changes much. A point of four
periods knows its rate badly, and so gets weights and a sigma that allow for that.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.io.schema import MODULATED
from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot

Floats = NDArray[np.float64]

RATIOS = 10.0 ** np.arange(-3.0, 3.0)
"""Rates Q dt over the variance of the white noise. At either end one of the two is negligible."""

_FEWEST = 5  # frames, to tell an effect and a drift from noise
_BELIEF = 4.0  # frames' worth of belief that the white noise is the detector's
_FACTORS = 32  # of a determinant between two logarithms: more may be too small a number


@compiled
def modulated(pump_open: Floats) -> bool:
    """Whether the open fractions (F,) swing by more than `MODULATED`."""
    if len(pump_open) < _FEWEST:
        return False
    return pump_open.var() > MODULATED**2 / 8  # variance of a sine of that swing


@compiled
def lock_in(
    phase: Floats,
    effect: Floats,
    time: Floats,
    white: Floats,
    walk: Floats,
    exposure: float,
    ratios: Floats,
    within: Floats,
    weights: Floats,
) -> tuple[float, float, float, float, float]:
    """Pump's effect on frames, with its variance.

    Parameters
    ----------
    phase, effect : (F,) array
        Phase of each frame, and x: what a unit effect adds to it.
    time : (F,) array
        s, increasing.
    white : (F,) array
        Variance of each phase by the detector's noise.
    walk : (2, F) array
        See `uneven_walk`.
    exposure : float
        τ in s.
    ratios : (J,) array
        Rates to average over, see `RATIOS`.
    within : (J,) array
        1 where the walk of this rate goes on within exposures, else 0.
    weights : (F,) array
        To be filled in: the effect is Σ weights·phase. Gives 0 for a constant and for a straight
        line, 1 for `effect`.

    Returns
    -------
    effect, variance, detector, source, share : float
        Detector and source are the parts of the variance that are white: what `white` says, and
        what the scatter says beyond it. The rest is drift, with this share `within`.
    """
    steps, rates = len(phase) - 1, len(ratios)
    spacing = (time[-1] - time[0]) / steps
    # Frames that show no fringe have no say in what is small beside the white noise.
    exposure, rate = min(exposure, spacing), ratios / (spacing * (1 / white).mean())
    inverse, pumped, steady, moves = np.empty((4, rates, steps))
    x, t, d, share, link = np.zeros((5, rates))  # of the step before
    for i in range(steps):  # eliminates forwards, all rates at once
        dt, noise = time[i + 1] - time[i], white[i] + white[i + 1]
        step, rise = phase[i + 1] - phase[i], effect[i + 1] - effect[i]
        own, uneven = dt - min(exposure, dt) / 3, exposure * walk[0, i]
        for j in range(rates):
            factor = link[j] * share[j]
            share[j] = 1 / (rate[j] * (own + within[j] * uneven) + noise - factor * link[j])
            x[j] = rise - factor * x[j]
            t[j] = dt - factor * t[j]
            d[j] = step - factor * d[j]
            # covariance with the next step
            link[j] = rate[j] * exposure * (1 / 6 + within[j] * walk[1, i + 1]) - white[i + 1]
            inverse[j, i], pumped[j, i], steady[j, i], moves[j, i] = share[j], x[j], t[j], d[j]
    effects, by_pumped, by_steady, scales, likelihood = np.zeros((5, rates))
    for j in range(rates):
        xx = xt = tt = xd = td = dd = 0.0
        for i in range(steps):
            in_x, in_t = pumped[j, i] * inverse[j, i], steady[j, i] * inverse[j, i]
            xx += in_x * pumped[j, i]
            xt += in_x * steady[j, i]
            tt += in_t * steady[j, i]
            xd += in_x * moves[j, i]
            td += in_t * moves[j, i]
            dd += moves[j, i] * moves[j, i] * inverse[j, i]
        for begin in range(0, steps, _FACTORS):
            volume = 1.0
            for i in range(begin, min(begin + _FACTORS, steps)):
                volume *= inverse[j, i] * (white[i] + white[i + 1])
            likelihood[j] += np.log(volume) / 2
        free = xx * tt - xt**2
        by_pumped[j], by_steady[j] = tt / free, -xt / free
        effects[j] = by_pumped[j] * xd + by_steady[j] * td
        drift = (xx * td - xt * xd) / free
        rest = max(dd - effects[j] * xd - drift * td, 0.0) + _BELIEF
        scales[j] = rest / (steps - 4 + _BELIEF)
        likelihood[j] -= np.log(free) / 2 + (steps - 2 + _BELIEF) / 2 * np.log(rest)
    odds = np.exp(likelihood - likelihood.max())
    odds /= odds.sum()
    mean = dot(odds, effects)
    variance = dot(odds, by_pumped * scales + (effects - mean) ** 2)
    back, weight, detector = np.zeros(rates), 0.0, 0.0
    for i in range(steps - 1, -1, -1):  # and backwards: weights of steps, then of frames
        previous, weight = weight, 0.0
        for j in range(rates):
            value = by_pumped[j] * pumped[j, i] + by_steady[j] * steady[j, i]
            back[j] = (value - link[j] * back[j]) * inverse[j, i]
            link[j] = rate[j] * exposure * (1 / 6 + within[j] * walk[1, i]) - white[i]
            weight += odds[j] * back[j]
        weights[i + 1] = weight - previous
        detector += weights[i + 1] ** 2 * white[i + 1]
    weights[0] = -weight
    detector += weight**2 * white[0]
    return mean, variance, detector, detector * max(dot(odds, scales) - 1, 0.0), dot(odds, within)


@compiled
def walk_power(weights: Floats, time: Floats, walk: Floats, exposure: float, drift: float) -> float:
    """Rate of the walk, rad²/s, that puts a variance `drift` on Σ weights·phase."""
    total = later = previous = 0.0
    for i in range(len(weights) - 1, 0, -1):
        later += weights[i]
        dt = time[i] - time[i - 1]
        own = dt - min(exposure, dt) / 3 + exposure * walk[0, i - 1]
        shared = 2 * exposure * (1 / 6 + walk[1, i])
        total += later * (later * own + previous * shared)
        previous = later
    return drift / total


@compiled
def uneven_walk(uneven: Floats, opened: Floats) -> Floats:
    """Return what β of frames (F,), `uneven`, adds to the covariance of steps of the phase (2, F).

    In units of Q τ: to the variance of the step from a frame, and to the covariance of the steps to
    and from it.
    """
    count = len(opened)
    walk = np.zeros((2, count))
    for f in range(count):
        beta, on = uneven[f], opened[f]
        rise = opened[min(f + 1, count - 1)] - opened[max(f - 1, 0)]
        to = rise * (1 + on if rise > 0 else 2 - on) / 6
        further = rise * (2 - on if rise > 0 else 1 + on) / 6
        if f > 0:
            walk[0, f - 1] += 2 * beta * to + beta * beta / 3
        walk[0, f] += beta * beta / 3 - 2 * beta * further
        walk[1, f] = beta * (further - to) - beta * beta / 3
    return walk


@compiled
def least_variance(effect: Floats, noise: Floats) -> float:
    """Variance of the pump's effect from shot and read noise alone: the path stands still."""
    total = mean = power = 0.0
    for f in range(len(noise)):
        total += 1 / noise[f]
        mean += effect[f] / noise[f]
        power += effect[f] ** 2 / noise[f]
    return 1 / (power - mean**2 / total)
