"""Pump power behind the liquid-crystal retarder: Malus' law with the crystal's retardance.

Between polarisers at 45° a retardance Γ lets sin²(Γ/2) through, down to a leak:

    P = P₀ [leak + (1 - leak) sin²(Γ(V)/2)],  Γ(V) = Γ₀ / (1 + ((V - V_c)/V₀)^p) above V_c.

The director does not turn below the Freedericksz threshold V_c. Far above it only the layers at
the walls, whose thickness falls with the field, keep a retardance, so Γ falls as a power of V
(S.-T. Wu, U. Efron and L. D. Hess, Appl. Opt. 23, 3911 (1984)); the exponent, 1 for strong
anchoring, is left free for walls that are not.
"""

from dataclasses import dataclass
from itertools import product

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.stats import chi2 as chi2_distribution

from analysis.calibration.pump_fluence import PowerCalibration

__all__ = ["PowerCurve", "check_curve", "corrected_power", "fit_retarder", "relative_change"]

Floats = NDArray[np.float64]

_NODES = 121  # of the table: PCHIP between them is exact to 1e-5
_LEAST_CHANCE = 1e-3  # of a χ² as large as the fit's, below which the physical model has missed
_WAVES = np.arange(0.3, 3.05, 0.1)  # Γ₀ to start from
_HALVES = np.array([0.03, 0.05, 0.08, 0.12, 0.18, 0.3])  # V₀ to start from, of all volts
_TRIES = 4


@dataclass(frozen=True)
class PowerCurve:
    """Pump power (W) on the branch of the curve that is used, against the voltage (V).

    Attributes
    ----------
    voltage, power : (N,) array
        Voltages increase, powers rise or fall all the way.
    relative_sigma : float
        Standard deviation of a power of the table at half of the largest, relative.
    retardance, retardance_sigma : float
        Γ₀ in waves; NaN where the physical model has missed.
    note : str
        Which model the table is of, and how well the physical one describes the data.
    """

    voltage: Floats
    power: Floats
    relative_sigma: float
    retardance: float
    retardance_sigma: float
    note: str


def corrected_power(
    time: ArrayLike, power: ArrayLike, sigma: ArrayLike, dark: ArrayLike
) -> tuple[Floats, Floats]:
    """Take the meter's drifting zero out of its readings.

    Parameters
    ----------
    time, power, sigma : (P,) array
        s, W, W: all readings in turn; `sigma` from the scatter within a reading.
    dark : (P,) array of bool
        Which were taken with the shutter closed: the zero is interpolated between them.

    Returns
    -------
    power, sigma : arrays
        Of the other readings, W. The scatter of one reading says little, so all of them together
        give a relative and an absolute part.

    Raises
    ------
    ValueError
        No dark reading, or readings that are not finite.
    """
    t, p, s = (np.asarray(values, np.float64) for values in (time, power, sigma))
    closed = np.asarray(dark, bool)
    if not (np.isfinite(p).all() and np.isfinite(s).all()):
        raise ValueError("power calibration: the meter's readings must be finite")
    if not closed.any() or closed.all():
        raise ValueError("power calibration: readings with the shutter closed and open are needed")
    net = (p - np.interp(t, t[closed], p[closed]))[~closed]
    bright = net > 0.1 * net.max()
    relative = np.sqrt(np.mean((s[~closed][bright] / net[bright]) ** 2))
    # how far the zero lies from the line between its neighbours, as good as it is known
    zero = p[closed]
    bend = zero[1:-1] - (zero[:-2] + zero[2:]) / 2 if len(zero) > 2 else zero - zero.mean()
    floor = np.hypot(np.sqrt(np.mean(s[closed] ** 2)), np.sqrt(np.mean(bend**2)) / 2)
    least = 1e-6 * net.max()  # what a converter resolves
    return net, np.asarray(np.sqrt((relative * net) ** 2 + floor**2 + least**2))


