"""Frames that a camera cuts off below the count that its file notes, told from smooth ones."""

import numpy as np
import pytest
from blurred import GLASS, PULSES, Plate, damaged
from handmade import reduce_complete

from analysis.point.outliers import ends_at

pytestmark = pytest.mark.usefixtures("without_installation")


@pytest.mark.parametrize("ceiling", [110_000, 2**17 - 1])
def test_frames_clipped_below_the_full_well_are_noticed(ceiling):
    """A camera of fewer bits whose file does not say so: its top is where several pixels end."""

    def clip(frames):
        frames[::10] = (frames[::10] * 1.7).astype(np.uint32)
        np.minimum(frames, ceiling, out=frames)

    result, error = damaged(clip, drift=0.0)
    assert result["frames_saturated"] == 12
    assert result["frames_used"] == 108
    assert abs(error) < 4


def test_frames_that_are_clipped_just_above_the_others_are_noticed():
    def clip(frames):
        most = np.delete(frames, np.s_[::10], axis=0).max()
        frames[::10] = np.minimum((frames[::10] * 1.15).astype(np.uint32), most + 50)

    result, error = damaged(clip, drift=0.0)
    assert result["frames_saturated"] == 12
    assert result["frames_used"] == 108
    assert abs(error) < 4


def test_a_point_whose_frames_are_all_cut_off_has_no_number():
    """What is left of the band would be right to some sigmas only."""
    scan = Plate([1e-2], phase=2.2, attrs=GLASS, **PULSES).dataset(seed=4)
    cut = np.minimum(scan["frames"], np.uint32(0.9 * scan["frames"].max()))
    result = reduce_complete(scan.assign(frames=cut))
    assert result["frames_saturated"] == 120
    assert result["frames_used"] == 0
    assert np.isnan(result["delta_n"])


PIXEL = np.arange(-140, 141)


def crest(peak, width):
    return np.rint(peak * np.exp(-((PIXEL / width) ** 2) / 2)).astype(np.uint32)


@pytest.mark.parametrize(("peak", "width"), [(800, 30), (800, 100), (3000, 300), (20_000, 1000)])
def test_a_smooth_crest_that_rounding_makes_flat_is_not_cut_off(peak, width):
    flat = crest(peak, width)
    assert np.count_nonzero(flat == peak) >= 3
    assert not ends_at(peak, np.stack([flat, crest(0.9 * peak, width)]))
    for dead in (138, 140, 142, 145):
        struck = flat.copy()
        struck[dead] = 0
        assert not ends_at(peak, np.stack([struck, crest(0.9 * peak, width)]))


@pytest.mark.parametrize("peak", [200, 400, 1000])
def test_crests_of_many_fringes_that_share_a_count_are_not_cut_off(peak):
    phases = np.arange(0, 2 * np.pi, 0.1)
    frames = peak / 2 * (1 + np.cos(2 * np.pi * 20 * PIXEL / 281 + phases[:, np.newaxis]))
    frames = np.rint(frames).astype(np.uint32)
    assert not ends_at(frames.max(), frames)


@pytest.mark.parametrize(
    ("peak", "width", "noise", "end"),
    [(1150, 100, 1, 1000), (3300, 100, 5, 3000), (21_000, 300, 5, 20_000), (120_000, 30, 150, 1e5)],
)
def test_what_is_cut_off_is_noticed_on_coarse_and_fine_converters(peak, width, noise, end):
    rng = np.random.default_rng(1)
    brightness = np.where(np.arange(120) % 10, 0.8 * end / peak, 1.0)[:, np.newaxis]
    frames = brightness * crest(peak, width) + noise * rng.standard_normal((120, 281))
    frames = np.minimum(np.rint(np.maximum(frames, 0)), end).astype(np.uint32)
    assert ends_at(end, frames)
    frames[::10] = end  # all of the band
    assert ends_at(end, frames)
