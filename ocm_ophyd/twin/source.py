"""The probe pulse: a chirped supercontinuum, as a field on a frequency grid.

Fields are ``Re[a(t) exp(−i ω_c t)]`` with ``a(t) = Σ A(Ω) exp(−i Ω t)``, Ω = ω − ω_c in rad/ps and
ω_c at the band's centre wavelength. Grids are in the order of numpy's FFT.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import c

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .scenario import Probe

LIGHT = c * 1e-6
"""Speed of light, um/ps; times 1000 it is nm/ps."""
SAMPLES = 2048
WINDOW = 16.0
"""ps: longer than the chirped pulse; 1/16 THz is 0.2 nm, well below the slit."""


class ProbeField:
    """Field of the probe before the interferometer.

    Attributes
    ----------
    centre
        nm, middle of the band.
    carrier
        rad/ps, ω_c.
    time
        (M,) ps; the band's centre passes the sample at 0.
    omega
        (M,) rad/ps, optical angular frequency.
    wavelength
        (M,) nm.
    spectrum
        (M,) complex field A(Ω); |A|² is the energy per frequency, with the spectral density per
        wavelength of order 1.
    """

    def __init__(self, spec: Probe) -> None:
        self.centre = sum(spec.band) / 2
        self.carrier = 2 * np.pi * 1e3 * LIGHT / self.centre
        blue, red = (2 * np.pi * 1e3 * LIGHT / end for end in spec.band)
        self._half = (blue - red) / 2
        # The linear term makes the whole band take `chirp_span`, whatever the curvature.
        ends = (np.array([red, blue]) - self.carrier) / self._half
        curved = spec.chirp_quadratic * ends**2 + spec.chirp_cubic * ends**3
        linear = (spec.chirp_span - (curved[1] - curved[0])) / 2
        self._chirp = (linear, spec.chirp_quadratic, spec.chirp_cubic)
        step = WINDOW / SAMPLES
        offset = 2 * np.pi * np.fft.fftfreq(SAMPLES, step)
        self.time = np.fft.fftfreq(SAMPLES, 1 / WINDOW)
        self.omega = self.carrier + offset
        self.wavelength = 2 * np.pi * 1e3 * LIGHT / self.omega
        u = offset / self._half
        phase = self._half * sum(
            term * u ** (power + 1) / (power + 1) for power, term in enumerate(self._chirp, 1)
        )
        density = _density(spec, self.centre, self.wavelength)
        self.spectrum = np.sqrt(density * self.wavelength / self.omega) * np.exp(1j * phase)
        # a(t) and its first two derivatives over −i: what a small delay needs.
        self._moments = [np.fft.fft(self.spectrum * offset**order) for order in range(3)]

    def chirp_delay(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return when a wavelength (nm) passes the sample, ps after the band's centre.

        Positive is later, so this light samples Δn at scan delay + chirp delay.
        """
        u = (2 * np.pi * 1e3 * LIGHT / np.asarray(wavelength) - self.carrier) / self._half
        return sum(term * u**power for power, term in enumerate(self._chirp, 1))

    def delayed(
        self, delay: NDArray[np.float64], expansion: tuple[float, float]
    ) -> NDArray[np.complex128]:
        """Spectrum of the field after a delay that changes in time.

        The carrier's phase ω_c δ(t) exactly, what the rest of the band has more to second order
        in its distance Ω from there; Ω δ is below 0.04 here (Δn = 0.02 in 1.5 um is 0.2 fs).
        With the expansion (1, 0), a delay without dispersion, this is E(t − δ(t)).

        Parameters
        ----------
        delay
            (M,) phase delay δ of the carrier in ps at `time`.
        expansion
            First and second Taylor coefficient of ω δ(ω)/δ(ω_c) in Ω; 1 and ps/rad.
        """
        field, first, second = self._moments
        linear, curved = (coefficient * delay for coefficient in expansion)
        slow = field + 1j * linear * first + (1j * curved - linear**2 / 2) * second
        return np.fft.ifft(np.exp(1j * self.carrier * delay) * slow)


def _density(spec: Probe, centre: float, wavelength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy per wavelength: a flat-topped envelope (8th order) with ripples."""
    half = (spec.band[1] - spec.band[0]) / 2
    envelope = np.exp(math.log(spec.edge) * np.abs((wavelength - centre) / half) ** 8)
    ripple = sum(
        r.amplitude * np.cos(2 * np.pi * (wavelength - centre) / r.period + r.phase)
        for r in spec.ripples
    )
    return envelope * (1 + ripple)
