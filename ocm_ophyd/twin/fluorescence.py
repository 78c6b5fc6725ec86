"""What the sample emits, and the pump light that leaks through."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .carriers import Cloud
    from .detector import Pixels
    from .scenario import Fluorescence, Pump

_UNIT = 1e18
"""cm⁻³: the density for which the scenario states the electrons."""


def emission(spec: Fluorescence, cloud: Cloud, gain: float, pixels: Pixels) -> NDArray[np.float64]:
    """(K,) electrons per exposure at 50 kHz from the crystal.

    Spontaneous emission and what the mode amplifies below its threshold form the broad band.
    Coherent light goes to the modes under a gain profile that moves to the red as the plasma gets
    denser (band-gap renormalisation), while each mode moves to the blue (lower index).

    Parameters
    ----------
    spec
        Wavelengths and collection.
    cloud
        Carriers after one pulse.
    gain
        Γ <N> G / γ right after the pulse: 1 at threshold; 0 without a mode.
    pixels
        Of the spectrometer.
    """
    broad = spec.band_electrons * cloud.spontaneous + spec.mode_electrons * cloud.incoherent
    spectrum = broad / _UNIT * pixels.line(*spec.band)
    modes = np.array(spec.modes)
    excess = max(gain - 1.0, 0.0)
    profile = spec.gain_centre + spec.gain_red_shift * excess
    weights = np.exp(-4 * math.log(2) * ((modes - profile) / spec.gain_width) ** 2)
    weights *= spec.mode_electrons * cloud.coherent / _UNIT / weights.sum()
    for mode, weight in zip(modes - spec.blue_shift * excess, weights, strict=True):
        spectrum += weight * pixels.line(float(mode), spec.mode_width)
    return spectrum


def stray_line(spec: Pump, pixels: Pixels) -> NDArray[np.float64]:
    """(K,) spectrum of unit area of a transform-limited sech² pump pulse (Δν τ = 0.315)."""
    width = 0.315 / spec.duration * spec.wavelength**2 / 299_792.458
    return pixels.line(spec.wavelength, width)
