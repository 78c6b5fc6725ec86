"""Group delay of the chirped probe: when each wavelength passes the sample.

The group delay is a Taylor series in the detuning ν of a wavelength λ from the band's centre λ_c:

    t_c(λ) = Σ c_k ν^k,  k = 1, 2, …;   ν = 2πc (1/λ − 1/λ_c) / (100 rad/ps).

With ν in units of 100 rad/ps the probe's band extends from −1.6 to 2.0, and the coefficients c_k
are in ps/(100 rad/ps)^k. c₁ is the group delay dispersion, positive where blue light is late.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import speed_of_light

from analysis.probe_band import CENTRE_WAVELENGTH

__all__ = ["chirp_delay", "detuning"]

Floats = NDArray[np.float64]


def detuning(wavelength: ArrayLike) -> Floats:
    """Return the detuning ν from the band's centre in 100 rad/ps.

    Parameters
    ----------
    wavelength : (K,) array
        nm.
    """
    light = 2 * np.pi * speed_of_light * 1e-3  # angular frequency times wavelength, nm rad/ps
    return (light / np.asarray(wavelength, np.float64) - light / CENTRE_WAVELENGTH) / 100


def chirp_delay(wavelength: ArrayLike, chirp: ArrayLike) -> Floats:
    """Return the group delay t_c in ps; positive is later than the band's centre.

    Parameters
    ----------
    wavelength : (K,) array
        nm.
    chirp : (C,) array
        Coefficients c_1 to c_C, ps/(100 rad/ps)^k.
    """
    coefficients = [0.0, *np.asarray(chirp, np.float64).tolist()]
    return np.asarray(np.polynomial.polynomial.polyval(detuning(wavelength), coefficients))
