"""Residuals of the rate equations against all curves, and their derivatives.

A, C and D may pass through zero, so that neither they nor what is correlated with them is biased by
a bound.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from analysis.rate_equations import solver
from analysis.rate_equations.data import Curve, LightCurve, Plate, curve_table, light_table
from analysis.rate_equations.parameters import (
    MODE,
    PARAMETERS,
    SHARED,
    THRESHOLD,
    derivatives,
    rates,
)

__all__ = ["EMITTED", "Problem"]

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

EMITTED = 50e3
"""ps: how long light is counted. The detector waits for the next pulse; by then nothing is left."""

_NEVER = 1e35
"""cm⁻³: a threshold that switches the mode off."""


class Problem:
    """Data, with residuals in sigmas and their derivatives.

    Parameters are the shared ones in the fit's units, then the logarithms of the initial densities
    of the curves, then those of the light curve's points, then that of a factor that its densities
    share.

    Attributes
    ----------
    used : (K,) array of bool
        Which curves have points enough.
    points : list of (P, 4) arrays
        Tables of those curves.
    initial : slice
        Where among the parameters their initial densities are.
    start, low, high, free, of_mode : arrays
        Of each parameter: start without a mode, bounds, whether it is fitted at all and whether it
        belongs to the mode.
    warnings : tuple of str
        What was left out.

    Raises
    ------
    ValueError
        Fewer than three usable curves, or a sigma that is not positive.
    """

    def __init__(
        self,
        curves: Sequence[Curve],
        plate: Plate,
        light: LightCurve | None,
        prior: tuple[float, float],
    ) -> None:
        tables = [curve_table(curve) for curve in curves]
        self.used = np.array([len(table) >= 4 for table in tables])
        self.points = [table for table in tables if len(table) >= 4]
        if len(self.points) < 3:
            raise ValueError(
                f"{len(self.points)} of {len(curves)} curves have four or more finite points above "
                "the noise after time zero; a global fit needs at least three"
            )
        self.warnings = tuple(
            f"the curve at {curve.fluence:g} mJ/cm2 is left out: fewer than four usable points"
            for curve, used in zip(curves, self.used, strict=True)
            if not used
        )
        self.plate, self.prior = plate, prior
        self.light = np.empty((0, 3)) if light is None else light_table(light)
        self.scatter, self.scale = (0.0, 0.0) if light is None else (light.scatter, light.scale)
        last = [float(np.max(table[:, 0] + table[:, 3])) for table in self.points]
        self.horizon = np.array(last + [EMITTED] * len(self.light))
        times, _ = solver.steps(float(self.horizon.max()))
        # Two sampling times, one spread before and one after the mean, stand for all of them.
        self.weights = [
            0.5
            * (solver.interpolation(times, t - spread) + solver.interpolation(times, t + spread))
            for t, _, _, spread in self._columns()
        ]
        self.initial = slice(SHARED, SHARED + len(self.points))
        self.start = self._start()
        size = len(self.start)
        self.of_light = slice(self.initial.stop, size - 1)
        self.free = np.full(size, True)
        self.free[self.of_light] = self.scatter > 0
        self.free[-1] = self.scale > 0
        self.of_mode = np.isin(np.arange(size), MODE)
        densities = self.start[SHARED:-1]
        shared = np.array([[p.fitted(bound) for bound in p.bounds] for p in PARAMETERS])
        shared[THRESHOLD] = densities.min() - 2, densities.max() + 2
        self.low = np.r_[shared[:, 0], densities - 2, -1.0]
        self.high = np.r_[shared[:, 1], densities + 2, 1.0]
        self._memory: tuple[bytes, Floats, Floats] = (b"", np.empty(0), np.empty(0))

    def _start(self) -> Floats:
        """Parameters without a mode: there 1/N grows linearly at the rate B, A aside."""
        slopes = [np.polyfit(t, 1 / y, 1, w=y**2 / s)[0] for t, y, s, _ in self._columns()]
        radiative = max(min(slopes), 1e-23)
        first = ((t[0], y[0]) for t, y, _, _ in self._columns())
        initial = [y / max(1 - radiative * t * y, 0.1) for t, y in first]
        pair = radiative / PARAMETERS[solver.B].solver_unit
        values = (2e8, pair, 0.0, max(self.prior[0], 0.0), 1.0, _NEVER, 0.02)
        shared = [p.fitted(value) for p, value in zip(PARAMETERS, values, strict=True)]
        return np.r_[shared, np.log(initial), np.log(self.light[:, 2]), 0.0]

    def dof(self, free: Booleans) -> int:
        """Degrees of freedom: known numbers, priors included, less fitted ones."""
        count = sum(len(table) for table in self.points) + 1 + len(self.light)
        count += len(self.light) if self.scatter else 0
        count += 1 if self.scale else 0
        return count - int(np.count_nonzero(free)) - (2 if len(self.light) else 0)

    def _columns(self) -> Iterator[Floats]:
        return (table.T for table in self.points)

    def __call__(self, theta: Floats) -> tuple[Floats, Floats]:
        """Residuals (R,), in sigmas, and their derivatives (R, parameters)."""
        if self._memory[0] != theta.tobytes():
            self._memory = (theta.tobytes(), *self._residuals(theta))
        return self._memory[1:]

    def _residuals(self, theta: Floats) -> tuple[Floats, Floats]:
        plate, initial = self.plate, np.exp(theta[SHARED:-1])
        constants, chain = rates(theta, plate)
        _, density, _, light = solver.solve(
            initial, self.horizon, constants, plate.profile, plate.disc
        )
        residuals, rows = [], []
        for k, (table, weights) in enumerate(zip(self.points, self.weights, strict=True)):
            seen = weights @ density[k] / table[:, 2:3]
            residuals.append(seen[:, 0] - table[:, 1] / table[:, 2])
            rows.append(derivatives(seen[:, 1:], chain, initial[k], k, len(theta)))
        for residual, row in (self._light_rows(light, chain, initial), self._prior_rows(theta)):
            residuals.append(residual)
            rows.append(row)
        return np.concatenate(residuals), np.concatenate(rows)

    def _light_rows(self, light: Floats, chain: Floats, initial: Floats) -> tuple[Floats, Floats]:
        """Light with its two factors eliminated (variable projection, Kaufman's derivatives)."""
        size, count = len(self.start), len(self.points)
        intensity, sigma = self.light[:, 0], self.light[:, 1]
        if not len(sigma):
            return np.empty(0), np.empty((0, size))
        kinds = light[count:] / sigma[:, np.newaxis, np.newaxis]  # (L, 2, 9)
        factors, _ = nnls(kinds[:, :, 0], intensity / sigma)
        table = factors @ kinds
        rows = np.concatenate(
            [
                derivatives(table[i : i + 1, 1:], chain, initial[count + i], count + i, size)
                for i in range(len(sigma))
            ]
        )
        span, _ = np.linalg.qr(kinds[:, factors > 0, 0])
        return table[:, 0] - intensity / sigma, rows - span @ (span.T @ rows)

    def _prior_rows(self, theta: Floats) -> tuple[Floats, Floats]:
        """Compare D and the light curve's densities with what is known of them."""
        rows = np.eye(len(theta))
        value, sigma = self.prior
        diffusion = PARAMETERS[solver.D].published(theta[solver.D])
        slope = PARAMETERS[solver.D].slope(theta[solver.D])
        residuals, chosen = [(diffusion - value) / sigma], [slope * rows[solver.D] / sigma]
        if self.scatter:
            away = theta[self.of_light] - theta[-1] - np.log(self.light[:, 2])
            residuals.extend(away / self.scatter)
            chosen.extend((rows[self.of_light] - rows[-1]) / self.scatter)
        if self.scale:
            residuals.append(theta[-1] / self.scale)
            chosen.append(rows[-1] / self.scale)
        return np.array(residuals), np.array(chosen)
