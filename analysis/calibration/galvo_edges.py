"""Galvo scale, rotation and offset from the light reflected across the edges of a plate.

The detector's mode averages the reflected field over the probe's spot, of which a share c is on the
plate and the rest on the bare substrate. So the light is a quadratic function of c,

    I(c) = q₀ + q₁ c + q₂ c²,

which may have a minimum at the edge, where the two fields cancel. c is a product of normal
integrals, one for each axis, with the waist w of the probe:

    c = Π_i {Φ[2 (h_i − r_i)/w] − Φ[2 (−h_i − r_i)/w]},   r = R(rotation) diag(scale) V + offset,

where h_i are half the sizes of the plate and V the voltages of the galvo mirrors. q₀ to q₂ are
fitted linearly for each trial of the other parameters.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, least_squares
from scipy.special import ndtr

from analysis.numerics.jackknife import jackknife
from ocm_ophyd.errors import DataError

__all__ = ["PlateEdges", "fit_edges"]

Floats = NDArray[np.float64]

_EDGE_SIGMA = 1e-3
"""Standard deviation of the model's error of an edge's position, um: the light comes from fits of
the fringe, which a partly covered spot changes."""

_MIN_LIGHT = 0.05
"""Light below this part of the brightest has no more weight than at it: its noise is then no longer
that of the source, which is proportional to the light."""

_MIN_EXPLAINED = 0.9
"""Smallest part of the weighted sum of squares that the edges must explain."""

_MIN_CROSSINGS = 8
"""Two for each of the four edges."""

_MAX_WAIST = 5.0
"""Largest waist of the probe that is plausible, um: ten times the stated one."""

_START_WAIST = 0.5
"""Waist of the probe to start from, um (paper)."""


@dataclass(frozen=True)
class PlateEdges:
    """Calibration of the galvo mirrors: position = R(rotation) diag(scale) · volts + offset.

    Attributes
    ----------
    scale, scale_sigma : (2,) array
        Of x and y, um/V.
    rotation, rotation_sigma : float
        Anticlockwise, degrees.
    offset, offset_sigma : (2,) array
        Position at 0 V relative to the centre of the plate, um.
    probe_waist, probe_waist_sigma : float
        1/e² radius of the probe, um.
    """

    scale: Floats
    scale_sigma: Floats
    rotation: float
    rotation_sigma: float
    offset: Floats
    offset_sigma: Floats
    probe_waist: float
    probe_waist_sigma: float


class _EdgeParameters(NamedTuple):
    """Free parameters in the order of the fit: um/V, um/V, rad, um, um, um."""

    scale_x: float
    scale_y: float
    rotation: float
    offset_x: float
    offset_y: float
    waist: float

    @property
    def scale(self) -> Floats:
        """Scale of both axes (2,), um/V."""
        return np.array([self.scale_x, self.scale_y])

    @property
    def offset(self) -> Floats:
        """Offset of both axes (2,), um."""
        return np.array([self.offset_x, self.offset_y])

    def covered(self, volts: Floats, half: Floats) -> Floats:
        """Return the share (P,) of the probe's spot that is on the plate.

        Parameters
        ----------
        volts : (P, 2) array
            Of the x and y mirror.
        half : (2,) array
            Half the size of the plate, um.
        """
        cos, sin = np.cos(self.rotation), np.sin(self.rotation)
        rotation = np.array([[cos, -sin], [sin, cos]])
        position = (volts * self.scale) @ rotation.T + self.offset
        below_upper = ndtr(2 * (half - position) / self.waist)
        below_lower = ndtr(2 * (-half - position) / self.waist)
        return np.asarray((below_upper - below_lower).prod(axis=1))


_SCALE = _EdgeParameters(
    scale_x=0.1, scale_y=0.1, rotation=0.03, offset_x=0.1, offset_y=0.1, waist=0.1
)
"""Sizes of significant changes of the parameters."""


def fit_edges(
    volts: ArrayLike,
    light: ArrayLike,
    edge: ArrayLike,
    size: tuple[float, float],
    start: tuple[float, float],
) -> PlateEdges:
    """Fit the light along lines across the four edges of a rectangular plate.

    Parameters
    ----------
    volts : (P, 2) array
        Of the x and y mirror, V.
    light : (P,) array
        Reflected light without the fringes, any unit.
    edge : (P,) array of int
        Number of the crossing of an edge that a point belongs to. A disturbance of one affects all
        its points, so the standard deviations are at least those of a jackknife over crossings.
    size : tuple of float
        Length and width of the plate, um, which determine the scale.
    start : tuple of float
        Scales to start from, um/V.

    Raises
    ------
    DataError
        Fewer than eight crossings, or light that does not change as at the edges of a plate.
    """
    v, y = np.asarray(volts, np.float64), np.asarray(light, np.float64)
    crossings, crossing = np.unique(np.asarray(edge), return_inverse=True)
    if len(crossings) < _MIN_CROSSINGS:
        raise DataError(
            f"{len(crossings)} crossings of edges: every edge is needed at two positions or more"
        )
    half = np.asarray(size, np.float64) / 2
    weight = 1 / np.maximum(y, _MIN_LIGHT * y.max())  # the source's noise is proportional to light
    weighted = weight * y

    def residuals(vector: Floats) -> Floats:
        share = _EdgeParameters(*vector).covered(v, half)
        basis = weight[:, None] * share[:, None] ** np.arange(3)
        return weighted - basis @ np.linalg.lstsq(basis, weighted, rcond=None)[0]

    begin = _EdgeParameters(*start, rotation=0.0, offset_x=0.0, offset_y=0.0, waist=_START_WAIST)
    fit = least_squares(residuals, begin, x_scale=_SCALE)
    best = _EdgeParameters(*fit.x.tolist())
    variation = ((weight * (y - y.mean())) ** 2).sum()
    if 2 * fit.cost > (1 - _MIN_EXPLAINED) * variation or not 0 < best.waist < _MAX_WAIST:
        raise DataError("the light does not change as it does at the edges of the plate")
    sigma = _standard_deviations(fit, crossing, half)
    return PlateEdges(
        scale=best.scale,
        scale_sigma=sigma.scale,
        rotation=float(np.rad2deg(best.rotation)),
        rotation_sigma=float(np.rad2deg(sigma.rotation)),
        offset=best.offset,
        offset_sigma=sigma.offset,
        probe_waist=best.waist,
        probe_waist_sigma=sigma.waist,
    )


def _standard_deviations(
    fit: OptimizeResult, crossing: NDArray[np.intp], half: Floats
) -> _EdgeParameters:
    """Return the standard deviations of the parameters.

    Parameters
    ----------
    fit : OptimizeResult
    crossing : (P,) array of int
        Crossing of each point, counted from 0.
    half : (2,) array
        Half the size of the plate, um.
    """
    count, longest = int(crossing.max()) + 1, int(np.bincount(crossing).max())
    jacobian, residuals = np.zeros((count, longest, len(fit.x))), np.zeros((count, longest))
    for i in range(count):
        members = np.flatnonzero(crossing == i)
        jacobian[i, : len(members)] = fit.jac[members]
        residuals[i, : len(members)] = fit.fun[members]
    # Three coefficients of the light are fitted besides the parameters.
    freedom = len(fit.fun) - len(fit.x) - 3
    white = 2 * fit.cost / freedom * np.linalg.pinv(fit.jac.T @ fit.jac)
    # The scatter of a few crossings may be small by chance.
    sigma = np.maximum(jackknife(jacobian, residuals), np.sqrt(np.diag(white)))
    scale_x, scale_y = fit.x[:2] / half
    by_edge = np.array([scale_x, scale_y, 1 / half.max(), 1.0, 1.0, 1.0])
    return _EdgeParameters(*np.hypot(sigma, _EDGE_SIGMA * by_edge).tolist())
