"""Diffusion coefficient from line scans along a waveguide at several delays (Eq. 4)."""

import numpy as np
from numpy.typing import ArrayLike

from analysis.diffusion.cloud_model import ScanGeometry
from analysis.diffusion.movie_fit import DiffusionFit, fit_equation_4
from analysis.diffusion.search import Movie
from analysis.estimate import Estimate
from analysis.materials import Material
from analysis.probe_band import CENTRE_WAVELENGTH
from ocm_ophyd.errors import DataError

__all__ = ["fit_line", "fit_waveguide"]

LEAST_POSITIONS = 8
"""Fewest positions along the waveguide that are fitted: below, centre, waist and D are determined
poorly."""

LINEARISATIONS = 8
"""Largest number of times that Δn(N) is made linear about the cloud of the previous fit: scans of
the simulated waveguide take four (tests/analysis/diffusion/test_waveguide_fit.py)."""

SETTLED = 0.02
"""Change of D between two linearisations below which the fit has converged, in sigmas of D."""

LEAST_DENSITY = 1e-3
"""Least density about which Δn(N) is made linear, as a fraction of the largest: the slope of
silicon's Δn(N) is infinite at zero."""

SLOPE_STEP = 1e-3
"""Relative step of the density in the finite difference of Δn(N)."""


def fit_line(
    geometry: ScanGeometry,
    density: ArrayLike,
    sigma: ArrayLike,
    *,
    pump_waist: Estimate,
) -> DiffusionFit:
    """Fit Eq. 4 to scans of the density along the middle of a waveguide at several delays.

    Trapping is fitted; recombination of pairs and stimulated emission are neglected.

    Parameters
    ----------
    geometry : ScanGeometry
        Times, positions along the waveguide, its length and width as `size`, and the probe.
    density, sigma : (T, X) arrays
        cm^-3; points that are not finite are dropped.
    pump_waist : Estimate
        1/e² radius of the pump, um: the prior of the cloud's; held where its sigma is 0.

    Raises
    ------
    DataError
        Too few delays or positions, no carriers, or no convergence.
    """
    density, sigma = (np.asarray(v, np.float64)[:, np.newaxis] for v in (density, sigma))
    movie = Movie(geometry, density, sigma, pump_waist, rates=None, positions=LEAST_POSITIONS)
    return fit_equation_4(movie, ("linear",), nodes=0)


def fit_waveguide(
    geometry: ScanGeometry,
    delta_n: ArrayLike,
    sigma: ArrayLike,
    *,
    material: Material,
    pump_waist: Estimate,
) -> DiffusionFit:
    """Fit Eq. 4 to scans of Δn along a waveguide whose Δn is not proportional to the density.

    The noise is that of Δn. Converted to a density it would be smallest where the density is, so
    that the edges of the cloud had too much weight; D of silicon would be 4 % low. Instead, Δn(N)
    is made linear about the cloud of the previous fit, until D does not change any more.

    Parameters
    ----------
    geometry : ScanGeometry
        Times, positions along the waveguide, its length and width as `size`, and the probe.
    delta_n, sigma : (T, X) arrays
        At the centre of the probe band, RIU; points that are not finite are dropped.
    material : Material
        Gives Δn of a density.
    pump_waist : Estimate
        1/e² radius of the pump, um: the prior of the cloud's; held where its sigma is 0.

    Raises
    ------
    DataError
        As `fit_line`, or the linearisations do not converge.
    """
    delta_n, sigma = np.asarray(delta_n, np.float64), np.asarray(sigma, np.float64)
    density = material.carrier_density(delta_n, CENTRE_WAVELENGTH)
    cloud = np.full(delta_n.shape, np.nanmax(np.abs(density), initial=1.0) / 2)
    previous = np.nan
    for _ in range(LINEARISATIONS):
        step = SLOPE_STEP * cloud
        low, middle, high = (
            material.delta_n(cloud + sign * step, CENTRE_WAVELENGTH) for sign in (-1, 0, 1)
        )
        slope = (high - low) / (2 * step)
        fit = fit_line(
            geometry,
            cloud + (delta_n - middle) / slope,
            np.abs(sigma / slope),
            pump_waist=pump_waist,
        )
        if abs(fit.diffusion.value - previous) < SETTLED * fit.diffusion.sigma:
            return fit
        previous = fit.diffusion.value
        cloud = fit.evaluate(geometry.time, geometry.x)[:, 0]
        cloud = np.maximum(cloud, LEAST_DENSITY * cloud.max())
    raise DataError(
        "the diffusion coefficient does not converge between linearisations of the waveguide's "
        "index change: does the scan show one cloud?"
    )
