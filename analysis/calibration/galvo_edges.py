"""Galvo scale, rotation and zero from the light that comes back across the edges of a plate.

The field that the detector's mode sees is the mean over the probe's spot of what the plate and
the bare substrate reflect, so the light is a square in the share c of the spot on the plate:
I(c) = q₀ + q₁ c + q₂ c². It may well go through a minimum at the edge, where the two fields cancel.
c is a product of error functions with the probe's waist.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import ndtr

from analysis.numerics.jackknife import jackknife

__all__ = ["PlateEdges", "fit_edges"]

Floats = NDArray[np.float64]

_EDGE_SIGMA = 1e-3  # um: how exactly the fringe fits place an edge, light being all they see
_DARKEST = 0.05  # of the brightest: darker points weigh no more
_EXPLAINED = 0.9  # of the sum of squares, below which there are no edges to speak of


@dataclass(frozen=True)
class PlateEdges:
    """Where the galvos put the probe: R(rotation) diag(scale) · volts + offset.

    Attributes
    ----------
    scale, scale_sigma : (2,) array
        um/V, of x and y.
    rotation, rotation_sigma : float
        Degrees, anticlockwise.
    offset, offset_sigma : (2,) array
        Position at 0 V from the centre of the plate, um.
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


def fit_edges(
    volts: ArrayLike,
    level: ArrayLike,
    edge: ArrayLike,
    size: tuple[float, float],
    start: tuple[float, float],
) -> PlateEdges:
    """Fit the light along lines across the four edges of a rectangular plate.

    Parameters
    ----------
    volts : (P, 2) array
        Of the x and y mirror.
    level : (P,) array
        Light in any unit, fringes taken out.
    edge : (P,) array of int
        Which crossing of an edge a point belongs to. What disturbs one disturbs all its points, so
        the uncertainty is at least that of leaving out one crossing after another.
    size : tuple of float
        Length and width of the plate, um: what the scale rests on.
    start : tuple of float
        Scales to start from, um/V.

    Raises
    ------
    ValueError
        Fewer than eight crossings, or no edges where they were looked for.
    """
    v, y = np.asarray(volts, np.float64), np.asarray(level, np.float64)
    groups, place = np.unique(np.asarray(edge), return_inverse=True)
    if len(groups) < 8:
        raise ValueError(
            f"{len(groups)} crossings of edges: every edge is needed at two positions or more"
        )
    half = np.asarray(size, np.float64) / 2

    def share(parameters: Floats) -> Floats:
        scale, angle, offset, waist = parameters[:2], parameters[2], parameters[3:5], parameters[5]
        at = (v * scale) @ _rotation(angle).T + offset
        on = ndtr(2 * (half - at) / waist) - ndtr(2 * (-half - at) / waist)
        return np.asarray(on.prod(axis=1))

    # the source's noise is in proportion to the light
    weight = 1 / np.maximum(y, _DARKEST * y.max())

    def residuals(parameters: Floats) -> Floats:
        basis = weight[:, None] * share(parameters)[:, None] ** np.arange(3)
        seen = weight * y
        return seen - basis @ np.linalg.lstsq(basis, seen, rcond=None)[0]

    begin = np.array([*start, 0.0, 0.0, 0.0, 0.5])
    fit = least_squares(residuals, begin, x_scale=(0.1, 0.1, 0.03, 0.1, 0.1, 0.1))
    if (
        2 * fit.cost > (1 - _EXPLAINED) * ((weight * (y - y.mean())) ** 2).sum()
        or not 0 < fit.x[5] < 5
    ):
        raise ValueError("the light does not change as it does at the edges of the plate")
    longest = int(np.bincount(place).max())
    jacobian = np.zeros((len(groups), longest, len(fit.x)))
    left = np.zeros((len(groups), longest))
    for group in range(len(groups)):
        members = np.flatnonzero(place == group)
        jacobian[group, : len(members)] = fit.jac[members]
        left[group, : len(members)] = fit.fun[members]
    white = 2 * fit.cost / (len(y) - len(fit.x) - 3) * np.linalg.pinv(fit.jac.T @ fit.jac)
    # the scatter of a few crossings may happen to be small
    sigma = np.maximum(jackknife(jacobian, left), np.sqrt(np.diag(white)))
    own = _EDGE_SIGMA * np.array([*(fit.x[:2] / half), 1 / half.max(), 1, 1, 1])
    sigma = np.hypot(sigma, own)
    return PlateEdges(
        scale=fit.x[:2],
        scale_sigma=sigma[:2],
        rotation=float(np.rad2deg(fit.x[2])),
        rotation_sigma=float(np.rad2deg(sigma[2])),
        offset=fit.x[3:5],
        offset_sigma=sigma[3:5],
        probe_waist=float(fit.x[5]),
        probe_waist_sigma=float(sigma[5]),
    )


def _rotation(angle: float) -> Floats:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
