"""Global fit of the rate equations (Eq. 3) to relaxation curves and the light–light curve.

The equations are solved on the plate, with the profile of the pump, diffusion and the mean over the
probe (`analysis.rate_equations.solver`). With a single density for the whole plate, A, B and the
threshold would be wrong by many sigmas. Γ, G and v_g enter only as g = Γ v_g G and m = n_ph/Γ, and
g only as the threshold density γ/g.

A and C may be negative in the fit (`analysis.rate_equations.parameters`); upper limits count from
zero. Sigmas, intervals and limits are widened where the model misses the data by more
than their noise (`analysis.rate_equations.minimise`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, not_determined
from analysis.rate_equations import solver
from analysis.rate_equations.data import Curve, DiffusionPrior, LightCurve, Plate, RateConstants
from analysis.rate_equations.minimise import (
    Minimum,
    estimate,
    lasing_start,
    minimise,
    reason_without_mode,
)
from analysis.rate_equations.parameters import (
    MODE,
    PARAMETERS,
    SHARED,
    A,
    B,
    C,
    D,
    solver_rates,
)
from analysis.rate_equations.residuals import EMISSION_TIME, Problem
from analysis.rate_equations.solver import Clouds, Rates

__all__ = ["LITERATURE_DIFFUSION", "NOT_IDENTIFIED", "RateFit", "fit_rate_equations"]

Floats = NDArray[np.float64]

NOT_IDENTIFIED: Mapping[str, str] = MappingProxyType(
    {
        "Gamma": "Δn and light in relative units depend on Γ only through Γ v_g G and n_ph/Γ",
        "G": "only Γ v_g G enters the equations, and the data give it as the threshold γ/(Γ G)",
        "v_g": "only v_g γ and Γ v_g G enter the equations",
        "photon_number": "the light is measured in relative units, and only n_ph/Γ enters",
    }
)
"""Constants of Eq. 3 that these data cannot determine one by one, and the reasons."""

LITERATURE_DIFFUSION = Estimate(0.8, 0.3, "cm^2/s", note="0.55 to 1.1, Table 1, previous works")
"""Prior of the diffusion coefficient without a movie."""

FIRST_TOLERANCE = 1e-2
"""Relative change of χ² at which the fit without a mode ends: it only gives the start of the
other."""

POOR_FIT = 1.2
"""√(χ²/dof) above which the fit warns: with the 700 points of the experiment, noise alone does not
reach 1.1."""


@dataclass(frozen=True)
class RateFit:
    """Fitted rate equations.

    Attributes
    ----------
    estimates : dict of str to Estimate
        A (1/s), B (cm³/s), C (cm⁶/s, with `upper95`), beta, photon_loss (v_g γ, 1/ps) and
        threshold_density (cm^-3): the mean over the probe, right after the pump, of the density
        whose mean over the plate makes gain equal loss.
    diffusion : Estimate
        D after the fit, prior included, cm²/s.
    constants : RateConstants
        Information of the data on A, B, C and D, without the prior on D.
    initial, initial_sigma : (K,) arrays
        Mean density over the probe right after the pump, cm^-3; NaN for a curve that is not used.
    chi2 : float
        Minimum, priors included. Where χ²/dof is above 1, sigmas, intervals and limits are widened
        by its root. If the sigmas of the points come from N frames, its mean is (N − 1)/(N − 3).
    dof : int
        Points and priors less fitted parameters.
    correlation : xr.DataArray
        Of the parameters, over `parameter` and `other`.
    warnings : tuple of str
        Limitations of the fit.
    not_identified : mapping of str to str
        Constants of Eq. 3 without an estimate, and the reasons.
    plate : Plate
        Sample, pump and probe.
    rates : (7,) array
        Constants of the best fit in the order and the units of `solver.Rates`.
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
        """Trapping and Auger recombination of a cloud at threshold, relative to the radiative one.

        Both are rates of the plate's mean right after the pump; 0 where there is no threshold.
        """
        if not self.estimates["threshold_density"].determined:
            return 0.0, 0.0
        rates = Rates(*self.rates)
        cloud = self.estimates["threshold_density"].value * self.plate.profile
        mean, square, cube = (float(self.plate.nodes.area @ cloud**n) for n in (1, 2, 3))
        radiative = rates.radiative * square
        return rates.trapping * mean / radiative, rates.auger * cube / radiative

    def density(self, initial: float, time: ArrayLike) -> Floats:
        """Compute the mean density over the probe.

        Parameters
        ----------
        initial : float
            Right after the pump, cm^-3.
        time : array of any shape
            After the pump, ps; before it the density is 0.

        Returns
        -------
        array of the same shape
            cm^-3.
        """
        clouds, weights, after = self._at(initial, time)
        values = (weights @ clouds.density[0, :, solver.VALUE]).reshape(after.shape)
        return np.where(after, values, 0.0)

    def photons(self, initial: float, time: ArrayLike) -> Floats:
        """Compute the photon density m = n_ph/Γ, cm^-3; parameters as of `density`."""
        clouds, weights, after = self._at(initial, time)
        return np.where(after, (weights @ clouds.photons[0]).reshape(after.shape), 0.0)

    def light(self, initial: ArrayLike) -> tuple[Floats, Floats]:
        """Compute the light of whole decays.

        Parameters
        ----------
        initial : array of any shape
            Mean density over the probe right after the pump, cm^-3.

        Returns
        -------
        spontaneous, mode : arrays of the same shape
            ∫ B <N²> dt and ∫ γ m dt, cm^-3 of the plate's mean.
        """
        scale = np.atleast_1d(np.asarray(initial, np.float64))
        light = self._solve(scale, EMISSION_TIME).light
        shape = np.shape(initial)
        return light[:, 0, solver.VALUE].reshape(shape), light[:, 1, solver.VALUE].reshape(shape)

    def _at(self, initial: float, time: ArrayLike) -> tuple[Clouds, Floats, NDArray[np.bool_]]:
        """Return the solution of one cloud, weights that interpolate it, and whether t ≥ 0."""
        t = np.asarray(time, np.float64)
        clouds = self._solve(np.array([initial]), max(float(t.max()), 1.0))
        return clouds, solver.interpolation(clouds.times, np.maximum(t.ravel(), 0.0)), t >= 0

    def _solve(self, scale: Floats, horizon: float) -> Clouds:
        """Solve clouds of initial scales (K,), cm^-3, up to a horizon, ps."""
        plate, horizons = self.plate, np.full(len(scale), horizon)
        return solver.solve(scale, horizons, Rates(*self.rates), plate.profile, plate.nodes)


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
        the pump, within their `spread`, are dropped. Points at which the probe samples the creation
        of the plasma must not be among them.
    plate : Plate
        With pump and probe at its centre.
    light : LightCurve, optional
        Adds the information of the light on β and the threshold. The unit of the light and the
        detector's different sensitivities to spontaneous emission and mode are eliminated. Without
        it the densities alone determine all parameters: the threshold is then independent of the
        light.
    diffusion : Estimate
        Gaussian prior of D, cm²/s; with an upper limit only, D is evenly distributed below it.
    profiles : bool
        Compute profile likelihoods: the `interval` of the estimates and the limit of C. Without
        them, the limit is that of a Gaussian.

    Raises
    ------
    DataError
        Fewer than three usable curves, a sigma that is not positive, a D without uncertainty.
    """
    prior = DiffusionPrior.of(diffusion)
    problem = Problem(curves, plate, None, prior)
    without_mode = problem.free & ~problem.of_mode
    dark = minimise(problem, problem.start, without_mode, FIRST_TOLERANCE)
    fit = minimise(problem, lasing_start(problem), problem.free)
    reason = reason_without_mode(problem, dark, fit)
    warnings = problem.warnings
    if reason:
        fit = minimise(problem, dark.theta, without_mode)
        if light is not None:
            warnings = (*warnings, "the light–light curve is not used: there is no laser mode")
    elif light is not None:
        problem = Problem(curves, plate, light, prior)
        start = problem.start.copy()
        start[: problem.initial.stop] = fit.theta[:-1]
        fit = minimise(problem, start, problem.free)
    return _rate_fit(problem, fit, reason, warnings, profiles)


def _constants(problem: Problem, best: Minimum) -> RateConstants:
    """Return the information of the data on A, B, C and D, the prior on D removed.

    With the posterior of mean x and information I, and the prior of D with mean d and information
    P, the data alone have the information I − P and the mean x − (I − P)⁻¹ P (d − x).
    """
    indices = [A, B, C, D]
    values = np.array([PARAMETERS[i].published(best.theta[i]) for i in indices])
    slope = np.array([PARAMETERS[i].slope(best.theta[i]) for i in indices])
    prior = problem.prior
    information = np.linalg.pinv(best.covariance[np.ix_(indices, indices)], hermitian=True)
    of_data = information.copy()
    of_data[-1, -1] -= (best.width * prior.sigma / slope[-1]) ** -2
    pull = np.zeros(len(indices))
    pull[-1] = (information - of_data)[-1, -1] * (prior.value - values[-1]) / slope[-1]
    values -= slope * (np.linalg.pinv(of_data, hermitian=True) @ pull)
    return RateConstants(values, of_data / np.outer(slope, slope))


def _rate_fit(
    problem: Problem, best: Minimum, reason: str, warnings: tuple[str, ...], profiles: bool
) -> RateFit:
    """Convert a minimum of χ² to published units.

    Parameters
    ----------
    problem : Problem
        Data and priors.
    best : Minimum
        Best fit.
    reason : str
        Why there is no mode in it; empty where there is one.
    warnings : tuple of str
        Limitations so far.
    profiles : bool
        Compute profile likelihoods.
    """
    estimates = {}
    for index, parameter in enumerate(PARAMETERS):
        estimates[parameter.name] = (
            not_determined(parameter.unit, reason)
            if reason and index in MODE
            else estimate(problem, best, index, profiles and index != D)
        )
    diffusion = estimates.pop(PARAMETERS[D].name)
    dof = problem.dof(best.free)
    if not best.converged:
        warnings = (*warnings, "the fit did not converge")
    if best.width > POOR_FIT:
        ratio = best.chi2 / dof
        warnings = (*warnings, f"chi2/dof is {ratio:.2f}: the model misses more than the noise")
    shared = np.flatnonzero(best.free[:SHARED])
    names = [PARAMETERS[index].name for index in shared]
    sigma = best.sigma
    correlation = best.covariance[np.ix_(shared, shared)] / np.outer(sigma[shared], sigma[shared])
    initial, initial_sigma = np.full((2, len(problem.used)), np.nan)
    initial[problem.used] = np.exp(best.theta[problem.initial])
    initial_sigma[problem.used] = sigma[problem.initial] * initial[problem.used]
    rates, _ = solver_rates(best.theta, problem.plate)
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
        rates=np.array(rates),
    )