def fit_retarder(voltage: ArrayLike, power: ArrayLike, sigma: ArrayLike) -> PowerCurve:
    """Fit the power against the voltage; invertible on the branch of the largest swing.

    Where the physical model misses the data (χ²), the isotonic and monotone interpolation of
    `analysis.calibration.pump_fluence.PowerCalibration` takes its place, which assumes nothing
    about the crystal.

    Parameters
    ----------
    voltage, power, sigma : (P,) array
        V, W, W.

    Raises
    ------
    ValueError
        Where there is no branch that can be inverted.
    """
    v, p, s = (np.asarray(values, np.float64) for values in (voltage, power, sigma))
    steps = PowerCalibration(v, p, s)  # refuses what no model could invert
    low, high = steps.branch
    best = min((_fit(v, p, s, start) for start in _starts(v, p)), key=lambda fit: fit.chisqr)
    quality = f"chi2/dof {best.redchi:.2f}"
    if not best.errorbars or chi2_distribution.sf(best.chisqr, best.nfree) < _LEAST_CHANCE:
        volts, powers = steps.nodes
        middle = int(np.argmin(np.abs(p - powers.max() / 2)))
        relative = float(s[middle] / p[middle])
        note = f"interpolated, as Malus' law misses the curve: {quality}"
        return PowerCurve(volts, powers, relative, float("nan"), float("nan"), note)
    # the branch between its own extremes, which the interpolation knows to a step
    margin = float(np.diff(np.unique(v)).max())
    nodes = np.linspace(max(low - margin, v.min()), min(high + margin, v.max()), 10 * _NODES)
    curve = best.eval(voltage=nodes)
    first, last = sorted((int(np.argmin(curve)), int(np.argmax(curve))))
    # below its threshold voltage the crystal does not turn: a flat end cannot be inverted
    moves = np.abs(np.diff(curve[first : last + 1]))
    turning = first + np.flatnonzero(moves > 1e-6 * np.ptp(curve))
    nodes = np.linspace(nodes[turning[0]], nodes[turning[-1] + 1], _NODES)
    curve = best.eval(voltage=nodes)
    middle = int(np.argmin(np.abs(curve - curve.max() / 2)))
    spread = best.eval_uncertainty(voltage=nodes[middle : middle + 1])[0]
    waves = best.params["waves"]
    return PowerCurve(
        nodes,
        curve,
        float(spread / curve[middle] * max(1.0, np.sqrt(best.redchi))),
        float(waves.value),
        float(waves.stderr),
        f"Malus' law, {quality}",
    )


def _starts(v: Floats, p: Floats) -> list[dict[str, float]]:
    """Where to start from: the best on a coarse grid, for χ² has many minima."""
    leak = max(float(p.min() / p.max()), 1e-4)
    names = ("waves", "exponent", "threshold", "half")
    span = np.ptp(v)
    thresholds = (v.min() + span * np.linspace(0, 0.3, 13)).tolist()
    grid = [
        {"full": float(p.max()), "leak": leak} | dict(zip(names, values, strict=True))
        for values in product(_WAVES, (1.0, 1.5, 2.0), thresholds, span * _HALVES)
    ]
    # without the weights, for small powers are the last to fit
    return sorted(grid, key=lambda at: float(((p - _malus(v, **at)) ** 2).sum()))[:_TRIES]


def _fit(v: Floats, p: Floats, s: Floats, start: dict[str, float]) -> lmfit.model.ModelResult:
    model = lmfit.Model(_malus, independent_vars=["voltage"])
    parameters = model.make_params(**start)
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
    """Compare readings with what a table says: mean relative deviation and its sigma.

    Parameters
    ----------
    voltage, table_power : (N,) array
        The table, in V and any unit of power.
    at, power, sigma : (P,) array
        Voltages (V), powers and sigmas in that unit.
    """
    expected = PchipInterpolator(np.asarray(voltage), np.asarray(table_power))(np.asarray(at))
    deviation = np.asarray(power) / expected - 1
    weight = (expected / np.asarray(sigma)) ** 2
    return float(np.average(deviation, weights=weight)), float(1 / np.sqrt(weight.sum()))


def relative_change(power: ArrayLike, sigma: ArrayLike) -> tuple[float, float]:
    """Change from the first to the second of two powers, relative to the first, and its sigma."""
    first, second = np.asarray(power, np.float64)
    relative = np.asarray(sigma, np.float64) / first
    return float(second / first - 1), float(np.hypot(*relative))
