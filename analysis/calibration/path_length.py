"""Lengths from the fringes of the spectrum without the pump: plate thickness, mirror position.

The fringes over the band measure the optical path difference z as a group value, dψ/dk at the
band's centre. In a plate seen in common path it is 2 n_g L: the group index belongs to it, not the
index itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate
from analysis.fringe.model import CURVATURE, ENVELOPE_SIGMA, Fringe, FringeModel
from analysis.probe_band import CENTRE_WAVELENGTH, ProbeBand

__all__ = [
    "GROUP_INDEX_SIGMA",
    "fit_fringes",
    "group_index",
    "mirror_offset",
    "plate_path",
    "plate_thickness",
]

Floats = NDArray[np.float64]

GROUP_INDEX_SIGMA = 0.01
"""Relative standard deviation of a group index from the literature: what samples of one material
differ by."""

PATH_DRIFT = 0.3
"""Standard deviation in um of the path that the interferometer has drifted by: the phase of a
plate's fringe is seen to wander by some two radians in an hour."""

_REACH = 3.0  # um: a fit of a single fringe that looks further may end in another minimum
_THICKEST = 5.0  # um, of plates in common path (paper)


def group_index(refractive_index: float, known: float | None) -> tuple[float, float]:
    """Group index and its standard deviation.

    Parameters
    ----------
    refractive_index : float
        At the band's centre.
    known : float or None
        The material's own group index; without it the fringe model's prior of (n_g - n)/n_g.
    """
    if known is not None:
        return known, GROUP_INDEX_SIGMA * known
    value = refractive_index / (1 - CURVATURE[0])
    return value, float(np.hypot(GROUP_INDEX_SIGMA, CURVATURE[1])) * value


def plate_path(sample: Mapping[str, Any]) -> tuple[float, float]:
    """Range of the optical path difference on a sample (a start document's entry), um.

    Where little light comes back, as at a plate's edge, a wider range lets the fit go astray.
    """
    index = sample.get("group_index", sample["refractive_index"])
    through = 2 * index * sample.get("thickness", _THICKEST / 2)
    margin = 0.2 * through if "thickness" in sample else 0.9 * through
    mirror = sample.get("path_difference")
    if mirror is not None:  # with the sample or beside it
        return mirror - 3.0, mirror + through + margin + 3.0
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
        nm, counts, counts.
    spectra : (P, K) array
        Each the mean of `frames` frames, counts.
    gain, read_noise : float
        electrons/count, electrons.
    frames : int
        Frames in a mean.
    path : tuple of float
        Smallest and largest optical path difference to look for, um.
    """
    band = ProbeBand(
        wavelength, dark, reference, longest_path=max(path), gain=gain, read_noise=read_noise
    )
    parts = int(np.ceil((path[1] - path[0]) / _REACH))
    reach = (path[1] - path[0]) / parts
    models = [
        FringeModel(band.wavelength, CENTRE_WAVELENGTH, path[0] + (i + 0.5) * reach, reach)
        for i in range(parts)
    ]

    def best(spectrum: Floats) -> Fringe:
        normal, weight = band.normalise(spectrum)
        fits = [model.fit(normal, frames * weight) for model in models]
        misfits = [
            frames * weight @ (normal - model.derivatives(fit)[0]) ** 2
            + np.sum((fit.parameters[1:3] / ENVELOPE_SIGMA) ** 2)  # as in the fits themselves
            + ((fit.parameters[6] - CURVATURE[0]) / CURVATURE[1]) ** 2
            for model, fit in zip(models, fits, strict=True)
        ]
        return fits[int(np.argmin(misfits))]

    return [best(spectrum) for spectrum in spectra]


def plate_thickness(fringes: Sequence[Fringe], index: tuple[float, float]) -> Estimate:
    """Thickness L = z/(2 n_g) in um from many spectra of one spot.

    The spectra scatter, by drift more than by noise; what the fit's priors leave open is the same
    in all of them. Over the 1.2 fringes of a 1.5 um plate that is some tenths of a per cent; what
    the path has drifted by before is some per cent.

    Parameters
    ----------
    fringes : sequence of Fringe
        Common path, three or more.
    index : tuple of float
        Group index and its standard deviation.

    Raises
    ------
    ValueError
        Fewer than three spectra, or no fringe.
    """
    path = np.array([fringe.path for fringe in fringes])
    if len(path) < 3:
        raise ValueError(f"the thickness needs three or more spectra, not {len(path)}")
    _require_fringes(fringes)
    own = float(np.mean([fringe.covariance[5, 5] for fringe in fringes]))
    mean, scatter = float(path.mean()), float(path.std(ddof=1))
    value = mean / (2 * index[0])
    # the drift that makes the scatter moves the whole run as well, so it does not average
    variance = own + scatter**2 + PATH_DRIFT**2
    sigma = value * np.sqrt(variance / mean**2 + (index[1] / index[0]) ** 2)
    note = f"path {mean:.4g} um; drift of {PATH_DRIFT:g} um included"
    return Estimate(value, float(sigma), "um", note=note)


def mirror_offset(position: ArrayLike, fringes: Sequence[Fringe]) -> Estimate:
    """Path difference minus the mirror's position, um, from spectra of the bare substrate.

    Parameters
    ----------
    position : (P,) array
        Path difference by the mirror's own scale, um.
    fringes : sequence of P Fringe

    Raises
    ------
    ValueError
        Fewer than three positions, no fringe, or paths that do not follow the mirror.
    """
    at = np.asarray(position, np.float64)
    path = np.array([fringe.path for fringe in fringes])
    if len(path) < 3:
        raise ValueError(f"the mirror's offset needs three or more positions, not {len(path)}")
    _require_fringes(fringes)
    offset = path - at
    scatter = float(offset.std(ddof=1))
    if scatter > 0.1 * max(float(np.ptp(at)), 1.0):
        raise ValueError("the path difference does not follow the mirror: is its scale right?")
    own = float(np.mean([fringe.covariance[5, 5] for fringe in fringes]))
    sigma = float(np.hypot(scatter, np.sqrt(own)))
    return Estimate(float(offset.mean()), sigma, "um", note="drift of the path included")


def _require_fringes(fringes: Sequence[Fringe]) -> None:
    weakest = min(fringe.visibility for fringe in fringes)
    if weakest < 0.05:
        raise ValueError(
            f"a visibility of {weakest:.2g} is no fringe: is the probe on the sample, in focus?"
        )
