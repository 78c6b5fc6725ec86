"""Materials: the refractive index against the carrier density, and the emission, of each of them.

`MATERIALS` is the registry; the attribute `material` of a raw or reduced dataset chooses. A new
material is one entry there. Carrier densities are in cm⁻³, wavelengths in nm, index changes in
refractive-index units. Every function takes and returns arrays. All models are continued as odd
functions (or analytically) through zero, so that noise around Δn = 0 stays noise around N = 0.

Examples
--------
The carrier density of CsPbBr3 that changes the index by 0.01 at 1050 nm, in cm⁻³:

>>> from analysis import materials
>>> f"{materials.find_material('CsPbBr3').carrier_density(0.01):.2g}"
'1.1e+19'
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import constants

from ocm_ophyd.errors import DataError

__all__ = [
    "MATERIALS",
    "PROBE_WAVELENGTH",
    "Lorentz",
    "Material",
    "SorefBennett",
    "find_material",
]

PROBE_WAVELENGTH = 1050.0
"""Wavelength in nm at which the paper, and this project, quote Δn and convert it (Table 1)."""

_PER_CUBIC_CM = 1e6  # m^-3 in one cm^-3


class Material(Protocol):
    """A model that converts carrier densities to index changes and back.

    Attributes
    ----------
    emission_band : tuple of float or None
        First and last wavelength of the luminescence and of laser lines, nm; None for a material
        that does not emit in the spectrometer's range.
    """

    @property
    def emission_band(self) -> tuple[float, float] | None:
        """First and last wavelength of the emission, nm."""

    def delta_n(
        self, carrier_density: ArrayLike, wavelength: ArrayLike = PROBE_WAVELENGTH
    ) -> NDArray[np.float64]:
        """Return the index change of `carrier_density` (cm⁻³) at `wavelength` (nm)."""

    def carrier_density(
        self, delta_n: ArrayLike, wavelength: ArrayLike = PROBE_WAVELENGTH
    ) -> NDArray[np.float64]:
        """Return the carrier density in cm⁻³ of an index change at `wavelength` (nm)."""


@dataclass(frozen=True)
class Lorentz:
    """Undamped Lorentz oscillator of the paper's Eq. 1.

    Damping up to ħΓ = 0.2 eV changes Δn at 1050 nm by less than 0.4 %, so Γ = 0 and both directions
    are exact.

    Parameters
    ----------
    gap : float
        ħω0 in eV.
    background : float
        Background dielectric constant ε_b.
    mass : float
        Effective mass m* in electron masses.
    emission_band : tuple of float, optional
        See `Material`.
    """

    gap: float
    background: float
    mass: float
    emission_band: tuple[float, float] | None = None

    def _density_per_strength(self) -> float:
        """Return the carrier density in cm⁻³ for ω_p² of 1 s⁻²: m* ε0 / e²."""
        mass = self.mass * constants.m_e
        return mass * constants.epsilon_0 / constants.e**2 / _PER_CUBIC_CM

    def _detuning(self, wavelength: ArrayLike) -> NDArray[np.float64]:
        """Return ω0² − ω² in s⁻²."""
        resonance = self.gap * constants.e / constants.hbar
        omega = 2 * np.pi * constants.c / (np.asarray(wavelength, float) * 1e-9)
        return resonance**2 - omega**2

    def delta_n(
        self, carrier_density: ArrayLike, wavelength: ArrayLike = PROBE_WAVELENGTH
    ) -> NDArray[np.float64]:
        """Return the index change of Eq. 1, exact: √ε_b (√(1 + ω_p²/(ω0² − ω²)) − 1)."""
        strength = np.asarray(carrier_density, float) / self._density_per_strength()
        return np.sqrt(self.background) * (np.sqrt(1 + strength / self._detuning(wavelength)) - 1)

    def carrier_density(
        self, delta_n: ArrayLike, wavelength: ArrayLike = PROBE_WAVELENGTH
    ) -> NDArray[np.float64]:
        """Return the carrier density of Eq. 1, the exact inverse of `delta_n`."""
        ratio = 1 + np.asarray(delta_n, float) / np.sqrt(self.background)
        return (ratio**2 - 1) * self._detuning(wavelength) * self._density_per_strength()

    def carrier_density_asymptotic(self, delta_n: ArrayLike) -> NDArray[np.float64]:
        """Return the carrier density of Eq. 2, the limit ω → 0 and ω_p ≪ ω0.

        It is 1.33 times that of Eq. 1 at 1050 nm.
        """
        static = 2 * self._detuning(np.inf) * self._density_per_strength()
        return static * np.asarray(delta_n, float) / np.sqrt(self.background)


@dataclass(frozen=True)
class SorefBennett:
    """Free carriers in silicon, as many holes as electrons: Δn = −(a N + b N^0.8) (λ/λ_s)².

    R. A. Soref and B. R. Bennett, IEEE J. Quantum Electron. 23, 123 (1987), Δn at 1.3 um: electrons
    6.2e-22 N, holes 6.0e-18 N^0.8. The λ² is Drude's; between their 1.3 and 1.55 um values it holds
    to 0.3 %.

    Parameters
    ----------
    electrons, holes : float
        Coefficients a (cm³) and b (cm^2.4) at `measured_at`.
    measured_at : float
        λ_s in nm.
    emission_band : tuple of float, optional
        See `Material`.
    """

    electrons: float = 6.2e-22
    holes: float = 6.0e-18
    measured_at: float = 1300.0
    emission_band: tuple[float, float] | None = None

    def delta_n(
        self, carrier_density: ArrayLike, wavelength: ArrayLike = PROBE_WAVELENGTH
    ) -> NDArray[np.float64]:
        """Return the index change, negative for carriers."""
        density = np.asarray(carrier_density, float)
        size = np.abs(density)
        scale = (np.asarray(wavelength, float) / self.measured_at) ** 2
        return -np.sign(density) * scale * (self.electrons * size + self.holes * size**0.8)

    def carrier_density(
        self, delta_n: ArrayLike, wavelength: ArrayLike = PROBE_WAVELENGTH
    ) -> NDArray[np.float64]:
        """Return the carrier density, by Newton's method on N^0.2: Δn is smooth and monotone."""
        change = np.asarray(delta_n, float)
        scale = (np.asarray(wavelength, float) / self.measured_at) ** 2
        target = np.abs(change) / scale
        # From above the function (convex in the root) Newton's steps descend monotonically.
        root = (target / self.holes) ** 0.25
        for _ in range(30):
            value = self.electrons * root**5 + self.holes * root**4 - target
            slope = 5 * self.electrons * root**4 + 4 * self.holes * root**3
            step = np.divide(value, slope, out=np.zeros_like(root), where=slope > 0)
            root = root - step
        return -np.sign(change) * root**5


MATERIALS: Mapping[str, Material] = MappingProxyType(
    {
        # ħω0 and m* give the paper's 1.09e19 (Eq. 1) and 1.45e19 (Eq. 2) for Δn = 1e-2 with nothing
        # tuned; ε_b = n(1050 nm)², n = 2.006 (Brennan 2024, refractiveindex.info); m* = twice the
        # reduced mass 0.18. The band holds all but a thousandth of the luminescence and the laser
        # lines (paper, Fig. 2b): light of the wings outside it would be taken for laser light.
        "CsPbBr3": Lorentz(gap=2.36, background=2.006**2, mass=0.36, emission_band=(505.0, 560.0)),
        "Si": SorefBennett(),
    }
)
"""Materials with a Δn(N) model, by the name in `/entry/sample/material` of a raw file."""


def find_material(name: str) -> Material:
    """Return the material of this name.

    Raises
    ------
    DataError
        The registry has no such material; the message names those that it has.
    """
    try:
        return MATERIALS[name]
    except KeyError:
        msg = f"material {name!r} has no model; analysis.materials has {', '.join(MATERIALS)}"
        raise DataError(msg) from None
