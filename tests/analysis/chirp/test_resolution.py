"""The microscope's own frames of a step of Δn, quiet and noisy: the bars of the time resolution."""

import numpy as np
import pytest
from handmade import reduce_complete

from analysis.kinetics.rise_time import measure_rise
from benchmarks.accuracy.resolution import DELAY, HEIGHT, ZERO, measure

pytestmark = pytest.mark.usefixtures("without_installation")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("known", "longest"), [(True, 0.30), (False, 0.40)])
@pytest.mark.parametrize("quiet", [True, False])
def test_a_step_from_raw_frames(quiet, known, longest):
    reduced = reduce_complete(measure(quiet, chirp_known=known, seed=1))
    time, delta_n, sigma = (
        reduced[f"chirp_resolved_{name}"].values for name in ("delay", "delta_n", "delta_n_sigma")
    )
    rise = measure_rise(time, delta_n, sigma)
    assert rise.duration.value < longest
    assert abs(rise.middle.value - ZERO) < 0.05
    plateau = (time > ZERO + 0.3) & (time < DELAY[-1])
    assert np.abs(delta_n[plateau] / HEIGHT - 1).max() < 0.02
    late = (time > ZERO + 2) & (time < DELAY[-1])
    assert np.abs(delta_n[late] / HEIGHT - 1).max() < 0.01
