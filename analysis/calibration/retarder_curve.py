"""Pump power behind the liquid-crystal retarder: Malus' law with the crystal's retardance.

Between polarisers at 45° a retardance Γ transmits sin²(Γ/2), and a leak besides:

    P = P₀ [leak + (1 − leak) sin²(Γ(V)/2)],  Γ(V) = 2π Γ₀ / (1 + ((V − V_c)/V₀)^p) above V_c.

The director does not turn below the Freedericksz threshold V_c. Far above it only the layers at the
walls, whose thickness decreases with the field, retain a retardance, so Γ decreases as a power of V
(S.-T. Wu, U. Efron and L. D. Hess, Appl. Opt. 23, 3911 (1984)). The exponent p is 1 for strong
anchoring at the walls; it is free, because the anchoring may be weaker.
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.stats import chi2 as chi2_distribution

from analysis.calibration.pump_fluence import PowerCalibration
from ocm_ophyd.errors import DataError

__all__ = ["PowerCurve", "check_curve", "corrected_power", "fit_retarder", "relative_change"]

Floats = NDArray[np.float64]

_NODES = 121
"""Rows of the table: PCHIP between them is exact to 1e-5."""

_MIN_PROBABILITY = 1e-3
"""Smallest probability of a χ² as large as the fit's with which the physical model is accepted."""

_START_WAVES = np.arange(0.3, 3.05, 0.1)
"""Values of Γ₀ to start from, waves."""

_START_EXPONENTS = (1.0, 1.5, 2.0)
"""Values of p to start from."""

_START_THRESHOLDS = np.linspace(0, 0.3, 13)
"""Values of V_c to start from, parts of the range of voltages."""

_START_HALVES = np.array([0.03, 0.05, 0.08, 0.12, 0.18, 0.3])
"""Values of V₀ to start from, parts of the range of voltages."""

_STARTS = 4
"""Number of the best starts that are fitted."""

_MIN_STEP = 1e-6
"""Smallest change of power between rows of the table, relative to its range: a smaller one counts
as flat and cannot be inverted."""

_BRIGHT = 0.1
"""Readings above this part of the largest power give the relative part of the meter's noise."""

_CONVERTER = 1e-6
"""Smallest standard deviation of a power relative to the largest one: resolution of a converter."""


@dataclass(frozen=True)
class PowerCurve:
    """Table of the pump power against the voltage on the branch that is used.

    Attributes
    ----------
    voltage, power : (N,) array
        Increasing, V; increasing or decreasing everywhere, W.
    relative_sigma : float
        Relative standard deviation of the power where it is half of the largest.
    retardance, retardance_sigma : float
        Γ₀ and its standard deviation, waves; NaN where the table is an interpolation.
    note : str
        Model of the table, and how well the physical one describes the data.
    """

    voltage: Floats
    power: Floats
    relative_sigma: float
    retardance: float
    retardance_sigma: float
    note: str


class _MalusParameters(NamedTuple):
    """Parameters of `_malus`.

    Attributes
    ----------
    full : float
        P₀, W.
    leak : float
        Part of P₀.
    waves : float
        Γ₀, waves.
    threshold, half : float
        V_c and V₀, V.
    exponent : float
        p.
    """

    full: float
    leak: float
    waves: float
    threshold: float
    half: float
    exponent: float


