"""Diffusion from a movie of the carrier cloud: the paper's Eq. 4 fitted to every point of it.

Stimulated emission is a positive function of time. Eq. 4 writes it k(t) N²; photons of one mode,
which take every carrier alike, remove k(t) N (Eq. 3). Both are fitted, and the likelihood chooses.
k(t) is linear between nodes, of which there are as many as frames: the finest that the frames can
resolve, with no other regularisation than k ≥ 0. Fewer nodes fit as well, and information criteria
prefer them, but they force how many carriers there were between the frames, hence how much pair
recombination flattened the cloud, and that moves D by as much as its sigma.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from analysis.diffusion.cloud_model import WAIST, A, B, CloudModel, D, Kind, Scene, Stimulated, X, Y
from analysis.diffusion.search import UPPER95, Movie, Optimum
from analysis.estimate import Estimate, widening
from analysis.rate_equations.data import RateConstants

__all__ = ["DiffusionFit", "conclude", "fit_movie"]

Floats = NDArray[np.float64]

FIRST_NODE = 2.0
"""ps: photons build up within a few of these."""
POSITIONS = 20
"""The fewest that are fitted."""
PROFILE, REACH = 13, 3.0
"""Points of the profile likelihood, and how many sigmas to either side it goes."""


@dataclass(frozen=True)
class DiffusionFit:
    """Eq. 4 fitted to a movie.

    Attributes
    ----------
    diffusion : Estimate
        D, cm²/s, with its one-sided upper limit; the note says where D is not resolved from zero.
    waist, x, y : Estimate
        1/e² radius and centre of the cloud when it was created, um.
    trapping : Estimate
        A, 1/s.
    stimulated : Dataset
        `rate` and `rate_sigma` of the stimulated emission over `time` (ps), in 1/ps or cm³/ps.
        Neighbouring nodes are anticorrelated; at k = 0 the sigma is 0.
    model : {"linear", "quadratic"}
        Whether stimulated emission removes k(t) N or k(t) N².
    chi2, dof : float, int
        Priors included.
    profile : DataArray
        Δχ² over `diffusion` (cm²/s), all other parameters fitted.
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
    _scene: Scene = field(repr=False)
    _best: Optimum = field(repr=False)
    _unit: float = field(repr=False)

    def evaluate(self, time: ArrayLike, x: ArrayLike, y: ArrayLike = 0.0) -> Floats:
        """Density that the probe sees, (T, Y, X) in cm⁻³, at times in ps and positions in um."""
        time, x, y = (np.atleast_1d(np.asarray(v, np.float64)) for v in (time, x, y))
        # with the fit's own frames, whose steps follow the stimulated emission
        every, place = np.unique(np.concatenate([time, self._scene.time]), return_inverse=True)
        scene = replace(self._scene, time=every, spread=np.zeros_like(every), x=x, y=y)
        model = CloudModel(scene, self._best.stimulated)
        density = self._unit * model(self._best.values)[0][place[: len(time)]]
        return np.where(time[:, np.newaxis, np.newaxis] >= 0, density, 0.0)


def fit_movie(
    time: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    density: ArrayLike,
    sigma: ArrayLike,
    *,
    size: tuple[float, float],
    probe_waist: float,
    pump_waist: Estimate,
    rates: RateConstants,
    spread: ArrayLike | None = None,
) -> DiffusionFit:
    """Fit Eq. 4 to maps of the density at several delays.

    Parameters
    ----------
    time, spread : (T,) arrays
        When each frame shows the sample, ps after the pump, and the standard deviation of the
        instants in it (none without). Frames before 3 ps, in which the chirped
        probe overlaps the pump, are left out.
    x, y : (X,), (Y,) arrays
        Probe positions, um from the plate's centre.
    density, sigma : (T, Y, X) arrays
        cm⁻³; points that are not finite are left out.
    size, probe_waist
        Sides of the plate along x and y, and 1/e² radius of the probe, um.
    pump_waist
        1/e² radius of the pump, um; held where its sigma is 0.
    rates
        What is known of A, B, C (which Eq. 4 leaves out) and D without the movie. How they hang
        together counts: what the kinetics take for trapping is, in part, diffusion.

    Raises
    ------
    ValueError
        Too few delays or positions, no carriers to be seen, or no convergence.
    """
    time = np.asarray(time, np.float64)
    scene = Scene(
        time=time,
        spread=np.zeros_like(time) if spread is None else np.asarray(spread, np.float64),
        x=np.asarray(x, np.float64),
        y=np.asarray(y, np.float64),
        size=size,
        probe_waist=probe_waist,
    )
    movie = Movie(scene, density, sigma, pump_waist, rates, POSITIONS)
    return conclude(movie, ("linear", "quadratic"), len(movie.scene.time))


