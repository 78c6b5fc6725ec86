"""Pixels that lie, cosmic rays and lost frames: recognised, left out or mended, and counted."""

import numpy as np
import pytest
from blurred import GLASS, PULSES, Plate, damaged
from handmade import DARK, WAVELENGTH, reduce_complete
from slow_cases import slow_except

pytestmark = pytest.mark.usefixtures("without_installation")

INSIDE = int(np.argmin(np.abs(WAVELENGTH - 1010)))


def hot(frames):
    frames[:, INSIDE] += 20_000


def stuck_high(frames):
    frames[:, INSIDE] = 2**18 - 1


def dead(frames):
    frames[:, INSIDE] = 0


def flickering(frames):
    frames[np.random.default_rng(0).random(len(frames)) < 0.3, INSIDE] += 9_000


@pytest.mark.parametrize("change", [hot, stuck_high, dead, flickering])
def test_a_pixel_that_lies_is_left_out(change):
    result, error = damaged(change)
    assert result["pixels_masked"] == 1
    assert result["frames_used"] == 120
    assert abs(error) < 4
    unharmed, _ = damaged(lambda _: None)
    assert result["delta_n_sigma"] < 1.3 * unharmed["delta_n_sigma"]


@pytest.mark.parametrize("level", [0, DARK, 30_000], ids=["zero", "dark", "stuck"])
@pytest.mark.parametrize("thickness", [1.5, 5.0])
def test_several_pixels_that_see_no_light_are_left_out(level, thickness):
    def kill(frames):
        frames[:, INSIDE + np.array([-60, -20, 0, 35])] = level

    result, error = damaged(kill, thickness=thickness)
    assert 4 <= result["pixels_masked"] <= 12
    assert abs(error) < 4


def test_cosmic_rays_are_taken_out_of_their_frames():
    """Eight hits of 3000 to 60 000 counts, some of three pixels side by side."""
    rng = np.random.default_rng(3)
    struck = np.zeros((120, len(WAVELENGTH)), np.uint32)
    for frame in rng.choice(120, 8, replace=False):
        first = rng.integers(INSIDE - 80, INSIDE + 80)
        width = rng.integers(1, 4)
        struck[frame, first : first + width] = rng.integers(3_000, 60_000, width)

    def hit(frames):
        frames += struck

    result, error = damaged(hit)
    assert result["pixels_repaired"] == np.count_nonzero(struck)
    assert result["pixels_masked"] == 0
    assert result["frames_used"] == 120
    assert abs(error) < 4


@pytest.mark.parametrize("thickness", [1.5, 25.5])
@pytest.mark.parametrize("left", [0.0, 0.4, "nothing"])
def test_frames_that_lost_their_light_are_left_out_and_counted(left, thickness):
    def lose(frames):
        lost = frames[[7, 8, 61]]
        frames[[7, 8, 61]] = 0 if left == "nothing" else DARK + left * (lost - DARK)

    result, error = damaged(lose, thickness=thickness)
    assert result["frames_rejected"] == 3
    assert result["frames_used"] == 117
    assert abs(error) < 4


@pytest.mark.parametrize("stale", [1, 6])
def test_frames_that_are_earlier_ones_once_more_are_left_out_and_counted(stale):
    """Next to it or a period back: the camera had nothing new, and the chopper went on."""

    def repeat(frames):
        for late in (7, 8, 40, 61):
            frames[late] = frames[late - 1]
        frames[100] = frames[100 - stale]

    result, error = damaged(repeat)
    assert result["frames_rejected"] == 5
    assert result["frames_used"] == 115
    assert abs(error) < 4


@pytest.mark.parametrize("share", [0.3, 0.55, 0.7])
def test_many_frames_sent_twice_are_left_out(share):
    rng = np.random.default_rng(2)

    def repeat(frames):
        for late in range(1, len(frames)):
            if rng.random() < share:
                frames[late] = frames[late - 1]

    result, error = damaged(repeat)
    assert abs(result["frames_rejected"] - 120 * share) < 4 * (120 * share * (1 - share)) ** 0.5
    assert result["frames_rejected"] + result["frames_used"] + result["frames_slipped"] == 120
    assert abs(error) < 4


def test_a_camera_that_stands_still_has_no_number():
    def stop(frames):
        frames[:] = frames[0]

    result, _ = damaged(stop)
    assert np.isnan(result["delta_n"])


@pytest.mark.parametrize("part", slow_except([0.2], [0.05, 0.2]))
@pytest.mark.parametrize("count", slow_except([60], [120, 60]))
@pytest.mark.parametrize("thickness", slow_except([1.5], [1.5, 5.0]))
def test_frames_that_lost_a_part_of_their_pixels_are_left_out(thickness, count, part):
    """A block of one frame in every point, less light than a frame may lack altogether."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS, "frames": count}
    scan = Plate(np.full(40, 5e-3), thickness, **noise).dataset(4)
    rng = np.random.default_rng(0)
    band = np.flatnonzero((WAVELENGTH > 925) & (WAVELENGTH < 1125))
    size = round(part * len(band))
    for point in scan["frames"].values:
        first = rng.integers(len(band) - size)
        point[rng.integers(count), band[first : first + size]] = 0
    result = reduce_complete(scan)
    assert (result["frames_rejected"] == 1).mean() > 0.95
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert np.abs(pull).max() < 4.5


def test_frames_without_noise_are_not_taken_for_one_another():
    result = reduce_complete(Plate(np.full(3, 5e-3), attrs=GLASS).dataset())
    assert (result["frames_used"] == 120).all()


@pytest.mark.parametrize("thickness", [1.5, 5.0])
def test_many_lost_frames_cost_no_point(thickness):
    """One of eight; the fringe in the mean of all would be nobody's."""
    scan = Plate(np.full(40, 5e-3), thickness, drift=0.03, attrs=GLASS, **PULSES).dataset(4)
    lost = np.random.default_rng(0).random((40, 120)) < 0.12
    scan["frames"].values[lost] = 0
    result = reduce_complete(scan)
    np.testing.assert_array_equal(result["frames_rejected"], lost.sum(axis=1))
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert np.abs(pull).max() < 4.5


def test_a_point_without_fault_has_none():
    result, error = damaged(lambda _: None)
    frames = ("frames_rejected", "frames_saturated", "frames_slipped")
    for name in (*frames, "pixels_repaired", "pixels_masked"):
        assert result[name] == 0
    assert abs(error) < 4


def test_a_pixel_of_the_fluorescence_does_not_matter():
    def glow(frames):
        frames[50, np.argmin(np.abs(WAVELENGTH - 530))] += 50_000

    result, error = damaged(glow)
    unharmed, _ = damaged(lambda _: None)
    assert float(result["delta_n"]) == pytest.approx(float(unharmed["delta_n"]), rel=1e-6)
    assert abs(error) < 4