def corrected_power(
    time: ArrayLike, power: ArrayLike, sigma: ArrayLike, dark: ArrayLike
) -> tuple[Floats, Floats]:
    """Subtract the drifting zero of the meter from its readings.

    Parameters
    ----------
    time : (P,) array
        Increasing times of all readings, s.
    power, sigma : (P,) array
        Reading, and its standard deviation from repetition, W.
    dark : (P,) array of bool
        Whether the shutter was closed: the zero is interpolated between these readings.

    Returns
    -------
    power, sigma : (Q,) array
        Of the Q readings with the shutter open, W. The standard deviation of a single reading is
        uncertain, so all of them together give a relative and an absolute part of it.

    Raises
    ------
    DataError
        No reading with the shutter closed or open, or readings that are not finite.
    """
    t, p, s = (np.asarray(values, np.float64) for values in (time, power, sigma))
    closed = np.asarray(dark, bool)
    if not (np.isfinite(p).all() and np.isfinite(s).all()):
        raise DataError("power calibration: the meter's readings must be finite")
    if not closed.any() or closed.all():
        raise DataError("power calibration: readings with the shutter closed and open are needed")
    net = (p - np.interp(t, t[closed], p[closed]))[~closed]
    bright = net > _BRIGHT * net.max()
    relative = np.sqrt(np.mean((s[~closed][bright] / net[bright]) ** 2))
    # Deviation of a zero from the line between its neighbours: error of the interpolation.
    zero = p[closed]
    bend = zero[1:-1] - (zero[:-2] + zero[2:]) / 2 if len(zero) > 2 else zero - zero.mean()
    absolute = np.hypot(np.sqrt(np.mean(s[closed] ** 2)), np.sqrt(np.mean(bend**2)) / 2)
    least = _CONVERTER * net.max()
    return net, np.asarray(np.sqrt((relative * net) ** 2 + absolute**2 + least**2))


def fit_retarder(voltage: ArrayLike, power: ArrayLike, sigma: ArrayLike) -> PowerCurve:
    """Fit the power against the voltage on the branch with the largest change of power.

    Where χ² rejects the physical model, the monotone interpolation of
    `analysis.calibration.pump_fluence.PowerCalibration` replaces it, which assumes nothing about
    the crystal.

    Parameters
    ----------
    voltage, power, sigma : (P,) array
        V; W; standard deviation of the power, W.

    Raises
    ------
    DataError
        No branch can be inverted.
    """
    v, p, s = (np.asarray(values, np.float64) for values in (voltage, power, sigma))
    interpolation = PowerCalibration(v, p, s)  # refuses data that no model could invert
    fits = [_fit(v, p, s, start) for start in _starts(v, p)]
    best = min(fits, key=lambda fit: fit.chisqr)
    quality = f"chi2/dof {best.redchi:.2f}"
    if not best.errorbars or chi2_distribution.sf(best.chisqr, best.nfree) < _MIN_PROBABILITY:
        volts, powers = interpolation.nodes
        middle = int(np.argmin(np.abs(p - powers.max() / 2)))
        return PowerCurve(
            voltage=volts,
            power=powers,
            relative_sigma=float(s[middle] / p[middle]),
            retardance=float("nan"),
            retardance_sigma=float("nan"),
            note=f"interpolated, as Malus' law misses the curve: {quality}",
        )
    volts, powers = _table(best, v, interpolation.branch)
    middle = int(np.argmin(np.abs(powers - powers.max() / 2)))
    spread = best.eval_uncertainty(voltage=volts[middle : middle + 1])[0]
    waves = best.params["waves"]
    return PowerCurve(
        voltage=volts,
        power=powers,
        relative_sigma=float(spread / powers[middle] * max(1.0, np.sqrt(best.redchi))),
        retardance=float(waves.value),
        retardance_sigma=float(waves.stderr),
        note=f"Malus' law, {quality}",
    )


