"""Reduction of points from raw frames to Δφ, Δn and carrier density, live and offline the same.

`analysis.point.pipeline` makes the estimates, several points at a time on all cores; suspect points
go through `analysis.point.repair`. This module gives both the constants of the run, and converts
their estimates to results.
"""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.fringe import parameters as par
from analysis.fringe.model import Fringe, FringeModel
from analysis.io.schema import SATURATION
from analysis.materials import MATERIALS
from analysis.numerics.jit import is_kept
from analysis.point.demodulation import LARGEST_COUNT
from analysis.point.estimates import Estimates
from analysis.point.normalisation import Setup
from analysis.point.pipeline import estimate
from analysis.point.repair import repair
from analysis.point.results import PointResult, PointSpectra
from analysis.probe_band import CENTRE_WAVELENGTH, ProbeBand

__all__ = ["RESOLUTION", "Instrument", "Reducer", "Sample", "warm_up"]

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]

PATH_DIFFERENCE = (10.0, 20.0)
"""Range of the path difference in um in reference-mirror geometry (stated in the paper), for
fringes with too few periods to measure it."""

RESOLUTION = 1.5
"""Usual resolution of the spectrometer in nm, FWHM (stated in the paper)."""

_GROUP_INDEX_RANGE = 0.1
"""Relative range of the path in common-path geometry. The group index, which determines the
fringes, exceeds the index by 3 % in CsPbBr3 and by 4 to 8 % in glasses and in semiconductors near
their gaps."""

_MIRROR_RANGE = 3.0
"""Uncertainty of the reference mirror's scale, um."""

_CORES = len(os.sched_getaffinity(0))

_FWHM = 2.3548
"""Full width at half maximum of a Gaussian, in standard deviations."""

_MIN_LIGHT = 0.01
"""Light of a pixel, relative to the brightest one, below which the slope of the spectrum is noise.
"""

_DENSITY = 1e19
"""Carrier density, cm⁻³, at which the dispersion of Δn is taken; it hardly depends on it."""


@dataclass(frozen=True)
class Sample:
    """Properties of the sample that the reduction needs.

    Attributes
    ----------
    thickness : float
        um.
    refractive_index : float
        1.
    material : str
        Name of a model in `analysis.materials`; with any other name there is no carrier density.
    """

    thickness: float
    refractive_index: float
    material: str = ""


@dataclass(frozen=True)
class Instrument:
    """Properties of the instrument that the reduction needs.

    Attributes
    ----------
    gain, read_noise : float
        electrons/count, electrons.
    exposure : float
        Of a frame, s. It distinguishes drift from white noise; 0 will do for short exposures.
    geometry : str
        `common-path` or `reference-mirror`.
    path_difference : float, optional
        Path difference of signal minus reference without the sample, um, in reference-mirror
        geometry; `PATH_DIFFERENCE` where it is not known.
    saturation : float
        Count at which a pixel is saturated; 2³¹ − 1 at most.
    resolution : float
        Of the spectrometer, nm FWHM.
    chirp_wavelength, chirp_delay : (M,) array, optional
        When each wavelength (nm) passes the sample after the band's centre, ps: later is positive.
    """

    gain: float
    read_noise: float
    exposure: float = 0.0
    geometry: str = "common-path"
    path_difference: float | None = None
    saturation: float = SATURATION
    resolution: float = RESOLUTION
    chirp_wavelength: ArrayLike | None = None
    chirp_delay: ArrayLike | None = None


