"""Lasing threshold from the laser line: the inflection of its S-curve, log I against log F.

The curve is that of the rate equations (Eq. 3) without diffusion for a Gaussian cloud and one mode
that fills the plate. Its inflection lies above the fluence at which gain equals loss, the more so
the smaller β and the slower the photons (`DEFINITION`); `agreement` allows for that when it
compares it with the threshold of `analysis.lasing.fast_component`.
"""

from dataclasses import dataclass

import lmfit
import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from analysis.estimate import Estimate, widening
from analysis.rate_equations.data import Plate
from ocm_ophyd.errors import DataError

__all__ = ["DEFINITION", "SCurve", "agreement", "fit_s_curve"]

Floats = NDArray[np.float64]
Parameters = tuple[float, float, float, float, float, float]

DEFINITION = 0.02
"""Relative standard deviation of the inflection about the fluence where gain equals loss: Eq. 3
with β, B, v_gγ and threshold within ±30 % of this sample's puts the ratio between 0.995 and
1.045."""


@dataclass(frozen=True)
class SCurve:
    """Fitted S-curve of the laser line.

    Attributes
    ----------
    threshold : Estimate
        Fluence at the inflection, mJ/cm^2.
    slope : float
        d ln I / d ln F at the inflection, its largest value.
    reduced_chi2 : float
        χ² per degree of freedom; the sigma of `threshold` is widened by √χ² where it is above 1.
    parameters : tuple of float
        ln(amplitude), fluence at which gain equals loss (mJ/cm²), photon loss in units of the
        rate at which pairs of a fresh cloud of that fluence recombine, β, and what is taken by
        trapping and by Auger recombination in units of that rate. They draw the curve; the
        constants of Eq. 3 follow from a fit to the relaxation.
    plate : Plate
        Size of the sample, pump and probe.
    """

    threshold: Estimate
    slope: float
    reduced_chi2: float
    parameters: Parameters
    plate: Plate

    def evaluate(self, fluence: ArrayLike) -> Floats:
        """Return the fitted intensity at `fluence` (mJ/cm^2), in the unit of the data."""
        flat = np.atleast_1d(np.asarray(fluence, np.float64))
        return _line(flat.ravel(), self.parameters, self.plate).reshape(np.shape(fluence))


_VISIBLE = 3.0
"""Standard deviations by which the line stands out at a fluence that counts: a chance of 1e-3."""

_CLOCK = np.concatenate([np.linspace(0.0, 0.6, 151), np.geomspace(0.6, 40.0, 61)[1:]])
"""Times of the solution in spontaneous lifetimes at threshold: the lasing pulse, then its end."""


@njit(cache=True)
def _output(
    pump: Floats,
    loss: float,
    coupling: float,
    trapping: float,
    auger: float,
    shape: Floats,
    area: Floats,
    clock: Floats,
) -> Floats:
    """Coherent photons that leave the mode after a pulse of `pump` thresholds, any unit.

    Eq. 3 with D = 0 for the densities x (n,), in thresholds, of a cloud of `shape` (n,) and mean 1
    over the plate's shares `area` (n,). The share of its pairs that a cloud at threshold loses in
    the unit of time is 1: with w = <shape²> and a = trapping, c = auger/<shape³>,
    x' = −a x − x²/w − c x³ − μ x, μ' = loss (<x> − 1) μ + loss β <x²>/w, split into parts that are
    solved exactly (Auger recombination with the density at a step's begin). Light is coherent from
    1/√β photons on: its share is 1/(1 + 1/(β n²)), n = μ <x> w/(β <x²>) (Rice and Carmichael,
    Phys. Rev. A 50, 4318, 1994).
    """
    total = np.zeros_like(pump)
    w = (area * shape**2).sum()
    third = auger / (area * shape**3).sum()
    for i in range(pump.size):
        x, mu = pump[i] * shape, 0.0
        for k in range(1, clock.size):
            step = clock[k] - clock[k - 1]
            for half in range(2):
                mean, square = 0.0, 0.0
                for j in range(x.size):
                    mean += area[j] * x[j]
                    square += area[j] * x[j] * x[j] / w
                growth, before = loss * (mean - 1), mu
                up = np.expm1(min(growth * step / 2, 100.0))  # a fit's wild trials overflow
                source = up / growth if abs(growth) > 1e-9 else step / 2
                mu += mu * up + loss * coupling * square * source
                middle = (before + mu) / 2
                # β n² as a ratio of two numbers, of which either may have died out
                lit, dark = (middle * mean) ** 2, coupling * square**2
                total[i] += middle * step / 2 * lit / (lit + dark + 1e-300)
                if half == 0:
                    rate = mu + trapping
                    kept = np.exp(-rate * step)
                    burnt = -np.expm1(-rate * step) / rate if abs(rate) > 1e-12 else step
                    for j in range(x.size):
                        x[j] *= kept / (1 + x[j] * (1 / w + third * x[j]) * burnt)
    return loss * total


