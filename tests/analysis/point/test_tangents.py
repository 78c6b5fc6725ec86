"""Tangents of spectra against finite differences of the model's equation."""

import numpy as np
import pytest
from fringes import model, parameters, spectrum, tilt

from analysis.fringe.solver import derivatives, unpumped
from analysis.point.tangents import (
    BY_PHASE,
    BY_PHASE_TWICE,
    BY_PUMP,
    BY_TILT,
    KINDS,
    OPEN,
    SPECTRUM,
    fill_tangents,
    mix,
)

pytestmark = pytest.mark.usefixtures("interpreted")

GRID, P = model().grid, parameters()


def tangents(p):
    result = np.empty((KINDS, len(GRID.axes.tilt)))
    fill_tangents(p, derivatives(p, GRID.axes)[1], spectrum(p), GRID.axes, result)
    return result


def test_tangents_are_derivatives():
    rows, h = tangents(P), 1e-4
    high, low, middle = spectrum(P, h), spectrum(P, -h), spectrum(P)
    pump = np.zeros(13)
    pump[7] = h
    np.testing.assert_allclose(rows[SPECTRUM], middle)
    np.testing.assert_allclose(rows[BY_PHASE], (high - low) / (2 * h), atol=1e-7)
    second = (high - 2 * middle + low) / h**2
    np.testing.assert_allclose(rows[BY_PHASE_TWICE], second, atol=1e-5)
    np.testing.assert_allclose(rows[BY_TILT], middle * tilt())
    numeric = (spectrum(P + pump) - spectrum(P - pump)) / (2 * h)
    np.testing.assert_allclose(rows[BY_PUMP], numeric, atol=1e-7)


def test_a_partly_open_frame_has_the_mixture_of_tangents_and_of_variances():
    both = np.stack([tangents(unpumped(P)), tangents(P)])
    closed, opened = np.full(144, 4.0), np.full(144, 2.0)
    opened[7] = closed[7] = 0.0
    mixed, weight = np.empty(both[0].shape), np.zeros(144)
    mix(both, closed, opened, 0.25, mixed, weight)
    np.testing.assert_allclose(mixed, 0.75 * both[0] + 0.25 * both[OPEN])
    np.testing.assert_allclose(np.delete(weight, 7), 1 / (0.75 / 4 + 0.25 / 2))
    assert weight[7] == 0
