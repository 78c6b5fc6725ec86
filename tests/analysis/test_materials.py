"""Carriers and index change."""

import numpy as np
import pytest
from scipy import constants

from analysis.materials import MATERIALS

PEROVSKITE, SILICON = MATERIALS["CsPbBr3"], MATERIALS["Si"]


def test_published_pair_of_densities():
    """Δn = 1e-2 at 1050 nm is 1.09e19 by Eq. 1 and 1.45e19 by Eq. 2."""
    assert PEROVSKITE.carrier_density(1e-2) == pytest.approx(1.09e19, rel=0.005)
    assert PEROVSKITE.carrier_density_asymptotic(1e-2) == pytest.approx(1.45e19, rel=0.005)


def test_lorentz_is_equation_1_with_a_little_damping():
    """Eq. 1 in complex numbers with ħΓ = 0.1 eV, written out, differs by less than 0.4 %."""
    density, energy = 1.1e25, constants.h * constants.c / 1050e-9 / constants.e
    plasma = constants.e**2 * density / (0.36 * constants.m_e * constants.epsilon_0)
    plasma *= (constants.hbar / constants.e) ** 2  # in eV²
    ratio = plasma / (2.36**2 - energy**2 - 0.1j * energy)
    expected = np.sqrt(2.006**2 * (1 + ratio)).real - 2.006
    assert PEROVSKITE.delta_n(1.1e19) == pytest.approx(expected, rel=4e-3)


@pytest.mark.parametrize("material", MATERIALS.values(), ids=MATERIALS)
@pytest.mark.parametrize("wavelength", [950.0, 1050.0, 1300.0])
def test_both_directions_are_inverse(material, wavelength):
    density = np.concatenate([-np.geomspace(1e15, 1e19, 9), [0.0], np.geomspace(1e15, 1e20, 11)])
    back = material.carrier_density(material.delta_n(density, wavelength), wavelength)
    np.testing.assert_allclose(back, density, rtol=1e-9, atol=1e4)


def test_silicon_has_the_other_sign_and_the_published_size():
    """Soref and Bennett's own equation at 1.55 um: -(8.8e-22 N + 8.5e-18 N^0.8)."""
    density = 1e18
    published = -(8.8e-22 * density + 8.5e-18 * density**0.8)
    assert SILICON.delta_n(density, 1550.0) == pytest.approx(published, rel=0.01)
    assert PEROVSKITE.delta_n(density) > 0 > SILICON.delta_n(density)
