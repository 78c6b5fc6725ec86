"""Response of the probe's wavelengths to a phase that changes in time.

The pump gives the signal beam the phase φ(t). The field of the pulse is E(ω) = A e^{iϕ} with the
group delay t_c = dϕ/dω. At the scan delay τ the sample multiplies the beam's field at ω by the
transmission

    U = (K * e^{iφ})(T),   T = τ + t_c(ω),   K(t) = ∫ dν/2π e^{−iνt} e^{iνt_c} E(ω − ν) / E(ω):

φ transfers light from ω − ν to ω. For a linear chirp D = dt_c/dω and a flat spectrum, K is a
Fresnel integral, that is a normal density with the imaginary variance −iD. Its width √D, 0.1 ps
for 5 ps over 200 nm, is the time–bandwidth limit of a single wavelength. As |K| = 1 at every
frequency ν, no information about φ is lost: it is only rotated between the two quadratures of the
fringe. The shape of the light's spectrum and the curvature of t_c are part of K; without them the
height of a step would be wrong by a few per cent. The spectrometer's slit and the width of the bins
blur K in time by dt_c/dω times their width in frequency.

A swept source has no such coherence: each wavelength samples φ at its own instant, and K is a
narrow real density.

U is linear in e^{iφ}, which is interpolated linearly on a grid (`analysis.chirp.time_grid`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import speed_of_light

from analysis.chirp.group_delay import detuning
from analysis.chirp.time_grid import hat_responses

__all__ = ["PulseResponse"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_FWHM = 2.3548  # full width at half maximum of a normal density over its standard deviation

_MARGIN = 1.5
"""Nodes count if they are within this time of a sample, ps: twelve √D of a pulse of 5 ps."""

_MIN_BLUR = 0.005
"""Smallest standard deviation of the blur of K, ps: well below the 0.04 ps of any pump pulse."""

_DELAY_ORDER = 5
"""Order of the polynomial through the tabulated group delay, whose derivative is dt_c/dω."""

_SAMPLES = 2048
"""Number of times at which K is tabulated: 4 fs apart for a slit of 1.5 nm."""

_WINDOW = 12.0
"""Length of the table of K in inverse bandwidths of a bin: K is below 1e-8 at its ends."""

_MIN_LIGHT = 1e-3
"""Smallest spectral intensity that is divided by, relative to the largest one of the band."""


@dataclass(frozen=True)
class PulseResponse:
    """Response of the B bins of a band to a ramp, a step and a short pulse of e^{iφ}.

    Attributes
    ----------
    group_delay : (B,) array
        Time t_c at which the wavelength of each bin passes the sample, ps.
    start, step : float
        First of the N times of the table and their spacing, ps.
    ramp : (B, N) array
        Response to a ramp of slope 1/ps that begins at time zero.
    edge : (B, N) array
        Response to a step, the derivative of `ramp`.
    density : (B, N) array
        K, the derivative of `edge`, 1/ps.
    """

    group_delay: Floats
    start: float
    step: float
    ramp: Complexes
    edge: Complexes
    density: Complexes

    @classmethod
    def of_light(
        cls,
        wavelength: Floats,
        group_delay: Floats,
        light: Floats,
        resolution: float,
        coherent: bool,
    ) -> "PulseResponse":
        """Compute the response of a light source.

        Parameters
        ----------
        wavelength, group_delay : (B,) array
            nm; time at which each wavelength passes the sample, ps.
        light : (B,) array
            Spectrum without interference, any unit.
        resolution : float
            Of the spectrometer, nm FWHM.
        coherent : bool
            True for a chirped pulse, False for a swept source.
        """
        omega = 100 * detuning(wavelength)  # rad/ps
        order = min(_DELAY_ORDER, len(np.unique(omega)) - 1)
        delay = np.polynomial.Polynomial.fit(omega, group_delay, order)
        width = np.hypot(resolution / _FWHM, np.abs(np.gradient(wavelength)) / np.sqrt(12))
        width *= 2 * np.pi * speed_of_light * 1e-3 / wavelength**2  # nm to rad/ps
        window = _WINDOW / float(width.min())
        nu = 2 * np.pi * np.fft.fftfreq(_SAMPLES, window / _SAMPLES).astype(np.float64)
        blur = np.hypot(_MIN_BLUR, delay.deriv()(omega) * width)
        spectrum = np.exp(-0.5 * (blur[:, np.newaxis] * nu) ** 2).astype(np.complex128)
        if coherent:
            spectrum *= _field_ratio(omega, delay, light * wavelength**2, nu)
        step = window / _SAMPLES
        times = (np.arange(_SAMPLES) - _SAMPLES // 2) * step
        spectrum *= np.exp(-1j * nu * times[0]) / step
        density = np.fft.fft(spectrum, axis=1) / _SAMPLES
        # The integral of K is exact for the trigonometric polynomial through its samples; the
        # integral of that is exact to the fourth order of the step.
        mean, nu[0] = spectrum[:, :1] * times / _SAMPLES, np.inf
        edge = np.fft.fft(1j * spectrum / nu, axis=1) / _SAMPLES + mean
        edge -= edge[:, :1]
        ramp = np.cumsum(edge, axis=1) * step - edge * step / 2 - density * step**2 / 12
        return cls(group_delay, float(times[0]), step, ramp, edge, density)

    def node_range(self, nodes: Floats, delay: float) -> slice:
        """Return the range of nodes that the spectrum at a scan delay depends on.

        Parameters
        ----------
        nodes : (T,) array
            Increasing times, ps.
        delay : float
            Scan delay τ, ps.
        """
        time = delay + self.group_delay
        low = np.searchsorted(nodes, time.min() - _MARGIN, side="right") - 1
        high = np.searchsorted(nodes, time.max() + _MARGIN, side="left") + 1
        low = int(np.clip(low, 0, len(nodes) - 2))
        return slice(low, int(np.clip(high, low + 2, len(nodes))))

    def weights(self, nodes: Floats, delay: float) -> Complexes:
        """Return the weights (B, n) of e^{iφ} at n nodes: U = weights @ e^{iφ}.

        φ is constant beyond the first and the last node.

        Parameters
        ----------
        nodes : (n,) array
            Increasing times, ps.
        delay : float
            Scan delay τ, ps.
        """
        result: Complexes = hat_responses(
            delay + self.group_delay, nodes, self.start, self.step, self.ramp, self.edge, 1.0
        )
        return result

    def weight_slopes(self, nodes: Floats, delay: float) -> Complexes:
        """Return the derivatives (B, n) of `weights` by the time T of each bin, 1/ps."""
        result: Complexes = hat_responses(
            delay + self.group_delay, nodes, self.start, self.step, self.edge, self.density, 0.0
        )
        return result


def _field_ratio(
    omega: Floats, delay: np.polynomial.Polynomial, light: Floats, shift: Floats
) -> Complexes:
    """Return e^{iνt_c} E(ω − ν) / E(ω) of each bin and frequency shift, (B, N).

    Beyond the band the field continues as at its end: with the same amplitude and group delay.

    Parameters
    ----------
    omega : (B,) array
        Angular frequency from the band's centre, rad/ps.
    delay : Polynomial
        Group delay in ps against angular frequency.
    light : (B,) array
        Spectrum per angular frequency, any unit.
    shift : (N,) array
        ν, rad/ps.
    """
    order = np.argsort(omega)
    frequency, intensity = omega[order], np.maximum(light, _MIN_LIGHT * light.max())[order]
    log_amplitude, phase = 0.5 * np.log(intensity), delay.integ()
    origin = omega[:, np.newaxis] - shift
    inside = np.clip(origin, frequency[0], frequency[-1])
    angle = phase(inside) + delay(inside) * (origin - inside)
    angle += delay(omega)[:, np.newaxis] * shift - phase(omega)[:, np.newaxis]
    own = np.interp(omega, frequency, log_amplitude)[:, np.newaxis]
    ratio: Complexes = np.exp(np.interp(inside, frequency, log_amplitude) - own + 1j * angle)
    return ratio
