"""Δφ against time with the probe's chirp undone.

The probe is chirped: the pixel at λ looks at the sample at its own time, the scan delay plus
t_c(λ). A phase fitted to a whole spectrum therefore averages over the 5 ps of the pulse. Here all
spectra of a delay scan are fitted at once by one function of time, linear between the scan's
delays, that every pixel samples at its own time. What remains is the limit of the chirp itself,
about √(8 fs × 5 ps) = 0.2 ps.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import CONTRAST_SIGMA, FringeModel
from analysis.reducer import PointSpectra

Floats = NDArray[np.float64]

_ITERATIONS = 6


def chirp_resolved(
    model: FringeModel,
    spectra: Sequence[PointSpectra],
    delay: Floats,
    pixel_delay: Floats,
    delta_phi: Floats,
    delta_phi_sigma: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Phase change against time from all points of a delay scan.

    Parameters
    ----------
    model : FringeModel
        Fringe model on the band's B bins.
    spectra : sequence of P
        Spectra of the points.
    delay : (P,) array
        Scan delays, ps.
    pixel_delay : (B,) array
        When each bin's wavelength passes the sample, ps: later is positive.
    delta_phi, delta_phi_sigma : (P,) array
        Whole-band results, rad: the start, and the drift of each point, which all its pixels share.

    Returns
    -------
    time, delta_phi, delta_phi_sigma : (T,) arrays
        ps; rad at the band's centre.
    """
    time, place = np.unique(delay, return_inverse=True)
    phase = np.bincount(place, delta_phi) / np.bincount(place)
    for _ in range(_ITERATIONS):
        information = np.zeros((len(time), len(time)))
        gradient = np.zeros(len(time))
        for point, at, drift in zip(spectra, delay, delta_phi_sigma, strict=True):
            columns, hats = _hats(time, at + pixel_delay)
            seen = hats @ phase[columns]
            by_time, by_nuisance, residual = _linearised(model, point, seen)
            # The fringe, drift, energy, tilt and contrast are eliminated with their priors.
            prior = np.zeros((len(by_nuisance), len(by_nuisance)))
            prior[:-4, :-4] = np.linalg.inv(point.fringe.covariance)
            prior[[-4, -1], [-4, -1]] = drift**-2.0, CONTRAST_SIGMA**-2
            nuisance = by_nuisance * point.difference_weight
            inside = nuisance @ by_nuisance.T + prior
            wanted = by_time[:, np.newaxis] * hats
            crossed = nuisance @ wanted
            removed = np.linalg.solve(inside, np.column_stack([crossed, nuisance @ residual]))
            weighted = wanted.T * point.difference_weight
            information[columns, columns] += weighted @ wanted - crossed.T @ removed[:, :-1]
            gradient[columns] += weighted @ residual - crossed.T @ removed[:, -1]
        phase = phase + np.linalg.solve(information, gradient)
    return time, phase, np.sqrt(np.diag(np.linalg.inv(information)))


def _linearised(
    model: FringeModel, point: PointSpectra, delta: Floats
) -> tuple[Floats, Floats, Floats]:
    """Linearise the difference spectrum at phases `delta` (B,).

    Returns its derivatives by each bin's own phase (B,) and by the point's nuisances (11, B): the
    fringe, and phase, energy, tilt and contrast of all bins; and what the difference misses (B,).
    """
    off, by_off = model.derivatives(point.fringe)
    pumped, by = model.derivatives(point.fringe, delta)
    nuisances = np.concatenate([by[:7] - by_off[:7], by[7:11]])
    return by[7], nuisances, point.difference - (pumped - off)


def _hats(time: Floats, at: Floats) -> tuple[slice, Floats]:
    """Weights (B, n) of linear interpolation on `time[columns]`; constant beyond the ends."""
    at = np.clip(at, time[0], time[-1])
    left = np.clip(np.searchsorted(time, at, side="right") - 1, 0, len(time) - 2)
    fraction = (at - time[left]) / (time[left + 1] - time[left])
    columns = slice(int(left.min()), int(left.max()) + 2)
    hats = np.zeros((len(at), columns.stop - columns.start))
    rows = np.arange(len(at))
    hats[rows, left - columns.start] = 1 - fraction
    hats[rows, left + 1 - columns.start] = fraction
    return columns, hats
