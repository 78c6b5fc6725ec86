"""The spectra of a delay scan as linear equations for a phase against time.

Unknown are φ at the nodes of a time grid and what all points share: the part w of the light that
the pump changes, the slope s of φ over the band beyond the material's model, the gain α that comes
with a phase (faces reflect otherwise where there are carriers), so that the beam gets
exp{[i (e + s x) + α] φ}, and on demand the chirp. Energy, tilt, contrast and drift of every point,
and the errors of its fringe, are eliminated. The model is the full one (see `time_response`),
linearised at any φ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import CONTRAST_SIGMA, FringeModel
from analysis.group_delay import detuning
from analysis.reducer import PointSpectra
from analysis.time_response import TimeResponse

__all__ = ["Normal", "Scan", "ScanEquations"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_LEAST_DRIFT = 1e-6  # rad
_KEPT = 200  # points: half a megabyte each
_PROBE = 0.5  # rad, to read off how the model scales a phase with the colour


@dataclass(frozen=True)
class Scan:
    """What is measured: P points on the B bins of a band.

    Attributes
    ----------
    model : FringeModel
    wavelength, light : (B,) array
        nm; spectrum without interference, any unit.
    spectra : sequence of P PointSpectra
    delay : (P,) array
        Scan delays, ps.
    drift : (P,) array
        Standard deviation of the phase that all bins of a point share, rad.
    resolution : float
        Of the spectrometer, nm FWHM.
    """

    model: FringeModel
    wavelength: Floats
    light: Floats
    spectra: Sequence[PointSpectra]
    delay: Floats
    drift: Floats
    resolution: float


@dataclass(frozen=True)
class Normal:
    """Normal equations of all points, Gauss–Newton at some unknowns (U,).

    Attributes
    ----------
    information : (U, U) array
    gradient : (U,) array
        Downhill.
    misfit : float
        χ² left when every point's own unknowns are at their best.
    reduced_chi2 : (P,) array
        Of each point, with the weights that it came with.
    """

    information: Floats
    gradient: Floats
    misfit: float
    reduced_chi2: Floats


@dataclass(frozen=True)
class _Point:
    """What stays the same of a point: its fringe, and how its bins scale a phase."""

    fringe: Complexes
    mean: Floats
    scaling: Floats
    by_off: Floats


class ScanEquations:
    """The equations of a scan on a time grid (T,), with `chirps` coefficients of the chirp."""

    def __init__(self, scan: Scan, grid: Floats, chirps: int) -> None:
        self._scan, self._grid = scan, grid
        self._x = detuning(scan.wavelength)
        self._powers = detuning(scan.wavelength)[:, np.newaxis] ** np.arange(1, chirps + 1)
        self._points = [self._constants(point) for point in scan.spectra]
        self._kept: dict[int, tuple[slice, Complexes, Complexes]] = {}

    def _constants(self, point: PointSpectra) -> _Point:
        level, by_off = self._scan.model.derivatives(point.fringe)
        _, by_probe = self._scan.model.derivatives(point.fringe, _PROBE)
        amplitude = complex(*point.fringe.parameters[3:5])
        fringe = amplitude * (by_off[3] - 1j * by_off[4])
        turned = amplitude * (by_probe[3] - 1j * by_probe[4])
        scaling = np.angle(turned * fringe.conj()) / _PROBE
        return _Point(fringe, level - fringe.real, scaling, by_off)

    def at(self, unknown: Floats, response: TimeResponse, scale: Floats) -> Normal:
        """Linearise at `unknown` (U,): φ at the nodes, w, s, α, and the chirp.

        `scale` (P,) multiplies the variances of the points.
        """
        size = len(unknown)
        information, gradient = np.zeros((size, size)), np.zeros(size)
        shared = np.arange(len(self._grid), size)
        misfits = np.empty(len(self._points))
        for i, (point, fixed) in enumerate(zip(self._scan.spectra, self._points, strict=True)):
            columns, wanted, angle, miss = self._linear(unknown, response, i)
            nuisances, inside = self._nuisances(point, fixed, angle, i)
            weight = point.difference_weight / scale[i]
            weighted = nuisances * weight
            inside = weighted @ nuisances.T + inside
            crossed = np.column_stack([weighted @ wanted, weighted @ miss])
            removed = crossed.T @ np.linalg.solve(inside, crossed)
            seen = wanted.T * weight
            places = np.concatenate([np.arange(columns.start, columns.stop), shared])
            information[np.ix_(places, places)] += seen @ wanted - removed[:-1, :-1]
            gradient[places] += seen @ miss - removed[:-1, -1]
            misfits[i] = weight @ miss**2 - removed[-1, -1]
        free = max(len(self._scan.wavelength) - 5, 1)
        return Normal(information, gradient, float(misfits.sum()), misfits * scale / free)

    def _linear(
        self, unknown: Floats, response: TimeResponse, i: int
    ) -> tuple[slice, Floats, Floats, Floats]:
        """Nodes, derivatives (B, n), phases (B,) and residuals (B,) of point i."""
        point, fixed = self._scan.spectra[i], self._points[i]
        size = len(self._grid)
        share, slope, gain = unknown[size : size + 3]
        columns, weights, moved = self._kept.get(i) or self._weights(response, i)
        phase = unknown[columns]
        exponent = 1j * (fixed.scaling + slope * self._x) + gain
        seen = weights * np.exp(exponent[:, np.newaxis] * phase)
        passed = seen.sum(axis=1)
        brighter = np.abs(passed) ** 2 - 1
        # dS = Re[dU (Z + 2 w M U*)]
        lever = fixed.fringe + 2 * share * fixed.mean * passed.conj()
        by_node = ((exponent * lever)[:, np.newaxis] * seen).real
        by_gain = lever * (seen @ phase)
        shared = [fixed.mean * brighter, (1j * self._x * by_gain).real, by_gain.real]
        if self._powers.size:
            moving = (moved * np.exp(exponent[:, np.newaxis] * phase)).sum(axis=1)
            shared += list((lever * moving).real * self._powers.T)
        change = fixed.mean * share * brighter + ((passed - 1) * fixed.fringe).real
        angle = np.angle(passed) / fixed.scaling
        miss = point.difference - change
        return columns, np.column_stack([by_node, *shared]), angle, miss

    def _weights(self, response: TimeResponse, i: int) -> tuple[slice, Complexes, Complexes]:
        """Weights of point i; those of some points are kept where they do not change."""
        weights = response.weights(self._grid, float(self._scan.delay[i]))
        if not self._powers.size and len(self._kept) < _KEPT:
            self._kept[i] = weights
        return weights

    def _nuisances(
        self, point: PointSpectra, fixed: _Point, angle: Floats, i: int
    ) -> tuple[Floats, Floats]:
        """Find derivatives (11, B), by fringe, phase, energy, tilt and contrast of all bins.

        And the inverse covariance (11, 11) of their priors.
        """
        _, by = self._scan.model.derivatives(point.fringe, angle)
        prior = np.zeros((11, 11))
        prior[:7, :7] = np.linalg.inv(point.fringe.covariance)
        drift = max(float(self._scan.drift[i]), _LEAST_DRIFT)
        prior[[7, 10], [7, 10]] = drift**-2, CONTRAST_SIGMA**-2
        return np.concatenate([by[:7] - fixed.by_off[:7], by[7:11]]), prior
