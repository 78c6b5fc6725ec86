"""What alignment measures: time zero from the rise of Δn, pump power from the retarder."""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from analysis.decay import exponential, run_fit, select, widening

Floats = NDArray[np.float64]

_RISE = 2 * 1.2815515655446004  # 10-90 % rise of a Gaussian's integral, in standard deviations
_MIN_POINTS = 4


@dataclass(frozen=True)
class TimeZero:
    """The rise of Δn.

    Attributes
    ----------
    time_zero, time_zero_sigma : float
        Delay at which the rise is half done, ps.
    rise, rise_sigma : float
        From 10 to 90 %, ps.
    amplitude, amplitude_sigma : float
        Δn after the rise.
    reduced_chi2 : float
    warnings : tuple of str
    """

    time_zero: float
    time_zero_sigma: float
    rise: float
    rise_sigma: float
    amplitude: float
    amplitude_sigma: float
    reduced_chi2: float
    warnings: tuple[str, ...]


def fit_time_zero(delay: ArrayLike, delta_n: ArrayLike, sigma: ArrayLike | None = None) -> TimeZero:
    """Find time zero in a delay scan across the rise.

    An exponential decay that starts at time zero, convolved with a Gaussian: an error-function
    edge, and what decays behind it. A chirped probe's edge is no error function: where the model
    misses more than the noise, the standard deviations are widened.

    Parameters
    ----------
    delay : (P,) array
        ps, on the scale whose zero is looked for.
    delta_n, sigma : (P,) array

    Raises
    ------
    ValueError
        Too few points, or no rise that is significant and inside the scan.
    """
    data = select(delay, delta_n, sigma, None, 5)
    t, y, s, _ = data
    span = t[-1] - t[0]
    # The sharpest step between what is before and what is after a delay is where to start.
    edges = [_step(y[:i], y[i:], s[:i], s[i:]) for i in range(2, len(t) - 1)]
    best = int(np.argmax(np.abs(edges)))
    if abs(edges[best]) < 5 and sigma is not None:
        raise ValueError(
            f"no rise of delta_n between {t[0]:g} and {t[-1]:g} ps: scan a wider range of delays"
        )
    start = lmfit.Parameters()
    before, after = y[: best + 2], y[best + 2 :]
    start.add("t0", (t[best + 1] + t[best + 2]) / 2, min=t[0], max=t[-1])
    start.add("response", max(span / 50, 0.2), min=0.01, max=span / 2)
    start.add("tau", 2 * span, min=span / 50, max=1e4 * span)
    start.add("amplitude", after.mean() - before.mean())
    start.add("offset", before.mean())
    equation = "Δn(t) = offset + amplitude e^{−(t−t0)/τ}, convolved with a Gaussian"
    fit = run_fit(lmfit.Model(_edge), equation, start, data, sigma is not None)
    widened = widening(fit.reduced_chi2) if sigma is not None else 1.0
    return TimeZero(
        time_zero=fit.values["t0"],
        time_zero_sigma=widened * fit.sigmas["t0"],
        rise=_RISE * fit.values["response"],
        rise_sigma=_RISE * widened * fit.sigmas["response"],
        amplitude=fit.values["amplitude"],
        amplitude_sigma=widened * fit.sigmas["amplitude"],
        reduced_chi2=fit.reduced_chi2,
        warnings=tuple(line for line in fit.warnings if not line.startswith("tau")),
    )


def _edge(
    t: Floats, t0: float, response: float, tau: float, amplitude: float, offset: float
) -> Floats:
    return offset + amplitude * exponential(t, tau, t0, response)


def _step(before: Floats, after: Floats, before_sigma: Floats, after_sigma: Floats) -> float:
    """Difference of two means in standard deviations."""
    means = [
        np.average(y, weights=s**-2) for y, s in ((before, before_sigma), (after, after_sigma))
    ]
    variances = [1 / np.sum(s**-2) for s in (before_sigma, after_sigma)]
    return float((means[1] - means[0]) / np.sqrt(sum(variances)))


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

    def table(self, repetition_rate: float, pump_waist: float) -> tuple[Floats, Floats]:
        """Voltages (V, increasing) and the peak fluences (mJ/cm²) they give: see `peak_fluence`."""
        return self._voltage.copy(), peak_fluence(self._power, repetition_rate, pump_waist)


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
