"""The spectrometer: wavelengths to pixels, electrons to counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .scenario import Detector

_FWHM = math.sqrt(8 * math.log(2))
"""Full width at half maximum of a Gaussian, in standard deviations."""


class Pixels:
    """The pixels, and the light each of them gets through the slit."""

    def __init__(self, spec: Detector) -> None:
        self.wavelength = np.linspace(*spec.range, spec.pixels)
        self._pitch = self.wavelength[1] - self.wavelength[0]
        self._slit = spec.slit

    def share(self, wavelength: NDArray[np.float64]) -> csr_array:
        """(K, M) share of the light at M wavelengths (nm) that falls on each pixel."""
        sigma = self._slit / _FWHM
        edges = np.append(self.wavelength - self._pitch / 2, self.wavelength[-1] + self._pitch / 2)
        below = ndtr((edges[:, None] - wavelength) / sigma)
        share = np.diff(below, axis=0)
        return csr_array(np.where(share > 1e-9, share, 0.0))

    def line(self, centre: float, width: float) -> NDArray[np.float64]:
        """(K,) Gaussian line of unit area, centre and FWHM in nm, widened by the slit."""
        sigma = math.hypot(width, self._slit) / _FWHM
        u = (self.wavelength - centre) / sigma
        return self._pitch / (sigma * math.sqrt(2 * np.pi)) * np.exp(-(u**2) / 2)


class Sensor:
    """Charge to counts: dark current, shot noise, full well, read noise, bias, converter."""

    def __init__(self, spec: Detector, rng: np.random.Generator) -> None:
        self._spec = spec
        self._rng = rng
        self.saturation_counts = min(
            2**spec.bits - 1, math.floor(spec.bias + spec.full_well / spec.gain)
        )

    def read(self, light: NDArray[np.float64], temperature: float) -> NDArray[np.uint32]:
        """Digitise frames.

        Parameters
        ----------
        light
            (F, K) expected photoelectrons.
        temperature
            °C of the sensor.

        Returns
        -------
        (F, K) counts.
        """
        spec = self._spec
        doublings = (temperature + 10.0) / spec.dark_doubling
        charge = light + spec.dark_current * spec.exposure * 2.0**doublings
        if spec.shot_noise:
            charge = self._rng.poisson(charge).astype(float)
        np.minimum(charge, spec.full_well, out=charge)
        if spec.read_noise:
            charge += spec.read_noise * self._rng.standard_normal(charge.shape)
        counts = np.rint(charge / spec.gain + spec.bias)
        return np.clip(counts, 0, self.saturation_counts).astype(np.uint32)
