"""Thickness of a plate and offset of the reference mirror from fringes without the pump.

The fringe over the band determines the optical path difference z as a group value, dψ/dk at the
band's centre. A plate in common path has z = 2 n_g L with its group index n_g and thickness L; with
the reference mirror, z of the bare substrate is the mirror's position plus an offset.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate
from analysis.fringe import parameters as par
from analysis.fringe.model import CURVATURE, ENVELOPE_SIGMA, Fringe, FringeModel
from analysis.probe_band import CENTRE_WAVELENGTH, ProbeBand
from ocm_ophyd.errors import DataError

__all__ = [
    "GROUP_INDEX_SIGMA",
    "PATH_DRIFT",
    "fit_fringes",
    "group_index",
    "mirror_offset",
    "plate_path",
    "plate_thickness",
]

Floats = NDArray[np.float64]

GROUP_INDEX_SIGMA = 0.01
"""Relative standard deviation of a group index from the literature: the difference between samples
of one material."""

PATH_DRIFT = 0.3
"""Standard deviation of the drift of the interferometer's path before a run, um: the phase of a
plate's fringe drifts by some two radians in an hour."""

_PATH_RANGE = 3.0
"""Largest range of paths on either side of its centre for one fit, um: a fit with a wider one may
end in a wrong minimum. Several fits cover a wider range."""

_MAX_THICKNESS = 5.0
"""Thickness of the thickest plates in common path, um (paper)."""

_PATH_MARGIN = 3.0
"""Error of the reference mirror's scale that the range of paths allows for, um."""

_MIN_SPECTRA = 3

_MIN_VISIBILITY = 0.05
"""Smallest visibility of a fringe that determines a path."""


def group_index(refractive_index: float, known: float | None) -> tuple[float, float]:
    """Return the group index and its standard deviation.

    Parameters
    ----------
    refractive_index : float
        At the band's centre.
    known : float or None
        Group index of the material; None where it is to be computed with the prior of the fringe
        model for (n_g − n)/n_g.
    """
    if known is not None:
        return known, GROUP_INDEX_SIGMA * known
    mean, sigma = CURVATURE
    value = refractive_index / (1 - mean)
    return value, float(np.hypot(GROUP_INDEX_SIGMA, sigma)) * value


def plate_path(sample: Mapping[str, Any]) -> tuple[float, float]:
    """Return the smallest and largest optical path difference that a sample may have, um.

    Parameters
    ----------
    sample : mapping
        Entry of a start document: `refractive_index`; optional are `group_index`, `thickness` (um)
        and `path_difference` (um, of the reference mirror). Without a thickness the range is that
        of all plates in use. It is no wider than necessary, because a fit may otherwise be wrong
        where there is little light, as at a plate's edge.
    """
    index = sample.get("group_index", sample["refractive_index"])
    through = 2 * index * sample.get("thickness", _MAX_THICKNESS / 2)
    margin = 0.2 * through if "thickness" in sample else 0.9 * through
    mirror = sample.get("path_difference")
    if mirror is not None:  # on the sample or beside it
        return mirror - _PATH_MARGIN, mirror + through + margin + _PATH_MARGIN
    return through - margin, through + margin


def fit_fringes(
    wavelength: Floats,
    dark: Floats,
    reference: Floats,
    spectra: Floats,
    *,
    gain: float,
    read_noise: float,
    frames: int,
    path: tuple[float, float],
) -> list[Fringe]:
    """Fit the fringe of each mean spectrum.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; counts; counts.
    spectra : (P, K) array
        Each the mean of `frames` frames, counts.
    gain, read_noise : float
        electrons/count, electrons.
    frames : int
        Frames in a mean.
    path : tuple of float
        Smallest and largest optical path difference, um.
    """
    band = ProbeBand(
        wavelength, dark, reference, longest_path=max(path), gain=gain, read_noise=read_noise
    )
    lowest, highest = path
    parts = int(np.ceil((highest - lowest) / _PATH_RANGE))
    width = (highest - lowest) / parts
    centres = [lowest + (i + 0.5) * width for i in range(parts)]
    models = [FringeModel(band.wavelength, CENTRE_WAVELENGTH, at, width) for at in centres]

    def best(spectrum: Floats) -> Fringe:
        normal, weight = band.normalise(spectrum)
        fits = [model.fit(normal, frames * weight) for model in models]
        costs = [
            frames * weight @ (normal - model.derivatives(fit)[0]) ** 2 + _prior_cost(fit)
            for model, fit in zip(models, fits, strict=True)
        ]
        return fits[int(np.argmin(costs))]

    return [best(spectrum) for spectrum in spectra]


