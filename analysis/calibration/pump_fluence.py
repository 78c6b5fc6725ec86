"""Pump power against the retarder's voltage by monotone interpolation, and peak fluence.

Behind the polarising beam splitter the pump power is proportional to sin² of half the retardance,
which decreases with the voltage. So the curve has several monotone branches. The one with the
largest change of power is kept, because voltage and power determine each other on it.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from ocm_ophyd.errors import DataError

__all__ = ["PowerCalibration", "peak_fluence"]

Floats = NDArray[np.float64]

_MIN_POINTS = 4
"""Smallest number of voltages, and of different powers on the branch."""

_SIGNIFICANCE = 5.0
"""Standard deviations from which a change of power is not noise."""

_MIN_REVERSAL = 0.02
"""Smallest reversal of the power, relative to its range, that ends a branch."""


class PowerCalibration:
    """Pump power against the retarder's voltage on the branch with the largest change of power.

    Weighted isotonic regression makes the powers monotone; a monotone cubic (PCHIP) interpolates
    between them.

    Parameters
    ----------
    voltage, power : (P,) array
        V, W.
    sigma : (P,) array, optional
        Standard deviation of the power, W.

    Raises
    ------
    DataError
        Fewer than four voltages, values that are not finite, or no branch on which the power
        changes.
    """

    def __init__(
        self, voltage: ArrayLike, power: ArrayLike, sigma: ArrayLike | None = None
    ) -> None:
        v, p = np.asarray(voltage, np.float64), np.asarray(power, np.float64)
        s = np.ones_like(p) if sigma is None else np.asarray(sigma, np.float64)
        if not (np.isfinite(v).all() and np.isfinite(p).all() and np.isfinite(s).all()):
            raise DataError("power calibration: voltages, powers and sigmas must be finite")
        if (s <= 0).any():
            raise DataError("power calibration: sigma must be positive")
        weight = s**-2
        nodes, place = np.unique(v, return_inverse=True)
        if len(nodes) < _MIN_POINTS:
            raise DataError(
                f"power calibration: {len(nodes)} voltages, needs {_MIN_POINTS}; measure more"
            )
        total = np.bincount(place, weight)
        mean = np.bincount(place, weight * p) / total
        noise = np.zeros_like(mean) if sigma is None else 1 / np.sqrt(total)
        start, stop = _branch(mean, noise)
        part = slice(start, stop + 1)
        rising = bool(mean[stop] > mean[start])
        change = abs(mean[stop] - mean[start])
        if change <= _SIGNIFICANCE * np.hypot(noise[start], noise[stop]):
            raise DataError(
                "power calibration: the voltage does not change the power; is the pump blocked?"
            )
        fitted = isotonic_regression(mean[part], weights=total[part], increasing=rising).x
        # A run of equal powers becomes one point at its mean voltage.
        run = np.concatenate([[0], np.cumsum(np.diff(fitted) != 0)])
        run_weight = np.bincount(run, total[part])
        self._voltage = np.bincount(run, total[part] * nodes[part]) / run_weight
        self._power = np.bincount(run, total[part] * fitted) / run_weight
        if len(self._power) < _MIN_POINTS:
            raise DataError(
                f"power calibration: {len(self._power)} distinct powers on the steepest branch, "
                f"needs {_MIN_POINTS}; measure more voltages between {nodes[start]:g} and "
                f"{nodes[stop]:g} V"
            )
        self._curve = PchipInterpolator(self._voltage, self._power)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest power of the branch, W."""
        return float(self._power.min()), float(self._power.max())

    @property
    def branch(self) -> tuple[float, float]:
        """First and last voltage of the branch, V."""
        return float(self._voltage[0]), float(self._voltage[-1])

    @property
    def nodes(self) -> tuple[Floats, Floats]:
        """Voltages (V, increasing) and powers (W) between which the curve interpolates."""
        return self._voltage.copy(), self._power.copy()

    def power(self, voltage: float) -> float:
        """Return the power in W at a voltage (V) of the branch.

        Raises
        ------
        DataError
            The voltage is outside the branch.
        """
        low, high = self._voltage[[0, -1]]
        if not low <= voltage <= high:
            raise DataError(
                f"voltage {voltage:g} V is outside the calibration, {low:.4g} to {high:.4g} V"
            )
        return float(self._curve(voltage))

    def voltage(self, power: float) -> float:
        """Return the voltage in V that gives a power (W): the exact inverse of `power`.

        Raises
        ------
        DataError
            The power is outside the branch.
        """
        low, high = self.limits
        if not low <= power <= high:
            raise DataError(
                f"power {power:g} W is outside the calibration, {low:.4g} to {high:.4g} W"
            )
        return float(self._curve.solve(power, extrapolate=False)[0])


def peak_fluence(power: ArrayLike, repetition_rate: float, pump_waist: float) -> Floats:
    """Return the peak fluence 2E/(πw²) in mJ/cm² of pulses with E = power/repetition rate.

    Parameters
    ----------
    power : array
        W.
    repetition_rate : float
        Hz.
    pump_waist : float
        1/e² radius w, um.
    """
    energy = np.asarray(power, np.float64) / repetition_rate * 1e3  # mJ
    return np.asarray(2 * energy / (np.pi * (pump_waist * 1e-4) ** 2))


def _branch(power: Floats, noise: Floats) -> tuple[int, int]:
    """Return the first and last index of the monotone branch with the largest change of power.

    A branch ends where the power reverses by more than its noise and 2 % of its range.

    Parameters
    ----------
    power, noise : (n,) array
        Powers at increasing voltages, and their standard deviations, W.
    """
    least = _MIN_REVERSAL * np.ptp(power)
    ends, low, high = [0], 0, 0
    for i in range(1, len(power)):
        if power[i] > power[high]:
            high = i
        if power[i] < power[low]:
            low = i
        threshold = max(least, _SIGNIFICANCE * np.hypot(noise[i], noise[high]))
        if power[high] - power[i] > threshold and high > ends[-1]:
            ends.append(high)
            low = i
        threshold = max(least, _SIGNIFICANCE * np.hypot(noise[i], noise[low]))
        if power[i] - power[low] > threshold and low > ends[-1]:
            ends.append(low)
            high = i
    ends.append(len(power) - 1)
    changes = np.abs(np.diff(power[ends]))
    best = int(np.argmax(changes))
    return ends[best], ends[best + 1]
