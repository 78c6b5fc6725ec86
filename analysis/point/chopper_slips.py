"""A chopper that is not where the open fractions say, seen in the phases of the frames.

In every period phase and open fraction are compared at the chopper's frequency. Their ratio is the
pump's effect: a real number, which turns in the complex plane by the angle that the chopper slips.
The path is taken to walk from frame to frame by more than these are noisy: steps weighted so know
most of what can be known of the effect where there is drift, and enough where there is none. Its
noise comes from the differences of neighbouring periods, of which a slip changes few, be half of
the point behind it.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import cosines_and_sines
from analysis.numerics.jit import compiled, compiled_within

Floats = NDArray[np.float64]
Effects = NDArray[np.complex128]

_SHORTEST = 3  # frames in a period that tell its angle
_FEWEST = 6  # periods that tell their noise
_LONGEST = 1.5  # times the usual period: frames are missing
_WALK = 10.0  # variance of the path's steps over the white noise of frames: knows most either way
_CHANCE = 1e-6  # that what is nothing but noise counts as a slip
_SURE = 80.0  # χ² of two numbers, at least: noise has its outliers
_SHORT = 0.25  # of the longest stretch: what is shorter may be a table that was kicked
_AGREES = 25.0  # χ² of two numbers
_ALIKE = 0.6  # of an effect, which is not known well while periods of another are in the point
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
        Effects in rad, and the same turned and scaled so that both parts have the variance 1.
    variance : float
        Of either part of `found`, the larger.
    """
    count, spacing = len(edges), (time[-1] - time[0]) / (len(time) - 1)
    walk = _WALK / (spacing * (1 / moved[4]).mean())
    slope = (moved[0, -1] - moved[0, 0]) / (time[-1] - time[0])
    behind = _a_quarter_late(moved[3], time, edges)
    found, scaled = np.zeros(count, np.complex128), np.zeros(count, np.complex128)
    ee = el = ll = 0.0
    for period in range(count):
        begin, end = edges[period]
        if period == 0 or edges[period - 1, 1] != begin:  # nothing is known of the frame before
            begin += 1
            share = effect = lag = phase = 0.0
        own_ee = own_el = own_ll = ey = ly = 0.0
        for f in range(begin, end):  # the steps between frames, made white
            dt, noise = time[f] - time[f - 1], moved[4, f - 1]
            back = noise * share  # in common with the step before
            share = 1 / (walk * dt + noise + moved[4, f] - noise * back)
            effect = moved[3, f] - moved[3, f - 1] + back * effect
            lag = behind[f] - behind[f - 1] + back * lag
            phase = moved[0, f] - moved[0, f - 1] - slope * dt + back * phase
            own_ee += effect * effect * share
            own_el += effect * lag * share
            own_ll += lag * lag * share
            ey += effect * phase * share
            ly += lag * phase * share
        volume = own_ee * own_ll - own_el * own_el
        if volume > 0:  # or nothing can be seen
            real, imaginary = own_ll * ey - own_el * ly, own_ee * ly - own_el * ey
            found[period] = complex(real, imaginary) * (1 / volume)
        ee, el, ll = ee + own_ee / count, el + own_el / count, ll + own_ll / count
    root, other = np.sqrt(ee), np.sqrt(ll - el * el / ee)  # of the information, by Cholesky
    for period in range(count):
        one = found[period]
        scaled[period] = complex(root * one.real + el / root * one.imag, other * one.imag)
    steps = scaled[1:] - scaled[:-1]
    # No less than what white noise alone makes.
    noise = max(_variance(np.append(steps.real, steps.imag)), 1 / (1 + _WALK))
    scaled /= np.sqrt(noise)
    least = (ee + ll) / 2 - np.sqrt((ee - ll) ** 2 / 4 + el * el)
    return found, scaled, noise / least


@compiled
def _a_quarter_late(effect: Floats, time: Floats, edges: NDArray[np.int64]) -> Floats:
    """Return the fundamental of `effect` (F,) as it would be a quarter of a period later."""
    angle, cosines, sines = np.zeros((3, len(time)))
    for begin, end in edges:
        middle, turn = time[begin:end].mean(), 2 * np.pi / (time[end] - time[begin])
        for f in range(begin, end):
            angle[f] = turn * (time[f] - middle)
    cosines_and_sines(angle, cosines, sines)
    real = imaginary = count = 0.0
    for begin, end in edges:
        count += end - begin
        for f in range(begin, end):
            real += effect[f] * cosines[f]
            imaginary += effect[f] * sines[f]
    return 2 / count * (real * sines - imaginary * cosines)


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

    Twice the quantile of F(2, ν); three quarters of the two numbers a period say what the noise is.
    """
    known = 1.5 * periods
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
    half a turn the effect is a real number too, the negative; and so are others with the same
    effect. The periods beside a slip go with it. A short stretch with any other effect is none.
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
    longest = max(right, key=len)
    effect = known + found[longest].mean()

    def counts(part: NDArray[np.int64]) -> bool:
        turned_by_half = abs(effect + known + found[part].mean()) ** 2
        least = _AGREES * variance * (1 / len(part) + 1 / len(longest))
        return len(part) > _SHORT * len(longest) or turned_by_half < max(
            least, (_ALIKE * abs(effect)) ** 2
        )

    model = next(part for part in right if counts(part))
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
