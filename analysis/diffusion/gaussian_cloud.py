"""Gaussian fits to maps of Δn: position and radius of the carrier cloud."""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import widening
from ocm_ophyd.errors import DataError

Floats = NDArray[np.float64]

PROBE_WAIST = 0.5
"""1/e² radius of the probe on the sample, um (paper, Methods A)."""

LEAST_POINTS = 6
"""Fewest points of a map that are fitted: one more than the parameters of the Gaussian."""

START_THRESHOLD = 0.3
"""Fraction of the largest value above which points count for the start of the fit: above the noise
of a usable map, and enough of the cloud to find its centre."""

WIDEST = 2.0
"""Waist over the smaller side of the map above which waist and offset are reported not to be
distinguishable: a wider Gaussian is a parabola within the map."""


@dataclass(frozen=True)
class Cloud:
    """Round Gaussian fitted to a map.

    Attributes
    ----------
    x, y, waist : float
        Centre and 1/e² radius, um, with their standard deviations `*_sigma`.
    amplitude, offset : float
        In the unit of the map, with their standard deviations `*_sigma`.
    reduced_chi2 : float
        χ² per degree of freedom. Where the sigmas of the data are known, the standard deviations
        are widened by √χ² where it is above 1.
    warnings : tuple of str
        Limitations of the fit.
    """

    x: float
    x_sigma: float
    y: float
    y_sigma: float
    waist: float
    waist_sigma: float
    amplitude: float
    amplitude_sigma: float
    offset: float
    offset_sigma: float
    reduced_chi2: float
    warnings: tuple[str, ...]

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Return the fitted map at positions `x`, `y`: arrays of one shape, um."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        return gaussian(x, y, self.x, self.y, self.waist, self.amplitude, self.offset)


def gaussian(
    x: Floats, y: Floats, x0: float, y0: float, waist: float, amplitude: float, offset: float
) -> Floats:
    """Return amplitude e^{−2r²/w²} + offset, the form of a beam's intensity.

    Parameters
    ----------
    x, y : arrays of one shape
        Positions, um.
    x0, y0, waist : float
        Centre and 1/e² radius w, um.
    amplitude, offset : float
        In the unit of the result.
    """
    square = (x - x0) ** 2 + (y - y0) ** 2
    return np.asarray(amplitude * np.exp(-2 * square / waist**2) + offset)


def fit_cloud(
    x: ArrayLike, y: ArrayLike, delta_n: ArrayLike, sigma: ArrayLike | None = None
) -> Cloud:
    """Fit a Gaussian cloud to a map.

    Parameters
    ----------
    x, y : (P,) arrays
        Positions, um, in any order.
    delta_n : (P,) array
        Δn, or another quantity in any unit.
    sigma : (P,) array, optional
        Its standard deviations. Without them all points have the same weight, and the scatter about
        the fit gives the standard deviations of the parameters. Points that are not finite are
        dropped.

    Raises
    ------
    DataError
        Fewer than six points, or all on one line in x or y.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import fit_cloud
    >>> x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(-4, 4, 9), np.linspace(-4, 4, 9)))
    >>> delta_n = 0.01 * np.exp(-2 * ((x - 0.5) ** 2 + y**2) / 2.25**2)
    >>> cloud = fit_cloud(x, y, delta_n, np.full(81, 1e-4))
    >>> round(cloud.x, 3), round(cloud.waist, 3)
    (0.5, 2.25)
    """
    x, y, z = (np.asarray(values, np.float64).ravel() for values in (x, y, delta_n))
    s = np.ones_like(z) if sigma is None else np.asarray(sigma, np.float64).ravel()
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & np.isfinite(s) & (s > 0)
    x, y, z, s = x[good], y[good], z[good], s[good]
    span = min(np.ptp(x), np.ptp(y)) if len(z) else 0.0
    if len(z) < LEAST_POINTS or span == 0:
        raise DataError(
            f"a cloud needs at least {LEAST_POINTS} finite points at several x and several y"
        )
    # In silicon Δn is negative: the peak is the largest distance from the median of either sign.
    offset = np.median(z)
    light = np.clip(np.sign(z[np.argmax(np.abs(z - offset))] - offset) * (z - offset), 0.0, None)
    light = np.where(light > START_THRESHOLD * light.max(), light, 0.0)
    start = lmfit.Parameters()
    start.add("x0", np.average(x, weights=light), min=x.min() - span, max=x.max() + span)
    start.add("y0", np.average(y, weights=light), min=y.min() - span, max=y.max() + span)
    start.add("waist", span / 2, min=span / 100, max=20 * span)
    start.add("amplitude", z[np.argmax(light)] - offset)
    start.add("offset", offset)
    model = lmfit.Model(gaussian, independent_vars=["x", "y"])
    result = model.fit(z, start, x=x, y=y, weights=1 / s, scale_covar=sigma is None)
    values = {name: float(p.value) for name, p in result.params.items()}
    wider = 1.0 if sigma is None else widening(result.redchi)
    sigmas = {name: float(p.stderr or np.nan) * wider for name, p in result.params.items()}
    missing = [name for name, value in sigmas.items() if np.isnan(value)]
    warnings = [f"{name} is not determined by the data" for name in missing]
    if values["waist"] > WIDEST * span:
        warnings.append("the cloud is wider than the map: waist and offset are not distinguishable")
    return Cloud(
        x=values["x0"],
        x_sigma=sigmas["x0"],
        y=values["y0"],
        y_sigma=sigmas["y0"],
        waist=values["waist"],
        waist_sigma=sigmas["waist"],
        amplitude=values["amplitude"],
        amplitude_sigma=sigmas["amplitude"],
        offset=values["offset"],
        offset_sigma=sigmas["offset"],
        reduced_chi2=float(result.redchi),
        warnings=tuple(warnings),
    )


def cloud_waist(
    map_waist: float, map_waist_sigma: float = 0.0, probe_waist: float = PROBE_WAIST
) -> tuple[float, float]:
    """Correct the waist of a map for the probe's blur: w_cloud² = w_map² − w_probe².

    Parameters
    ----------
    map_waist, map_waist_sigma, probe_waist : float
        1/e² radius of the map with its standard deviation, and that of the probe, um.

    Returns
    -------
    waist, sigma : float
        1/e² radius of the cloud and its standard deviation, um.

    Raises
    ------
    DataError
        The map is no wider than the probe.
    """
    square = map_waist**2 - probe_waist**2
    if square <= 0:
        raise DataError(
            f"a map of waist {map_waist:.3g} um is no wider than the probe ({probe_waist:g} um): "
            "the cloud is not resolved"
        )
    waist = float(np.sqrt(square))
    return waist, map_waist * map_waist_sigma / waist
