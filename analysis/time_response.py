"""What a chirped probe's colours see of a phase that changes in time.

The pump gives the signal beam the phase φ(t). With the group delay t_c(ω) of the pulse and its
slope D = dt_c/dω, the beam's field at ω is multiplied, at the scan delay τ, by

    U = [1 − i a₁ d/dT − ½ a₂ d²/dT²] (K * e^{iφ})(T),   T = τ + t_c(ω),

a Fresnel integral: K is a normal density of the imaginary variance −iD. Its width √D, 0.1 ps for
5 ps over 200 nm, is the time–bandwidth limit of a single colour, but |K| = 1 at every frequency:
nothing is lost of φ, only turned between the fringe's quadratures. a₁ = A'/A and a₂ = A''/A with
the amplitude A(ω) of the light: a phase that changes moves the light's frequency, and what comes to
ω had another amplitude before. The spectrometer's slit and the bins add a real variance.

Everything is linear in e^{iφ}, which is linear between the nodes of a grid here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.constants import speed_of_light
from scipy.special import erfc

from analysis.group_delay import detuning

__all__ = ["TimeResponse"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_MARGIN = 1.5  # ps beyond a spectrum's times: twelve √D of a pulse of 5 ps
_SHORTEST = 0.005  # ps: of the real part of the response, well below any pump pulse
_SMOOTH = 5  # order of the polynomial that gives the slope of a tabulated delay


@dataclass(frozen=True)
class TimeResponse:
    """Response of the bins of a band.

    Attributes
    ----------
    delay : (B,) array
        When each bin's colour passes the sample, ps.
    variance : (B,) array
        Complex variance of K with the slit, ps².
    first, second : (B,) array
        a₁ in ps and a₂ in ps².
    """

    delay: Floats
    variance: Complexes
    first: Floats
    second: Floats

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
        x = detuning(wavelength)
        order = min(_SMOOTH, len(np.unique(x)) - 1)
        slope = np.polynomial.Polynomial.fit(x, delay, order).deriv()(x) / 100
        per_nm = slope * 2 * np.pi * speed_of_light * 1e-3 / wavelength**2
        width = np.hypot(resolution / 2.3548, np.abs(np.gradient(wavelength)) / np.sqrt(12))
        variance = _SHORTEST**2 + (per_nm * width) ** 2
        if not coherent:
            none = np.zeros_like(delay)
            return cls(delay, variance.astype(np.complex128), none, none)
        level = 0.5 * np.log(np.maximum(light, 1e-3 * light.max()))
        first = np.gradient(level, 100 * x)
        second = np.gradient(first, 100 * x) + first**2
        return cls(delay, variance - 1j * slope, first, second)

    def weights(self, grid: Floats, tau: float) -> tuple[slice, Complexes, Complexes]:
        """Weights of e^{iφ} at the nodes of a grid at one scan delay.

        Parameters
        ----------
        grid : (T,) array
            Increasing times, ps. φ is constant beyond its ends.
        tau : float
            Scan delay, ps.

        Returns
        -------
        columns : slice
            The n nodes that count.
        weights, moved : (B, n) array
            U = weights @ e^{iφ[columns]}, and dU/dT = moved @ e^{iφ[columns]}.
        """
        at = tau + self.delay
        low = np.searchsorted(grid, at.min() - _MARGIN, side="right") - 1
        high = np.searchsorted(grid, at.max() + _MARGIN, side="left") + 1
        low = int(np.clip(low, 0, len(grid) - 2))
        columns = slice(low, int(np.clip(high, low + 2, len(grid))))
        nodes = grid[columns]
        x = at[:, np.newaxis] - nodes
        v = self.variance[:, np.newaxis]
        step = 0.5 * erfc(-x / np.sqrt(2 * v))
        density = np.exp(-(x**2) / (2 * v)) / np.sqrt(2 * np.pi * v)
        first, second = 1j * self.first[:, np.newaxis], self.second[:, np.newaxis]
        # A ramp seen through K, and its derivative; a hat is the difference of two slopes.
        ramp = x * step + v * density - first * step - second / 2 * density
        rising = step - first * density + second / 2 * density * x / v
        return columns, _hats(ramp, nodes, 1.0), _hats(rising, nodes, 0.0)


def _hats(ramps: Complexes, nodes: Floats, before: float) -> Complexes:
    """Turn responses (B, n) to ramps that begin at the nodes into those to hats."""
    slopes = -np.diff(ramps) / np.diff(nodes)
    edge = np.full((len(ramps), 1), before, np.complex128)
    ended: Complexes = -np.diff(np.concatenate([edge, slopes, 0 * edge], axis=1))
    return ended
