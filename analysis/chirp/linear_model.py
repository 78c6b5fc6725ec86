"""Linear model of a delay scan: spectra with a chirped probe as a function of the phase in time.

The differential spectrum of a point, in units of the reference, is

    S_on − S_off = M w (|U|² − 1) + Re[(U − 1) Z],

with the envelope M and the complex fringe Z of the spectrum without the pump, the part w of the
light that is in the signal beam, and the transmission U of the pumped sample
(`analysis.chirp.pulse_response`), which at the detuning ν of a bin multiplies the signal beam's
field by the response of the pulse to

    exp{[i (e + s ν) + α] φ(t)}.

e is the ratio of the phase of a bin to that at the band's centre by the material's dispersion, s a
slope of this ratio beyond the material's model, and α the relative change of the amplitude with the
phase, as the faces reflect differently where there are carriers.

Unknown are φ at the nodes of a time grid and the parameters that all points share: w, s, α and, on
demand, the chirp. Every point has nuisance parameters of its own, with priors: the seven parameters
of its fringe, a phase of all bins (drift of the interferometer), pulse energy, tilt and contrast.
They are eliminated exactly. The model is not linear in φ; it is linearised at the present values of
the unknowns, and `analysis.chirp.inversion` iterates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.chirp.group_delay import detuning
from analysis.chirp.pulse_response import PulseResponse
from analysis.chirp.time_grid import transmission
from analysis.fringe import parameters as par
from analysis.fringe.model import CONTRAST_SIGMA, FringeModel
from analysis.point.results import PointSpectra

__all__ = ["DelayScan", "LinearModel", "NormalEquations", "Unknowns"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_MIN_DRIFT_SIGMA = 1e-6
"""Smallest standard deviation of a point's drift, rad: a smaller one makes the prior singular."""

_CACHED_POINTS = 400
"""Number of points whose weights are kept in memory: a quarter of a megabyte each."""

_PROBE_PHASE = 0.5
"""Phase at the band's centre, rad, for which the phase of each bin is read off the fringe model."""

_FRINGE = par.FRINGE_PARAMETERS
_NUISANCES = par.PUMP_CONTRAST + 1
"""Nuisance parameters of a point: those of the fringe model up to the contrast. Its phase change is
here the drift, which all bins share."""


@dataclass(frozen=True)
class DelayScan:
    """Spectra of P points on the B bins of a band.

    Attributes
    ----------
    model : FringeModel
        Of the bins.
    wavelength : (B,) array
        nm.
    light : (B,) array
        Spectrum without interference, any unit.
    spectra : sequence of P PointSpectra
    delay : (P,) array
        Scan delays τ, ps.
    drift_sigma : (P,) array
        Standard deviation of the phase that all bins of a point share, rad.
    resolution : float
        Of the spectrometer, nm FWHM.
    """

    model: FringeModel
    wavelength: Floats
    light: Floats
    spectra: Sequence[PointSpectra]
    delay: Floats
    drift_sigma: Floats
    resolution: float


class Unknowns(NamedTuple):
    """Unknowns of a delay scan, in their order in a vector (U,).

    Attributes
    ----------
    phase : (T,) array
        φ at the nodes, rad at the band's centre.
    signal_share : float
        w, the part of the light that is in the signal beam.
    slope : float
        s, change of the phase's ratio e over 100 rad/ps.
    gain : float
        α, relative change of the amplitude with the phase, 1/rad.
    chirp : (C,) array
        Coefficients of the group delay (`analysis.chirp.group_delay`); empty where it is given.
    """

    phase: Floats
    signal_share: float
    slope: float
    gain: float
    chirp: Floats

    @classmethod
    def from_vector(cls, vector: Floats, nodes: int) -> "Unknowns":
        """Return the unknowns of a vector (U,) with so many nodes."""
        share, slope, gain = vector[nodes : nodes + 3]
        return cls(vector[:nodes], share, slope, gain, vector[nodes + 3 :])


@dataclass(frozen=True)
class NormalEquations:
    """Gauss–Newton equations of all points, linearised at some unknowns (U,).

    Attributes
    ----------
    information : (U, U) array
        Inverse covariance of the unknowns from the spectra alone.
    gradient : (U,) array
        Half the negative gradient of χ².
    chi2 : float
        χ² with the nuisance parameters of every point at their optimum.
    reduced_chi2 : (P,) array
        Of each point, with the weights of its spectra.
    bandwidth : int
        Nodes that are farther apart than this occur together in no point.
    """

    information: Floats
    gradient: Floats
    chi2: float
    reduced_chi2: Floats
    bandwidth: int


