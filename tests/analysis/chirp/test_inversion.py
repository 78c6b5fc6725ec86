"""Regularised inversion of delay scans from the fringe model, whose phase is known."""

import numpy as np
import pytest
from swept_scan import CHIRP, group_delay, swept_scan

from analysis.chirp.inversion import GaussNewton

DELAY = np.arange(-4.0, 6.0, 0.5)  # ps
NODES = np.concatenate([np.arange(-7.0, -1.5, 0.25), np.arange(-1.5, 2.5, 0.1)])
NODES = np.concatenate([NODES, np.arange(2.5, 9.0, 0.25)])
START = np.where(NODES > 0, 0.4, 0.0)
INSIDE = (DELAY[0] < NODES) & (DELAY[-1] - 0.5 > NODES)  # all wavelengths sample these times


def truth(time):
    """A rise of 1.1 ps from 10 to 90 % and a decay of 40 ps, rad."""
    return 0.4 / (1 + np.exp(-time / 0.25)) * np.exp(-time / 40)


def fit(scan, coherent=False, late=None, chirp=()):
    late = group_delay() if late is None else late
    search = GaussNewton(scan, NODES, START, late, np.array(chirp), coherent)
    search.iterate(None)
    return search


@pytest.fixture(scope="module")
def results():
    """Five scans with noise that hides the difference of curve and polygon, h² φ''/12."""
    rngs = map(np.random.default_rng, range(5))
    return [fit(swept_scan(truth, DELAY, rng, noise=5e-3)).result() for rng in rngs]


def test_the_phase_is_the_true_one_within_its_sigma(results):
    pulls = []
    for result in results:
        sigma = np.sqrt(np.diag(result.covariance))
        assert sigma[INSIDE].max() < 0.02
        pulls.append(((result.phase - truth(NODES)) / sigma)[INSIDE])
    assert 0.7 < np.sqrt(np.mean(np.square(pulls))) < 1.3
    late = (NODES > 1) & (NODES < 5)
    assert np.abs(results[0].phase - truth(NODES))[late].max() < 0.01


def test_averaging_kernels_sum_to_one_and_are_narrower_at_the_rise(results):
    kernel = results[0].averaging_kernel
    assert kernel[INSIDE].sum(axis=1) == pytest.approx(np.ones(INSIDE.sum()), abs=0.05)
    spacing = np.gradient(NODES)

    def width(at):  # participation: of a box it is the box's width
        weight = kernel[np.argmin(np.abs(NODES - at))]
        return weight.sum() ** 2 / (weight**2 / spacing).sum()

    assert width(0.0) < 0.6
    assert width(0.0) < 0.5 * width(4.0)


def test_chi2_tells_a_swept_source_from_a_pulse():
    scan = swept_scan(truth, DELAY, np.random.default_rng(9))
    swept, pulse = fit(scan, coherent=False).chi2, fit(scan, coherent=True).chi2
    assert swept == pytest.approx(len(DELAY), rel=0.2)
    assert pulse > 1.1 * swept


def test_the_chirp_is_determined_with_the_phase():
    scan = swept_scan(truth, DELAY, np.random.default_rng(10))
    start = CHIRP + np.array([0.05, -0.03])
    result = fit(scan, late=group_delay(chirp=start), chirp=start).result()
    assert np.abs((result.chirp - CHIRP) / result.chirp_sigma).max() < 4
    assert (result.chirp_sigma < 0.02).all()


def test_a_given_chirp_is_no_part_of_the_result(results):
    assert results[0].chirp.shape == results[0].chirp_sigma.shape == (0,)
