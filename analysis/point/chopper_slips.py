"""Detection of a chopper that is not where the open fractions say, from the frames' phases.

In every chopper period, phases and open fractions are compared at the chopper's frequency. Their
ratio is the pump's effect: a real number, which turns in the complex plane by the angle by which
the chopper slips. The path is assumed to walk from frame to frame by more than the frames' noise.
With these weights a period knows most of what it can know of the effect where there is drift, and
enough where there is none. The noise of the effects comes from the differences of neighbouring
periods, few of which are changed by a slip, even if half of the point lies behind it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import cosines_and_sines
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.moments import mean
from analysis.point.frame_phases import FramePhases

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Indices = NDArray[np.int64]

_MIN_FRAMES = 3
"""Frames that a period needs for an amplitude and an angle."""

_MIN_PERIODS = 6
"""Periods that are needed to know their noise."""

_MAX_PERIOD = 1.5
"""Length of a period, relative to the usual one, above which frames are missing in it."""

_WALK = 10.0
"""Assumed variance of the path's steps over the white noise of frames. With it the effects of
periods are near their best precision for any drift. Test:
tests/analysis/point/test_chopper_slips.py."""

_FALSE_ALARM = 1e-6
"""Probability that noise counts as a slip."""

_MIN_CHI2 = 80.0
"""Least χ² of two numbers that counts as a slip: noise has outliers."""

_SHORT_STRETCH = 0.25
"""Length of a stretch of periods, relative to the longest, below which it may be an accident, such
as a kick to the table."""

_AGREEMENT_CHI2 = 25.0
"""χ² of two numbers below which two effects agree: no wrong refusal in a night."""

_SAME_EFFECT = 0.6
"""Relative difference below which a short stretch has the negative of the longest one's effect. The
effect is not known well while periods of another one are in the point."""

_MIN_TURN = 0.5
"""Imaginary over real part of an effect, below which it may be a delay of the sample's response."""


class _PeriodEffects(NamedTuple):
    """Effects of n periods beside the known one.

    Attributes
    ----------
    effect : (n,) complex array
        rad.
    scaled : (n,) complex array
        The same, transformed so that both parts are independent and have the variance 1.
    variance : float
        The larger variance of the two parts of `effect`, rad².
    """

    effect: Complexes
    scaled: Complexes
    variance: float


class _Information(NamedTuple):
    """Normal equations of periods for two effects: in phase, and a quarter of a period late."""

    in_phase: float
    crossed: float
    late: float


