"""Galvo calibration from the edges of a plate, on light that is computed here."""

from itertools import product

import numpy as np
import pytest
from scipy.special import erf

from analysis.calibration.galvo_edges import fit_edges

SCALE, ROTATION, OFFSET = np.array([2.07, 1.94]), 1.3, np.array([0.15, -0.2])
SIZE = (8.0, 6.0)


def lines(steps=13):
    """Volts and crossings of a scan that believes 2 um/V and no rotation."""
    volts = []
    for axis, along, side in product((0, 1), (-0.3, 0.3), (-1, 1)):
        for step in np.linspace(-1.5, 1.5, steps):
            at = np.full(2, along * SIZE[1 - axis])
            at[axis] = side * (SIZE[axis] / 2 + step)
            volts.append(at / 2)
    return np.array(volts), np.repeat(np.arange(8), steps)


def light(volts, noise, rng, near=-0.55):
    """Light of the two faces: the front one turns its sign at the edge, the back one ends."""
    angle = np.deg2rad(ROTATION)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    at = (turn @ (SCALE * volts).T).T + OFFSET
    half = np.array(SIZE) / 2
    inside = (erf(2**0.5 / 0.5 * (half - at)) + erf(2**0.5 / 0.5 * (half + at))) / 2
    share = inside.prod(axis=1)
    brightness = (1 - share + share * near) ** 2 + (0.8 * share) ** 2
    return brightness * (1 + noise * rng.standard_normal(len(brightness)))


@pytest.mark.parametrize("near", [-0.55, 0.6])
def test_scale_rotation_and_centre_are_found_within_their_uncertainties(near):
    volts, edges = lines()
    rng = np.random.default_rng(4)
    pulls = []
    for _ in range(20):
        fit = fit_edges(volts, light(volts, 0.006, rng, near), edges, SIZE, (2.0, 2.0))
        pulls.append(
            [
                *(fit.scale - SCALE) / fit.scale_sigma,
                (fit.rotation - ROTATION) / fit.rotation_sigma,
                *(fit.offset - OFFSET) / fit.offset_sigma,
            ]
        )
        assert fit.scale == pytest.approx(SCALE, rel=5e-3)
        assert fit.rotation == pytest.approx(ROTATION, abs=0.2)
        assert abs(fit.probe_waist - 0.5) < 4 * fit.probe_waist_sigma
    # 100 pulls of a jackknife over eight groups; a nanometre an edge is allowed for besides
    assert 0.2 < np.sqrt(np.mean(np.square(pulls))) < 1.8


def test_what_shows_no_edges_is_refused():
    volts, edges = lines()
    rng = np.random.default_rng(5)
    with pytest.raises(ValueError, match="does not change"):
        fit_edges(volts, rng.normal(1, 0.01, len(volts)), edges, SIZE, (2.0, 2.0))
    with pytest.raises(ValueError, match="two positions or more"):
        fit_edges(volts[:26], np.ones(26), edges[:26], SIZE, (2.0, 2.0))
