"""Weighted sums over frames and pixels against numpy in double precision."""

import numpy as np
import pytest

from analysis.point.demodulation import FrameWeights, SpectrumPair, demodulate, project

pytestmark = pytest.mark.usefixtures("interpreted")

RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 200_000, (130, 40)).astype(np.uint32)  # more than two sums in 32 bits


def test_sums_are_exact_to_a_part_of_the_shot_noise():
    weights = FrameWeights(*RNG.normal(0, 0.1, (2, len(FRAMES))))
    sums = SpectrumPair(np.full(40, np.nan), np.full(40, np.nan))
    extremes = demodulate(FRAMES, weights, sums, (10, 30))
    noise = np.sqrt(1e5 / 4.0 * len(FRAMES)) * 0.1  # of the sums, at 4 electrons per count
    for result, weight in zip(sums, weights, strict=True):
        assert np.abs(result - weight @ FRAMES).max() < 0.01 * noise
    assert extremes.largest == FRAMES.max()
    np.testing.assert_array_equal(extremes.high[10:30], FRAMES[:, 10:30].max(axis=0))
    np.testing.assert_array_equal(extremes.low[10:30], FRAMES[:, 10:30].min(axis=0))


def test_functionals_of_two_frames():
    matrix, out = RNG.normal(0, 1, (3, 40)).astype(np.float32), np.zeros((3, 5))
    project(FRAMES[0], FRAMES[1], matrix, (4, 2), out)
    np.testing.assert_allclose(out[:, 4], matrix @ FRAMES[0].astype(float), rtol=1e-3, atol=10)
    np.testing.assert_allclose(out[:, 2], matrix @ FRAMES[1].astype(float), rtol=1e-3, atol=10)
    assert not out[:, [0, 1, 3]].any()