@compiled
def periods(pump_open: Floats, time: Floats) -> Indices:
    """Return the first frames of the chopper's whole periods, and the frames after their last.

    A period begins where the open fraction rises above its mean. Periods that lack frames are left
    out.

    Parameters
    ----------
    pump_open, time : (F,) array
        Open fractions; s.

    Returns
    -------
    (n, 2) array
    """
    middle, count = mean(pump_open), 0
    rises = np.empty(len(pump_open), np.int64)
    for f in range(1, len(pump_open)):
        if pump_open[f - 1] < middle <= pump_open[f]:
            rises[count] = f
            count += 1
    result, whole = np.empty((max(count - 1, 0), 2), np.int64), 0
    if count < 2:
        return result
    lengths = np.empty(count - 1)
    for i in range(count - 1):
        lengths[i] = time[rises[i + 1]] - time[rises[i]]
    usual = np.sort(lengths)[(count - 1) // 2]
    for i in range(count - 1):
        begin, end = rises[i], rises[i + 1]
        if end - begin >= _MIN_FRAMES and time[end] - time[begin] < _MAX_PERIOD * usual:
            result[whole, 0], result[whole, 1] = begin, end
            whole += 1
    return result[:whole]


@compiled
def _period_effects(phases: FramePhases, time: Floats, edges: Indices) -> _PeriodEffects:
    """Return the effects of periods beside the known one.

    Parameters
    ----------
    phases : FramePhases
    time : (F,) array
        s.
    edges : (n, 2) array
        See `periods`.
    """
    count = len(edges)
    effect, information = _regress_periods(phases, time, edges)
    in_phase, crossed, late = information
    root, other = np.sqrt(in_phase), np.sqrt(late - crossed * crossed / in_phase)  # by Cholesky
    real, imaginary, steps = np.empty(count), np.empty(count), np.empty(2 * count - 2)
    for i in range(count):
        real[i] = root * effect[i].real + crossed / root * effect[i].imag
        imaginary[i] = other * effect[i].imag
    for i in range(count - 1):
        steps[i], steps[count - 1 + i] = real[i + 1] - real[i], imaginary[i + 1] - imaginary[i]
    # No less than what white noise alone makes.
    noise = max(_variance_of_steps(steps), 1 / (1 + _WALK))
    scaled = np.empty(count, np.complex128)
    for i in range(count):
        scaled[i] = complex(real[i] / np.sqrt(noise), imaginary[i] / np.sqrt(noise))
    least = (in_phase + late) / 2 - np.sqrt((in_phase - late) ** 2 / 4 + crossed * crossed)
    return _PeriodEffects(effect, scaled, noise / least)


@compiled_within
def _regress_periods(
    phases: FramePhases, time: Floats, edges: Indices
) -> tuple[Complexes, _Information]:
    """Return the effects (n,) of periods, and the mean of their information.

    Regression of the steps of the phase from frame to frame, made independent, on those of the
    response and of the response a quarter of a period later.
    """
    count, spacing = len(edges), (time[-1] - time[0]) / (len(time) - 1)
    total = 0.0
    for f in range(len(time)):
        total += 1 / phases.variance[f]
    walk = _WALK / (spacing * total / len(time))
    slope = (phases.phase[-1] - phases.phase[0]) / (time[-1] - time[0])
    behind = _a_quarter_late(phases.response, time, edges)
    result = np.zeros(count, np.complex128)
    ee = el = ll = 0.0
    share = effect = lag = phase = 0.0
    for period in range(count):
        begin, end = edges[period]
        if period == 0 or edges[period - 1, 1] != begin:  # nothing is known of the frame before
            begin += 1
            share = effect = lag = phase = 0.0
        own_ee = own_el = own_ll = ey = ly = 0.0
        for f in range(begin, end):
            dt, noise = time[f] - time[f - 1], phases.variance[f - 1]
            back = noise * share  # in common with the step before
            share = 1 / (walk * dt + noise + phases.variance[f] - noise * back)
            effect = phases.response[f] - phases.response[f - 1] + back * effect
            lag = behind[f] - behind[f - 1] + back * lag
            phase = phases.phase[f] - phases.phase[f - 1] - slope * dt + back * phase
            own_ee += effect * effect * share
            own_el += effect * lag * share
            own_ll += lag * lag * share
            ey += effect * phase * share
            ly += lag * phase * share
        volume = own_ee * own_ll - own_el * own_el
        if volume > 0:  # or the period contains no information
            real, imaginary = own_ll * ey - own_el * ly, own_ee * ly - own_el * ey
            result[period] = complex(real / volume, imaginary / volume)
        ee, el, ll = ee + own_ee / count, el + own_el / count, ll + own_ll / count
    return result, _Information(ee, el, ll)


@compiled
def _a_quarter_late(response: Floats, time: Floats, edges: Indices) -> Floats:
    """Return the fundamental of a response (F,), a quarter of a period later."""
    angle, cosines, sines = np.zeros(len(time)), np.zeros(len(time)), np.zeros(len(time))
    for begin, end in edges:
        middle, turn = mean(time[begin:end]), 2 * np.pi / (time[end] - time[begin])
        for f in range(begin, end):
            angle[f] = turn * (time[f] - middle)
    cosines_and_sines(angle, cosines, sines)
    real = imaginary = count = 0.0
    for begin, end in edges:
        count += end - begin
        for f in range(begin, end):
            real += response[f] * cosines[f]
            imaginary += response[f] * sines[f]
    for f in range(len(time)):
        angle[f] = 2 / count * (real * sines[f] - imaginary * cosines[f])
    return angle


@compiled
def _variance_of_steps(steps: Floats) -> float:
    """Return the variance of Gaussian numbers whose differences are `steps`, a few jumps excepted.

    The smallest three quarters of the squares of Gaussian numbers have the mean 0.369 σ².
    """
    squares = np.empty(len(steps))
    for i in range(len(steps)):
        squares[i] = steps[i] * steps[i]
    return mean(np.sort(squares)[: (3 * len(squares)) // 4]) / 0.369 / 2


@compiled
def _slip_chi2(count: int) -> float:
    """Return the χ² of two numbers that noise, known from `count` periods, never reaches.

    Twice the quantile of F(2, ν): three quarters of the two numbers per period determine the noise.
    """
    known = 1.5 * count
    return max(known * (_FALSE_ALARM ** (-2 / known) - 1), _MIN_CHI2)


@compiled
def break_point(scaled: Complexes, least: float) -> int:
    """Return the first period (n,) with another effect than those before; 0 where there is none.

    `least` is the χ² that counts.
    """
    count, real, imaginary, first_real, first_imaginary = len(scaled), 0.0, 0.0, 0.0, 0.0
    for k in range(count):
        real += scaled[k].real
        imaginary += scaled[k].imag
    best, at = least, 0
    for k in range(1, count):
        first_real += scaled[k - 1].real
        first_imaginary += scaled[k - 1].imag
        x = first_real / k - (real - first_real) / (count - k)
        y = first_imaginary / k - (imaginary - first_imaginary) / (count - k)
        gain = (x * x + y * y) * k * (count - k) / count
        if gain > best:
            best, at = gain, k
    return at


@compiled
def _is_turned(effect: complex, variance: float, least: float) -> bool:
    """Return whether an effect with a `variance` is not a real number, by a χ² of `least`."""
    return effect.imag**2 > max(least * variance, (_MIN_TURN * effect.real) ** 2)


@compiled_within
def has_slipped(phases: FramePhases, time: Floats, pump_open: Floats, delta: float) -> bool:
    """Return whether the chopper seems to have slipped within a point or before it.

    Parameters
    ----------
    phases : FramePhases
    time, pump_open : (F,) array
        s; open fractions.
    delta : float
        The effect, rad, which `phases` does not contain.
    """
    edges = periods(pump_open, time)
    if len(edges) < _MIN_PERIODS:
        return False
    effects = _period_effects(phases, time, edges)
    count, least = len(edges), _slip_chi2(len(edges))
    real, imaginary, scaled = mean(effects.effect.real), mean(effects.effect.imag), effects.scaled
    if _is_turned(complex(delta + real, imaginary), effects.variance / count, least):
        return True
    real, imaginary = mean(scaled.real), mean(scaled.imag)
    chi2 = largest = 0.0
    for i in range(count):
        square = (scaled[i].real - real) ** 2 + (scaled[i].imag - imaginary) ** 2
        chi2 += square
        largest = max(largest, square)
    # One period, or a step, can deviate by no more than all periods do.
    return chi2 > least and (largest > least or break_point(scaled, least) > 0)


def frames_in_step(
    phases: FramePhases, time: Floats, pump_open: Floats, delta: float
) -> NDArray[np.bool_]:
    """Return which frames (F,) agree with their open fractions; parameters as of `has_slipped`.

    The first stretch of periods that agree with one another and with the open fractions is taken as
    right: after half a turn the effect is a real number too, the negative. Other stretches with the
    same effect are right as well. The periods beside a slip are left out with it. A short stretch
    with any other effect counts as an accident, not as the first.
    """
    edges = periods(pump_open, time)
    if len(edges) < _MIN_PERIODS:
        return np.ones(len(time), bool)
    effect, scaled, variance = _period_effects(phases, time, edges)
    least = _slip_chi2(len(edges))
    stretches = [np.arange(*ends) for ends in _stretches(scaled, least)]
    real = [
        part
        for part in stretches
        if not _is_turned(complex(delta + effect[part].mean()), variance / len(part), least)
    ]
    if not real:
        return np.zeros(len(time), bool)
    longest = max(real, key=len)
    usual = delta + effect[longest].mean()

    def counts(part: Indices) -> bool:
        sum_of_both = abs(usual + delta + effect[part].mean()) ** 2  # 0 after half a turn
        noise = _AGREEMENT_CHI2 * variance * (1 / len(part) + 1 / len(longest))
        is_negative = sum_of_both < max(noise, (_SAME_EFFECT * abs(usual)) ** 2)
        return len(part) > _SHORT_STRETCH * len(longest) or is_negative

    model = next(part for part in real if counts(part))
    good = np.zeros(len(effect), bool)
    for part in real:
        away = abs(scaled[part].mean() - scaled[model].mean()) ** 2
        good[part] = away < _AGREEMENT_CHI2 * (1 / len(part) + 1 / len(model))
    typical = complex(np.median(scaled[model].real), np.median(scaled[model].imag))
    good &= np.abs(scaled - typical) ** 2 < least
    good = ~np.convolve(~good, np.ones(3), "same").astype(bool)
    # Frames outside of whole periods go with the nearest one.
    centre = time[edges].mean(axis=1)
    return good[np.abs(time[:, np.newaxis] - centre).argmin(axis=1)]


def _stretches(scaled: Complexes, least: float, begin: int = 0) -> list[tuple[int, int]]:
    """Return the first periods of stretches with one effect each, and those after their last."""
    at = break_point(scaled, least)
    if at == 0:
        return [(begin, begin + len(scaled))]
    return _stretches(scaled[:at], least, begin) + _stretches(scaled[at:], least, begin + at)
