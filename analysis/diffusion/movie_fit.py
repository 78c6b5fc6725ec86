"""Diffusion coefficient from a movie of the carrier cloud: Eq. 4 fitted to all of its points.

Stimulated emission has a rate k(t) ≥ 0 that is a free function of time. Eq. 4 of the paper writes
it k(t) N²; photons of one mode remove every carrier with the same probability, k(t) N (Eq. 3). Both
are fitted, and the one with the smaller χ² is taken. k(t) is linear between as many nodes as there
are frames, the finest resolution that the frames allow, and has no other regularisation than
k ≥ 0. With fewer nodes the χ² is as good, and information criteria prefer them; but they prescribe
the density between the frames, hence how much pair recombination flattens the cloud, and that
changes D by as much as its sigma.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from analysis.diffusion.cloud_model import (
    SHARED,
    WAIST,
    A,
    CloudModel,
    D,
    Kind,
    ScanGeometry,
    Stimulated,
    X,
    Y,
)
from analysis.diffusion.search import UPPER95, Movie, Optimum
from analysis.estimate import Estimate, widening
from analysis.rate_equations.data import RateConstants
from ocm_ophyd.errors import DataError

__all__ = ["DiffusionFit", "fit_equation_4", "fit_movie"]

Floats = NDArray[np.float64]

FIRST_NODE = 2.0
"""First node of k(t), ps: the time in which the photons of the mode build up."""

LEAST_POSITIONS = 20
"""Fewest positions of a map that is fitted: below, centre, waist and D are determined poorly."""

START_RATE = 0.02
"""Rate of stimulated emission at all nodes at the start of the search, 1/ps: that of a typical
pulse of the microlaser."""

PROFILE_POINTS = 13
"""Number of points of the profile likelihood, through which a cubic spline is interpolated."""

PROFILE_RANGES = (3.0, 6.0, 12.0)
"""Half ranges of the profile likelihood that are tried, in sigmas of D, until the largest D is
beyond the upper limit."""

BEYOND_LIMIT = 1.2
"""Increase of χ² at the end of the profile, in that of the upper limit: the limit is then
interpolated and not extrapolated."""

RESOLVED = 2.0
"""Sigmas from zero below which D is reported not to be resolved from zero."""


@dataclass(frozen=True)
class DiffusionFit:
    """Eq. 4 fitted to a movie. All sigmas are widened by √(χ²/dof) where that is above 1.

    Attributes
    ----------
    diffusion : Estimate
        D, cm²/s, with its one-sided upper limit and its interval by profile likelihood. The note
        has the model and says where D is not resolved from zero.
    waist, x, y : Estimate
        1/e² radius and centre of the cloud when it was created, um.
    trapping : Estimate
        A, 1/s.
    stimulated : xr.Dataset
        `rate` and `rate_sigma` of the stimulated emission over `time` (ps), in 1/ps or cm³/ps.
        Neighbouring nodes are anticorrelated; at k = 0 the sigma is 0.
    model : {"linear", "quadratic"}
        Whether stimulated emission removes k(t) N or k(t) N².
    chi2 : float
        Minimum, priors included.
    dof : int
        Points and priors less fitted parameters.
    profile : xr.DataArray
        Increase of χ² over `diffusion` (cm²/s), all other parameters fitted.
    """

    diffusion: Estimate
    waist: Estimate
    x: Estimate
    y: Estimate
    trapping: Estimate
    stimulated: xr.Dataset
    model: Kind
    chi2: float
    dof: int
    profile: xr.DataArray
    _geometry: ScanGeometry = field(repr=False)
    _best: Optimum = field(repr=False)
    _unit: float = field(repr=False)

    def evaluate(self, time: ArrayLike, x: ArrayLike, y: ArrayLike = 0.0) -> Floats:
        """Compute the density that the probe samples.

        Parameters
        ----------
        time : (T,) array
            After the pump, ps; before it the density is 0.
        x, y : (X,), (Y,) arrays
            Positions, um from the centre of the plate.

        Returns
        -------
        (T, Y, X) array
            cm^-3.
        """
        time, x, y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (time, x, y))
        # with the frames of the fit, so that the steps of time resolve the stimulated emission
        all_times, index = np.unique(
            np.concatenate([time, self._geometry.time]), return_inverse=True
        )
        geometry = replace(self._geometry, time=all_times, spread=0.0, x=x, y=y)
        model = CloudModel(geometry, self._best.stimulated)
        density = self._unit * model(self._best.values)[0][index[: len(time)]]
        return np.where(time[:, np.newaxis, np.newaxis] >= 0, density, 0.0)


def fit_movie(
    geometry: ScanGeometry,
    density: ArrayLike,
    sigma: ArrayLike,
    *,
    pump_waist: Estimate,
    rates: RateConstants,
) -> DiffusionFit:
    """Fit Eq. 4 to maps of the carrier density at several delays.

    Parameters
    ----------
    geometry : ScanGeometry
        Times of the frames, probe positions, plate and probe. Frames before
        `analysis.diffusion.search.EARLIEST_TIME` are dropped.
    density, sigma : (T, Y, X) arrays
        cm^-3; points that are not finite are dropped.
    pump_waist : Estimate
        1/e² radius of the pump, um: the prior of the cloud's; held where its sigma is 0.
    rates : RateConstants
        Prior of A, B, C (which Eq. 4 neglects) and D, with their correlations: trapping in the
        kinetics of the middle of the cloud is, in part, diffusion.

    Raises
    ------
    DataError
        Too few delays or positions, no carriers, or no convergence.
    """
    movie = Movie(geometry, density, sigma, pump_waist, rates, LEAST_POSITIONS)
    return fit_equation_4(movie, ("linear", "quadratic"), np.size(movie.geometry.time))


def fit_equation_4(movie: Movie, kinds: tuple[Kind, ...], nodes: int) -> DiffusionFit:
    """Fit Eq. 4 with each kind of stimulated emission, and return the fit with the smallest χ².

    Parameters
    ----------
    movie : Movie
        Points and priors.
    kinds : tuple of {"linear", "quadratic"}
        Forms of the stimulated emission that are compared.
    nodes : int
        Number of nodes of k(t); 0 for none at all.

    Raises
    ------
    DataError
        The search does not converge, or the data do not limit D.
    """
    time = np.asarray(movie.geometry.time, np.float64)
    first, last = float(time.min()), float(time.max())
    node_times = np.geomspace(FIRST_NODE, last, nodes + 1)[:-1]
    start = np.append(movie.start, np.full(nodes, START_RATE))
    fits = [movie.fit(Stimulated(kind, node_times, first, last), start) for kind in kinds]
    best, *others = sorted(fits, key=lambda fit: fit.chi2)
    dof = movie.points + movie.priors - int((best.sigmas > 0).sum())
    width = widening(best.chi2 / dof)
    note = f"Eq. 4, {len(time)} delays, reduced χ² {best.chi2 / dof:.2f}"
    note += "".join(_comparison(best, other) for other in others)
    profile = _profile(movie, best, width)

    def estimate(index: int, unit: str, factor: float = 1.0) -> Estimate:
        value, sigma = best.values[index] * factor, best.sigmas[index] * factor * width
        return Estimate(float(value), float(sigma), unit)

    return DiffusionFit(
        diffusion=_diffusion(best, profile, width, note),
        waist=estimate(WAIST, "um"),
        x=estimate(X, "um"),
        y=estimate(Y, "um"),
        trapping=estimate(A, "1/s", 1e12),
        stimulated=_stimulated(best, movie.unit, width),
        model=best.stimulated.kind,
        chi2=best.chi2,
        dof=dof,
        profile=profile,
        _geometry=movie.geometry,
        _best=best,
        _unit=movie.unit,
    )


def _comparison(best: Optimum, other: Optimum) -> str:
    """Return a remark on the other form of the stimulated emission."""
    form = {"linear": "k(t) N", "quadratic": "k(t) N²"}
    return (
        f"; stimulated emission {form[best.stimulated.kind]}; with {form[other.stimulated.kind]} "
        f"χ² is larger by {other.chi2 - best.chi2:.3g} "
        f"and D = {other.values[D]:.2f} ± {other.sigmas[D]:.2f}"
    )


def _profile(movie: Movie, best: Optimum, width: float) -> xr.DataArray:
    """Compute the profile likelihood of D, beyond its upper limit.

    Parameters
    ----------
    movie : Movie
        Points and priors.
    best : Optimum
        Minimum of χ².
    width : float
        Factor by which sigmas are widened.

    Raises
    ------
    DataError
        The data do not limit D within the largest of `PROFILE_RANGES`.
    """
    values, limit = best.values, UPPER95 * width**2
    for half_range in best.sigmas[D] * width * np.array(PROFILE_RANGES):
        lowest = max(values[D] - half_range, 0.0)
        grid = np.linspace(lowest, values[D] + half_range, PROFILE_POINTS)
        rise = np.array([movie.fit(best.stimulated, values, d).chi2 - best.chi2 for d in grid])
        if rise[-1] > BEYOND_LIMIT * limit:
            break
    else:
        raise DataError("the movie does not limit D: measure later delays, or with less noise")
    return xr.DataArray(
        np.maximum(rise, 0.0),
        dims="diffusion",
        coords={"diffusion": ("diffusion", grid, {"units": "cm^2/s"})},
        name="delta_chi2",
        attrs={"upper95": limit},
    )


def _diffusion(best: Optimum, profile: xr.DataArray, width: float, note: str) -> Estimate:
    """Return D with its interval and its upper limit, interpolated in the profile likelihood."""
    value, sigma = float(best.values[D]), float(best.sigmas[D] * width)
    curve = CubicSpline(profile["diffusion"].values, profile.values)

    def crossings(rise: float) -> tuple[float, float]:
        roots = curve.solve(rise * width**2, extrapolate=False)
        below, above = roots[roots < value], roots[roots > value]
        return (float(below.max()) if len(below) else 0.0), float(above.min())

    lowest, upper95 = crossings(UPPER95)
    if value < RESOLVED * sigma or lowest == 0:
        note = f"not resolved from zero: D ≤ {upper95:.2g} at 95 %; {note}"
    return Estimate(value, sigma, "cm^2/s", upper95, crossings(1.0), note)


def _stimulated(best: Optimum, unit: float, width: float) -> xr.Dataset:
    """Return the rate of stimulated emission at its nodes; `unit` is that of densities, cm^-3."""
    factor, units = (1.0, "1/ps") if best.stimulated.kind == "linear" else (1 / unit, "cm^3/ps")
    rates = {"rate": best.values[SHARED:], "rate_sigma": best.sigmas[SHARED:] * width}
    return xr.Dataset(
        {name: ("time", rate * factor, {"units": units}) for name, rate in rates.items()},
        coords={"time": ("time", best.stimulated.nodes, {"units": "ps"})},
    )
