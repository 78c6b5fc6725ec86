"""The window of a biexponential fit, on curves that are biexponential and on one that is not."""

import numpy as np
import pytest

from analysis.kinetics.decay_fit import fit_decay
from analysis.kinetics.window_dependence import window_influence
from ocm_ophyd.twin import load_scenario
from ocm_ophyd.twin.sample import Sample

DELAY = np.concatenate([np.arange(-6, 21, 1.0), np.arange(22, 61, 2.0), np.geomspace(69, 500, 13)])
SIGMA = np.full(DELAY.size, 3.6e-5)  # RIU, 20 chopper periods
WINDOWS = [(4.0, 100.0), (4.0, 150.0), (4.0, 250.0), (4.0, 500.0), (10.0, 150.0)]
FAST, SLOW = 13.4, 170.0  # ps, Table 1
PAPER = 7e-3 * np.exp(-DELAY / FAST) + 6e-3 * np.exp(-DELAY / SLOW)


@pytest.fixture(scope="module")
def plate():
    """Δn of the simulated plate at 0.8 mJ/cm², without noise."""
    return Sample(load_scenario()).delta_n(DELAY, 0.8, 0.0, 0.0)


def test_a_biexponential_has_the_same_times_in_every_window():
    noisy = PAPER + np.random.default_rng(5).normal(0, SIGMA)
    found = window_influence(DELAY, noisy, SIGMA, WINDOWS)
    assert (np.abs(found.tau_lasing - FAST) < 3.5 * found.tau_lasing_sigma).all()
    assert (np.abs(found.tau_fluor - SLOW) < 3.5 * found.tau_fluor_sigma).all()
    assert (found.reduced_chi2 < 2).all()
    np.testing.assert_array_equal(found.start, [window[0] for window in WINDOWS])
    np.testing.assert_array_equal(found.stop, [window[1] for window in WINDOWS])
    assert found.tau_fluor.attrs["units"] == "ps"


def test_a_lasing_plate_has_other_times_in_every_window(plate):
    """13.4 and 179 ps from 4 to 150 ps, the scenario's statement; elsewhere many sigma from it."""
    found = window_influence(DELAY, plate, SIGMA, WINDOWS)
    assert float(found.tau_lasing[1]) == pytest.approx(13.4, abs=0.3)
    assert float(found.tau_fluor[1]) == pytest.approx(179, abs=6)
    assert float(found.tau_fluor[3] - found.tau_fluor[1]) > 5 * float(found.tau_fluor_sigma[1])
    assert float(found.tau_lasing[1] - found.tau_lasing[4]) > 5 * float(found.tau_lasing_sigma[1])
    assert (found.reduced_chi2[:4] > 10).all()  # that much more than the noise the model misses


def test_sigma_is_the_scatter_that_the_noise_makes(plate):
    """About the noise-free curve's own biexponential, though the model misses more than noise."""
    window = (4.0, 150.0)
    truth = fit_decay(DELAY, plate, None, window, model="biexponential")
    rng = np.random.default_rng(11)
    pulls = []
    for _ in range(50):
        found = window_influence(DELAY, plate + rng.normal(0, SIGMA), SIGMA, [window])
        pulls.append(
            [
                (float(found[name][0]) - truth.values[name]) / float(found[f"{name}_sigma"][0])
                for name in ("tau_lasing", "tau_fluor")
            ]
        )
    assert (np.abs(np.mean(pulls, axis=0)) < 0.2 + 0.14).all()  # 50 seeds: ± 0.14
    assert (np.std(pulls, axis=0) > 0.7).all()
    assert (np.std(pulls, axis=0) < 1.3).all()


def test_points_with_uneven_sigma_weigh_the_same(plate):
    """Else the times would follow the weights: a noisier end would make τ_fluor 40 ps longer."""
    uneven = np.where(DELAY > 40, 2.0, 1.0) * SIGMA
    even = window_influence(DELAY, plate, SIGMA, WINDOWS[:2])
    found = window_influence(DELAY, plate, uneven, WINDOWS[:2])
    np.testing.assert_allclose(found.tau_fluor, even.tau_fluor, rtol=1e-4)
    weighted = fit_decay(DELAY, plate, uneven, WINDOWS[1], model="biexponential")
    assert weighted.values["tau_fluor"] - float(even.tau_fluor[1]) > 20


def test_a_window_that_cannot_be_fitted_says_why_and_the_others_stand():
    windows = [(4.0, 6.0), (4.0, 150.0), (600.0, 700.0)]
    single = 1e-2 * np.exp(-DELAY / SLOW)
    found = window_influence(DELAY, PAPER, SIGMA, windows)
    assert np.isfinite(found.tau_lasing).values.tolist() == [False, True, False]
    assert "needs more" in str(found.reason[0].values)
    assert str(found.reason[1].values) == ""
    assert "600 to 700 ps holds no points" in str(found.reason[2].values)
    lonely = window_influence(DELAY, single, SIGMA, [(4.0, 150.0)])
    assert np.isnan(lonely.tau_lasing).all()
    assert str(lonely.reason[0].values)
