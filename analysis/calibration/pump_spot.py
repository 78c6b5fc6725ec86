"""Position and waist of the pump spot from a map of Δn.

The map is taken a few picoseconds after the pump and below the lasing threshold. The carriers are
then still distributed as the pump's intensity g(x, y) = exp(−2r²/w²), except that recombination has
removed a share of them, which is largest in the middle. The fitted model is

    Δn(x, y) = A g / (1 + ε g),

with the amplitude A and the recombined share ε, which has a prior. There is no offset: Δn is zero
without the pump. The probe has a waist of its own and blurs the map, so that w² = w_pump² +
w_probe².
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from analysis.diffusion.gaussian_cloud import cloud_waist, gaussian
from ocm_ophyd.errors import DataError

__all__ = ["PumpSpot", "fit_pump_spot"]

Floats = NDArray[np.float64]

_MIN_POINTS = 6
_MIN_SIGNIFICANCE = 5.0  # standard deviations of the amplitude from zero

_RECOMBINED = 0.08
_RECOMBINED_SIGMA = 0.05
"""Prior mean and standard deviation of ε, the share of carriers that have recombined in the middle
of the spot. Below threshold that is some per cent within picoseconds: B N t = 0.09 at 1e19 cm⁻³ and
5 ps with the paper's B, 0.06 at 7e18 cm⁻³."""


@dataclass(frozen=True)
class PumpSpot:
    """The pump spot on the sample.

    Attributes
    ----------
    x, x_sigma, y, y_sigma : float
        Centre and its standard deviations, um.
    waist, waist_sigma : float
        1/e² radius of the pump's intensity without the blur of the probe, and its standard
        deviation, um.
    reduced_chi2 : float
        χ² per degree of freedom. The standard deviations are multiplied by its square root where
        it exceeds 1.
    """

    x: float
    x_sigma: float
    y: float
    y_sigma: float
    waist: float
    waist_sigma: float
    reduced_chi2: float


class _SpotParameters(NamedTuple):
    """Free parameters in the order of the fit: um, um, um, RIU, 1."""

    x: float
    y: float
    waist: float
    amplitude: float
    recombined: float


def fit_pump_spot(x: ArrayLike, y: ArrayLike, delta_n: ArrayLike, sigma: ArrayLike) -> PumpSpot:
    """Fit position and waist of the pump spot to a map of Δn.

    Parameters
    ----------
    x, y : (P,) array
        Probe positions, um, in any order.
    delta_n, sigma : (P,) array
        Index change and its standard deviation, RIU. Points that are not finite, or have no
        positive standard deviation, are left out.

    Raises
    ------
    DataError
        Too few points, no significant amplitude, or a spot that is not wider than the probe.
    """
    x, y, z, s = (np.asarray(values, np.float64).ravel() for values in (x, y, delta_n, sigma))
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & np.isfinite(s) & (s > 0)
    x, y, z, s = x[good], y[good], z[good], s[good]
    if len(z) < _MIN_POINTS or min(np.ptp(x), np.ptp(y)) == 0:
        raise DataError("a pump spot needs six finite points or more that spread in x and in y")

    def residuals(vector: Floats) -> Floats:
        at = _SpotParameters(*vector)
        pump = gaussian(x, y, at.x, at.y, at.waist, 1.0, 0.0)
        model = at.amplitude * pump / (1 + at.recombined * pump)
        prior = (at.recombined - _RECOMBINED) / _RECOMBINED_SIGMA
        return np.append((model - z) / s, prior)

    largest = z[np.argmax(np.abs(z))]
    start = _SpotParameters(
        x=np.average(x, weights=np.abs(z)),
        y=np.average(y, weights=np.abs(z)),
        waist=max(np.ptp(x), np.ptp(y)) / 2,
        amplitude=largest,
        recombined=_RECOMBINED,
    )
    scale = _SpotParameters(
        x=1.0, y=1.0, waist=1.0, amplitude=abs(largest) or 1.0, recombined=_RECOMBINED_SIGMA
    )
    fit = least_squares(residuals, start, x_scale=scale)
    covariance = np.linalg.pinv(fit.jac.T @ fit.jac)
    # The prior constrains one of the five parameters, so four use up degrees of freedom.
    reduced = 2 * fit.cost / max(len(z) - 4, 1)
    value = _SpotParameters(*fit.x)
    deviation = _SpotParameters(*np.sqrt(np.diag(covariance) * max(1.0, reduced)))
    if not abs(value.amplitude) > _MIN_SIGNIFICANCE * deviation.amplitude:
        raise DataError("the map shows no cloud: is the pump on the sample?")
    waist, waist_sigma = cloud_waist(abs(value.waist), deviation.waist)
    return PumpSpot(
        x=float(value.x),
        x_sigma=float(deviation.x),
        y=float(value.y),
        y_sigma=float(deviation.y),
        waist=waist,
        waist_sigma=float(waist_sigma),
        reduced_chi2=float(reduced),
    )
