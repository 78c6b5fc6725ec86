"""Global fit of the rate equations (Eq. 3) to relaxation curves and the light–light curve.

The equations are solved on the plate, with the pump's profile, diffusion and the probe's blur (see
`analysis.rate_equations.solver`): with one density for the whole plate A, B and the threshold would
be off by many sigmas. Γ, G and v_g enter only as g = Γ v_g G and m = n_ph/Γ, and g only as the
threshold γ/g.

A, C and D may pass through zero in the fit (see `analysis.rate_equations.residuals`); limits count
from zero on. What is uncertain is widened where the model misses more than the noise (see
`analysis.rate_equations.rate_profile`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, not_determined
from analysis.rate_equations import solver
from analysis.rate_equations.data import Curve, LightCurve, Plate, RateConstants, diffusion_prior
from analysis.rate_equations.minimise import Minimum, lasing_start, minimise, no_lasing
from analysis.rate_equations.parameters import MODE, PARAMETERS, SHARED, rates
from analysis.rate_equations.rate_profile import estimate
from analysis.rate_equations.residuals import EMITTED, Problem

__all__ = [
    "LITERATURE_DIFFUSION",
    "NOT_IDENTIFIED",
    "Curve",
    "LightCurve",
    "Plate",
    "RateFit",
    "fit_rate_equations",
]

Floats = NDArray[np.float64]

NOT_IDENTIFIED: Mapping[str, str] = MappingProxyType(
    {
        "Gamma": "Δn and light in relative units see Γ only in Γ v_g G and in n_ph/Γ",
        "G": "only Γ v_g G enters, and that as the threshold γ/(Γ G)",
        "v_g": "only v_g γ and Γ v_g G enter",
        "photon_number": "the light is measured in relative units and n_ph only as n_ph/Γ",
    }
)
"""Constants of Eq. 3 that these data cannot give one by one, and why."""

LITERATURE_DIFFUSION = Estimate(0.8, 0.3, "cm2/s", note="0.55 to 1.1, Table 1, previous works")


@dataclass(frozen=True)
class RateFit:
    """Fitted rate equations.

    Attributes
    ----------
    estimates : dict of str to Estimate
        A (1/s), B (cm³/s), C (cm⁶/s, with `upper95`), beta, photon_loss (v_g γ, 1/ps) and
        threshold_density: what the probe sees, cm⁻³, of a fresh cloud whose mean over the plate
        makes gain equal loss.
    diffusion : Estimate
        What the data made of the prior, cm²/s.
    constants : RateConstants
        What the data say of A, B, C and D together, without the prior on D.
    initial, initial_sigma : (K,) arrays
        Density that the probe sees right after the pump, cm⁻³; NaN for a curve left out.
    chi2, dof : float, int
        Priors included. Where χ²/dof is above 1, every sigma is widened by its root; intervals and
        C's limit follow, because there χ² counts χ²/dof times less. Of points whose own sigmas
        come from N frames it is above 1 by itself: (N − 1)/(N − 3) on average.
    correlation : xr.DataArray
        Of the parameters.
    warnings : tuple of str
        What to know before using the numbers.
    not_identified : mapping of str to str
        Constants of Eq. 3 that have no estimate, and why.
    plate : Plate
        Where.
    rates : (7,) array
        A, B, C, D, γ, g, β of the best fit in ps, um and cm⁻³.
    """

    estimates: dict[str, Estimate]
    diffusion: Estimate
    constants: RateConstants
    initial: Floats
    initial_sigma: Floats
    chi2: float
    dof: int
    correlation: xr.DataArray
    warnings: tuple[str, ...]
    not_identified: Mapping[str, str]
    plate: Plate
    rates: Floats

    @property
    def losses(self) -> tuple[float, float]:
        """What a fresh cloud at threshold loses by A and by C, in units of what it loses by B.

        0 where there is no threshold.
        """
        if not self.estimates["threshold_density"].determined:
            return 0.0, 0.0
        trapping, radiative, auger = self.rates[:3]
        cloud = self.estimates["threshold_density"].value * self.plate.profile
        mean, pairs, triples = (float(self.plate.disc.area @ cloud**n) for n in (1, 2, 3))
        return trapping * mean / (radiative * pairs), auger * triples / (radiative * pairs)

    def density(self, initial: float, time: ArrayLike) -> Floats:
        """Density (cm⁻³) that the probe sees at `time` (ps); 0 before the pump."""
        return self._evaluate(initial, time)[0]

    def photons(self, initial: float, time: ArrayLike) -> Floats:
        """Photon density m = n_ph/Γ (cm⁻³) at `time` (ps)."""
        return self._evaluate(initial, time)[1]

    def light(self, initial: ArrayLike) -> tuple[Floats, Floats]:
        """∫ B <N²> dt and what leaves the mode, ∫ γ m dt, both cm⁻³ of the plate's mean."""
        scale = np.atleast_1d(np.asarray(initial, np.float64))
        _, _, _, light = self._solve(scale, EMITTED)
        shape = np.shape(initial)
        return light[:, 0, 0].reshape(shape), light[:, 1, 0].reshape(shape)

    def _evaluate(self, initial: float, time: ArrayLike) -> tuple[Floats, Floats]:
        t = np.asarray(time, np.float64)
        times, density, photons, _ = self._solve(np.array([initial]), max(float(t.max()), 1.0))
        weights = solver.interpolation(times, np.maximum(t.ravel(), 0.0))
        seen, mode = ((weights @ y).reshape(t.shape) for y in (density[0, :, 0], photons[0]))
        return np.where(t >= 0, seen, 0.0), np.where(t >= 0, mode, 0.0)

    def _solve(self, scale: Floats, horizon: float) -> tuple[Floats, Floats, Floats, Floats]:
        plate = self.plate
        horizons = np.full(len(scale), horizon)
        return solver.solve(scale, horizons, self.rates, plate.profile, plate.disc)


