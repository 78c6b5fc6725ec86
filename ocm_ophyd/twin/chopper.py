"""The chopper: a square wave whose edges take time, integrated over exposures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEN_TO_NINETY = 2.5631
"""10–90 % width of a Gaussian edge, in standard deviations."""
_AT = 20.0
"""Hz at which the scenario states the edge time: a slower wheel has slower edges."""


def open_fraction(
    start: NDArray[np.float64], exposure: float, frequency: float, phase: float, edge_time: float
) -> NDArray[np.float64]:
    """Mean transmission of the chopper during each exposure.

    The wheel is open during the first half of its period, which begins at t = −phase/frequency.
    A Gaussian beam crosses its blades, so each edge is an error function.

    Parameters
    ----------
    start
        (F,) s, starts of the exposures.
    exposure
        s.
    frequency
        Hz; 0 is a wheel parked open.
    phase
        Periods by which the wheel is ahead at t = 0.
    edge_time
        s at 20 Hz, 10–90 %.

    Returns
    -------
    (F,) 0–1.
    """
    if frequency == 0:
        return np.ones(len(start))
    sigma = edge_time * _AT / frequency / _TEN_TO_NINETY
    margin = 6 * sigma
    first = np.floor(2 * (frequency * (start - margin) + phase))
    count = math.ceil(2 * frequency * (exposure + 2 * margin)) + 1
    open_before = first % 2 == 0
    total = np.where(open_before, exposure, 0.0)
    for number in range(1, count + 1):
        edge = ((first + number) / 2 - phase) / frequency
        closing = open_before == (number % 2 == 1)
        step = _ramp(start + exposure - edge, sigma) - _ramp(start - edge, sigma)
        total += np.where(closing, -step, step)
    return np.clip(total / exposure, 0.0, 1.0)


def _ramp(time: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Integral of a Gaussian edge up to `time` after its middle."""
    u = time / sigma
    return sigma * (u * ndtr(u) + np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi))