def _prior_cost(fringe: Fringe) -> float:
    """Return the part of χ² from the priors of envelope and curvature, as in the fit itself."""
    mean, sigma = CURVATURE
    envelope = (fringe.parameters[[par.ENVELOPE_SLOPE, par.ENVELOPE_BEND]] / ENVELOPE_SIGMA) ** 2
    return float(envelope.sum() + ((fringe.parameters[par.PATH_BEND] - mean) / sigma) ** 2)


def plate_thickness(fringes: Sequence[Fringe], index: tuple[float, float]) -> Estimate:
    """Return the thickness L = z/(2 n_g) in um from many spectra of one position.

    The variance of the path has three parts: that of a single fit, which its priors dominate and
    all spectra share; the scatter of the spectra, which is drift rather than noise; and the drift
    before the run. The drift does not average, because it shifts the whole run too. For a plate of
    1.5 um the fit contributes some tenths of a per cent, and drift some per cent.

    Parameters
    ----------
    fringes : sequence of Fringe
        Common path, three or more.
    index : tuple of float
        Group index and its standard deviation.

    Raises
    ------
    DataError
        Fewer than three spectra, or no fringe.
    """
    path = np.array([fringe.path for fringe in fringes])
    if len(path) < _MIN_SPECTRA:
        raise DataError(f"the thickness needs three or more spectra, not {len(path)}")
    _require_fringes(fringes)
    mean, scatter = float(path.mean()), float(path.std(ddof=1))
    index_value, index_sigma = index
    value = mean / (2 * index_value)
    variance = _fit_variance(fringes) + scatter**2 + PATH_DRIFT**2
    sigma = value * np.sqrt(variance / mean**2 + (index_sigma / index_value) ** 2)
    note = f"path {mean:.4g} um; drift of {PATH_DRIFT:g} um included"
    return Estimate(value, float(sigma), "um", note=note)


def mirror_offset(position: ArrayLike, fringes: Sequence[Fringe]) -> Estimate:
    """Return path difference minus mirror position, um, from spectra of the bare substrate.

    Parameters
    ----------
    position : (P,) array
        Path difference by the scale of the mirror, um.
    fringes : sequence of P Fringe

    Raises
    ------
    DataError
        Fewer than three positions, no fringe, or paths that do not follow the mirror.
    """
    at = np.asarray(position, np.float64)
    path = np.array([fringe.path for fringe in fringes])
    if len(path) < _MIN_SPECTRA:
        raise DataError(f"the mirror's offset needs three or more positions, not {len(path)}")
    _require_fringes(fringes)
    offset = path - at
    scatter = float(offset.std(ddof=1))
    if scatter > 0.1 * max(float(np.ptp(at)), 1.0):
        raise DataError("the path difference does not follow the mirror: is its scale right?")
    sigma = float(np.hypot(scatter, np.sqrt(_fit_variance(fringes))))
    return Estimate(float(offset.mean()), sigma, "um", note="drift of the path included")


def _fit_variance(fringes: Sequence[Fringe]) -> float:
    """Return the mean variance of the path in single fits, um²."""
    return float(np.mean([fringe.covariance[par.PATH, par.PATH] for fringe in fringes]))


def _require_fringes(fringes: Sequence[Fringe]) -> None:
    """Refuse spectra without a fringe.

    Raises
    ------
    DataError
    """
    weakest = min(fringe.visibility for fringe in fringes)
    if weakest < _MIN_VISIBILITY:
        raise DataError(
            f"a visibility of {weakest:.2g} is no fringe: is the probe on the sample, in focus?"
        )
