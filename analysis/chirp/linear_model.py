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

from analysis.chirp.group_delay import detuning
from analysis.chirp.pulse_response import TimeResponse
from analysis.chirp.time_grid import passed_light
from analysis.fringe.model import CONTRAST_SIGMA, FringeModel
from analysis.point.reducer import PointSpectra

__all__ = ["Normal", "Scan", "ScanEquations"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_LEAST_DRIFT = 1e-6  # rad
_KEPT = 400  # points: a quarter of a megabyte each
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
    width : int
        Nodes farther apart are seen by no point together.
    """

    information: Floats
    gradient: Floats
    misfit: float
    reduced_chi2: Floats
    width: int


@dataclass(frozen=True)
class _Point:
    """What stays the same of a point: its fringe, and how its bins scale a phase."""

    fringe: Complexes
    mean: Floats
    scaling: Floats
    by_off: Floats
    prior: Floats


class ScanEquations:
    """The equations of a scan on a time grid (T,), with `chirps` coefficients of the chirp."""

    def __init__(self, scan: Scan, grid: Floats, chirps: int) -> None:
        self._scan, self._grid = scan, grid
        self._x = detuning(scan.wavelength)
        self._powers = detuning(scan.wavelength)[:, np.newaxis] ** np.arange(1, chirps + 1)
        self._points = [
            self._constants(point, float(drift))
            for point, drift in zip(scan.spectra, scan.drift, strict=True)
        ]
        self._kept: dict[int, tuple[slice, Complexes]] = {}

    def _constants(self, point: PointSpectra, drift: float) -> _Point:
        level, by_off = self._scan.model.derivatives(point.fringe)
        _, by_probe = self._scan.model.derivatives(point.fringe, _PROBE)
        amplitude = complex(*point.fringe.parameters[3:5])
        fringe = amplitude * (by_off[3] - 1j * by_off[4])
        turned = amplitude * (by_probe[3] - 1j * by_probe[4])
        scaling = np.angle(turned * fringe.conj()) / _PROBE
        # Inverse covariance of what `_nuisances` differentiates by.
        prior = np.zeros((11, 11))
        prior[:7, :7] = np.linalg.inv(point.fringe.covariance)
        prior[[7, 10], [7, 10]] = max(drift, _LEAST_DRIFT) ** -2, CONTRAST_SIGMA**-2
        return _Point(fringe, level - fringe.real, scaling, by_off, prior)

    def at(self, unknown: Floats, response: TimeResponse, scale: Floats) -> Normal:
        """Linearise at `unknown` (U,): φ at the nodes, w, s, α, and the chirp.

        `scale` (P,) multiplies the variances of the points.
        """
        size, nodes = len(unknown), len(self._grid)
        information, gradient = np.zeros((size, size)), np.zeros(size)
        shared = slice(nodes, size)
        misfits, width = np.empty(len(self._points)), 0
        for i, point in enumerate(self._scan.spectra):
            columns, wanted, angle = self._linear(unknown, response, i)
            nuisances = self._nuisances(i, angle)
            root = np.sqrt(point.difference_weight / scale[i])
            wanted *= root[:, np.newaxis]
            nuisances *= root
            crossed = nuisances @ wanted
            inside = nuisances @ nuisances.T + self._points[i].prior
            left = wanted.T @ wanted
            left -= crossed.T @ np.linalg.solve(inside, crossed)
            own, others = slice(0, len(left) - (size - nodes) - 1), slice(nodes - size - 1, -1)
            width = max(width, own.stop - 1)
            information[columns, columns] += left[own, own]
            information[columns, shared] += left[own, others]
            information[shared, columns] += left[others, own]
            information[shared, shared] += left[others, others]
            gradient[columns] += left[own, -1]
            gradient[shared] += left[others, -1]
            misfits[i] = left[-1, -1]
        free = max(len(self._scan.wavelength) - 5, 1)
        return Normal(information, gradient, float(misfits.sum()), misfits * scale / free, width)

    def _linear(
        self, unknown: Floats, response: TimeResponse, i: int
    ) -> tuple[slice, Floats, Floats]:
        """Nodes of point i, derivatives and, last, residuals (B, n + 4 + chirps), phases (B,)."""
        point, fixed = self._scan.spectra[i], self._points[i]
        size, tau = len(self._grid), float(self._scan.delay[i])
        share, slope, gain = unknown[size : size + 3]
        columns, weights = self._kept.get(i) or self._weights(response, i, tau)
        phase, count = unknown[columns], columns.stop - columns.start
        turn = fixed.scaling + slope * self._x
        wanted = np.empty((len(self._x), count + 4 + self._powers.shape[1]))
        places = (phase, turn, float(gain), fixed.fringe, 2 * share * fixed.mean)
        passed, by_gain = passed_light(weights, *places, wanted[:, :count])
        brighter = np.abs(passed) ** 2 - 1
        # dS = Re[dU (Z + 2 w M U*)]
        lever = fixed.fringe + 2 * share * fixed.mean * passed.conj()
        by_gain *= lever
        wanted[:, count] = fixed.mean * brighter
        wanted[:, count + 1] = -self._x * by_gain.imag
        wanted[:, count + 2] = by_gain.real
        if self._powers.size:
            exponent = (1j * turn + gain)[:, np.newaxis] * phase
            moving = (response.moved(self._grid[columns], tau) * np.exp(exponent)).sum(axis=1)
            wanted[:, count + 3 : -1] = (lever * moving).real[:, np.newaxis] * self._powers
        change = fixed.mean * share * brighter + ((passed - 1) * fixed.fringe).real
        wanted[:, -1] = point.difference - change
        return columns, wanted, np.angle(passed) / fixed.scaling

    def _weights(self, response: TimeResponse, i: int, tau: float) -> tuple[slice, Complexes]:
        """Nodes and weights of point i; those of some points are kept where they do not change."""
        columns = response.nodes(self._grid, tau)
        weights = response.weights(self._grid[columns], tau)
        if not self._powers.size and len(self._kept) < _KEPT:
            self._kept[i] = columns, weights
        return columns, weights

    def _nuisances(self, i: int, angle: Floats) -> Floats:
        """Find derivatives (11, B) by fringe, phase, energy, tilt and contrast of all bins."""
        _, by = self._scan.model.derivatives(self._scan.spectra[i].fringe, angle)
        return np.concatenate([by[:7] - self._points[i].by_off[:7], by[7:11]])
