"""What a chirped probe's colours see of a phase that changes in time.

The pump gives the signal beam the phase φ(t). With the field E(ω) = A e^{iϕ} of the pulse, of the
group delay t_c = dϕ/dω, the beam's field at ω is multiplied, at the scan delay τ, by

    U = (K * e^{iφ})(T),   T = τ + t_c(ω),   K(t) = ∫ dν/2π e^{-iνt} e^{iνt_c} E(ω − ν) / E(ω):

φ moves light from ω − ν to ω. For a chirp D = dt_c/dω alone, K is a Fresnel integral, a normal
density of the imaginary variance −iD. Its width √D, 0.1 ps for 5 ps over 200 nm, is the
time–bandwidth limit of a single colour, but |K| = 1 at every frequency: nothing is lost of φ, only
turned between the fringe's quadratures. The light's spectrum and the bend of t_c change K by so
much that a step would be a few per cent off. The spectrometer's slit and the bins blur K in time.

Everything is linear in e^{iφ}, which is linear between the nodes of a grid here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import speed_of_light

from analysis.chirp.group_delay import detuning
from analysis.chirp.time_grid import hats

__all__ = ["TimeResponse"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_MARGIN = 1.5  # ps beyond a spectrum's times: twelve √D of a pulse of 5 ps
_SHORTEST = 0.005  # ps: of the real part of the response, well below any pump pulse
_SMOOTH = 5  # order of the polynomial that gives the slope of a tabulated delay
_SAMPLES = 2048  # of K: 4 fs apart for a slit of 1.5 nm
_ENDS = 12.0  # inverse bandwidths of a pixel, within which K has faded to 1e-8
_DARK = 1e-3  # of the brightest colour


@dataclass(frozen=True)
class TimeResponse:
    """Response of the bins of a band.

    Attributes
    ----------
    delay : (B,) array
        When each bin's colour passes the sample, ps.
    start, step : float
        First of N times and their distance, ps.
    ramp, rise, density : (B, N) array
        Response to a ramp that begins at zero; its derivative, the response to a step; and that
        one's derivative K.
    """

    delay: Floats
    start: float
    step: float
    ramp: Complexes
    rise: Complexes
    density: Complexes

    @classmethod
    def of_light(
        cls, wavelength: Floats, delay: Floats, light: Floats, resolution: float, coherent: bool
    ) -> "TimeResponse":
        """Response of a light source.

        Parameters
        ----------
        wavelength, delay, light : (B,) array
            nm; ps; spectrum without interference, any unit.
        resolution : float
            Of the spectrometer, nm FWHM.
        coherent : bool
            A chirped pulse. Otherwise colours that follow one another: each samples the phase at
            its own instant, as a swept source does.
        """
        omega = 100 * detuning(wavelength)
        order = min(_SMOOTH, len(np.unique(omega)) - 1)
        late = np.polynomial.Polynomial.fit(omega, delay, order)
        width = np.hypot(resolution / 2.3548, np.abs(np.gradient(wavelength)) / np.sqrt(12))
        width *= 2 * np.pi * speed_of_light * 1e-3 / wavelength**2
        window = _ENDS / float(width.min())
        nu = 2 * np.pi * np.fft.fftfreq(_SAMPLES, window / _SAMPLES).astype(np.float64)
        blur = np.hypot(_SHORTEST, late.deriv()(omega) * width)
        response = np.exp(-0.5 * (blur[:, np.newaxis] * nu) ** 2).astype(np.complex128)
        if coherent:
            response *= _moved(omega, late, light * wavelength**2, nu)
        step = window / _SAMPLES
        times = (np.arange(_SAMPLES) - _SAMPLES // 2) * step
        response *= np.exp(-1j * nu * times[0]) / step
        density = np.fft.fft(response, axis=1) / _SAMPLES
        # Its integral, exact for what the samples stand for, and that one's, to the fourth order.
        slow, nu[0] = response[:, :1] * times / _SAMPLES, np.inf
        rise = np.fft.fft(1j * response / nu, axis=1) / _SAMPLES + slow
        rise -= rise[:, :1]
        ramp = np.cumsum(rise, axis=1) * step - rise * step / 2 - density * step**2 / 12
        return cls(delay, float(times[0]), step, ramp, rise, density)

    def nodes(self, grid: Floats, tau: float) -> slice:
        """Nodes of a grid (T,) of increasing times, ps, that count at the scan delay `tau`."""
        at = tau + self.delay
        low = np.searchsorted(grid, at.min() - _MARGIN, side="right") - 1
        high = np.searchsorted(grid, at.max() + _MARGIN, side="left") + 1
        low = int(np.clip(low, 0, len(grid) - 2))
        return slice(low, int(np.clip(high, low + 2, len(grid))))

    def weights(self, nodes: Floats, tau: float) -> Complexes:
        """Weights (B, n) of e^{iφ} at n nodes: U = weights @ e^{iφ}. φ is constant beyond them."""
        places = (tau + self.delay, nodes, self.start, self.step)
        found: Complexes = hats(*places, self.ramp, self.rise, 1.0)
        return found

    def moved(self, nodes: Floats, tau: float) -> Complexes:
        """Weights (B, n) for dU/dT."""
        places = (tau + self.delay, nodes, self.start, self.step)
        found: Complexes = hats(*places, self.rise, self.density, 0.0)
        return found


def _moved(
    omega: Floats, late: np.polynomial.Polynomial, light: Floats, shift: Floats
) -> Complexes:
    """Find the field (B, N) that comes to each colour from an ω smaller by `shift` over its own.

    Beyond the band the light is taken to go on as at its end.
    """
    order = np.argsort(omega)
    colours, bright = omega[order], np.maximum(light, _DARK * light.max())[order]
    level, phase = 0.5 * np.log(bright), late.integ()
    origin = omega[:, np.newaxis] - shift
    inside = np.clip(origin, colours[0], colours[-1])
    turned = phase(inside) + late(inside) * (origin - inside)
    turned += late(omega)[:, np.newaxis] * shift - phase(omega)[:, np.newaxis]
    brighter = np.interp(inside, colours, level) - np.interp(omega, colours, level)[:, np.newaxis]
    field: Complexes = np.exp(brighter + 1j * turned)
    return field