def conclude(movie: Movie, kinds: tuple[Kind, ...], number: int) -> DiffusionFit:
    """Fit each kind of stimulated emission with a number of nodes, and say what comes out."""
    first, last = float(movie.scene.time.min()), float(movie.scene.time.max())
    nodes = np.geomspace(FIRST_NODE, last, number + 1)[:-1]
    start = np.append(movie.start, np.full(number, 0.02))
    fits = [movie.fit(Stimulated(kind, nodes, first, last), start) for kind in kinds]
    best, *others = sorted(fits, key=lambda fit: fit.chi2)
    dof = movie.points + movie.priors - int((best.sigmas > 0).sum())
    wide = widening(best.chi2 / dof)
    note = f"Eq. 4, {len(movie.scene.time)} delays, reduced χ² {best.chi2 / dof:.2f}"
    for other in others:
        power = {"linear": "k(t) N", "quadratic": "k(t) N²"}
        note += (
            f"; stimulated emission {power[best.stimulated.kind]}; {power[other.stimulated.kind]} "
            f"has a χ² larger by {other.chi2 - best.chi2:.3g} "
            f"and D = {other.values[D]:.2f} ± {other.sigmas[D]:.2f}"
        )
    profile = _profile(movie, best, wide)

    def estimate(place: int, unit: str, factor: float = 1.0) -> Estimate:
        value, sigma = best.values[place] * factor, best.sigmas[place] * factor * wide
        return Estimate(float(value), float(sigma), unit)

    return DiffusionFit(
        diffusion=_diffusion(best, profile, wide, note),
        waist=estimate(WAIST, "um"),
        x=estimate(X, "um"),
        y=estimate(Y, "um"),
        trapping=estimate(A, "s-1", 1e12),
        stimulated=_stimulated(best, movie.unit, wide),
        model=best.stimulated.kind,
        chi2=best.chi2,
        dof=dof,
        profile=profile,
        _scene=movie.scene,
        _best=best,
        _unit=movie.unit,
    )


def _profile(movie: Movie, best: Optimum, wide: float) -> xr.DataArray:
    """Δχ² over D, all else fitted; far enough for the upper limit."""
    values = best.values
    for reach in best.sigmas[D] * wide * REACH * np.array([1, 2, 4]):
        grid = np.linspace(max(values[D] - reach, 0.0), values[D] + reach, PROFILE)
        rise = np.array([movie.fit(best.stimulated, values, d).chi2 - best.chi2 for d in grid])
        if rise[-1] > 1.2 * UPPER95 * wide**2:
            break
    else:
        raise ValueError("the movie does not limit D: measure later delays, or with less noise")
    return xr.DataArray(
        np.maximum(rise, 0.0),
        dims="diffusion",
        coords={"diffusion": ("diffusion", grid, {"units": "cm2/s"})},
        name="delta_chi2",
        attrs={"upper95": UPPER95 * wide**2},
    )


def _diffusion(best: Optimum, profile: xr.DataArray, wide: float, note: str) -> Estimate:
    """D with its limits from the profile."""
    value, sigma = float(best.values[D]), float(best.sigmas[D] * wide)
    curve = CubicSpline(profile["diffusion"].values, profile.values)

    def crossings(rise: float) -> tuple[float, float]:
        roots = curve.solve(rise * wide**2, extrapolate=False)
        below, above = roots[roots < value], roots[roots > value]
        return (float(below.max()) if len(below) else 0.0), float(above.min())

    lowest, upper95 = crossings(UPPER95)
    if value < 2 * sigma or lowest == 0:
        note = f"not resolved from zero: D ≤ {upper95:.2g} at 95 %; {note}"
    return Estimate(value, sigma, "cm2/s", upper95, crossings(1.0), note)


def _stimulated(best: Optimum, unit: float, wide: float) -> xr.Dataset:
    """Stimulated emission at its nodes."""
    factor, units = (1.0, "1/ps") if best.stimulated.kind == "linear" else (1 / unit, "cm3/ps")
    rates = {"rate": best.values[B + 1 :], "rate_sigma": best.sigmas[B + 1 :] * wide}
    return xr.Dataset(
        {name: ("time", rate * factor, {"units": units}) for name, rate in rates.items()},
        coords={"time": ("time", best.stimulated.nodes, {"units": "ps"})},
    )
