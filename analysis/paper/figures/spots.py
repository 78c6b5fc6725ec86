"""Gaussians without an offset, fitted to one frame of a map or of a line scan, for the figures."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit

from analysis.diffusion.gaussian_cloud import gaussian
from analysis.paper.figures.style import MissingError

__all__ = ["Spot", "fit_spot"]

Floats = NDArray[np.float64]

LEAST_POINTS = 6
"""Fewest points of a frame that is fitted: more than the four parameters."""


@dataclass(frozen=True)
class Spot:
    """Round Gaussian.

    Attributes
    ----------
    waist, waist_sigma : float
        1/e² radius and its standard deviation, um.
    amplitude : float
        In the unit of the frame.
    x, y : float
        Centre, um.
    """

    waist: float
    waist_sigma: float
    amplitude: float
    x: float
    y: float

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Return the values at positions `x`, `y`: arrays of one shape, um."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        return gaussian(x, y, self.x, self.y, self.waist, self.amplitude, 0.0)


def fit_spot(values: xr.DataArray, sigma: xr.DataArray) -> Spot:
    """Fit a Gaussian to a frame.

    Parameters
    ----------
    values, sigma : xr.DataArray
        Frame and its standard deviations over `y` and `x`, or over `x` alone: the centre is then
        taken to be at this y.

    Raises
    ------
    MissingError
        Too few points, or no cloud among them.
    """
    height = values["y"] if "y" in values.coords else xr.DataArray(0.0)
    columns = xr.broadcast(values, sigma, values["x"], height)
    z, s, x, y = (np.asarray(column.values, np.float64).ravel() for column in columns)
    good = np.isfinite(z) & (s > 0)
    z, s, x, y = z[good], s[good], x[good], y[good]
    if len(z) < LEAST_POINTS:
        raise MissingError("no cloud: fewer than six points")

    def spot(_: Floats, waist: float, amplitude: float, *centre: float) -> Floats:
        return gaussian(x, y, centre[0], centre[1] if flat else y[0], waist, amplitude, 0.0)

    flat, peak = bool(np.ptp(y)), int(np.argmax(np.abs(z)))
    start = [float(np.ptp(x)) / 3, z[peak], x[peak], y[peak]][: 4 if flat else 3]
    try:
        # MINPACK's steps are relative: by a centre near 0 its slope would be lost in rounding.
        best, covariance = curve_fit(spot, x, z, start, s, absolute_sigma=True, method="trf")
    except RuntimeError as error:
        raise MissingError("no cloud: the Gaussian does not converge") from error
    waist, amplitude, *centre = (float(value) for value in best)
    waist_sigma = float(np.sqrt(covariance[0, 0]))
    return Spot(abs(waist), waist_sigma, amplitude, centre[0], centre[1] if flat else float(y[0]))
