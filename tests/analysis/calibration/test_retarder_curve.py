"""Malus' law behind a liquid crystal: the curve, its zero and what it is checked by."""

import numpy as np
import pytest
from slow_cases import slow_except

from analysis.calibration.retarder_curve import (
    check_curve,
    corrected_power,
    fit_retarder,
    relative_change,
)

VOLTAGE = np.linspace(0, 10, 41)
FULL = 6e-6  # W


def malus(voltage, waves=0.53, exponent=1.5):
    above = np.maximum(np.asarray(voltage) - 1.2, 0) / 1.1
    retardance = 2 * np.pi * waves / (1 + above**exponent)
    return FULL * (0.002 + 0.998 * np.sin(retardance / 2) ** 2)


def strange(voltage):
    """A monotonic curve that no liquid crystal has: a kink, and a step of the slope."""
    return FULL * np.interp(voltage, [0, 2, 2.2, 6, 6.1, 10], [0.95, 0.9, 0.6, 0.55, 0.2, 0.01])


@pytest.mark.parametrize(
    ("waves", "exponent"), slow_except([(2.2, 1.5)], [(0.53, 1.5), (0.7, 1.0), (2.2, 1.5)])
)
def test_the_fitted_branch_gives_powers_within_their_uncertainty(waves, exponent):
    rng = np.random.default_rng(7)
    pulls = []
    for _ in range(8):
        truth = malus(VOLTAGE, waves, exponent)
        sigma = 1e-3 * truth + 1e-11
        curve = fit_retarder(VOLTAGE, truth + sigma * rng.standard_normal(41), sigma)
        assert curve.note.startswith("Malus")
        steps = np.diff(curve.power)
        assert (np.diff(curve.voltage) > 0).all()
        assert (steps > 0).all() or (steps < 0).all()
        assert np.ptp(curve.power) > 0.9 * FULL
        middle = np.argmin(np.abs(curve.power - curve.power.max() / 2))
        off = curve.power[middle] / malus(curve.voltage[middle], waves, exponent) - 1
        pulls.append(off / curve.relative_sigma)
        assert abs(off) < 0.003
    assert np.sqrt(np.mean(np.square(pulls))) < 1.8
    assert curve.retardance == pytest.approx(waves, abs=5 * curve.retardance_sigma)


def test_a_curve_that_is_no_liquid_crystals_is_interpolated_and_its_note_says_so():
    power = strange(VOLTAGE)
    curve = fit_retarder(VOLTAGE, power, 1e-3 * power)
    assert "misses" in curve.note
    assert np.isnan(curve.retardance)
    np.testing.assert_allclose(curve.power, strange(curve.voltage), rtol=1e-6)


def test_the_meters_drifting_zero_is_taken_out():
    time = np.arange(60.0) * 10
    zero = 4e-9 * np.cos(2 * np.pi * time / 3600)
    dark = np.arange(60) % 6 == 0
    dark[-1] = True
    truth = np.where(dark, 0.0, malus(np.linspace(1.4, 10, 60)))
    sigma = np.where(dark, 0.0, 1e-3 * truth)
    power, corrected_sigma = corrected_power(time, truth + zero, sigma, dark)
    # what a straight line over a minute misses: 4 nW (2 pi 60/3600)^2 / 8
    np.testing.assert_allclose(power, truth[~dark], atol=6e-12)
    np.testing.assert_allclose(corrected_sigma[:10], 1e-3 * truth[~dark][:10], rtol=0.05)
    with pytest.raises(ValueError, match="closed and open"):
        corrected_power(time, truth, sigma, np.zeros(60, bool))


def test_drift_and_deviation_are_relative():
    assert relative_change([2.0, 2.1], [0.002, 0.002]) == pytest.approx((0.05, 0.002 / 2 * 2**0.5))
    table = np.linspace(1.5, 9, 121)
    at = table[[10, 40, 90]]
    deviation, sigma = check_curve(table, malus(table), at, 1.01 * malus(at), 1e-3 * malus(at))
    assert deviation == pytest.approx(0.01, rel=1e-6)
    assert sigma == pytest.approx(1e-3 / 3**0.5)


def test_a_crystal_that_rests_at_full_power_is_cut_where_it_begins_to_turn():
    """Half a wave at rest, threshold 1.3 V: the power is flat up to there, and a table of equal
    powers could not be inverted.
    """
    volts = np.linspace(0, 10, 41)
    above = np.maximum(volts - 1.3, 0) / 1.1
    power = 2e-6 * (0.002 + 0.998 * np.sin(np.pi * 0.505 / (1 + above**1.5)) ** 2)
    sigma = 0.003 * power / np.sqrt(10) + 1e-10
    noisy = power + np.random.default_rng(4).normal(0, sigma)
    curve = fit_retarder(volts, noisy, sigma)
    assert (np.diff(curve.power) < 0).all()
    assert curve.voltage[0] == pytest.approx(1.3, abs=0.3)
