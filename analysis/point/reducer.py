"""From the raw frames of a point to Δφ, Δn and carriers, live and offline the same.

The numbers come from `estimator`, several points at a time on all cores; points with odd pixels or
frames go to `health` first.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.fringe.model import Fringe, FringeModel
from analysis.io.schema import SATURATION
from analysis.materials import MATERIALS
from analysis.point.demodulation import LARGEST
from analysis.point.normalisation import Setup
from analysis.point.pipeline import Estimates, empty, estimate
from analysis.point.repair import Health, mend
from analysis.point.results import PointResult, PointSpectra
from analysis.probe_band import CENTRE_WAVELENGTH, ProbeBand

__all__ = ["PointResult", "PointSpectra", "Reducer"]

Floats = NDArray[np.float64]

PATH_DIFFERENCE = (10.0, 20.0)
"""Path difference in um in reference-mirror geometry (stated in the paper), where neither a scan
nor its fringes say anything."""

RESOLUTION = 1.5
"""Resolution of the spectrometer in nm, FWHM (stated in the paper), where nothing else is known."""

_CORES = len(os.sched_getaffinity(0))
_FWHM = 2.3548  # standard deviations of a Gaussian
_FAINT = 0.01  # of the brightest pixel: the slope of less light is noise
_DENSITY = 1e19  # cm⁻³, of the dispersion of Δn, which hardly depends on it


class Reducer:
    """Everything that is fixed during a run; `points` reduces points, each by itself.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; mean dark frame and interference-free spectrum (dark not subtracted), counts.
    thickness, refractive_index : float
        Sample: um, 1.
    gain, read_noise : float
        electrons/count, electrons.
    material : str
        Name of a model in `analysis.materials`; any other name gives no carrier density.
    geometry : str
        `common-path` or `reference-mirror`.
    path_difference : float, optional
        Of signal minus reference without the sample, um; only in reference-mirror geometry.
    saturation : float
        Count at which a pixel is saturated; 2³¹ − 1 at most.
    resolution : float
        Of the spectrometer, nm FWHM.
    exposure : float
        Of a frame, s. Tells drift from white noise better; 0 is near enough for short exposures.
    chirp_wavelength, chirp_delay : (M,) array, optional
        When each wavelength (nm) passes the sample after the band's centre, ps: later is positive.

    Attributes
    ----------
    resolution : float
        As given.
    pixel_delay : (B,) array or None
        The same for the band's bins; None where the chirp is not known.

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
        *,
        thickness: float,
        refractive_index: float,
        gain: float,
        read_noise: float,
        material: str = "",
        geometry: str = "common-path",
        path_difference: float | None = None,
        saturation: float = SATURATION,
        resolution: float = RESOLUTION,
        exposure: float = 0.0,
        chirp_wavelength: ArrayLike | None = None,
        chirp_delay: ArrayLike | None = None,
    ) -> None:
        path, path_range = _expected_path(geometry, path_difference, thickness * refractive_index)
        dark, reference = np.asarray(dark, np.float64), np.asarray(reference, np.float64)
        self.band = ProbeBand(
            _colours(np.asarray(wavelength, np.float64), reference - dark, resolution),
            dark,
            reference,
            longest_path=abs(path) + path_range,
            gain=gain,
            read_noise=read_noise,
        )
        self._material = MATERIALS.get(material)
        dispersion: Floats | float = 1.0
        if self._material is not None:
            colours = np.append(self.band.wavelength, CENTRE_WAVELENGTH)
            change = self._material.delta_n(_DENSITY, colours)
            dispersion = change[:-1] / change[-1]
        self.model = FringeModel(
            *(self.band.wavelength, CENTRE_WAVELENGTH, path, path_range, dispersion),
            *(self.band.ripple, resolution / _FWHM, self.band.spread),
        )
        self.pixel_delay: Floats | None = None
        if chirp_wavelength is not None and chirp_delay is not None:
            known, delay = np.asarray(chirp_wavelength, float), np.asarray(chirp_delay, float)
            order = np.argsort(known)
            self.pixel_delay = np.interp(self.band.wavelength, known[order], delay[order])
        self._setup = Setup(
            *(self.band.bins, self.model.grid, float(exposure), float(min(saturation, LARGEST))),
            chirped=self.pixel_delay is not None,
        )
        self.resolution = resolution
        self.delta_n_per_phase = CENTRE_WAVELENGTH * 1e-3 / (4 * np.pi * thickness)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Reducer for a raw dataset (see `analysis.io.schema`)."""
        names = ["thickness", "refractive_index", "gain", "read_noise", "exposure"]
        names += ["material", "geometry", "path_difference", "saturation", "resolution"]
        names += ["chirp_wavelength", "chirp_delay"]
        return cls(
            dataset["wavelength"].values,
            dataset["dark"].values,
            dataset["reference"].values,
            **{name: dataset.attrs[name] for name in names if name in dataset.attrs},
        )

    def point(self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats) -> PointResult:
        """Reduce the frames (F, K) of a point; times (F,) in s, open fractions (F,)."""
        one = (values[np.newaxis] for values in (frames, frame_time, pump_open))
        return PointResult._make(column[0] for column in self.points(*one))

    def points(self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats) -> PointResult:
        """Reduce points on all cores: frames (P, F, K), times and open fractions (P, F)."""
        return self._results(*self._estimated(frames, frame_time, pump_open, spectra=False))

    def points_and_spectra(
        self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats
    ) -> tuple[PointResult, list[PointSpectra | None]]:
        """Reduce points as `points` does and keep their spectra, for estimates that need many.

        A point where nothing modulated has none.
        """
        estimates, health = self._estimated(frames, frame_time, pump_open, spectra=True)
        spectra = [_spectra(estimates, i) for i in range(len(frames))]
        return self._results(estimates, health), spectra

    def _estimated(
        self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats, *, spectra: bool
    ) -> tuple[Estimates, dict[int, Health]]:
        """Estimates of points, and what was done to those with odd pixels or frames."""
        frames = np.ascontiguousarray(frames, np.uint32)
        frame_time = np.ascontiguousarray(frame_time, np.float64)
        pump_open = np.ascontiguousarray(pump_open, np.float64)
        points, count, pixels = frames.shape
        alive = np.ones(len(self.band.wavelength))
        estimates = empty(points, count, pixels, len(alive), spectra)
        fixed = frames, frame_time, pump_open, alive, self._setup, estimates
        ends = np.linspace(0, points, min(_CORES, points) + 1).astype(int).tolist()
        shares = list(pairwise(ends))
        if len(shares) == 1:
            estimate(*fixed, shares[0])
        else:
            list(_threads().map(lambda share: estimate(*fixed, share), shares))
        health: dict[int, Health] = {}
        for i in np.flatnonzero(estimates.suspect).tolist():
            mended, health[i] = mend(frames[i], frame_time[i], pump_open[i], self._setup)
            mended.sums[0, 1, health[i].blind] = np.nan
            for name in set(Estimates._fields) - {"suspect", "spectra", "moved"}:
                getattr(estimates, name)[i] = getattr(mended, name)[0]
            if spectra:
                estimates.spectra[i] = mended.spectra[0]
        return estimates, health

    def _results(self, estimates: Estimates, health: Mapping[int, Health]) -> PointResult:
        numbers = np.where(estimates.found, estimates.numbers.T, np.nan)
        delta, alone, least, drift, source, shape, common, _ = numbers
        variance = alone + shape
        sigma, scale = np.sqrt(variance), self.delta_n_per_phase
        density = np.full((3, len(delta)), np.nan)
        if self._material is not None:
            ends = (delta + np.multiply.outer([-1.0, 0.0, 1.0], sigma)) * scale
            density = self._material.carrier_density(ends, CENTRE_WAVELENGTH)
        cos, sin, path = estimates.parameters.T[3:6]
        when = np.full((2, len(delta)), np.nan)
        if self.pixel_delay is not None:
            share = estimates.share / estimates.share.sum(axis=1, keepdims=True)
            when[0] = (share * self.pixel_delay).sum(axis=1)
            # Shares may be negative: the variance of their times, but for a rare fringe, is not.
            variances = (share * self.pixel_delay**2).sum(axis=1) - when[0] ** 2
            when[1] = np.sqrt(np.maximum(variances, 0.0))
        used = np.full(len(delta), estimates.moved.shape[2])
        counts = np.zeros((5, len(delta)), int)
        for i, each in health.items():
            used[i] = len(each.rows)
            counts[:, i] = each.saturated, each.rejected, each.slipped, each.repaired, each.masked
        return PointResult(
            delta_phi=delta,
            delta_phi_sigma=sigma,
            delta_n=delta * scale,
            delta_n_sigma=sigma * scale,
            delta_n_limit=np.sqrt(least) * scale,
            delta_n_systematic=np.sqrt(common) * scale,
            drift_share=drift / variance,
            source_share=source / variance,
            carrier_density=density[1],
            carrier_density_sigma=np.abs(density[2] - density[0]) / 2,
            visibility=np.hypot(cos, sin),
            phase=np.arctan2(sin, cos),
            path=path,
            probe_delay=when[0],
            probe_spread=when[1],
            frames_used=used * estimates.found,
            frames_saturated=counts[0],
            frames_rejected=counts[1],
            frames_slipped=counts[2],
            pixels_repaired=counts[3],
            pixels_masked=counts[4],
            differential_spectrum=estimates.sums[:, 1].astype(np.float32),
        )


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_CORES)


def _spectra(estimates: Estimates, i: int) -> PointSpectra | None:
    if not estimates.found[i]:
        return None
    off, difference, off_weight, difference_weight = estimates.spectra[i]
    return PointSpectra(
        Fringe(estimates.parameters[i, :7], estimates.covariance[i]),
        *(off, difference, off_weight, difference_weight),
        drift_sigma=float(np.sqrt(estimates.numbers[i, 7])),
    )


def _colours(wavelength: Floats, light: Floats, resolution: float) -> Floats:
    """Mean wavelength (K,) in nm of the light in each pixel behind a Gaussian slit.

    On a slope of the spectrum a pixel gets more light from the brighter side: λ + σ² d ln L/dλ with
    the spectrum L as measured (Tweedie's formula: Efron, J. Am. Stat. Assoc. 106, 1602 (2011)). At
    the band's edges this is 0.05 nm, and without it Δn of a plate of 1.5 um is off by up to 0.4 %.
    """
    variance = (resolution / _FWHM) ** 2
    bright = np.maximum(light, max(_FAINT * light.max(), 1.0))
    return wavelength + variance * np.gradient(np.log(bright), wavelength)


def _expected_path(
    geometry: str, path_difference: float | None, optical_thickness: float
) -> tuple[float, float]:
    """Optical path difference to look for and how far it may be off, um."""
    if geometry == "common-path":
        # 10 %: the group index, which rules the fringes, exceeds the index by 3 % in CsPbBr3 and 4
        # to 8 % in glasses and semiconductors near their gaps.
        return 2 * optical_thickness, 0.2 * optical_thickness
    low, high = (path_difference,) * 2 if path_difference is not None else PATH_DIFFERENCE
    # With or without the sample, and 3 um for a mirror that is not where its scale says.
    return (low + high) / 2 + optical_thickness, (high - low) / 2 + optical_thickness + 3.0
