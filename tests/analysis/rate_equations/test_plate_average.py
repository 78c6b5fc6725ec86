"""Means over plate and probe, and the Laplacian, against integrals in closed form."""

import numpy as np
import pytest

from analysis.rate_equations.plate_average import plate_nodes

SIZES = [(8.0, 8.0), (6.0, 10.0)]
PROBE = 0.5


@pytest.mark.parametrize("size", SIZES)
def test_means_over_the_plate_are_those_of_the_rectangle(size):
    """<r²> = (a² + b²)/12 and <r⁴> = (a⁴ + b⁴)/80 + a² b²/72 for sides a and b."""
    nodes, (a, b) = plate_nodes(size, PROBE), size
    assert nodes.area.sum() == pytest.approx(1, rel=1e-12)
    assert nodes.area @ nodes.radius**2 == pytest.approx((a**2 + b**2) / 12, rel=1e-6)
    exact = (a**4 + b**4) / 80 + a**2 * b**2 / 72
    assert nodes.area @ nodes.radius**4 == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_means_over_the_probe_are_those_of_its_gaussian(size):
    """<r²> = w²/2, and <exp(−2r²/W²)> = W²/(W² + w²), far from the edges."""
    nodes = plate_nodes(size, PROBE)
    assert nodes.probe.sum() == pytest.approx(1, rel=1e-12)
    assert nodes.probe @ nodes.radius**2 == pytest.approx(PROBE**2 / 2, rel=1e-9)
    pump = np.exp(-2 * (nodes.radius / 2.25) ** 2)
    assert nodes.probe @ pump == pytest.approx(2.25**2 / (2.25**2 + PROBE**2), rel=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_the_laplacian_conserves_carriers_and_smooths(size):
    nodes = plate_nodes(size, PROBE)
    laplacian = (nodes.modes * nodes.decay) @ nodes.inverse
    np.testing.assert_allclose(nodes.modes @ nodes.inverse, np.eye(len(nodes.area)), atol=1e-9)
    np.testing.assert_allclose(laplacian @ np.ones(len(nodes.area)), 0, atol=1e-8)
    np.testing.assert_allclose(nodes.area @ laplacian, 0, atol=1e-8)
    assert (nodes.decay < 1e-9).all()
    assert np.count_nonzero(nodes.decay > -1e-9) == 1
    # symmetric with the weights of the plate: diffusion has no direction
    weighted = nodes.area[:, np.newaxis] * laplacian
    np.testing.assert_allclose(weighted, weighted.T, atol=1e-8)


def test_the_laplacian_of_a_narrow_gaussian_is_that_in_the_open():
    """∇² exp(−2r²/w²) = (16 r²/w⁴ − 8/w²) exp(−2r²/w²), averaged over the probe in the middle."""
    nodes, waist = plate_nodes((8.0, 8.0), PROBE), 1.6
    shape = np.exp(-2 * (nodes.radius / waist) ** 2)
    curvature = (16 * nodes.radius**2 / waist**4 - 8 / waist**2) * shape
    laplacian = (nodes.modes * nodes.decay) @ nodes.inverse
    assert nodes.probe @ (laplacian @ shape) == pytest.approx(nodes.probe @ curvature, rel=2e-3)
