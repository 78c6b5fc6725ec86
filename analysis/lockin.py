"""Demodulation of frames at the chopper's frequency, against the open fraction of each frame.

A frame whose pump was on for the fraction o of its exposure holds (1 − o) S_off + o S_on exactly,
and the pump-off signal drifts. Within one chopper period the drift is taken as a straight line, so
the pump's effect ΔS = S_on − S_off is the coefficient of o in a regression on [1, t, o] within each
period, with one ΔS for the whole point. All of it is linear in the frames: one weight a frame, the
same for every pixel and for every number computed from a frame.

The loops are compiled: on a hundred frames the interpreter would cost ten times as much.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analysis.layout import MODULATED

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LockIn:
    """Weights that turn F frames into the pump's effect and the pump-off signal.

    Attributes
    ----------
    difference : (F,) array
        ΔS = Σ difference·S. Gives 0 for a straight line in time in every period, 1 for `pump_open`.
    off : (F,) array
        S_off = Σ off·S, at the mean time of the frames.
    pump_open : (F,) array
        Open fraction of each frame.
    """

    difference: Floats
    off: Floats
    pump_open: Floats

    def demodulate(self, frames: NDArray[np.uint32]) -> tuple[Floats, Floats]:
        """S_off and ΔS (K,) of frames (F, K)."""
        return _demodulate(frames, self.off, self.difference)

    def sigma(self, signal: Floats) -> float:
        """Return the standard deviation of Σ difference·signal, from the signal's own noise.

        The noise of an interferometer is drift (a random walk) plus shot noise (white). The
        increments of both from frame to frame are stationary and correlated over one frame at
        most, so their variance and first covariance, which all frames of the point determine, give
        the variance of any weighted sum. The scatter of one estimate a period would give the same
        mean with far fewer degrees of freedom: useless for points of a few periods.

        NaN for fewer than five frames.
        """
        return _sigma(signal, self.difference, self.pump_open)


def lock_in(frame_time: Floats, pump_open: Floats, frequency: float) -> LockIn | None:
    """Find the weights for frames at `frame_time` (s) with the pump on for `pump_open` of each.

    Periods of the chopper (`frequency`, Hz) are cut in the middle of the closed phase, where the
    open fraction is even about the period's middle: the straight line then costs no precision. Cut
    at an edge, it would cost a factor of two.

    Returns None where nothing was modulated.
    """
    difference, off, power = _weights(frame_time, pump_open, frequency)
    if power <= MODULATED**2 / 8 * len(pump_open):  # variance of a sine of that swing
        return None
    return LockIn(difference, off, pump_open)


@njit(cache=True, fastmath=True)
def _demodulate(
    frames: NDArray[np.uint32], off_weights: Floats, difference_weights: Floats
) -> tuple[Floats, Floats]:
    pixels = frames.shape[1]
    off, difference = np.zeros(pixels), np.zeros(pixels)
    for f in range(len(frames)):
        for k in range(pixels):
            count = np.float64(np.int32(frames[f, k]))  # vectorises, uint32 does not
            off[k] += off_weights[f] * count
            difference[k] += difference_weights[f] * count
    return off, difference


@njit(cache=True)
def _weights(
    frame_time: Floats, pump_open: Floats, frequency: float
) -> tuple[Floats, Floats, float]:
    """Weights (F,) of `LockIn`, and the power of the modulation that they rest on."""
    count = len(pump_open)
    modulation, period = np.zeros(count), np.zeros(count)
    cosine = sine = total = 0.0
    for f in range(count):
        angle = 2 * np.pi * frequency * frame_time[f]
        cosine += pump_open[f] * np.cos(angle)
        sine += pump_open[f] * np.sin(angle)
        total += pump_open[f]
    middle = np.arctan2(sine, cosine) / (2 * np.pi)
    for f in range(count):
        period[f] = np.floor(frequency * frame_time[f] - middle + 0.5)
    start, power = 0, 0.0
    for end in range(1, count + 1):
        if end < count and period[end] == period[start]:
            continue
        time = opened = spread = product = 0.0
        for f in range(start, end):
            time += frame_time[f] / (end - start)
            opened += pump_open[f] / (end - start)
        for f in range(start, end):
            spread += (frame_time[f] - time) ** 2
            product += (frame_time[f] - time) * (pump_open[f] - opened)
        if spread > 0:
            for f in range(start, end):
                line = opened + product / spread * (frame_time[f] - time)
                modulation[f] = pump_open[f] - line
                power += modulation[f] ** 2
        start = end
    difference = modulation / max(power, 1e-300)
    return difference, (1 - total * difference) / max(count, 1), power


@njit(cache=True)
def _sigma(signal: Floats, weights: Floats, pump_open: Floats) -> float:
    free = len(signal) - 3  # increments, less the pump's effect and the mean drift
    if free < 2:
        return np.nan
    effect = 0.0
    for f in range(len(signal)):
        effect += weights[f] * signal[f]
    residual = signal - effect * pump_open
    drift = (residual[-1] - residual[0]) / (len(signal) - 1)
    # Σ a_f s_f = −Σ summed_f step_f, with the running sums of the weights a
    variance = covariance = own = shared = 0.0
    step = summed = 0.0
    for f in range(len(signal) - 1):
        previous_step, previous_summed = step, summed
        step = residual[f + 1] - residual[f] - drift
        summed += weights[f]
        variance += step * step / free
        covariance += step * previous_step / free
        own += summed * summed
        shared += summed * previous_summed
    covariance = min(max(covariance, -variance / 2), variance / 2)
    return np.sqrt(max(variance * own + 2 * covariance * shared, 0.0))
