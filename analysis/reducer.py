"""From the raw frames of a point to Δφ, Δn and carriers, live and offline the same.

A point's frames are demodulated against their open fractions (`lockin`), the fringe of the pump-off
spectrum and its change under the pump are fitted (`fringe`), and the noise of the frames' own
phases gives the standard deviation.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from analysis.band import CENTRE_WAVELENGTH, ProbeBand
from analysis.fringe import Fringe, FringeModel, PhaseStep
from analysis.layout import SATURATION
from analysis.lockin import LockIn, lock_in
from analysis.materials import MATERIALS

Floats = NDArray[np.float64]

PATH_DIFFERENCE = (10.0, 20.0)
"""Path difference in um in reference-mirror geometry (stated in the paper), where a scan says
nothing."""

SLIT = 1.5
"""Resolution of the spectrometer in nm, FWHM (stated in the paper)."""

_FAINT = 0.01  # of the brightest pixel: the slope of less light is noise
_DENSITY = 1e19  # cm⁻³, of the dispersion of Δn, which hardly depends on it


@dataclass(frozen=True)
class PointResult:
    """What one point says.

    Attributes
    ----------
    delta_phi, delta_phi_sigma : float
        Phase change at `CENTRE_WAVELENGTH` and its standard deviation, rad.
    delta_n, delta_n_sigma : float
        Index change, RIU.
    carrier_density, carrier_density_sigma : float
        cm⁻³; NaN where the material has no model.
    visibility, phase, path : float
        The pump-off fringe: V, φ in rad, optical path difference in um.
    probe_delay, probe_spread : float
        When Δφ looks at the sample, ps: mean time after the scan delay, and standard deviation, of
        the colours that count in Δφ, each at its own time. A signal f is measured as the mean of f
        at scan delay + probe_delay ± probe_spread. NaN where the chirp is not known.
    frames_used, frames_saturated : int
        Frames that entered the result, and frames left out because a pixel of the probe's band was
        saturated.
    fluorescence : (K,) array
        Pump-on minus pump-off counts of one exposure; NaN where a pixel was saturated.
    """

    delta_phi: float
    delta_phi_sigma: float
    delta_n: float
    delta_n_sigma: float
    carrier_density: float
    carrier_density_sigma: float
    visibility: float
    phase: float
    path: float
    probe_delay: float
    probe_spread: float
    frames_used: int
    frames_saturated: int
    fluorescence: Floats


@dataclass(frozen=True)
class PointSpectra:
    """The normalised spectra of one point on the bins of the band.

    Attributes
    ----------
    fringe : Fringe
        Fitted to S_off.
    off, difference : (B,) array
        S_off and S_on − S_off.
    off_weight, difference_weight : (B,) array
        Their inverse variances from shot and read noise.
    """

    fringe: Fringe
    off: Floats
    difference: Floats
    off_weight: Floats
    difference_weight: Floats


class Reducer:
    """Everything that is fixed during a run; `point` reduces one point.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; mean dark frame and interference-free spectrum (dark not subtracted), counts.
    thickness, refractive_index : float
        Sample: um, 1.
    gain, read_noise : float
        electrons/count, electrons.
    chopper_frequency : float
        Hz.
    material : str
        Name of a model in `analysis.materials`; any other name gives no carrier density.
    geometry : str
        `common-path` or `reference-mirror`.
    path_difference : float, optional
        Of signal minus reference without the sample, um; only in reference-mirror geometry.
    saturation : float
        Count at which a pixel is saturated.
    chirp_wavelength, chirp_delay : (M,) array, optional
        When each wavelength (nm) passes the sample after the band's centre, ps: later is positive.

    Attributes
    ----------
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
        chopper_frequency: float,
        material: str = "",
        geometry: str = "common-path",
        path_difference: float | None = None,
        saturation: float = SATURATION,
        chirp_wavelength: ArrayLike | None = None,
        chirp_delay: ArrayLike | None = None,
    ) -> None:
        path, path_range = _expected_path(geometry, path_difference, thickness * refractive_index)
        dark, reference = np.asarray(dark, np.float64), np.asarray(reference, np.float64)
        self.band = ProbeBand(
            _colours(np.asarray(wavelength, np.float64), reference - dark),
            dark,
            reference,
            longest_path=abs(path) + path_range,
            gain=gain,
            read_noise=read_noise,
        )
        self._chopper_frequency, self._saturation = chopper_frequency, saturation
        self._material = MATERIALS.get(material)
        dispersion: Floats | float = 1.0
        if self._material is not None:
            colours = np.append(self.band.wavelength, CENTRE_WAVELENGTH)
            change = self._material.delta_n(_DENSITY, colours)
            dispersion = change[:-1] / change[-1]
        self.model = FringeModel(
            self.band.wavelength, CENTRE_WAVELENGTH, path, path_range, dispersion, self.band.ripple
        )
        self.pixel_delay: Floats | None = None
        if chirp_wavelength is not None and chirp_delay is not None:
            known, delay = np.asarray(chirp_wavelength, float), np.asarray(chirp_delay, float)
            order = np.argsort(known)
            self.pixel_delay = np.interp(self.band.wavelength, known[order], delay[order])
        self.delta_n_per_phase = CENTRE_WAVELENGTH * 1e-3 / (4 * np.pi * thickness)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Reducer for a raw dataset (see `analysis.layout`)."""
        names = ["thickness", "refractive_index", "gain", "read_noise", "chopper_frequency"]
        names += ["material", "geometry", "path_difference", "saturation"]
        names += ["chirp_wavelength", "chirp_delay"]
        return cls(
            dataset["wavelength"].values,
            dataset["dark"].values,
            dataset["reference"].values,
            **{name: dataset.attrs[name] for name in names if name in dataset.attrs},
        )

    def point(self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats) -> PointResult:
        """Reduce the frames (F, K) of a point; times (F,) in s, open fractions (F,)."""
        return self.point_and_spectra(frames, frame_time, pump_open)[0]

    def point_and_spectra(
        self, frames: NDArray[Any], frame_time: Floats, pump_open: Floats
    ) -> tuple[PointResult, PointSpectra | None]:
        """Reduce a point and keep its spectra, for estimates that need many points at once."""
        frames = np.ascontiguousarray(frames, np.uint32)
        pixels, saturated, blind = self.band.pixels, 0, None
        if frames.max() >= self._saturation:
            usable = frames[:, pixels].max(axis=1) < self._saturation
            saturated = len(frames) - int(np.count_nonzero(usable))
            frames, frame_time, pump_open = frames[usable], frame_time[usable], pump_open[usable]
            blind = (frames >= self._saturation).any(axis=0)
        weights = lock_in(frame_time, pump_open, self._chopper_frequency)
        if weights is None:
            return _nothing(frames.shape[1], saturated), None
        off, fluorescence = weights.demodulate(frames)
        spectra = self._spectra(off, fluorescence, weights)
        step = self.model.phase_step(spectra.fringe, spectra.difference, spectra.difference_weight)
        per_count = self.band.per_count(step.functional).astype(np.float32)  # enough, and fast
        frame_phase = (frames[:, pixels].astype(np.float32) @ per_count).astype(np.float64)
        # Few frames may scatter less than their noise, and those of a stuck detector not at all.
        noise = np.sqrt(np.sum(step.functional**2 / spectra.difference_weight))
        scatter = max(weights.sigma(frame_phase), noise)
        sigma = float(np.hypot(scatter, step.scale_sigma))
        if blind is not None:
            fluorescence[blind] = np.nan
        result = self._result(spectra.fringe, step, sigma, len(frames), saturated, fluorescence)
        return result, spectra

    def _spectra(self, off: Floats, difference: Floats, weights: LockIn) -> PointSpectra:
        """Normalise S_off and ΔS (K,), and fit the pump-off fringe."""
        off, difference, weight = self.band.normalise(off, difference, weights.pump_open.mean())
        off_weight = weight / (weights.off @ weights.off)
        difference_weight = weight / (weights.difference @ weights.difference)
        fringe = self.model.fit(off, off_weight)
        return PointSpectra(fringe, off, difference, off_weight, difference_weight)

    def _result(
        self,
        fringe: Fringe,
        step: PhaseStep,
        sigma: float,
        used: int,
        saturated: int,
        fluorescence: Floats,
    ) -> PointResult:
        delta_n, delta_n_sigma = step.delta * self.delta_n_per_phase, sigma * self.delta_n_per_phase
        density = density_sigma = np.nan
        if self._material is not None:
            ends = delta_n + np.array([-delta_n_sigma, 0.0, delta_n_sigma])
            low, density, high = self._material.carrier_density(ends, CENTRE_WAVELENGTH).tolist()
            density_sigma = abs(high - low) / 2
        probe_delay = probe_spread = np.nan
        if self.pixel_delay is not None:
            share = step.share / step.share.sum()
            probe_delay = float(share @ self.pixel_delay)
            # Shares may be negative: the variance of their times, but for a rare fringe, is not.
            variance = float(share @ (self.pixel_delay - probe_delay) ** 2)
            probe_spread = float(np.sqrt(max(variance, 0.0)))
        return PointResult(
            delta_phi=step.delta,
            delta_phi_sigma=sigma,
            delta_n=delta_n,
            delta_n_sigma=delta_n_sigma,
            carrier_density=density,
            carrier_density_sigma=density_sigma,
            visibility=fringe.visibility,
            phase=fringe.phase,
            path=fringe.path,
            probe_delay=probe_delay,
            probe_spread=probe_spread,
            frames_used=used,
            frames_saturated=saturated,
            fluorescence=fluorescence,
        )


def _colours(wavelength: Floats, light: Floats) -> Floats:
    """Mean wavelength (K,) in nm of the light in each pixel behind a Gaussian slit.

    On a slope of the spectrum a pixel gets more light from the brighter side: λ + σ² d ln L/dλ with
    the spectrum L as measured (Tweedie's formula: Efron, J. Am. Stat. Assoc. 106, 1602 (2011)). At
    the band's edges this is 0.05 nm, and without it Δn of a plate of 1.5 um is off by up to 0.4 %.
    """
    variance = (SLIT / 2.3548) ** 2
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


def _nothing(pixels: int, saturated: int) -> PointResult:
    numbers = {
        field.name: np.nan
        for field in fields(PointResult)
        if field.type == "float" or field.type is float
    }
    return PointResult(
        **numbers, frames_used=0, frames_saturated=saturated, fluorescence=np.full(pixels, np.nan)
    )
