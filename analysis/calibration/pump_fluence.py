"""Pump power against the retarder's voltage, and the fluence that it gives."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

Floats = NDArray[np.float64]

_MIN_POINTS = 4


class PowerCalibration:
    """Pump power against the retarder's voltage, on the branch that can be inverted.

    Behind the polarising beam splitter the power follows sin² of half the retardance, which falls
    with the voltage: several branches, of which the one with the largest swing is kept. Noise is
    taken out by weighted isotonic regression; between the points a monotone cubic (PCHIP)
    interpolates.

    Parameters
    ----------
    voltage, power : (P,) array
        V, W.
    sigma : (P,) array, optional
        Standard deviation of the power, W.

    Raises
    ------
    ValueError
        Fewer than four voltages, values that are not finite, or no branch on which the power
        changes.
    """

    def __init__(
        self, voltage: ArrayLike, power: ArrayLike, sigma: ArrayLike | None = None
    ) -> None:
        v, p = np.asarray(voltage, np.float64), np.asarray(power, np.float64)
        s = np.ones_like(p) if sigma is None else np.asarray(sigma, np.float64)
        if not (np.isfinite(v).all() and np.isfinite(p).all() and np.isfinite(s).all()):
            raise ValueError("power calibration: voltages, powers and sigmas must be finite")
        if (s <= 0).any():
            raise ValueError("power calibration: sigma must be positive")
        weight = s**-2
        nodes, place = np.unique(v, return_inverse=True)
        if len(nodes) < _MIN_POINTS:
            raise ValueError(
                f"power calibration: {len(nodes)} voltages, needs {_MIN_POINTS}; measure more"
            )
        total = np.bincount(place, weight)
        mean = np.bincount(place, weight * p) / total
        noise = np.zeros_like(mean) if sigma is None else 1 / np.sqrt(total)
        start, stop = _steepest_branch(mean, noise)
        part = slice(start, stop + 1)
        rising = bool(mean[stop] > mean[start])
        swing = abs(mean[stop] - mean[start])
        if swing <= 5 * np.hypot(noise[start], noise[stop]):
            raise ValueError(
                "power calibration: the voltage does not change the power; is the pump blocked?"
            )
        fitted = isotonic_regression(mean[part], weights=total[part], increasing=rising).x
        # A run of equal values is one point, at its mean voltage.
        level = np.concatenate([[0], np.cumsum(np.diff(fitted) != 0)])
        share = np.bincount(level, total[part])
        self._voltage = np.bincount(level, total[part] * nodes[part]) / share
        self._power = np.bincount(level, total[part] * fitted) / share
        if len(self._power) < _MIN_POINTS:
            raise ValueError(
                f"power calibration: {len(self._power)} distinct powers on the steepest branch, "
                f"needs {_MIN_POINTS}; measure more voltages between {nodes[start]:g} and "
                f"{nodes[stop]:g} V"
            )
        self._curve = PchipInterpolator(self._voltage, self._power)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest power of the branch, W."""
        return float(self._power.min()), float(self._power.max())

    def power(self, voltage: float) -> float:
        """Power in W at a voltage of the branch.

        Raises
        ------
        ValueError
            The voltage is outside the branch.
        """
        low, high = self._voltage[[0, -1]]
        if not low <= voltage <= high:
            raise ValueError(
                f"voltage {voltage:g} V is outside the calibration, {low:.4g} to {high:.4g} V"
            )
        return float(self._curve(voltage))

    def voltage(self, power: float) -> float:
        """Voltage that gives a power (W): the exact inverse of `power`.

        Raises
        ------
        ValueError
            The power is outside the branch.
        """
        low, high = self.limits
        if not low <= power <= high:
            raise ValueError(
                f"power {power:g} W is outside the calibration, {low:.4g} to {high:.4g} W"
            )
        return float(self._curve.solve(power, extrapolate=False)[0])

    @property
    def branch(self) -> tuple[float, float]:
        """First and last voltage of the branch, V."""
        return float(self._voltage[0]), float(self._voltage[-1])

    @property
    def nodes(self) -> tuple[Floats, Floats]:
        """Voltages (V, increasing) and the powers (W) between which it interpolates."""
        return self._voltage.copy(), self._power.copy()


def peak_fluence(power: ArrayLike, repetition_rate: float, pump_waist: float) -> Floats:
    """Peak fluence 2E/(πw²) in mJ/cm² of pulses with E = power/repetition rate.

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


def _steepest_branch(power: Floats, noise: Floats) -> tuple[int, int]:
    """First and last index of the monotonic stretch with the largest swing.

    A turn counts when the power comes back by more than five standard deviations and 2 % of its
    range.
    """
    least = 0.02 * np.ptp(power)
    turns, low, high = [0], 0, 0
    for i in range(1, len(power)):
        if power[i] > power[high]:
            high = i
        if power[i] < power[low]:
            low = i
        threshold = max(least, 5 * np.hypot(noise[i], noise[high]))
        if power[high] - power[i] > threshold and high > turns[-1]:
            turns.append(high)
            low = i
        threshold = max(least, 5 * np.hypot(noise[i], noise[low]))
        if power[i] - power[low] > threshold and low > turns[-1]:
            turns.append(low)
            high = i
    turns.append(len(power) - 1)
    swings = np.abs(np.diff(power[turns]))
    best = int(np.argmax(swings))
    return turns[best], turns[best + 1]
