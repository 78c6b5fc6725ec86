"""Index change by free carriers: each material has its own model, sign and dispersion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import c, e, epsilon_0, hbar, m_e

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

WAVELENGTH = 1050.0
"""nm, of the laser, at which the paper states Δn."""


def lorentz(density: NDArray[np.float64], wavelength: float = WAVELENGTH) -> NDArray[np.float64]:
    """Δn of CsPbBr3 at a carrier density in cm⁻³ and a wavelength in nm, by Eq. 1 of the paper.

    Resonance 2.36 eV and ε_b = 2.006² (Brennan 2024); m* = 0.36 m_e, twice the reduced mass of
    CsPbBr3; dephasing 0.1 eV, which changes Δn here by less than 0.4 %.
    """
    omega = 2 * np.pi * c / (wavelength * 1e-9)
    resonance = 2.36 * e / hbar
    dephasing = 0.1 * e / hbar
    background = 4.025
    plasma = np.asarray(density) * 1e6 * e**2 / (0.36 * m_e * epsilon_0)
    epsilon = background * (1 + plasma / (resonance**2 - omega**2 - 1j * dephasing * omega))
    return np.sqrt(epsilon).real - np.sqrt(background)


def soref_bennett(
    density: NDArray[np.float64], wavelength: float = WAVELENGTH
) -> NDArray[np.float64]:
    """Δn of silicon at a density of pairs in cm⁻³ and a wavelength in nm: negative.

    Soref and Bennett, IEEE J. Quantum Electron. 23, 123 (1987), given at 1550 nm; the plasma
    effect goes as the wavelength squared.
    """
    pairs = np.maximum(density, 0.0)
    return -((wavelength / 1550) ** 2) * (8.8e-22 * pairs + 8.5e-18 * pairs**0.8)


INDEX_CHANGE: dict[str, Callable[..., NDArray[np.float64]]] = {
    "CsPbBr3": lorentz,
    "Si": soref_bennett,
}


def phase_expansion(material: str, wavelength: float) -> tuple[float, float]:
    """Taylor coefficients of ω Δn(ω)/Δn(ω_c) about ω_c, at a wavelength in nm.

    Returns
    -------
    first, second : float
        First coefficient, 1 where Δn has no dispersion; second one, ps/rad.
    """
    density = np.array(1e19)  # the shape of Δn(ω) hardly depends on it
    carrier = 2 * np.pi * c * 1e-12 / (wavelength * 1e-9)  # rad/ps
    ratio = np.array([0.98, 1.0, 1.02])
    index = [float(INDEX_CHANGE[material](density, wavelength / r)) for r in ratio]
    second, first, _ = np.polyfit(carrier * (ratio - 1), carrier * ratio * index / index[1], 2)
    return float(first), float(second)
