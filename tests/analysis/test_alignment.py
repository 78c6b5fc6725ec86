"""Time zero and the pump's power curve."""

import numpy as np
import pytest
from scipy.special import erf

from analysis.alignment import PowerCalibration, fit_time_zero, peak_fluence

DELAY = np.arange(-10, 12, 0.5)
SIGMA = 2e-4


def edge(delay, t0, width=0.9, amplitude=9e-3):
    """An error-function edge with a slow linear loss behind it."""
    late = np.maximum(delay - t0, 0)
    return amplitude * 0.5 * (1 + erf((delay - t0) / width / np.sqrt(2))) * (1 - late / 200)


@pytest.mark.parametrize("amplitude", [9e-3, -9e-3])
def test_time_zero_is_found_with_an_honest_sigma(amplitude):
    rng = np.random.default_rng(1)
    pulls = []
    for _ in range(40):
        truth = rng.uniform(-4, 4)
        measured = edge(DELAY, truth, amplitude=amplitude) + rng.normal(0, SIGMA, DELAY.size)
        found = fit_time_zero(DELAY, measured, np.full(DELAY.size, SIGMA))
        pulls.append((found.time_zero - truth) / found.time_zero_sigma)
        assert found.rise == pytest.approx(2.563 * 0.9, rel=0.25)  # 10 to 90 % of a Gaussian
    assert 0.65 < np.std(pulls) < 1.4


def test_sigma_covers_an_edge_that_is_no_error_function():
    """Light that arrives unevenly within 5 ps: zero is where half of it has, within sigma."""
    rng = np.random.default_rng(4)
    arrival = np.linspace(-2.5, 2.5, 401)
    light = 1 + 0.3 * np.cos(2 * np.pi * arrival / 1.7) + 0.1 * arrival
    measured = 9e-3 * (DELAY[:, np.newaxis] + arrival > 0) @ light / light.sum()
    half = -np.interp(0.5, np.cumsum(light) / light.sum(), arrival)
    sigma = np.full(DELAY.size, 2e-5)
    found = fit_time_zero(DELAY, measured + rng.normal(0, sigma), sigma)
    assert found.reduced_chi2 > 5
    assert abs(found.time_zero - half) < 3 * found.time_zero_sigma < 0.5


def test_a_scan_without_a_rise_is_refused():
    noise = np.random.default_rng(2).normal(0, SIGMA, DELAY.size)
    with pytest.raises(ValueError, match="no rise"):
        fit_time_zero(DELAY, noise, np.full(DELAY.size, SIGMA))
    with pytest.raises(ValueError, match="holds 4 points"):
        fit_time_zero(DELAY[:4], noise[:4], np.full(4, SIGMA))


def malus(voltage, full=2e-3):
    """W behind the beam splitter: sin² of half a retardance, 2.2 waves and falling with voltage."""
    retardance = 2 * np.pi * 2.2 / (1 + np.maximum(voltage - 1.2, 0) ** 1.5)
    return full * (np.sin(retardance / 2) ** 2 + 0.004)


def test_the_longest_branch_of_a_malus_curve_inverts():
    rng = np.random.default_rng(3)
    voltage = np.linspace(0, 10, 61)
    sigma = np.full(voltage.size, 3e-6)
    calibration = PowerCalibration(voltage, malus(voltage) + rng.normal(0, 3e-6, 61), sigma)
    low, high = calibration.limits
    assert low < 0.05 * high
    assert high > 0.97 * 2e-3
    for power in np.linspace(low, high, 23)[1:-1]:
        chosen = calibration.voltage(power)
        assert malus(chosen) == pytest.approx(power, abs=0.015 * high)
        assert calibration.power(chosen) == pytest.approx(power, rel=1e-9)


def test_the_table_is_monotonic_in_both_and_in_peak_fluence():
    voltage = np.linspace(0, 10, 41)
    volts, fluence = PowerCalibration(voltage, malus(voltage)).table(50e3, 2.25)
    assert (np.diff(volts) > 0).all()
    steps = np.diff(fluence)
    assert (steps > 0).all() or (steps < 0).all()
    # 2E/(πw²) written out: 1 mW at 50 kHz is 20 nJ; w = 2.25 um
    assert peak_fluence(1e-3, 50e3, 2.25) == pytest.approx(2 * 20e-6 / (np.pi * (2.25e-4) ** 2))


@pytest.mark.parametrize(
    ("voltage", "power", "reason"),
    [
        ([0, 1, 2], [1, 2, 3], "needs 4"),
        ([1, 1, 1, 1, 1], [1, 2, 3, 4, 5], "1 voltages"),
        ([0, 1, 2, 3, np.nan], [0, 1, 2, 3, 4], "finite"),
        (np.arange(30), np.random.default_rng(1).normal(1, 0.01, 30), r"does not change|distinct"),
        (np.arange(30), np.arange(30) % 2, "distinct powers"),
    ],
)
def test_curves_that_cannot_be_inverted_are_refused(voltage, power, reason):
    with pytest.raises(ValueError, match=reason):
        PowerCalibration(voltage, power, np.full(len(voltage), 0.01))


def test_values_outside_the_branch_are_refused():
    calibration = PowerCalibration(np.arange(6.0), np.arange(6.0) * 1e-3)
    with pytest.raises(ValueError, match=r"power 0\.006 W is outside"):
        calibration.voltage(6e-3)
    with pytest.raises(ValueError, match="voltage -1 V is outside"):
        calibration.power(-1.0)