class Reducer:
    """Reduction of the points of one run, each by itself.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; mean dark frame and interference-free spectrum (dark not subtracted), counts.
    sample : Sample
    instrument : Instrument

    Attributes
    ----------
    band : ProbeBand
    model : FringeModel
    resolution : float
        Of the spectrometer, nm FWHM.
    pixel_delay : (B,) array or None
        When the colours of the band's bins pass the sample after the band's centre, ps; None where
        the chirp is not known.
    delta_n_per_phase : float
        Index change for a phase change of 1 rad, RIU.

    Raises
    ------
    ValueError
        The reference has no light in the probe's band.
    """

    def __init__(
        self,
        wavelength: ArrayLike,
        dark: ArrayLike,
        reference: ArrayLike,
        sample: Sample,
        instrument: Instrument,
    ) -> None:
        path, path_range = _expected_path(sample, instrument)
        dark, reference = np.asarray(dark, np.float64), np.asarray(reference, np.float64)
        self.resolution = instrument.resolution
        self.band = ProbeBand(
            _colours(np.asarray(wavelength, np.float64), reference - dark, self.resolution),
            dark,
            reference,
            longest_path=abs(path) + path_range,
            gain=instrument.gain,
            read_noise=instrument.read_noise,
        )
        self._material = MATERIALS.get(sample.material)
        dispersion: Floats | float = 1.0
        if self._material is not None:
            colours = np.append(self.band.wavelength, CENTRE_WAVELENGTH)
            change = self._material.delta_n(_DENSITY, colours)
            dispersion = change[:-1] / change[-1]
        self.model = FringeModel(
            self.band.wavelength,
            CENTRE_WAVELENGTH,
            path,
            path_range,
            dispersion=dispersion,
            ripple=self.band.ripple,
            slit=self.resolution / _FWHM,
            spread=self.band.spread,
        )
        self.pixel_delay = _pixel_delay(instrument, self.band.wavelength)
        self._setup = Setup(
            bins=self.band.bins,
            grid=self.model.grid,
            exposure=float(instrument.exposure),
            saturation=float(min(instrument.saturation, LARGEST_COUNT)),
            chirped=self.pixel_delay is not None,
        )
        self.delta_n_per_phase = CENTRE_WAVELENGTH * 1e-3 / (4 * np.pi * sample.thickness)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Return the reducer for a raw dataset with complete metadata, see `analysis.io.schema`."""
        return cls(
            dataset["wavelength"].values,
            dataset["dark"].values,
            dataset["reference"].values,
            sample=Sample(**_attributes(Sample, dataset)),
            instrument=Instrument(**_attributes(Instrument, dataset)),
        )

    def point(self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats) -> PointResult:
        """Reduce one point.

        Parameters
        ----------
        frames : (F, K) array
            Counts.
        frame_time, pump_open : (F,) array
            s; open fractions.
        """
        one = (values[np.newaxis] for values in (frames, frame_time, pump_open))
        return PointResult._make(column[0] for column in self.points(*one))

    def points(self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats) -> PointResult:
        """Reduce points on all cores.

        Parameters
        ----------
        frames : (P, F, K) array
            Counts.
        frame_time, pump_open : (P, F) array
            s; open fractions.
        """
        return self._result(self._estimate(frames, frame_time, pump_open, spectra=False))

    def points_and_spectra(
        self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats
    ) -> tuple[PointResult, list[PointSpectra | None]]:
        """Reduce points as `points` does, and return their spectra too.

        A point without modulation or fringe has no spectra.
        """
        estimates = self._estimate(frames, frame_time, pump_open, spectra=True)
        spectra = [_spectra_of_point(estimates, i) for i in range(len(frames))]
        return self._result(estimates), spectra

    def _estimate(
        self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats, *, spectra: bool
    ) -> Estimates:
        """Return the estimates of points, suspect ones repaired; parameters as of `points`."""
        # Read-only arrays are another type to Numba, which would compile everything once more.
        frames = np.require(frames, np.uint32, ["C", "W"])
        frame_time = np.require(frame_time, np.float64, ["C", "W"])
        pump_open = np.require(pump_open, np.float64, ["C", "W"])
        points, count, pixels = frames.shape
        alive = np.ones(len(self.band.wavelength))
        estimates = Estimates.empty(points, count, pixels, len(alive), spectra=spectra)
        constant = frames, frame_time, pump_open, alive, self._setup, estimates
        ends = np.linspace(0, points, min(_CORES, points) + 1).astype(int).tolist()
        shares = list(pairwise(ends))
        if len(shares) == 1:
            estimate(*constant, shares[0])
        else:
            list(_threads().map(lambda share: estimate(*constant, share), shares))
        for i in np.flatnonzero(estimates.suspect).tolist():
            repaired = repair(frames[i], frame_time[i], pump_open[i], self._setup)
            estimates.replace_point(i, repaired)
        return estimates

    def _result(self, estimates: Estimates) -> PointResult:
        """Convert estimates to results."""
        valid, terms = estimates.valid, estimates.terms
        delta, variance = (np.where(valid, x, np.nan) for x in (estimates.delta_phi, terms.total()))
        limit, drift, source, systematic = (
            np.where(valid, x, np.nan)
            for x in (terms.limit, terms.drift, terms.source, terms.systematic)
        )
        sigma, scale, tally = np.sqrt(variance), self.delta_n_per_phase, estimates.tally
        density, density_sigma = self._carrier_density(delta, sigma)
        cos, sin = estimates.parameters[:, par.COSINE], estimates.parameters[:, par.SINE]
        probe_delay, probe_spread = self._probe_delay(estimates.sensitivity)
        return PointResult(
            delta_phi=delta,
            delta_phi_sigma=sigma,
            delta_n=delta * scale,
            delta_n_sigma=sigma * scale,
            delta_n_limit=np.sqrt(limit) * scale,
            delta_n_systematic=np.sqrt(systematic) * scale,
            drift_share=drift / variance,
            source_share=source / variance,
            carrier_density=density,
            carrier_density_sigma=density_sigma,
            visibility=np.hypot(cos, sin),
            phase=np.arctan2(sin, cos),
            path=estimates.parameters[:, par.PATH],
            probe_delay=probe_delay,
            probe_spread=probe_spread,
            frames_used=tally.used * valid,
            frames_saturated=tally.saturated,
            frames_rejected=tally.rejected,
            frames_slipped=tally.slipped,
            pixels_repaired=tally.repaired,
            pixels_masked=tally.masked,
            differential_spectrum=estimates.counts.difference.astype(np.float32),
        )

    def _carrier_density(self, delta: Floats, sigma: Floats) -> tuple[Floats, Floats]:
        """Return carrier densities and sigmas (P,), cm⁻³; NaN for a material without a model.

        `delta` and `sigma` (P,) are phase changes and their standard deviations, rad.
        """
        if self._material is None:
            return np.full(len(delta), np.nan), np.full(len(delta), np.nan)
        ends = (delta + np.multiply.outer([-1.0, 0.0, 1.0], sigma)) * self.delta_n_per_phase
        low, density, high = self._material.carrier_density(ends, CENTRE_WAVELENGTH)
        return density, np.abs(high - low) / 2

    def _probe_delay(self, sensitivity: Floats) -> tuple[Floats, Floats]:
        """Return mean and spread (P,) of the times at which Δφ probes the sample, ps.

        `sensitivity` (P, B) is that of `Estimates`; NaN where the chirp is not known.
        """
        if self.pixel_delay is None:
            return np.full(len(sensitivity), np.nan), np.full(len(sensitivity), np.nan)
        share = sensitivity / sensitivity.sum(axis=1, keepdims=True)
        mean = (share * self.pixel_delay).sum(axis=1)
        # Shares may be negative; the variance of their times is so for a rare fringe only.
        variance = (share * self.pixel_delay**2).sum(axis=1) - mean**2
        return mean, np.sqrt(np.maximum(variance, 0.0))


@cache
def warm_up() -> None:
    """Compile the estimator, or load it if that was done since the installation.

    The first compilation takes most of a minute and is announced; loading takes half a second.
    """
    if not is_kept(estimate):
        log.warning("compiling the estimator, once after an installation: about a minute")
    pixels, frames = 300, 12
    wavelength = np.linspace(900, 1150, pixels)
    opened = np.tile([0.0, 0.5, 1.0, 1.0, 0.5, 0.0], frames // 6)
    phase = 2e3 * np.pi / wavelength * 2 * 2.0 * 1.5 + 0.1 * opened[:, np.newaxis]
    counts = np.rint(1e4 * (1 + 0.5 * np.cos(phase))).astype(np.uint32)
    reducer = Reducer(
        wavelength,
        np.zeros(pixels),
        np.full(pixels, 1e4),
        Sample(thickness=1.5, refractive_index=2.0),
        Instrument(gain=4.0, read_noise=10.0),
    )
    times = np.arange(frames) / 120
    reducer.points_and_spectra(counts[np.newaxis], times[np.newaxis], opened[np.newaxis])


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads that estimate points: one for each core."""
    return ThreadPoolExecutor(_CORES)


