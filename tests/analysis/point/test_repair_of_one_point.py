"""Repairs of a single point: what is replaced and left out, and what the estimate is afterwards."""

import numpy as np
import pytest
from fringes import DARK, frames, parameters, rounded, setup, times

from analysis.point.repair import repair

pytestmark = pytest.mark.usefixtures("interpreted")

SETUP, DELTA = setup(), 0.05
TIME, OPENED = times(48)


def repaired(change):
    """Estimates of a noisy point that `change` damaged, and the error in its own sigmas."""
    p = parameters(pump=np.array([DELTA, 0, 0, 0, 0, 0]))
    counts = rounded(frames(p, OPENED), np.random.default_rng(7))
    change(counts)
    estimates = repair(counts, TIME, OPENED, SETUP)
    sigma = np.sqrt(estimates.terms.total()[0])
    tally = {name: int(values[0]) for name, values in estimates.tally._asdict().items()}
    return estimates, tally, (estimates.delta_phi[0] - DELTA) / sigma


def test_a_cosmic_ray_is_replaced():
    def hit(counts):
        counts[20, 60:62] += 20_000

    estimates, tally, pull = repaired(hit)
    assert estimates.valid[0]
    assert abs(pull) < 4
    assert tally["repaired"] == 2
    assert tally["used"] == 48
    assert tally["masked"] == tally["rejected"] == 0


def test_a_hot_pixel_is_left_out():
    def heat(counts):
        counts[:, 60] += 8000

    _, tally, pull = repaired(heat)
    assert abs(pull) < 4
    assert tally["masked"] == 1
    assert tally["used"] == 48


def test_lost_and_repeated_frames_are_left_out():
    def lose(counts):
        counts[[5, 30]] = DARK
        counts[20] = counts[19]

    _, tally, pull = repaired(lose)
    assert abs(pull) < 4
    assert tally["rejected"] == 3
    assert tally["used"] == 45


def test_saturated_frames_are_left_out_and_their_pixels_are_blind():
    def saturate(counts):
        counts[7, 40:50] = 2**31 - 1

    estimates, tally, pull = repaired(saturate)
    assert abs(pull) < 4
    assert tally["saturated"] == 1
    assert np.isfinite(estimates.counts.difference[0]).all()  # no saturated frame is used


def test_a_point_whose_frames_are_mostly_damaged_has_no_estimate():
    def destroy(counts):
        counts[::2] = counts[::2] // 3 * np.linspace(0.2, 1.8, 144).astype(np.float32)

    with np.errstate(all="ignore"):
        estimates, _, _ = repaired(destroy)
    assert not estimates.valid[0]