def _line(fluence: Floats, parameters: Parameters, plate: Plate) -> Floats:
    """Return the intensity (P,) of the line at `fluence` (P,) in mJ/cm^2, unit of the data."""
    amplitude, threshold, loss, coupling, trapping, auger = parameters
    shape, area = plate.profile / plate.mean_density, plate.nodes.area
    pump = fluence / threshold
    light = _output(pump, loss, coupling, trapping, auger, shape, area, _CLOCK)
    return np.asarray(np.exp(amplitude) * light)


def fit_s_curve(
    fluence: ArrayLike,
    line: ArrayLike,
    sigma: ArrayLike,
    plate: Plate,
    fluence_scatter: float = 0.0,
    losses: tuple[float, float] = (0.0, 0.0),
) -> SCurve:
    """Fit the S-curve of the laser line and find its inflection, the largest d ln I / d ln F.

    Four parameters are free. The intensities themselves are fitted, not their logarithms, so that
    points below the noise keep their weight. A fluence off by `fluence_scatter` moves a point along
    the curve by its slope times that.

    Parameters
    ----------
    fluence : (P,) array
        Peak pump fluence, mJ/cm^2.
    line, sigma : (P,) array
        Intensity of the narrow line and its standard deviation, any unit.
    plate : Plate
        With the pump at its centre.
    fluence_scatter : float
        Relative standard deviation of each fluence by itself.
    losses : tuple of float
        What a fresh cloud at threshold loses by trapping and by Auger recombination, in units of
        what it loses by recombination of pairs, where known (`RateFit.losses`): a few per cent,
        which move the inflection by 0.1 %.

    Raises
    ------
    DataError
        One line: the line stands out at too few fluences, or the inflection is not within the
        sweep with two of them on either side.
    """
    f, y, s = (np.asarray(values, np.float64) for values in (fluence, line, sigma))
    good = np.isfinite(f) & np.isfinite(y) & np.isfinite(s) & (s > 0) & (f > 0)
    order = np.argsort(f[good])
    f, y, s = f[good][order], y[good][order], s[good][order]
    visible = np.unique(f[y > _VISIBLE * s])
    if len(visible) < 6:
        raise DataError(
            f"the laser line stands out of the noise at {len(visible)} fluences, an S-curve needs "
            "six: extend the sweep above the lasing threshold"
        )
    result = _minimise(f, y, s, plate, fluence_scatter, losses)
    values = _values(result.params)
    position, slope = _inflection(values, plate)
    below, above = np.count_nonzero(visible < position), np.count_nonzero(visible > position)
    if above < 2:
        raise DataError(
            f"the sweep ends at {f[-1]:.3g} mJ/cm^2 before the S-curve has bent over: extend the "
            "sweep above the lasing threshold"
        )
    if below < 2:
        raise DataError(
            f"the laser line first stands out at {visible[0]:.3g} mJ/cm^2, above the S-curve's "
            "inflection: extend the sweep to lower fluences"
        )
    if result.covar is None:
        raise DataError("the S-curve is not determined by these fluences: take more of them")
    estimate = Estimate(
        float(position),
        _noise(result, plate) * widening(result.redchi),
        "mJ/cm^2",
        note="inflection of the laser line's log-log S-curve",
    )
    return SCurve(estimate, float(slope), float(result.redchi), values, plate)


def _minimise(
    f: Floats,
    y: Floats,
    s: Floats,
    plate: Plate,
    fluence_scatter: float,
    losses: tuple[float, float],
) -> lmfit.minimizer.MinimizerResult:
    """Return the fit of the curve; the errors of the fluences follow from its slope, in rounds."""
    start = _start(f, y, s, plate, losses)
    local = np.gradient(np.log(np.maximum(y, s)), np.log(f))
    total = np.hypot(s, fluence_scatter * np.clip(local, 1, 10) * np.maximum(y, 0))
    for _ in range(3):
        result = lmfit.minimize(_misfit, start, args=(f, y, total, plate), scale_covar=False)
        start = result.params
        curve = _line(f, _values(start), plate)
        near = _line(f * 1.01, _values(start), plate)
        total = np.hypot(s, fluence_scatter * (near - curve) / 0.01)
    return result