def _table(
    fit: lmfit.model.ModelResult, voltage: Floats, branch: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return voltages (V) and powers (W) of the fitted curve between its own extremes.

    Parameters
    ----------
    fit : ModelResult
    voltage : (P,) array
        Measured voltages, V.
    branch : tuple of float
        First and last voltage of the branch, V: the interpolation knows them to a step of the
        measured voltages.
    """
    low, high = branch
    margin = float(np.diff(np.unique(voltage)).max())
    fine = np.linspace(
        max(low - margin, voltage.min()), min(high + margin, voltage.max()), 10 * _NODES
    )
    curve = fit.eval(voltage=fine)
    first, last = sorted((int(np.argmin(curve)), int(np.argmax(curve))))
    # Below its threshold voltage the crystal does not turn: a flat end cannot be inverted.
    change = np.abs(np.diff(curve[first : last + 1]))
    turning = first + np.flatnonzero(change > _MIN_STEP * np.ptp(curve))
    nodes = np.linspace(fine[turning[0]], fine[turning[-1] + 1], _NODES)
    return nodes, fit.eval(voltage=nodes)


def _starts(v: Floats, p: Floats) -> list[_MalusParameters]:
    """Return the best starts on a coarse grid, because χ² has many minima.

    Small powers are fitted last, so the sum of squares is taken without weights.
    """
    span = np.ptp(v)
    grid = [
        _MalusParameters(
            full=float(p.max()),
            leak=max(float(p.min() / p.max()), 1e-4),
            waves=waves,
            threshold=threshold,
            half=half,
            exponent=exponent,
        )
        for waves, exponent, threshold, half in product(
            _START_WAVES,
            _START_EXPONENTS,
            (v.min() + span * _START_THRESHOLDS).tolist(),
            span * _START_HALVES,
        )
    ]
    return sorted(grid, key=lambda at: float(((p - _malus(v, **at._asdict())) ** 2).sum()))[
        :_STARTS
    ]


def _fit(v: Floats, p: Floats, s: Floats, start: _MalusParameters) -> lmfit.model.ModelResult:
    """Fit Malus' law to powers p (P,) with standard deviations s (P,), W, at voltages v (P,), V."""
    model = lmfit.Model(_malus, independent_vars=["voltage"])
    parameters = model.make_params(**start._asdict())
    bounds = {
        "full": (0, np.inf),
        "leak": (0, 0.5),
        "waves": (0.05, 5),
        "threshold": (v.min() - np.ptp(v), v.max()),
        "half": (1e-3 * np.ptp(v), 10 * np.ptp(v)),
        "exponent": (0.3, 4),
    }
    for name, (low, high) in bounds.items():
        parameters[name].set(min=low, max=high)
    return model.fit(p, parameters, voltage=v, weights=1 / s, scale_covar=False)


def _malus(
    voltage: Floats,
    full: float,
    leak: float,
    waves: float,
    threshold: float,
    half: float,
    exponent: float,
) -> Floats:
    """Return the power (P,), W, at voltages (P,), V; the parameters are `_MalusParameters`."""
    above = np.maximum(voltage - threshold, 0.0) / half
    retardance = 2 * np.pi * waves / (1 + above**exponent)
    return np.asarray(full * (leak + (1 - leak) * np.sin(retardance / 2) ** 2))


def check_curve(
    voltage: ArrayLike,
    table_power: ArrayLike,
    at: ArrayLike,
    power: ArrayLike,
    sigma: ArrayLike,
) -> tuple[float, float]:
    """Return the mean relative deviation of readings from a table, and its standard deviation.

    Parameters
    ----------
    voltage, table_power : (N,) array
        The table, in V and any unit of power.
    at, power, sigma : (P,) array
        Voltages (V), powers and their standard deviations in that unit.
    """
    expected = PchipInterpolator(np.asarray(voltage), np.asarray(table_power))(np.asarray(at))
    deviation = np.asarray(power) / expected - 1
    weight = (expected / np.asarray(sigma)) ** 2
    return float(np.average(deviation, weights=weight)), float(1 / np.sqrt(weight.sum()))


def relative_change(power: ArrayLike, sigma: ArrayLike) -> tuple[float, float]:
    """Return the change of a power relative to its first value, and its standard deviation.

    Parameters
    ----------
    power, sigma : (2,) array
        First and second power and their standard deviations, in one unit.
    """
    first, second = np.asarray(power, np.float64)
    relative = np.asarray(sigma, np.float64) / first
    return float(second / first - 1), float(np.hypot(*relative))