class _Columns(NamedTuple):
    """Columns of a point's design matrix, the last of which holds the residuals."""

    nodes: slice
    signal_share: int
    slope: int
    gain: int
    chirp: slice
    residual: int
    total: int

    @classmethod
    def of(cls, nodes: int, chirps: int) -> "_Columns":
        """Return the columns for so many nodes and coefficients of the chirp."""
        residual = nodes + 3 + chirps
        chirp = slice(nodes + 3, residual)
        return cls(slice(nodes), nodes, nodes + 1, nodes + 2, chirp, residual, residual + 1)


@dataclass(frozen=True)
class _PointConstants:
    """Quantities of a point that do not depend on the unknowns.

    Attributes
    ----------
    fringe : (B,) complex array
        Z, in units of the reference.
    envelope : (B,) array
        M, in units of the reference.
    phase_scale : (B,) array
        e, the phase of each bin over that at the band's centre.
    static_derivatives : (7, B) array
        Derivatives of S_off by the parameters of the fringe.
    prior : (11, 11) array
        Inverse covariance of the nuisance parameters beforehand.
    """

    fringe: Complexes
    envelope: Floats
    phase_scale: Floats
    static_derivatives: Floats
    prior: Floats


class LinearModel:
    """Model of a delay scan on a time grid.

    Parameters
    ----------
    scan : DelayScan
    nodes : (T,) array
        Increasing times, ps.
    chirps : int
        Number of coefficients of the chirp that are unknown.
    """

    def __init__(self, scan: DelayScan, nodes: Floats, chirps: int) -> None:
        self._scan, self._nodes = scan, nodes
        self._detuning = detuning(scan.wavelength)
        self._powers = self._detuning[:, np.newaxis] ** np.arange(1, chirps + 1)
        self._points = [
            self._constants(point, float(sigma))
            for point, sigma in zip(scan.spectra, scan.drift_sigma, strict=True)
        ]
        self._weights_cache: dict[int, tuple[slice, Complexes]] = {}

    def _constants(self, point: PointSpectra, drift_sigma: float) -> _PointConstants:
        spectrum, static = self._scan.model.derivatives(point.fringe)
        _, pumped = self._scan.model.derivatives(point.fringe, _PROBE_PHASE)
        cos, sin = point.fringe.parameters[[par.COSINE, par.SINE]]
        amplitude = complex(cos, sin)
        fringe = amplitude * (static[par.COSINE] - 1j * static[par.SINE])
        rotated = amplitude * (pumped[par.COSINE] - 1j * pumped[par.SINE])
        phase_scale = np.angle(rotated * fringe.conj()) / _PROBE_PHASE
        prior = np.zeros((_NUISANCES, _NUISANCES))
        prior[:_FRINGE, :_FRINGE] = np.linalg.inv(point.fringe.covariance)
        prior[par.DELTA_PHI, par.DELTA_PHI] = max(drift_sigma, _MIN_DRIFT_SIGMA) ** -2
        prior[par.PUMP_CONTRAST, par.PUMP_CONTRAST] = CONTRAST_SIGMA**-2
        envelope = spectrum - fringe.real
        return _PointConstants(fringe, envelope, phase_scale, static[:_FRINGE], prior)

    def linearise(
        self, unknowns: Unknowns, response: PulseResponse, variance_scale: Floats
    ) -> NormalEquations:
        """Return the normal equations at some unknowns.

        Parameters
        ----------
        unknowns : Unknowns
        response : PulseResponse
            For the chirp of the unknowns, or the given one.
        variance_scale : (P,) array
            Factor on the variances of each point's spectra.
        """
        nodes, size = len(self._nodes), len(self._nodes) + 3 + self._powers.shape[1]
        information, gradient = np.zeros((size, size)), np.zeros(size)
        shared = slice(nodes, size)
        chi2, bandwidth = np.empty(len(self._points)), 0
        for i, point in enumerate(self._scan.spectra):
            place, design, phase = self._design(unknowns, response, i)
            nuisances = self._nuisances(i, phase)
            root = np.sqrt(point.difference_weight / variance_scale[i])
            design *= root[:, np.newaxis]
            nuisances *= root
            # Elimination of the nuisance parameters: Schur complement of their block.
            coupling = nuisances @ design
            block = nuisances @ nuisances.T + self._points[i].prior
            reduced = design.T @ design
            reduced -= coupling.T @ np.linalg.solve(block, coupling)
            own, rest = slice(0, place.stop - place.start), slice(nodes - size - 1, -1)
            bandwidth = max(bandwidth, own.stop - 1)
            information[place, place] += reduced[own, own]
            information[place, shared] += reduced[own, rest]
            information[shared, place] += reduced[rest, own]
            information[shared, shared] += reduced[rest, rest]
            gradient[place] += reduced[own, -1]
            gradient[shared] += reduced[rest, -1]
            chi2[i] = reduced[-1, -1]
        # A fringe has about five parameters that its spectrum determines.
        freedom = max(len(self._scan.wavelength) - 5, 1)
        reduced_chi2 = chi2 * variance_scale / freedom
        return NormalEquations(information, gradient, float(chi2.sum()), reduced_chi2, bandwidth)

    def _design(
        self, unknowns: Unknowns, response: PulseResponse, i: int
    ) -> tuple[slice, Floats, Floats]:
        """Return the linearised model of point i.

        Returns
        -------
        slice
            Nodes that the point depends on, n of them.
        (B, n + 4 + C) array
            Derivatives by these nodes and the shared parameters; the last column holds the
            residuals of the differential spectrum.
        (B,) array
            Phase that the model gives each bin, in rad at the band's centre.
        """
        point, constants = self._scan.spectra[i], self._points[i]
        delay = float(self._scan.delay[i])
        place, weights = self._weights_cache.get(i) or self._weights(response, i, delay)
        phase = unknowns.phase[place]
        phase_scale = constants.phase_scale + unknowns.slope * self._detuning
        columns = _Columns.of(len(phase), self._powers.shape[1])
        design = np.empty((len(self._detuning), columns.total))
        intensity = 2 * unknowns.signal_share * constants.envelope
        passed, by_gain = transmission(
            weights,
            phase,
            phase_scale,
            float(unknowns.gain),
            constants.fringe,
            intensity,
            design[:, columns.nodes],
        )
        brighter = np.abs(passed) ** 2 - 1
        by_field = constants.fringe + intensity * passed.conj()  # dS = Re[by_field dU]
        by_gain *= by_field
        design[:, columns.signal_share] = constants.envelope * brighter
        design[:, columns.slope] = -self._detuning * by_gain.imag
        design[:, columns.gain] = by_gain.real
        if self._powers.size:
            exponent = (1j * phase_scale + unknowns.gain)[:, np.newaxis] * phase
            slopes = response.weight_slopes(self._nodes[place], delay)
            by_time = (slopes * np.exp(exponent)).sum(axis=1)
            design[:, columns.chirp] = (by_field * by_time).real[:, np.newaxis] * self._powers
        change = constants.envelope * unknowns.signal_share * brighter
        change += ((passed - 1) * constants.fringe).real
        design[:, columns.residual] = point.difference - change
        return place, design, np.angle(passed) / constants.phase_scale

    def _weights(self, response: PulseResponse, i: int, delay: float) -> tuple[slice, Complexes]:
        """Return the nodes and weights of point i, and keep them where the chirp is given."""
        place = response.node_range(self._nodes, delay)
        weights = response.weights(self._nodes[place], delay)
        if not self._powers.size and len(self._weights_cache) < _CACHED_POINTS:
            self._weights_cache[i] = place, weights
        return place, weights

    def _nuisances(self, i: int, phase: Floats) -> Floats:
        """Return the derivatives (11, B) of the differential spectrum by the nuisance parameters.

        Parameters
        ----------
        i : int
            The point.
        phase : (B,) array
            Phase change of each bin, rad at the band's centre.
        """
        _, pumped = self._scan.model.derivatives(self._scan.spectra[i].fringe, phase)
        by_fringe = pumped[:_FRINGE] - self._points[i].static_derivatives
        return np.concatenate([by_fringe, pumped[_FRINGE:_NUISANCES]])
