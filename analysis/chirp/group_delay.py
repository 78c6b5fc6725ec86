"""The probe's chirp: when each of its colours passes the sample."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import speed_of_light

from analysis.probe_band import CENTRE_WAVELENGTH

__all__ = ["chirp_delay", "detuning"]

Floats = NDArray[np.float64]


def detuning(wavelength: ArrayLike) -> Floats:
    """Angular frequency from the band's centre, 100 rad/ps, of a wavelength in nm."""
    light = 2 * np.pi * speed_of_light * 1e-3  # nm rad/ps
    return (light / np.asarray(wavelength, np.float64) - light / CENTRE_WAVELENGTH) / 100


def chirp_delay(wavelength: ArrayLike, chirp: ArrayLike) -> Floats:
    """When a wavelength (nm) passes the sample, ps after the band's centre; positive is later.

    The Taylor series of a group delay, Σ c_k ν^k with the detuning ν in 100 rad/ps and k from 1:
    c₁ is the group delay dispersion, positive where blue light is late.
    """
    coefficients = [0.0, *np.asarray(chirp, np.float64).tolist()]
    return np.asarray(np.polynomial.polynomial.polyval(detuning(wavelength), coefficients))
