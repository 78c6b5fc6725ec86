"""A chopper that is not where the open fractions say, seen in the phases of the frames.

In every period phase and open fraction are compared at the chopper's frequency. Their ratio is the
pump's effect: a real number, which turns in the complex plane by the angle that the chopper slips.
Its noise comes from the differences of neighbouring periods, of which a slip changes few, be half
of the point behind it. Slow drift goes with the mean and the slope of each period.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled, compiled_within
from analysis.fringe_solver import cosines_and_sines

Floats = NDArray[np.float64]
Effects = NDArray[np.complex128]

_SHORTEST = 3  # frames in a period that tell its angle
_FEWEST = 6  # periods that tell their noise
_LONGEST = 1.5  # times the usual period: frames are missing
_CHANCE = 1e-6  # that what is nothing but noise counts as a slip
_SURE = 120.0  # χ² of two numbers, at least: noise has its outliers
_SHORT = 0.25  # of the longest stretch: what is shorter may be wrong by chance
_AGREES = 25.0  # χ² of two numbers
_TURNED = 0.5  # imaginary over real part: less may be a lag of the sample's own


@compiled
def periods(opened: Floats, time: Floats) -> NDArray[np.int64]:
    """First frames of the chopper's whole periods, and the frames after their last (n, 2).

    They begin where the open fraction rises above its mean. Periods that lack frames are left out.
    """
    mean, count = opened.mean(), 0
    rises = np.empty(len(opened), np.int64)
    for f in range(1, len(opened)):
        if opened[f - 1] < mean <= opened[f]:
            rises[count] = f
            count += 1
    result, whole = np.empty((max(count - 1, 0), 2), np.int64), 0
    if count < 2:
        return result
    usual = np.sort(time[rises[1:count]] - time[rises[: count - 1]])[(count - 1) // 2]
    for i in range(count - 1):
        begin, end = rises[i], rises[i + 1]
        if end - begin >= _SHORTEST and time[end] - time[begin] < _LONGEST * usual:
            result[whole, 0], result[whole, 1] = begin, end
            whole += 1
    return result[:whole]


@compiled
def effects(
    moved: Floats, time: Floats, edges: NDArray[np.int64]
) -> tuple[Effects, Effects, float]:
    """Effects that periods show beside the known one.

    Parameters
    ----------
    moved : (6, F) array
        See `displacement.displacements`.
    time : (F,) array
        s
    edges : (n, 2) array
        See `periods`.

    Returns
    -------
    found, scaled : (n,) array
        Effects in rad, and the same turned and scaled so that both parts have the variance 1: the
        noise of a drifting path has more of the sine than of the cosine of a period.
    variance : float
        Of either part of `found`, the larger.
    """
    found, scaled = np.zeros(len(edges), np.complex128), np.zeros(len(edges), np.complex128)
    waves, white, size = np.empty(len(time), np.complex128), np.zeros(2), 0.0
    angle, cosines, sines = np.zeros((3, len(time)))
    for begin, end in edges:
        middle, turn = time[begin:end].mean(), 2 * np.pi / (time[end] - time[begin])
        for f in range(begin, end):
            angle[f] = turn * (time[f] - middle)
    cosines_and_sines(angle, cosines, sines)
    for period in range(len(edges)):
        begin, end = edges[period]
        count, middle = end - begin, time[begin:end].mean()
        mean, slope, square = 0.0j, 0.0j, 0.0
        for f in range(begin, end):
            away = time[f] - middle
            waves[f] = complex(cosines[f], -sines[f])
            mean += waves[f]
            slope += away * waves[f]
            square += away * away
        mean *= 1 / count  # to divide complex numbers takes many times longer
        slope *= 1 / square
        seen, caused = 0.0j, 0.0j
        for f in range(begin, end):
            wave = waves[f] - mean - (time[f] - middle) * slope
            seen += wave * moved[0, f]
            caused += wave * moved[3, f]
            white[0] += wave.real**2 * moved[4, f]
            white[1] += wave.imag**2 * moved[4, f]
        power = caused.real**2 + caused.imag**2
        if power > 0:  # or nothing can be seen
            found[period] = seen * np.conj(caused) * (1 / power)
        scaled[period] = seen
        size += power / len(edges)
    white /= len(edges)
    steps = scaled[1:] - scaled[:-1]
    cosine, sine = max(_variance(steps.real), white[0]), max(_variance(steps.imag), white[1])
    for period in range(len(edges)):
        parts = scaled[period].real / np.sqrt(cosine), scaled[period].imag / np.sqrt(sine)
        scaled[period] = complex(parts[0], parts[1])
    return found, scaled, max(cosine, sine) / size


@compiled
def _variance(steps: Floats) -> float:
    """Variance of Gaussian numbers of which `steps` are the differences, but for some jumps.

    The smallest three quarters of the squares of Gaussian numbers have the mean 0.369 σ².
    """
    squares = np.sort(steps * steps)
    return squares[: (3 * len(squares)) // 4].mean() / 0.369 / 2


@compiled
def _sure(periods: int) -> float:
    """χ² of two numbers that no noise makes, were it known from so few periods.

    Twice the quantile of F(2, ν); three quarters of the periods say what the noise is.
    """
    known = 0.75 * periods
    return max(known * (_CHANCE ** (-2 / known) - 1), _SURE)


@compiled
def break_point(scaled: Effects, sure: float) -> int:
    """First of the periods with another effect than those before; 0 where there is none."""
    count, total = len(scaled), scaled.sum()
    best, at, first = sure, 0, 0.0j
    for k in range(1, count):
        first += scaled[k - 1]
        away = abs(first / k - (total - first) / (count - k))
        gain = away * away * k * (count - k) / count
        if gain > best:
            best, at = gain, k
    return at


@compiled
def _turned(effect: complex, variance: float, sure: float) -> bool:
    """Whether an effect is not a real number."""
    return effect.imag**2 > max(sure * variance, (_TURNED * effect.real) ** 2)


@compiled_within
def slipped(moved: Floats, time: Floats, opened: Floats, known: float) -> bool:
    """Whether the chopper seems to have slipped within a point or before it.

    `known` is the effect in rad that `moved` is beside; the rest is as in `effects`.
    """
    edges = periods(opened, time)
    if len(edges) < _FEWEST:
        return False
    found, scaled, variance = effects(moved, time, edges)
    sure = _sure(len(edges))
    if _turned(known + found.sum() / len(found), variance / len(found), sure):
        return True
    away = scaled - scaled.sum() / len(scaled)
    squares = away.real**2 + away.imag**2
    # One period, or a step, can be no farther off than all are.
    return squares.sum() > sure and (squares.max() > sure or break_point(scaled, sure) > 0)


def frames_that_fit(moved: Floats, time: Floats, opened: Floats, known: float) -> NDArray[np.bool_]:
    """Which frames (F,) are of periods that show what `opened` says; parameters as of `slipped`.

    The first stretch of periods that agree with one another and with `opened` is right, for after
    half a turn the effect is a real number too; and so are others with the same effect. The periods
    beside a slip go with it.
    """
    edges = periods(opened, time)
    if len(edges) < _FEWEST:
        return np.ones(len(time), bool)
    found, scaled, variance = effects(moved, time, edges)
    sure = _sure(len(edges))
    stretches = [np.arange(*ends) for ends in _stretches(scaled, sure)]
    right = [s for s in stretches if not _turned(known + found[s].mean(), variance / len(s), sure)]
    if not right:
        return np.zeros(len(time), bool)
    most = max(len(s) for s in right)
    model = next(s for s in right if len(s) > _SHORT * most)
    good = np.zeros(len(found), bool)
    for part in right:
        away = abs(scaled[part].mean() - scaled[model].mean()) ** 2
        good[part] = away < _AGREES * (1 / len(part) + 1 / len(model))
    typical = complex(np.median(scaled[model].real), np.median(scaled[model].imag))
    good &= np.abs(scaled - typical) ** 2 < sure
    good = ~np.convolve(~good, np.ones(3), "same").astype(bool)
    # Frames outside of whole periods go with the nearest one.
    centre = time[edges].mean(axis=1)
    return good[np.abs(time[:, np.newaxis] - centre).argmin(axis=1)]


def _stretches(scaled: Effects, sure: float, begin: int = 0) -> list[tuple[int, int]]:
    """First and last but one of periods with one effect each."""
    at = break_point(scaled, sure)
    if at == 0:
        return [(begin, begin + len(scaled))]
    return _stretches(scaled[:at], sure, begin) + _stretches(scaled[at:], sure, begin + at)
