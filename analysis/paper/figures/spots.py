"""Gaussians without a pedestal, fitted to one frame of a map or of a line scan, for the eye."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.optimize import curve_fit

from analysis.diffusion.gaussian_cloud import Floats, gaussian
from analysis.paper.figures.style import MissingError

__all__ = ["Spot", "fit_spot"]


@dataclass(frozen=True)
class Spot:
    """A Gaussian: 1/e² radius `waist` and centre in um, `amplitude` in what was fitted."""

    waist: float
    waist_sigma: float
    amplitude: float
    x: float
    y: float

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Value at positions in um."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        return gaussian(x, y, self.x, self.y, self.waist, self.amplitude, 0.0)


def fit_spot(values: xr.DataArray, sigma: xr.DataArray) -> Spot:
    """Fit the values of a frame over `y` and `x`, or over `x` alone, where it takes y as centred.

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
    if len(z) < 6:
        raise MissingError("no cloud: fewer than six points")

    def spot(_: Floats, waist: float, amplitude: float, *centre: float) -> Floats:
        return gaussian(x, y, centre[0], centre[1] if flat else y[0], waist, amplitude, 0.0)

    flat, peak = bool(np.ptp(y)), int(np.argmax(np.abs(z)))
    start = [float(np.ptp(x)) / 3, z[peak], x[peak], y[peak]][: 4 if flat else 3]
    try:
        # MINPACK loses the slope by a centre near 0: its steps are relative.
        best, covariance = curve_fit(spot, x, z, start, s, absolute_sigma=True, method="trf")
    except RuntimeError as error:
        raise MissingError("no cloud: the Gaussian does not converge") from error
    waist, amplitude, *centre = (float(value) for value in best)
    waist_sigma = float(np.sqrt(covariance[0, 0]))
    return Spot(abs(waist), waist_sigma, amplitude, centre[0], centre[1] if flat else float(y[0]))
