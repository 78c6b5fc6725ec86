"""Data and prior knowledge for the fit of the rate equations, and its result for A, B, C and D."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import ONE_SIDED, Estimate
from analysis.rate_equations.plate_average import PlateNodes, plate_nodes
from ocm_ophyd.errors import DataError

__all__ = [
    "Curve",
    "CurvePoints",
    "DiffusionPrior",
    "LightCurve",
    "LightPoints",
    "Plate",
    "RateConstants",
]

Floats = NDArray[np.float64]

VISIBLE = 5.0
"""Least density of the first point of a curve in its standard deviations: the densities give the
start of the fit, in which noise around zero would have no logarithm."""


@dataclass(frozen=True)
class Plate:
    """Rectangular plate with pump and probe at its centre.

    Attributes
    ----------
    size : tuple of float
        Sides, um.
    pump_waist, probe_waist : float
        1/e² radii, um.
    """

    size: tuple[float, float]
    pump_waist: float
    probe_waist: float

    @property
    def nodes(self) -> PlateNodes:
        """Nodes for functions of the distance from the axis."""
        return plate_nodes(self.size, self.probe_waist)

    @property
    def profile(self) -> Floats:
        """(n,) density at the nodes of a cloud right after the pump, whose probe mean is 1."""
        shape = np.exp(-2 * (self.nodes.radius / self.pump_waist) ** 2)
        return shape / (self.nodes.probe @ shape)

    @property
    def mean_density(self) -> float:
        """Mean over the plate, right after the pump, of the density whose probe mean is 1."""
        return float(self.nodes.area @ self.profile)


@dataclass(frozen=True)
class Curve:
    """Relaxation curve at one fluence; points that are not finite are dropped.

    Attributes
    ----------
    fluence : float
        mJ/cm^2; a label only, because the initial density is fitted.
    delay : (P,) array
        Mean time at which the probe samples the plasma, ps after the pump.
    density, sigma : (P,) arrays
        Mean density over the probe and its standard deviation, cm^-3.
    spread : (P,) array or float
        Standard deviation of the sampling times of one point, ps.
    """

    fluence: float
    delay: ArrayLike
    density: ArrayLike
    sigma: ArrayLike
    spread: ArrayLike = 0.0


class CurvePoints(NamedTuple):
    """Points of a relaxation curve that are fitted, in order of time.

    Attributes
    ----------
    time, spread : (P,) arrays
        Mean and standard deviation of the sampling times, ps.
    density, sigma : (P,) arrays
        cm^-3.
    """

    time: Floats
    density: Floats
    sigma: Floats
    spread: Floats

    @classmethod
    def of(cls, curve: Curve) -> Self:
        """Select the points of a curve: finite, and with all sampling times after the pump.

        There are none where the first density is not above the noise.

        Raises
        ------
        DataError
            A sigma is not positive.
        """
        columns = np.broadcast_arrays(curve.delay, curve.density, curve.sigma, curve.spread)
        points = cls(*(np.asarray(column, np.float64).ravel() for column in columns))
        points = points.take(np.all(np.isfinite(points), axis=0))
        if (points.sigma <= 0).any():
            raise DataError(
                f"sigma of the curve at {curve.fluence:g} mJ/cm^2 must be positive: "
                "a point without noise cannot be weighted"
            )
        points = points.take(points.time >= points.spread)
        points = points.take(np.argsort(points.time, kind="stable"))
        visible = len(points.time) and points.density[0] > VISIBLE * points.sigma[0]
        return points if visible else points.take(slice(0))

    def take(self, chosen: slice | NDArray[Any]) -> Self:
        """Return the chosen points, by a mask, indices or a slice."""
        return type(self)(*(column[chosen] for column in self))


@dataclass(frozen=True)
class LightCurve:
    """Light–light curve.

    Attributes
    ----------
    fluence : (P,) array
        mJ/cm^2; a label only.
    intensity, sigma : (P,) arrays
        All light, of the fluorescence band and the laser lines, in any unit, and its standard
        deviation.
    density : (P,) array
        Mean density over the probe right after the pump at each fluence, cm^-3.
    scatter : float
        Relative standard deviation of each density, independent of the others.
    scale : float
        Relative standard deviation that all densities share; used only where `scatter` is not 0.
    """

    fluence: ArrayLike
    intensity: ArrayLike
    sigma: ArrayLike
    density: ArrayLike
    scatter: float = 0.0
    scale: float = 0.0


class LightPoints(NamedTuple):
    """Finite points of a light–light curve.

    Attributes
    ----------
    intensity, sigma : (P,) arrays
        In the unit of the data.
    density : (P,) array
        cm^-3.
    """

    intensity: Floats
    sigma: Floats
    density: Floats

    @classmethod
    def of(cls, light: LightCurve | None) -> Self:
        """Select the finite points; none without a light–light curve.

        Raises
        ------
        DataError
            A sigma or a density is not positive.
        """
        if light is None:
            return cls(*np.empty((3, 0)))
        columns = (light.intensity, light.sigma, light.density)
        points = cls(*(np.asarray(column, np.float64).ravel() for column in columns))
        finite = np.isfinite(points).all(axis=0)
        points = cls(*(column[finite] for column in points))
        if (points.sigma <= 0).any() or (points.density <= 0).any():
            raise DataError("sigma and density of the light–light curve must be positive")
        return points


@dataclass(frozen=True)
class RateConstants:
    """Gaussian information on A, B, C and D together, with their correlations.

    Attributes
    ----------
    values : (4,) array
        A (1/s), B (cm³/s), C (cm⁶/s) and D (cm²/s).
    information : (4, 4) array
        Inverse of their covariance; rows of zeros for constants of which nothing is known.
    """

    values: Floats
    information: Floats

    @classmethod
    def independent(cls, *estimates: Estimate) -> Self:
        """Combine independent estimates, in the order of `values`.

        An estimate with an upper limit only counts as 0 with the sigma of that limit. Nothing is
        known of constants beyond the given ones, and of those that are not determined.

        Raises
        ------
        DataError
            An estimate has a sigma of 0.
        """
        values, information = np.zeros((2, 4))
        for index, estimate in enumerate(estimates):
            if estimate.sigma == 0:
                raise DataError(
                    f"{estimate.value:g} {estimate.unit} has a sigma of 0: a prior needs one above"
                )
            if np.isfinite(estimate.value) and estimate.sigma > 0:
                values[index], information[index] = estimate.value, estimate.sigma**-2
            elif estimate.upper95 is not None:
                information[index] = (estimate.upper95 / ONE_SIDED) ** -2
        return cls(values, np.diag(information))


class DiffusionPrior(NamedTuple):
    """Gaussian prior of the diffusion coefficient, cm²/s."""

    value: float
    sigma: float

    @classmethod
    def of(cls, diffusion: Estimate) -> Self:
        """Return the prior of an estimate; one with an upper limit only is even below the limit.

        Raises
        ------
        DataError
            The estimate has neither a sigma nor an upper limit.
        """
        if np.isfinite([diffusion.value, diffusion.sigma]).all() and diffusion.sigma > 0:
            return cls(diffusion.value, diffusion.sigma)
        if diffusion.upper95 is not None:
            return cls(diffusion.upper95 / 2, diffusion.upper95 / float(np.sqrt(12)))
        raise DataError(
            "the diffusion coefficient needs a value with a sigma, or an upper limit: "
            "without one, the fit cannot distinguish diffusion from trapping"
        )