def _spectra_of_point(estimates: Estimates, i: int) -> PointSpectra | None:
    """Return the spectra of a point; None where it has no estimates."""
    if not estimates.valid[i]:
        return None
    fringe = estimates.parameters[i, : par.FRINGE_PARAMETERS]
    return PointSpectra(
        fringe=Fringe(fringe, estimates.covariance[i]),
        off=estimates.spectra.off[i],
        difference=estimates.spectra.difference[i],
        off_weight=estimates.spectra.off_weight[i],
        difference_weight=estimates.spectra.difference_weight[i],
        drift_sigma=float(np.sqrt(estimates.terms.spectra[i])),
    )


def _attributes(kind: type[Sample | Instrument], dataset: xr.Dataset) -> dict[str, Any]:
    """Return the attributes of a dataset that are fields of a sample or an instrument."""
    names = (field.name for field in fields(kind))
    return {name: dataset.attrs[name] for name in names if name in dataset.attrs}


def _pixel_delay(instrument: Instrument, wavelength: Floats) -> Floats | None:
    """Return when wavelengths (B,) in nm pass the sample, ps; None where it is not known."""
    if instrument.chirp_wavelength is None or instrument.chirp_delay is None:
        return None
    known = np.asarray(instrument.chirp_wavelength, float)
    delay = np.asarray(instrument.chirp_delay, float)
    order = np.argsort(known)
    result: Floats = np.interp(wavelength, known[order], delay[order])
    return result


