"""A chirped pulse from formulas: the field in time, cut by the pump, and its spectrum again."""

import numpy as np
from handmade import WAVELENGTH, Plate, light
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

C = 299.792458  # nm/fs and um/ps
SAMPLES, WINDOW = 4096, 24.0  # ps: 6 fs a sample
CHIRP = (1.22, 0.05, 0.04)  # ps/(100 rad/ps)^k: 5 ps over the band, red first
SLIT = 1.5 / np.sqrt(8 * np.log(2)) / 0.72  # pixels: 1.5 nm FWHM, 0.72 nm apart
PULSE = 0.1 / np.sqrt(8 * np.log(2))  # ps, a pump of 100 fs FWHM (stated)


def group_delay(wavelength, chirp=CHIRP):
    """When a wavelength (nm) passes, ps after 1025 nm."""
    x = 2 * np.pi * C * (1 / np.asarray(wavelength) - 1 / 1025) * 10  # 100 rad/ps
    return sum(c * x**k for k, c in enumerate(chirp, 1))


def step(time, height=1e-2, zero=0.4, decay=np.inf):
    """Δn of carriers that a pump pulse makes at `zero` and that decay in `decay`, ps."""
    since = np.asarray(time) - zero
    return height * ndtr(since / PULSE) * np.exp(-np.maximum(since, 0) / decay)


class ThroughPulse:
    """What a spectrometer sees of Δn(t) through the pulse, as a complex index of each pixel.

    exp(4πi L Δn/λ) of the answer is what the pulse's field at λ has been multiplied by. For
    `handmade.Plate`, which adds the fields, with `chirp=group_delay(WAVELENGTH)`.
    """

    def __init__(self, delta_n, thickness=1.5, chirp=CHIRP, gain=0.0):
        self.delta_n, self.turn = delta_n, 4 * np.pi * thickness / 1.025
        self.gain = gain  # d ln r / dφ: the faces reflect otherwise where there are carriers
        self.late = group_delay(WAVELENGTH, chirp)
        self.time = (np.arange(SAMPLES) - SAMPLES // 2) * WINDOW / SAMPLES
        self.omega = 2 * np.pi * np.fft.fftshift(np.fft.fftfreq(SAMPLES, WINDOW / SAMPLES))
        x = self.omega / 100
        phase = 100 * sum(c * x ** (k + 1) / (k + 1) for k, c in enumerate(chirp, 1))
        wavelength = 2 * np.pi * C * 1e3 / (2 * np.pi * C * 1e3 / 1025 + self.omega)
        density = np.interp(wavelength, WAVELENGTH, light(), 0, 0) * wavelength**2
        self.spectrum = np.sqrt(density) * np.exp(1j * phase)
        self.at = 2 * np.pi * C * 1e3 * (1 / WAVELENGTH - 1 / 1025)
        shifted = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(self.spectrum)))
        self.field = shifted

    def __call__(self, times):
        rows = []
        for at in np.asarray(times)[:, 0] - self.late[0]:
            phase = self.turn * self.delta_n(at + self.time)
            passed = self.field * np.exp((1j + self.gain) * phase)
            passed = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(passed)))
            lit = np.abs(self.spectrum) > 1e-3 * np.abs(self.spectrum).max()
            ratio = np.where(lit, passed / np.where(lit, self.spectrum, 1.0), 1.0)
            turned = np.interp(self.at, self.omega, np.unwrap(np.angle(ratio)))
            strong = np.interp(self.at, self.omega, np.log(np.abs(ratio)))
            rows.append((turned - 1j * strong) / self.turn)
        return np.array(rows)


class PulsedPlate(Plate):
    """A plate behind a slit of 1.5 nm; its index change disperses as that of CsPbBr3 (Eq. 1)."""

    def _spectrum(self, delta_n, drift):
        resonance, energy, centre = 2.36, 1239.842 / WAVELENGTH, 1239.842 / 1025  # eV
        dispersion = (resonance**2 - centre**2) / (resonance**2 - energy**2)
        return gaussian_filter1d(super()._spectrum(delta_n * dispersion, drift), SLIT)

    def dataset(self, seed=0):
        scan = super().dataset(seed)
        return scan.assign(reference=("wavelength", gaussian_filter1d(scan["reference"], SLIT)))
