"""Demodulation of frames at the chopper's frequency, against the open fraction of each frame.

A frame whose pump was on for the fraction o of its exposure holds (1 − o) S_off + o S_on exactly,
and the pump-off signal drifts. Within one chopper period the drift is taken as a straight line, so
the pump's effect ΔS = S_on − S_off is the coefficient of o in a regression on [1, t, o] within each
period, with one ΔS for the whole point. All of it is linear in the frames: one weight a frame, the
same for every pixel and for every number computed from a frame.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LockIn:
    """Weights that turn F frames into the pump's effect and the pump-off signal.

    Attributes
    ----------
    difference : (F,) array
        ΔS = Σ difference·S. Sums to 0 against a straight line in time within every period, to 1
        against `pump_open`.
    off : (F,) array
        S_off = Σ off·S, at the mean time of the frames.
    pump_open : (F,) array
        Open fraction of each frame.
    """

    difference: Floats
    off: Floats
    pump_open: Floats

    def sigma(self, signal: Floats) -> float:
        """Standard deviation of Σ difference·signal, from the signal's own noise.

        The noise of an interferometer is drift (a random walk) plus shot noise (white). The
        increments of both from frame to frame are stationary and correlated over one frame at most,
        so their variance and first covariance, which all frames of the point determine, give the
        variance of any weighted sum. The scatter of one estimate a period would give the same mean
        with far fewer degrees of freedom: useless for points of a few periods.

        Returns NaN for fewer than five frames.
        """
        residual = signal - (self.difference @ signal) * self.pump_open
        step = np.diff(residual)
        free = len(step) - 2  # the pump's effect and the mean drift are taken out
        if free < 2:
            return float("nan")
        step = step - step.mean()
        variance = (step @ step) / free
        covariance = np.clip((step[1:] @ step[:-1]) / free, -variance / 2, variance / 2)
        summed = np.cumsum(self.difference)[:-1]  # Σ a_f s_f = −Σ summed_f step_f
        total = variance * (summed @ summed) + 2 * covariance * (summed[1:] @ summed[:-1])
        return float(np.sqrt(max(total, 0.0)))


def lock_in(frame_time: Floats, pump_open: Floats, frequency: float) -> LockIn | None:
    """Weights for frames at `frame_time` (s) that saw the pump for `pump_open` of their exposure.

    Periods of the chopper (`frequency`, Hz) are cut in the middle of the closed phase, where the
    open fraction is even about the period's middle: the straight line then costs no precision. Cut
    at an edge, it would cost a factor of two.

    Returns None where nothing was modulated.
    """
    if len(frame_time) < 3:
        return None
    cycles = frequency * (frame_time - frame_time[0])
    opened = np.angle(pump_open @ np.exp(2j * np.pi * cycles)) / (2 * np.pi)
    period = np.floor(cycles - opened + 0.5).astype(np.int64)
    modulation = _without_lines(period, cycles, pump_open)
    power = modulation @ modulation
    if power < 1e-6 * len(frame_time):  # open fractions are known to about 1e-3
        return None
    difference = modulation / power
    return LockIn(difference, 1 / len(frame_time) - pump_open.mean() * difference, pump_open)


@njit(cache=True)
def _without_lines(period: NDArray[np.int64], time: Floats, values: Floats) -> Floats:
    """Take from `values` (F,) the straight line in `time` that fits them best in each period."""
    result = np.empty_like(values)
    start = 0
    for end in range(1, len(values) + 1):
        if end < len(values) and period[end] == period[start]:
            continue
        t = time[start:end] - np.mean(time[start:end])
        v = values[start:end] - np.mean(values[start:end])
        spread = np.sum(t * t)
        slope = np.sum(t * v) / spread if spread > 0 else 0.0
        result[start:end] = v - slope * t
        start = end
    return result