def _noise(result: lmfit.minimizer.MinimizerResult, plate: Plate) -> float:
    """Return the standard deviation of the inflection (mJ/cm^2) from the covariance of the fit."""
    gradient = np.zeros(len(result.var_names))
    for i, name in enumerate(result.var_names):
        step = 0.1 * np.sqrt(result.covar[i, i])
        ends = []
        for sign in (1, -1):
            shifted = result.params.copy()
            shifted[name].value += sign * step
            ends.append(_inflection(_values(shifted), plate)[0])
        gradient[i] = (ends[0] - ends[1]) / (2 * step)
    return float(np.sqrt(gradient @ result.covar @ gradient))


def _values(parameters: lmfit.Parameters) -> Parameters:
    """Return the arguments of `_line`; threshold, loss and β are fitted as logarithms."""
    amplitude, *logarithms, trapping, auger = (float(p.value) for p in parameters.values())
    threshold, loss, coupling = np.exp(logarithms)
    return amplitude, float(threshold), float(loss), float(coupling), trapping, auger


def _misfit(parameters: lmfit.Parameters, f: Floats, y: Floats, s: Floats, plate: Plate) -> Floats:
    """Return the residuals (P,) in standard deviations."""
    return (y - _line(f, _values(parameters), plate)) / s


def _start(
    f: Floats, y: Floats, s: Floats, plate: Plate, losses: tuple[float, float]
) -> lmfit.Parameters:
    """Return the best of a coarse grid, compared as logarithms."""
    best, least = (0.0, 0.0, 0.0, 0.0), np.inf
    visible = y > _VISIBLE * s
    measured = np.log(y[visible])
    for threshold in f[1:]:
        for loss in (20.0, 80.0, 320.0):
            for coupling in (0.003, 0.03, 0.1):
                rest = measured - np.log(
                    _line(f[visible], (0.0, threshold, loss, coupling, *losses), plate)
                )
                if np.var(rest) < least:
                    least = float(np.var(rest))
                    best = (float(np.mean(rest)), threshold, loss, coupling)
    parameters = lmfit.Parameters()
    parameters.add("amplitude", best[0], min=best[0] - 30.0, max=best[0] + 30.0)
    parameters.add("threshold", np.log(best[1]), min=np.log(f[0] / 2), max=np.log(f[-1] * 3))
    parameters.add("loss", np.log(best[2]), min=0.0, max=np.log(3000.0))
    parameters.add("coupling", np.log(best[3]), min=np.log(1e-5), max=0.0)
    for name, value in zip(("trapping", "auger"), losses, strict=True):
        parameters.add(name, value, vary=False)
    return parameters


def _inflection(values: Parameters, plate: Plate) -> tuple[float, float]:
    """Return the fluence of the largest slope, by a parabola through its top, and the slope."""
    u = np.log(values[1]) + np.linspace(-0.6, 0.6, 241)
    slope = np.gradient(np.log(_line(np.exp(u), values, plate)), u)
    top = np.clip(np.argmax(slope), 8, len(u) - 9)
    near = slice(top - 8, top + 9)
    a, b, c = np.polyfit(u[near] - u[top], slope[near], 2)
    return float(np.exp(u[top] - b / (2 * a))), float(c - b**2 / (4 * a))


def agreement(inflection: Estimate, onset: Estimate) -> tuple[float, float, float]:
    """Compare the thresholds of the laser line and of the carriers.

    Parameters
    ----------
    inflection : Estimate
        Of the S-curve (`fit_s_curve`), mJ/cm^2.
    onset : Estimate
        Of the fast component (`analysis.lasing.fast_component`), mJ/cm^2.

    Returns
    -------
    tuple of float
        Inflection minus onset, its standard deviation (that of the definitions included, see
        `DEFINITION`), and the chance of a difference at least as large (two-sided).
    """
    difference = inflection.value - onset.value
    sigma = float(np.sqrt(inflection.sigma**2 + onset.sigma**2 + (DEFINITION * onset.value) ** 2))
    return difference, sigma, float(2 * norm.sf(abs(difference) / sigma))
