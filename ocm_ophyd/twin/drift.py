"""Slow random processes that run on between measurements, on one simulated clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RandomWalk:
    """Brownian motion from 0: the variance of an increment is rate² times its duration."""

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        self._rate = rate
        self._rng = rng
        self._value = 0.0

    def follow(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """(F,) values after steps of (F,) seconds, from where the last call ended."""
        if not self._rate:
            return np.zeros(len(steps))
        moves = self._rate * np.sqrt(steps) * self._rng.standard_normal(len(steps))
        path = self._value + np.cumsum(moves)
        self._value = float(path[-1])
        return path


class Wander:
    """Ornstein–Uhlenbeck process: Gaussian, zero mean, `rms`, forgets within `time` seconds."""

    def __init__(self, rms: float, time: float, rng: np.random.Generator) -> None:
        self._rms = rms
        self._time = time
        self._rng = rng
        self._value = rms * rng.standard_normal()

    def follow(self, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """(F,) values after steps of (F,) seconds, from where the last call ended."""
        if not self._rms:
            return np.zeros(len(steps))
        kept = np.exp(-steps / self._time)
        fresh = self._rms * np.sqrt(-np.expm1(-2 * steps / self._time))
        kicks = fresh * self._rng.standard_normal(len(steps))
        path = np.empty(len(steps))
        for index, (share, kick) in enumerate(zip(kept, kicks, strict=True)):
            self._value = path[index] = share * self._value + kick
        return path