def fit_rate_equations(
    curves: Sequence[Curve],
    plate: Plate,
    light: LightCurve | None = None,
    diffusion: Estimate = LITERATURE_DIFFUSION,
    profiles: bool = True,
) -> RateFit:
    """Fit A, B, C, β, v_g γ, the threshold and each curve's initial density to all curves at once.

    Parameters
    ----------
    curves : sequence of Curve
        At least three, some of them well below and some well above the threshold. Points before
        the pump, within their `spread`, are left out; so must be those in which the probe crosses
        the pump's arrival.
    plate : Plate
        With probe and pump at its centre.
    light : LightCurve, optional
        Adds what the light says about β and the threshold. Its unit and the detector's different
        sensitivity to spontaneous and mode emission are eliminated. Without it everything is
        determined by the densities alone: the threshold is then independent of the light.
    diffusion : Estimate
        D with its standard deviation (cm²/s), as a Gaussian prior; with an upper limit only, D is
        taken as evenly distributed below it.
    profiles : bool
        Compute profile likelihoods: the estimates' `interval` and C's limit. Without them, the
        limit is that of a Gaussian.

    Raises
    ------
    ValueError
        Fewer than three usable curves, a sigma that is not positive, a D without uncertainty.
    """
    prior = diffusion_prior(diffusion)
    problem = Problem(curves, plate, None, prior)
    without_mode = problem.free & ~problem.of_mode
    dark = minimise(problem, problem.start, without_mode, 1e-2)
    fit = minimise(problem, lasing_start(problem), problem.free)
    reason = no_lasing(problem, dark, fit)
    warnings = problem.warnings
    if reason:
        fit = minimise(problem, dark.theta, without_mode)
        if light is not None:
            warnings = (*warnings, "the light-light curve is not used: nothing lases")
    elif light is not None:
        problem = Problem(curves, plate, light, prior)
        start = problem.start.copy()
        start[: problem.initial.stop] = fit.theta[:-1]
        fit = minimise(problem, start, problem.free)
    return _summary(problem, fit, reason, warnings, profiles)


def _constants(problem: Problem, best: Minimum) -> RateConstants:
    """Take the prior on D out of what A, B, C and D have become."""
    shown = [solver.A, solver.B, solver.C, solver.D]
    values = np.array([PARAMETERS[i].published(best.theta[i]) for i in shown])
    slope = np.array([PARAMETERS[i].slope(best.theta[i]) for i in shown])
    prior, sigma = problem.prior
    information = np.linalg.pinv(best.covariance[np.ix_(shown, shown)], hermitian=True)
    by_data = information.copy()
    by_data[-1, -1] -= (best.width * sigma / slope[-1]) ** -2
    # the Gaussian that the prior turned into the posterior has its middle elsewhere
    pull = np.zeros(len(shown))
    pull[-1] = (information - by_data)[-1, -1] * (prior - values[-1]) / slope[-1]
    values -= slope * (np.linalg.pinv(by_data, hermitian=True) @ pull)
    return RateConstants(values, by_data / np.outer(slope, slope))


def _summary(
    problem: Problem, best: Minimum, reason: str, warnings: tuple[str, ...], profiles: bool
) -> RateFit:
    """Put a fit into published units; `reason` says why there is no mode in it, if so."""
    estimates = {}
    for index, parameter in enumerate(PARAMETERS):
        estimates[parameter.name] = (
            not_determined(parameter.unit, reason)
            if reason and index in MODE
            else estimate(problem, best, index, profiles and index != solver.D)
        )
    diffusion = estimates.pop(PARAMETERS[solver.D].name)
    dof = problem.dof(best.free)
    if not best.converged:
        warnings = (*warnings, "the fit did not converge")
    if best.width > 1.2:
        ratio = best.chi2 / dof
        warnings = (*warnings, f"chi2/dof is {ratio:.2f}: the model misses more than the noise")
    shared = np.flatnonzero(best.free[:SHARED])
    names = [PARAMETERS[index].name for index in shared]
    sigma = best.sigma
    correlation = best.covariance[np.ix_(shared, shared)] / np.outer(sigma[shared], sigma[shared])
    initial, initial_sigma = np.full((2, len(problem.used)), np.nan)
    initial[problem.used] = np.exp(best.theta[problem.initial])
    initial_sigma[problem.used] = sigma[problem.initial] * initial[problem.used]
    return RateFit(
        estimates=estimates,
        diffusion=diffusion,
        constants=_constants(problem, best),
        initial=initial,
        initial_sigma=initial_sigma,
        chi2=best.chi2,
        dof=dof,
        correlation=xr.DataArray(
            correlation,
            dims=("parameter", "other"),
            coords={"parameter": names, "other": names},
        ),
        warnings=warnings,
        not_identified=NOT_IDENTIFIED,
        plate=problem.plate,
        rates=rates(best.theta, problem.plate)[0],
    )
