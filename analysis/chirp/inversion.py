"""Inversion of a delay scan: the phase against time by regularised weighted least squares.

Gauss–Newton iteration on the model of `analysis.chirp.linear_model`. The minimised cost is

    χ²(φ, …) + Σ_j λ_j b_j² + Σ (p − p₀)²/σ_p²,

with the changes of slope b_j of φ at the inner nodes (rad/ps), the precisions λ_j of their prior of
mean zero, and Gaussian priors of the parameters p that all points share. Each picosecond of the
time grid has one precision λ of its own, which the data determine by maximising their evidence:
D. J. C. MacKay, Neural Comput. 4, 415 (1992), Eq. 4.9. So a rise of 0.1 ps and a decay of 100 ps
can stand side by side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from analysis.chirp.bordered_matrix import BorderedMatrix, regular_inverse
from analysis.chirp.group_delay import chirp_delay
from analysis.chirp.linear_model import DelayScan, LinearModel, NormalEquations, Unknowns
from analysis.chirp.pulse_response import PulseResponse

__all__ = ["GaussNewton", "Inversion"]

Floats = NDArray[np.float64]

_MAX_STEPS = 14
"""Largest number of Gauss–Newton steps; a scan takes six to ten."""

_MAX_HALVINGS = 6
"""Largest number of times that a step which increases the cost is halved."""

_CONVERGED = 0.05
"""The iteration ends when no unknown changes by more than this part of its standard deviation."""

_EVIDENCE_UPDATES = 4
"""Updates of the prior's precisions in a step."""

_SEGMENT = 1.0
"""Length of the segments of the grid with one precision, ps: longer than a rise, shorter than the
decays behind it."""

_MIN_CHANGES = 8
"""Smallest number of slope changes in a segment: fewer do not determine their variance."""

_CHIRP_MODEL_SIGMA = 0.003
"""Standard deviation of the group delay at `_BAND_EDGE` that a chirp from the scan has besides its
noise, ps: the model continues the light beyond the band as at its end. Simulated pulses test it
(tests/analysis/chirp/test_resolve.py)."""

_BAND_EDGE = 1.5
"""Detuning at the edges of the band that is used, 100 rad/ps."""

_MIN_SLOPE_CHANGE = 1e-5
"""Smallest standard deviation of slope changes in the prior, rad/ps: it bounds the precision of a
segment in which φ is a straight line."""

_SHARED_MEAN = (0.5, 0.0, 0.0)
"""Prior means of w, s and α: both beams carry half of the light, the material's dispersion is as
its model says, and the reflection does not change."""

_SHARED_SIGMA = (0.3, 0.03, 0.1)
"""Prior standard deviations of w, of s (per 100 rad/ps: Δn ∝ ω^±2 has 0.1) and of α (1/rad: 0.05 in
CsPbBr3)."""

_CHIRP_SIGMA = 1.0
"""Prior standard deviation of the chirp's coefficients about their start, ps/(100 rad/ps)^k: fifty
times what a scan determines, so hardly a prior."""

_RESCALING_STEP = 3
"""Step after which the variances of points that fit worse than their noise are widened by their
reduced χ². Earlier the misfit is still that of φ."""


@dataclass(frozen=True)
class Inversion:
    """Result of an inversion.

    Attributes
    ----------
    phase : (T,) array
        φ at the nodes, rad at the band's centre.
    covariance : (T, T) array
        Posterior covariance of `phase`, rad².
    averaging_kernel : (T, T) array
        Row t holds the derivatives of φ at node t by the true φ at every node.
    chirp, chirp_sigma : (C,) array
        Coefficients of the group delay and their standard deviations, ps/(100 rad/ps)^k
        (`analysis.chirp.group_delay`); empty where the chirp was given.
    """

    phase: Floats
    covariance: Floats
    averaging_kernel: Floats
    chirp: Floats
    chirp_sigma: Floats


