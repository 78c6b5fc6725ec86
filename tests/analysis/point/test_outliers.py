"""Cheap checks of pixels and frames."""

import numpy as np
import pytest
from fringes import LIGHT, setup, times

from analysis.point.demodulation import Extremes, SpectrumPair
from analysis.point.frame_phases import FramePhases
from analysis.point.outliers import ceiling, has_odd_pixel, odd_bins, repeats

pytestmark = pytest.mark.usefixtures("interpreted")

SETUP = setup()
BINS = len(SETUP.bins.light)
_, OPENED = times(48)


def test_a_bin_stands_out_and_its_neighbours_do_not():
    residual = 1e-4 * np.random.default_rng(0).standard_normal(BINS)
    residual[50] += 0.05
    odd = odd_bins(residual, np.full(BINS, 1e8), np.ones(BINS))
    np.testing.assert_array_equal(np.flatnonzero(odd), [50])


def test_no_bin_stands_out_from_a_smooth_misfit_or_by_noise_alone():
    smooth = 0.05 * np.sin(np.arange(BINS) / 10)
    assert not odd_bins(smooth, np.full(BINS, 1e8), np.ones(BINS)).any()
    noise = 0.05 * np.random.default_rng(1).standard_normal(BINS)
    assert not odd_bins(noise, np.full(BINS, 0.05**-2), np.ones(BINS)).any()


def test_a_bin_beside_one_that_is_left_out_is_not_judged():
    residual, alive = np.zeros(BINS), np.ones(BINS)
    residual[50], alive[51] = 0.05, 0.0
    assert not odd_bins(residual, np.full(BINS, 1e8), alive).any()


def test_a_frame_repeats_if_all_lit_pixels_do():
    frames = np.random.default_rng(2).integers(0, 1000, (10, 30)).astype(np.uint32)
    pixels = np.arange(5, 25)
    assert not repeats(frames, pixels)
    frames[6, 5:25] = frames[5, 5:25]
    assert repeats(frames, pixels)
    frames[6, 24] += 1
    assert not repeats(frames, pixels)


@pytest.mark.parametrize(("top", "at", "expected"), [
    (50_000, [10, 11, 12, 40], 50_000),
    (50_000, [10, 20, 30, 40], np.inf),  # not side by side, and no power of two
    (2**16 - 1, [10, 20, 30, 40], 2**16 - 1),
    (50_000, [10, 11, 12], np.inf),
])  # fmt: skip
def test_a_count_that_pixels_share_is_a_ceiling(top, at, expected):
    high = np.arange(BINS).astype(np.uint32)
    high[at] = top
    assert ceiling(high, SETUP) == expected


def still(phase=0.0):
    none = np.zeros(48)
    return FramePhases(np.full(48, phase), none, none, OPENED, none, none)


def odd_pixel(change_high=0, change_low=0, phase=0.0):
    """Whether a pixel whose extremes are 4 sigma from its mean, but for the change, is odd."""
    mean = SETUP.bins.dark + 0.8 * LIGHT
    sums = SpectrumPair(mean, np.zeros(BINS))
    sigma = np.sqrt(0.8 * LIGHT / SETUP.bins.gain + SETUP.bins.fixed[0])
    high, low = np.rint(mean + 4 * sigma).astype(np.uint32), np.rint(mean - 4 * sigma)
    low = low.astype(np.uint32)
    high[30] = int(high[30]) + change_high
    low[31] = int(low[31]) - change_low
    tangents = np.full((2, 5, BINS), 0.3)
    extremes = Extremes(np.uint32(high.max()), high, low)
    return has_odd_pixel(extremes, sums, tangents, still(phase), 0.5, np.ones(BINS), SETUP)


def test_noise_and_drift_are_not_odd_and_what_is_beyond_them_is():
    assert not odd_pixel()
    assert odd_pixel(change_high=600)
    assert odd_pixel(change_low=600)
    assert not odd_pixel(change_high=600, phase=0.1)
    assert odd_pixel(change_high=6000, phase=0.1)


def test_a_pixel_that_stands_still_is_odd():
    sigma = np.sqrt(0.8 * LIGHT / SETUP.bins.gain + SETUP.bins.fixed[0])
    assert odd_pixel(change_high=-round(4 * sigma))
