"""Residuals of the rate equations against all data and priors, and their derivatives."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from analysis.rate_equations import solver
from analysis.rate_equations.data import (
    Curve,
    CurvePoints,
    DiffusionPrior,
    LightCurve,
    LightPoints,
    Plate,
)
from analysis.rate_equations.parameters import (
    MODE,
    PARAMETERS,
    SHARED,
    THRESHOLD,
    B,
    D,
    parameter_derivatives,
    solver_rates,
)
from ocm_ophyd.errors import DataError

__all__ = ["EMISSION_TIME", "Problem", "Residuals"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

EMISSION_TIME = 50e3
"""Time over which the light is integrated, ps. The detector integrates up to the next pulse, 20 us
later; by 50 ns the density has decayed by e^{-10} with A = 2e8/s."""

LEAST_POINTS = 4
"""Fewest points of a curve that is fitted: more than the parameters of a single decay."""

LEAST_CURVES = 3
"""Fewest curves of a global fit: A, B and C differ in their dependence on the density, and need as
many densities."""

NO_MODE_DENSITY = 1e35
"""Threshold density of a fit without a mode, cm^-3: no curve reaches it."""

LOG_DENSITY_RANGE = 2.0
"""Largest distance of a fitted logarithm of a density from its start: a factor of 7."""

LEAST_RADIATIVE = 1e-23
"""Least radiative rate at the start of the fit, cm³/ps: noise can give a negative slope of 1/N."""


class Residuals(NamedTuple):
    """Residuals in standard deviations and their derivatives.

    Attributes
    ----------
    values : (R,) array
        Of the curves, the light and the priors.
    slopes : (R, P) array
        Derivatives by the parameters.
    """

    values: Floats
    slopes: Floats


class Problem:
    """Data and priors of a global fit, with residuals and their derivatives.

    The parameters are the shared ones in the units of the fit (`PARAMETERS`), then the logarithms
    of the initial densities of the curves (`initial`) and of the points of the light–light curve
    (`of_light`), then the logarithm of a factor that the densities of the latter share (`common`).

    Parameters
    ----------
    curves : sequence of Curve
        Relaxation curves.
    plate : Plate
        Sample, pump and probe.
    light : LightCurve, optional
        Light–light curve.
    prior : DiffusionPrior
        Of D.

    Attributes
    ----------
    used : (K,) array of bool
        Whether each curve has enough points.
    points : list of CurvePoints
        Points of the used curves.
    initial, of_light : slice
        Parameters of the initial densities of the used curves and of the light–light curve.
    common : int
        Index of the last parameter.
    start, low, high : (P,) arrays
        Start without a mode, and bounds.
    free, of_mode : (P,) arrays of bool
        Whether each parameter is fitted, and whether it belongs to the mode.
    warnings : tuple of str
        Curves that are not used.

    Raises
    ------
    DataError
        Fewer than three usable curves, or a sigma that is not positive.
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        plate: Plate,
        light: LightCurve | None,
        prior: DiffusionPrior,
    ) -> None:
        all_points = [CurvePoints.of(curve) for curve in curves]
        self.used = np.array([len(points.time) >= LEAST_POINTS for points in all_points])
        self.points = [points for points, used in zip(all_points, self.used, strict=True) if used]
        if len(self.points) < LEAST_CURVES:
            raise DataError(
                f"{len(self.points)} of {len(curves)} curves have four or more finite points above "
                "the noise after time zero; a global fit needs at least three"
            )
        self.warnings = tuple(
            f"the curve at {curve.fluence:g} mJ/cm^2 is not used: fewer than four usable points"
            for curve, used in zip(curves, self.used, strict=True)
            if not used
        )
        self.plate, self.prior, self.light = plate, prior, LightPoints.of(light)
        self.scatter, self.scale = (0.0, 0.0) if light is None else (light.scatter, light.scale)
        last = [float(np.max(points.time + points.spread)) for points in self.points]
        self.horizon = np.array(last + [EMISSION_TIME] * len(self.light.density))
        times, _ = solver.steps(float(self.horizon.max()))
        # Two times, one spread before and one after the mean, stand for all sampling times.
        self._sampling = [
            0.5
            * (
                solver.interpolation(times, points.time - points.spread)
                + solver.interpolation(times, points.time + points.spread)
            )
            for points in self.points
        ]
        self._set_parameters()
        self._last: tuple[bytes, Residuals] = (b"", Residuals(np.empty(0), np.empty((0, 0))))

    def _set_parameters(self) -> None:
        """Set indices, start, bounds and free parameters."""
        self.start = self._start()
        size = len(self.start)
        self.initial = slice(SHARED, SHARED + len(self.points))
        self.common = size - 1
        self.of_light = slice(self.initial.stop, self.common)
        self.free = np.full(size, True)
        self.free[self.of_light] = self.scatter > 0
        self.free[self.common] = self.scale > 0
        self.of_mode = np.isin(np.arange(size), MODE)
        densities = self.start[SHARED : self.common]
        reach = LOG_DENSITY_RANGE
        shared = np.array([[p.fitted(bound) for bound in p.bounds] for p in PARAMETERS])
        shared[THRESHOLD] = densities.min() - reach, densities.max() + reach
        self.low = np.r_[shared[:, 0], densities - reach, -1.0]
        self.high = np.r_[shared[:, 1], densities + reach, 1.0]

    def _start(self) -> Floats:
        """Return parameters without a mode; 1/N then grows linearly at the rate B, apart from A."""
        slopes = [
            np.polyfit(p.time, 1 / p.density, 1, w=p.density**2 / p.sigma) for p in self.points
        ]
        radiative = max(min(slope for slope, _ in slopes), LEAST_RADIATIVE)
        first = [(p.time[0], p.density[0]) for p in self.points]
        initial = [density / max(1 - radiative * t * density, 0.1) for t, density in first]
        pair = radiative / PARAMETERS[B].solver_unit
        values = (2e8, pair, 0.0, max(self.prior.value, 0.0), 1.0, NO_MODE_DENSITY, 0.02)
        shared = [p.fitted(value) for p, value in zip(PARAMETERS, values, strict=True)]
        return np.r_[shared, np.log(initial), np.log(self.light.density), 0.0]

    def dof(self, free: Booleans) -> int:
        """Return the degrees of freedom: points and priors less the fitted parameters."""
        lights = len(self.light.density)
        count = sum(len(points.time) for points in self.points) + 1 + lights
        count += lights if self.scatter else 0
        count += 1 if self.scale else 0
        return count - int(np.count_nonzero(free)) - (2 if lights else 0)

    def __call__(self, theta: Floats) -> Residuals:
        """Compute the residuals at the parameters `theta`, (P,).

        The result of the last call is kept, because values and derivatives are requested apart.
        """
        key = theta.tobytes()
        if self._last[0] != key:
            self._last = (key, self._residuals(theta))
        return self._last[1]

    def _residuals(self, theta: Floats) -> Residuals:
        plate, initial = self.plate, np.exp(theta[SHARED : self.common])
        rates, jacobian = solver_rates(theta, plate)
        clouds = solver.solve(initial, self.horizon, rates, plate.profile, plate.nodes)
        parts = []
        for k, (points, weights) in enumerate(zip(self.points, self._sampling, strict=True)):
            table = weights @ clouds.density[k] / points.sigma[:, np.newaxis]
            values = table[:, solver.VALUE] - points.density / points.sigma
            slopes = parameter_derivatives(table, jacobian, initial[k], k, len(theta))
            parts.append(Residuals(values, slopes))
        parts.append(self._of_light(clouds.light, jacobian, initial))
        parts.append(self._of_priors(theta))
        return Residuals(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _of_light(self, light: Floats, jacobian: Floats, initial: Floats) -> Residuals:
        """Compute the residuals of the light, spontaneous and of the mode.

        The detector's sensitivities to both are eliminated (variable projection with Kaufman's
        approximation of the derivatives).

        Parameters
        ----------
        light : (K, 2, 9) array
            Tables of the light of all clouds.
        jacobian : (8, SHARED) array
            From `solver_rates`.
        initial : (K,) array
            Initial scales, cm^-3.
        """
        size, curves = len(self.start), len(self.points)
        intensity, sigma = self.light.intensity, self.light.sigma
        if not len(sigma):
            return Residuals(np.empty(0), np.empty((0, size)))
        kinds = light[curves:] / sigma[:, np.newaxis, np.newaxis]  # (L, 2, 9)
        sensitivities, _ = nnls(kinds[:, :, solver.VALUE], intensity / sigma)
        table = sensitivities @ kinds
        slopes = np.concatenate(
            [
                parameter_derivatives(
                    table[i : i + 1], jacobian, initial[curves + i], curves + i, size
                )
                for i in range(len(sigma))
            ]
        )
        span, _ = np.linalg.qr(kinds[:, sensitivities > 0, solver.VALUE])
        values = table[:, solver.VALUE] - intensity / sigma
        return Residuals(values, slopes - span @ (span.T @ slopes))

    def _of_priors(self, theta: Floats) -> Residuals:
        """Compute the residuals of D and of the light–light curve's densities."""
        unit = np.eye(len(theta))
        diffusion = PARAMETERS[D].published(theta[D])
        values = [(diffusion - self.prior.value) / self.prior.sigma]
        slopes = [PARAMETERS[D].slope(theta[D]) * unit[D] / self.prior.sigma]
        if self.scatter:
            differences = theta[self.of_light] - theta[self.common] - np.log(self.light.density)
            values.extend(differences / self.scatter)
            slopes.extend((unit[self.of_light] - unit[self.common]) / self.scatter)
        if self.scale:
            values.append(theta[self.common] / self.scale)
            slopes.append(unit[self.common] / self.scale)
        return Residuals(np.array(values), np.array(slopes))