class GaussNewton:
    """Gauss–Newton iteration for φ on a time grid.

    Parameters
    ----------
    scan : DelayScan
    nodes : (T,) array
        Increasing times, ps.
    start : (T,) array
        φ to start from, rad.
    group_delay : (B,) array
        Time at which the wavelength of each bin passes the sample, ps; used where `chirp` is empty.
    chirp : (C,) array
        Coefficients to start from where the chirp is unknown too; otherwise empty.
    coherent : bool
        True for a chirped pulse, False for a swept source.

    Attributes
    ----------
    coherent : bool
    """

    def __init__(
        self,
        scan: DelayScan,
        nodes: Floats,
        start: Floats,
        group_delay: Floats,
        chirp: Floats,
        coherent: bool,
    ) -> None:
        self.coherent = coherent
        self._scan, self._size, self._chirps = scan, len(nodes), len(chirp)
        self._changes, self._segment = _slope_changes(nodes)
        self._shared_precision = np.array([*_SHARED_SIGMA, *[_CHIRP_SIGMA] * len(chirp)]) ** -2.0
        self._shared_mean = np.array([*_SHARED_MEAN, *chirp])
        self._vector = np.concatenate([start, self._shared_mean])
        precision = 1e-2 / max(float(np.var(start)), 1e-4)
        self._precision = np.full(int(self._segment[-1]) + 1, precision)
        self._variance_scale = np.ones(len(scan.spectra))
        self._given_response = self._response(group_delay)
        self._model = LinearModel(scan, nodes, len(chirp))
        self._equations = self._linearise(self._vector)
        self._prior = self._prior_information()
        self._step, self._converged = 0, False

    @property
    def chi2(self) -> float:
        """Present sum of the points' reduced χ², with the weights of their spectra."""
        return float(self._equations.reduced_chi2.sum())

    def iterate(self, steps: int | None) -> None:
        """Take so many steps, or as many as are needed where `steps` is None."""
        for _ in range(min(steps or _MAX_STEPS, _MAX_STEPS - self._step)):
            if not self._converged:
                self._iterate()

    def result(self) -> Inversion:
        """Return the present phase and chirp with their uncertainties."""
        size, unknowns = self._size, self._unknowns(self._vector)
        covariance = regular_inverse(self._equations.information + self._prior)
        kernel = covariance @ self._equations.information
        orders = np.arange(1, self._chirps + 1)
        sigma = np.sqrt(np.diag(covariance)[len(covariance) - self._chirps :])
        return Inversion(
            phase=unknowns.phase,
            covariance=covariance[:size, :size],
            averaging_kernel=kernel[:size, :size],
            chirp=unknowns.chirp,
            chirp_sigma=np.hypot(sigma, _CHIRP_MODEL_SIGMA / _BAND_EDGE**orders),
        )

    def _unknowns(self, vector: Floats) -> Unknowns:
        return Unknowns.from_vector(vector, self._size)

    def _response(self, group_delay: Floats) -> PulseResponse:
        scan = self._scan
        return PulseResponse.of_light(
            scan.wavelength, group_delay, scan.light, scan.resolution, self.coherent
        )

    def _linearise(self, vector: Floats) -> NormalEquations:
        unknowns, response = self._unknowns(vector), self._given_response
        if self._chirps:
            response = self._response(chirp_delay(self._scan.wavelength, unknowns.chirp))
        return self._model.linearise(unknowns, response, self._variance_scale)

    def _prior_information(self) -> Floats:
        """Return the inverse covariance (U, U) of the prior."""
        matrix = np.zeros((len(self._vector),) * 2)
        precision = self._precision[self._segment]
        places = np.arange(len(self._changes))
        for i in range(3):
            for j in range(3):
                product = precision * self._changes[:, i] * self._changes[:, j]
                matrix[places + i, places + j] += product
        shared = np.arange(self._size, len(matrix))
        matrix[shared, shared] = self._shared_precision
        return matrix

    def _deviation(self, vector: Floats) -> Floats:
        """Return the difference (U,) of the unknowns from their prior mean."""
        shared = vector[self._size :] - self._shared_mean
        return np.concatenate([vector[: self._size], shared])

    def _cost(self, equations: NormalEquations, vector: Floats) -> float:
        deviation = self._deviation(vector)
        return equations.chi2 + float(deviation @ self._prior @ deviation)

    def _iterate(self) -> None:
        """Take one step: update the prior's precisions, then the unknowns."""
        for _ in range(_EVIDENCE_UPDATES):
            matrix, step = self._newton_step()
            change_variance, variance = matrix.variances(self._changes)
            self._update_precision(change_variance, self._vector + step)
        _, step = self._newton_step()
        cost = self._cost(self._equations, self._vector)
        for _ in range(_MAX_HALVINGS):
            trial = self._vector + step
            equations = self._linearise(trial)
            if self._cost(equations, trial) <= cost * (1 + 1e-9) + 1e-6:  # but for rounding
                self._vector, self._equations = trial, equations
                break
            step = step / 2
        if self._step == _RESCALING_STEP:
            self._variance_scale = np.maximum(1.0, self._equations.reduced_chi2)
            self._equations = self._linearise(self._vector)
        change = np.abs(step) / np.sqrt(variance)
        self._converged = self._step > _RESCALING_STEP and float(change.max()) < _CONVERGED
        self._step += 1

    def _newton_step(self) -> tuple[BorderedMatrix, Floats]:
        """Return the matrix of the equations with the prior, and the Newton step (U,)."""
        self._prior = self._prior_information()
        equations = self._equations
        total = equations.information + self._prior
        matrix = BorderedMatrix(total, self._size, max(equations.bandwidth, 2))
        gradient = equations.gradient - self._prior @ self._deviation(self._vector)
        return matrix, matrix.solve(gradient)

    def _update_precision(self, change_variance: Floats, vector: Floats) -> None:
        """Update the precision of each segment by MacKay's formula λ = γ / Σ b².

        γ is the number of slope changes that the data determine.

        Parameters
        ----------
        change_variance : (T - 2,) array
            Posterior variances of the slope changes, (rad/ps)².
        vector : (U,) array
            Unknowns to take the slope changes of.
        """
        count = np.bincount(self._segment)
        determined = count - self._precision * np.bincount(self._segment, change_variance)
        phase = vector[: self._size]
        change = (self._changes * sliding_window_view(phase, 3)).sum(axis=1)
        energy = np.bincount(self._segment, change**2)
        numerator = np.maximum(determined, 0.0) + 1.0
        self._precision = numerator / (energy + count * _MIN_SLOPE_CHANGE**2)


def _slope_changes(nodes: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """Return the coefficients of the slope changes at the inner nodes, and their segments.

    Parameters
    ----------
    nodes : (T,) array
        Increasing times, ps.

    Returns
    -------
    (T - 2, 3) array
        Coefficients of three neighbouring phases in a change of slope, 1/ps.
    (T - 2,) array of int
        Segment of each change, counted from 0.
    """
    h = np.diff(nodes)
    changes = np.stack([1 / h[:-1], -1 / h[:-1] - 1 / h[1:], 1 / h[1:]], axis=1)
    length = np.cumsum(np.minimum(h[:-1] / _SEGMENT, 1 / _MIN_CHANGES))
    _, segment = np.unique(length // 1, return_inverse=True)
    return changes, segment
