"""The whole estimate of points made by the model's equation."""

import numpy as np
import pytest
from fringes import frames, parameters, rounded, setup, spectrum, times

from analysis.fringe.solver import unpumped
from analysis.point.estimates import Estimates
from analysis.point.pipeline import estimate

pytestmark = pytest.mark.usefixtures("interpreted")

SETUP, BINS = setup(), 144
TIME, OPENED = times(48)
RNG = np.random.default_rng(11)


def estimates(points, alive=None):
    """Estimates of points, each counts (F, K)."""
    counts = np.stack(points)
    room = Estimates.empty(len(counts), 48, BINS, BINS, spectra=True)
    time, opened = (np.tile(row, (len(counts), 1)) for row in (TIME, OPENED))
    alive = np.ones(BINS) if alive is None else alive
    estimate(counts, time, opened, alive, SETUP, room, (0, len(counts)))
    return room


def point(delta, **noise):
    return rounded(frames(parameters(pump=np.array([delta, 0, 0, 0, 0, 0])), OPENED, **noise), RNG)


@pytest.mark.parametrize("delta", [0.0, 0.02, 2.0])
def test_the_phase_is_found_within_its_sigma_beside_drift_and_noisy_pulses(delta):
    drift = np.cumsum(0.01 * RNG.standard_normal((4, 48)), axis=1)
    energy = RNG.normal(0, 5e-3, (4, 48))
    result = estimates(
        [point(delta, phase=p, energy=e) for p, e in zip(drift, energy, strict=True)]
    )
    assert result.valid.all()
    assert not result.suspect.any()
    pull = (result.delta_phi - delta) / np.sqrt(result.terms.total())
    assert np.abs(pull).max() < 4
    sigma = np.sqrt(result.terms.total())
    assert (sigma < 0.02).all()
    assert (result.terms.limit <= result.terms.effect).all()


def test_spectra_without_drift_come_with_the_estimates():
    p = parameters(pump=np.array([0.1, 0, 0, 0, 0, 0]))
    drift = 0.05 * np.sin(np.arange(48) / 9)
    result = estimates([rounded(frames(p, OPENED, phase=drift), RNG)])
    off, on = spectrum(unpumped(p)), spectrum(p)
    counts = result.counts.off[0] + result.counts.difference[0]
    assert np.corrcoef(counts, on)[0, 1] > 0.999
    residual = (result.spectra.off[0] - off) * np.sqrt(result.spectra.off_weight[0])
    # Energy and drift of the mean are not the truth's; a straight line and the tangents are free.
    assert np.std(np.diff(residual)) < 3
    assert result.spectra.difference_weight.min() > 0


def test_points_that_are_not_modulated_have_no_estimate():
    room = Estimates.empty(1, 48, BINS, BINS, spectra=False)
    opened = np.full((1, 48), 0.5)
    counts = point(0.1)[np.newaxis]
    estimate(counts, TIME[np.newaxis], opened, np.ones(BINS), SETUP, room, (0, 1))
    assert not room.valid[0]
    assert np.isnan(room.delta_phi[0])


def test_odd_pixels_and_frames_make_a_point_suspect():
    hot, repeated, lost = point(0.02), point(0.02), point(0.02)
    hot[:, 70] += 3000
    repeated[20] = repeated[19]
    lost[5] = 1500
    result = estimates([point(0.02), hot, repeated, lost])
    np.testing.assert_array_equal(result.suspect, [False, True, True, True])


def test_only_the_points_of_the_share_are_filled_in():
    counts = np.stack([point(0.02)] * 3)
    room = Estimates.empty(3, 48, BINS, BINS, spectra=False)
    time, opened = (np.tile(row, (3, 1)) for row in (TIME, OPENED))
    estimate(counts, time, opened, np.ones(BINS), SETUP, room, (1, 2))
    np.testing.assert_array_equal(room.valid, [False, True, False])


def test_bins_that_are_left_out_do_not_count():
    hot = point(0.02)
    hot[:, 70] += 3000
    alive = np.ones(BINS)
    alive[70] = 0
    result = estimates([hot], alive)
    assert not result.suspect[0]
    assert abs(result.delta_phi[0] - 0.02) < 4 * np.sqrt(result.terms.total()[0])
