"""The microlaser as the paper describes it, seen without noise."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from ocm_ophyd.twin.carriers import solve
from ocm_ophyd.twin.sample import Sample, Spot

CENTRE = Spot(0.0, 0.0, 2.25)
PLATE = (8.0, 8.0)


@pytest.fixture(scope="module")
def sample(quiet):
    return quiet.sample


def two_exponentials(t, a, b, fast, slow):
    return a * np.exp(-t / fast) + b * np.exp(-t / slow)


def test_kinetics_above_threshold_have_the_papers_two_times(sample):
    """From 4 to 150 ps: the window that the scenario states."""
    time = np.concatenate([np.arange(4, 20, 1.0), np.arange(20, 60, 2.0), np.geomspace(60, 150, 6)])
    delta_n = sample.delta_n(time, 0.8, 0, 0)
    (_, _, fast, slow), _ = curve_fit(
        two_exponentials, time, delta_n / 1e-2, p0=[0.7, 0.5, 10, 200], bounds=(0, np.inf)
    )
    assert fast == pytest.approx(13.4, abs=1.3)
    assert slow == pytest.approx(170, abs=20)


def test_kinetics_below_threshold_are_slow(sample):
    time = np.linspace(0.5, 250, 500)
    delta_n = sample.delta_n(time, 0.35, 0, 0)
    relaxation = np.interp(-np.exp(-1), -delta_n / delta_n[0], time)
    assert 100 < relaxation < 250


def test_relaxation_is_under_20_ps_well_above_threshold(sample):
    time = np.linspace(0.5, 100, 400)
    delta_n = sample.delta_n(time, 0.95, 0, 0)
    assert np.interp(-np.exp(-1), -delta_n / delta_n[0], time) < 20


def test_laser_line_has_its_inflection_at_the_papers_threshold(sample):
    """The steepest place of the line's S-curve, log-log: a parabola through the largest slopes."""
    fluence = np.geomspace(0.45, 0.75, 13)
    line = np.array([sample.carriers(float(f)).coherent for f in fluence])
    slope = np.gradient(np.log(line), np.log(fluence))
    top = int(np.argmax(slope))
    near = slice(top - 2, top + 3)
    a, b, _ = np.polyfit(np.log(fluence[near]), slope[near], 2)
    assert np.exp(-b / (2 * a)) == pytest.approx(0.57, abs=0.01)


def test_gain_equals_loss_where_lasing_begins(sample):
    mean = sample.created(0.561, CENTRE).mean()
    assert sample.rates.gain * mean == pytest.approx(sample.rates.photon_loss)
    light = {f: sample.carriers(f) for f in (0.45, 0.8)}
    assert light[0.45].coherent < 0.01 * light[0.45].spontaneous
    assert light[0.8].coherent > 0.4 * light[0.8].spontaneous


def test_index_change_at_threshold_is_the_papers(sample):
    assert float(sample.delta_n(0.3, 0.57, 0, 0)) == pytest.approx(1.0e-2, rel=0.015)


def test_index_change_right_after_the_pump_is_linear_in_fluence(sample):
    fluence = np.linspace(0.1, 1.1, 11)
    delta_n = np.array([float(sample.delta_n(0.3, f, 0, 0)) for f in fluence])
    slope = (fluence @ delta_n) / (fluence @ fluence)
    assert np.abs(delta_n - slope * fluence).max() < 0.02 * delta_n.max()


def test_carriers_appear_during_the_pump_pulse(sample):
    before, middle, after = sample.delta_n([-0.15, 0.0, 0.15], 0.35, 0, 0)
    assert before < 1e-3 * after
    assert middle / after == pytest.approx(0.5, abs=0.01)


def test_map_is_the_cloud_blurred_by_the_probe(sample):
    x = np.linspace(-2.5, 2.5, 26)
    profile = np.array([float(sample.delta_n(0.3, 0.35, at, 0.0)) for at in x])
    (_, width), _ = curve_fit(
        lambda x, a, w: a * np.exp(-2 * (x / w) ** 2), x, profile * 100, p0=[1, 2]
    )
    assert width == pytest.approx(np.hypot(2.25, 0.5), rel=3e-3)


def test_cloud_follows_the_pump(sample):
    spot = Spot(1.0, -0.5, 2.25)
    assert float(sample.delta_n(1, 0.4, 1.0, -0.5, spot)) > float(
        sample.delta_n(1, 0.4, 0.0, 0.0, spot)
    )


def test_interpolation_between_fluences_agrees_with_a_direct_solution(sample):
    direct = solve(sample.created(0.8037, CENTRE), PLATE, sample.rates)
    cloud = sample.carriers(0.8037)
    scale = float(direct.density.max())
    assert np.abs(cloud.density - direct.density).max() < 1e-3 * scale
    assert cloud.coherent == pytest.approx(direct.coherent, rel=1e-3)


def test_time_steps_are_fine_enough(sample):
    coarse = solve(sample.created(1.1, CENTRE), PLATE, sample.rates)
    fine = solve(sample.created(1.1, CENTRE), PLATE, sample.rates, step=0.01)
    assert np.abs(coarse.density - fine.density).max() < 5e-4 * float(fine.density.max())


def test_half_the_probe_is_on_the_plate_at_its_edge(sample):
    assert sample.coverage(0, 0) == pytest.approx(1)
    assert sample.coverage(4, 0) == pytest.approx(0.5)
    assert sample.coverage(4, -4) == pytest.approx(0.25)
    assert sample.coverage(20, 0) == pytest.approx(0)
    assert float(sample.delta_n(1, 0.5, 20, 0)) == 0


def test_damage_is_permanent_and_local(scenario):
    sample = Sample(scenario)
    dose = {"fluence": 2.8, "spot": CENTRE, "seconds": 10.0}
    before = sample.created(0.5, CENTRE)
    sample.irradiate(1.3, CENTRE, 1e4)
    np.testing.assert_array_equal(sample.created(0.5, CENTRE), before)
    sample.irradiate(**dose)
    after = sample.created(0.5, CENTRE)
    # Twice the damage fluence in the middle: 2 %/s for ten seconds.
    assert (after / before).min() == pytest.approx(np.exp(-0.2), rel=0.01)
    assert (after / before)[0, 0] == 1


def test_without_pump_nothing_happens(sample):
    np.testing.assert_array_equal(sample.delta_n([-1.0, 0.0, 5.0], 0.0, 0, 0), 0)


def test_old_solutions_are_dropped_and_found_again(scenario, sample, monkeypatch):
    monkeypatch.setattr("ocm_ophyd.twin.sample.KEPT", 2)
    forgetful = Sample(scenario)
    for fluence in (0.3, 0.5, 0.3):
        expected = sample.delta_n(10.0, fluence, 0, 0)
        np.testing.assert_array_equal(forgetful.delta_n(10.0, fluence, 0, 0), expected)
    assert len(forgetful._solved) == 2