def _colours(wavelength: Floats, light: Floats, resolution: float) -> Floats:
    """Return the mean wavelength of the light in each pixel behind a Gaussian slit.

    On a slope of the spectrum a pixel gets more light from the brighter side: λ + σ² d ln L/dλ with
    the spectrum L as measured (Tweedie's formula: Efron, J. Am. Stat. Assoc. 106, 1602 (2011)). At
    the band's edges this is 0.05 nm; without it Δn of a plate of 1.5 um is wrong by up to 0.4 %.

    Parameters
    ----------
    wavelength, light : (K,) array
        nm; counts, dark subtracted.
    resolution : float
        nm FWHM.

    Returns
    -------
    (K,) array
        nm.
    """
    variance = (resolution / _FWHM) ** 2
    bright = np.maximum(light, max(_MIN_LIGHT * light.max(), 1.0))
    return wavelength + variance * np.gradient(np.log(bright), wavelength)


def _expected_path(sample: Sample, instrument: Instrument) -> tuple[float, float]:
    """Return the expected optical path difference and its range to either side, um."""
    optical_thickness = sample.thickness * sample.refractive_index
    if instrument.geometry == "common-path":
        return 2 * optical_thickness, 2 * _GROUP_INDEX_RANGE * optical_thickness
    low, high = PATH_DIFFERENCE
    if instrument.path_difference is not None:
        low = high = instrument.path_difference
    # With or without the sample in the beam.
    middle, half = (low + high) / 2, (high - low) / 2
    return middle + optical_thickness, half + optical_thickness + _MIRROR_RANGE
