"""The estimates of points: what the compiled pipeline fills in, and repairs replace."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.parameters import FRINGE_PARAMETERS, PARAMETERS
from analysis.point.demodulation import SpectrumPair
from analysis.point.frame_phases import FramePhases
from analysis.point.variance_terms import VarianceTerms

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class FrameTally(NamedTuple):
    """Numbers of frames and pixels of P points, each a (P,) array.

    Attributes
    ----------
    used : (P,) array
        Frames that entered the estimates.
    saturated, rejected, slipped : (P,) array
        Frames that were left out: with a saturated pixel in the band; without their light, or equal
        to others; while the chopper was not where the open fractions say.
    repaired, masked : (P,) array
        Samples of single frames that were replaced; pixels that were left out of all frames.
    """

    used: Counts
    saturated: Counts
    rejected: Counts
    slipped: Counts
    repaired: Counts
    masked: Counts


class StoredSpectra(NamedTuple):
    """Normalised spectra of P points with their inverse variances, (P, B) arrays.

    Attributes
    ----------
    off, difference : (P, B) array
        S_off and ΔS in units of the reference.
    off_weight, difference_weight : (P, B) array
        Inverse variances from shot and read noise.
    """

    off: Floats
    difference: Floats
    off_weight: Floats
    difference_weight: Floats


class Estimates(NamedTuple):
    """Estimates of P points with F frames each; the first axis of all arrays is the point.

    Attributes
    ----------
    valid : (P,) bool array
        Whether the frames are modulated and show a fringe. All other estimates are meaningless
        where it is false.
    suspect : (P,) bool array
        Whether pixels or frames are unlike the rest, or prevent an estimate.
    delta_phi : (P,) array
        Δ, rad.
    terms : VarianceTerms
        Terms of the variance of Δ.
    parameters : (P, 13) array
        Parameters of fringe and pump, see `analysis.fringe.parameters`.
    covariance : (P, 7, 7) array
        Covariance of the fringe's parameters.
    sensitivity : (P, B) array
        Change of Δ by a phase change of a single bin.
    spectra : StoredSpectra
        P is 0 in it where the spectra are not needed.
    counts : SpectrumPair
        S_off and ΔS of all pixels (P, K) in counts.
    phases : FramePhases
        (P, F) arrays; of a repaired point those before the repair.
    tally : FrameTally
    """

    valid: NDArray[np.bool_]
    suspect: NDArray[np.bool_]
    delta_phi: Floats
    terms: VarianceTerms
    parameters: Floats
    covariance: Floats
    sensitivity: Floats
    spectra: StoredSpectra
    counts: SpectrumPair
    phases: FramePhases
    tally: FrameTally

    @classmethod
    def empty(
        cls, points: int, frames: int, pixels: int, bins: int, *, spectra: bool
    ) -> "Estimates":
        """Return room for the estimates of points, with their spectra or without."""

        def numbers(*shape: int) -> Floats:
            return np.full((points, *shape), np.nan)

        def rows(kind: Any, shape: tuple[int, ...]) -> Any:
            return kind._make(np.full(shape, np.nan) for _ in kind._fields)

        tally = FrameTally._make(np.zeros(points, np.int64) for _ in FrameTally._fields)
        tally.used[:] = frames
        return cls(
            valid=np.zeros(points, bool),
            suspect=np.zeros(points, bool),
            delta_phi=numbers(),
            terms=rows(VarianceTerms, (points,)),
            parameters=numbers(PARAMETERS),
            covariance=numbers(FRINGE_PARAMETERS, FRINGE_PARAMETERS),
            sensitivity=numbers(bins),
            spectra=rows(StoredSpectra, (points if spectra else 0, bins)),
            counts=rows(SpectrumPair, (points, pixels)),
            phases=rows(FramePhases, (points, frames)),
            tally=tally,
        )

    def replace_point(self, point: int, other: "Estimates") -> None:
        """Replace the estimates of a point by those of the only point of `other`.

        Whether it is suspect, and the phases of its frames, stay as they are: `other` may have
        fewer frames.
        """
        for mine, theirs in zip(_replaceable(self), _replaceable(other), strict=True):
            if len(mine):
                mine[point] = theirs[0]


def _replaceable(estimates: Estimates) -> list[Any]:
    """Return the arrays that `Estimates.replace_point` replaces."""
    nested = (estimates.terms, estimates.spectra, estimates.counts, estimates.tally)
    arrays = [array for group in nested for array in group]
    single = (estimates.valid, estimates.delta_phi, estimates.parameters, estimates.covariance)
    return [*single, estimates.sensitivity, *arrays]
