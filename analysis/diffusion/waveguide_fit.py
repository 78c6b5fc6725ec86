"""Diffusion along a waveguide: Eq. 4 fitted to scans of a line at several delays."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.diffusion.cloud_model import Scene
from analysis.diffusion.movie_fit import DiffusionFit, conclude
from analysis.diffusion.search import Movie
from analysis.estimate import Estimate
from analysis.materials import Material
from analysis.probe_band import CENTRE_WAVELENGTH

__all__ = ["fit_line", "fit_waveguide"]

POSITIONS = 8
"""The fewest that are fitted."""
ROUNDS, SETTLED = 8, 0.02
"""How often at most Δn is made linear about the cloud of the fit before, and by how many sigmas D
may change when it has settled."""
LEAST = 1e-3
"""The thinnest cloud about which Δn is made linear, as a share of the densest."""


def fit_line(
    time: ArrayLike,
    x: ArrayLike,
    density: ArrayLike,
    sigma: ArrayLike,
    *,
    length: float,
    width: float,
    probe_waist: float,
    pump_waist: Estimate,
) -> DiffusionFit:
    """Fit Eq. 4 to scans along the middle of a waveguide at several delays.

    Trapping is fitted freely; recombination of pairs and stimulated emission are neglected.

    Parameters
    ----------
    time, x
        As in `fit_movie`; (T,) and (X,) arrays.
    density, sigma : (T, X) arrays
        cm⁻³.
    length, width
        Of the waveguide, um, along x and across.
    probe_waist, pump_waist
        As in `fit_movie`.

    Raises
    ------
    ValueError
        As `fit_movie`.
    """
    time = np.asarray(time, np.float64)
    density, sigma = (np.asarray(v, np.float64)[:, np.newaxis] for v in (density, sigma))
    size = (length, width)
    scene = Scene(time, 0 * time, np.asarray(x, np.float64), np.zeros(1), size, probe_waist)
    movie = Movie(scene, density, sigma, pump_waist, None, POSITIONS)
    return conclude(movie, ("linear",), 0)


def fit_waveguide(
    time: ArrayLike,
    x: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike,
    *,
    material: Material,
    length: float,
    width: float,
    probe_waist: float,
    pump_waist: Estimate,
) -> DiffusionFit:
    """Fit Eq. 4 to the Δn of scans along a waveguide whose Δn is not linear in the density.

    The noise is Δn's. Turned into a density it would be least where the density is, and the cloud's
    edges would weigh too much: D of silicon came out 4 % low. So Δn is compared with that of the
    fitted cloud, about which it is nearly linear.

    Parameters
    ----------
    time, x
        As in `fit_movie`; (T,) and (X,) arrays.
    delta_n, sigma : (T, X) arrays
        At the probe band's centre.
    material : Material
        Gives Δn of a density.
    length, width, probe_waist, pump_waist
        As in `fit_line`.

    Raises
    ------
    ValueError
        As `fit_movie`; or the fitted cloud does not settle.
    """
    delta_n, sigma = np.asarray(delta_n, np.float64), np.asarray(sigma, np.float64)
    density = material.carrier_density(delta_n, CENTRE_WAVELENGTH)
    cloud = np.full(delta_n.shape, np.nanmax(np.abs(density), initial=1.0) / 2)
    before = np.nan
    for _ in range(ROUNDS):
        step = 1e-3 * cloud
        near = [material.delta_n(cloud + sign * step, CENTRE_WAVELENGTH) for sign in (-1, 0, 1)]
        slope = (near[2] - near[0]) / (2 * step)
        found = fit_line(
            time,
            x,
            cloud + (delta_n - near[1]) / slope,
            np.abs(sigma / slope),
            length=length,
            width=width,
            probe_waist=probe_waist,
            pump_waist=pump_waist,
        )
        now = found.diffusion
        if abs(now.value - before) < SETTLED * now.sigma:
            return found
        before = now.value
        cloud = found.evaluate(time, x)[:, 0]
        cloud = np.maximum(cloud, LEAST * cloud.max())
    raise ValueError("the fit of the waveguide's index change does not settle: is there one cloud?")
