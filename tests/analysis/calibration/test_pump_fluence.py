"""The pump's power curve."""

import numpy as np
import pytest

from analysis.calibration.pump_fluence import PowerCalibration, peak_fluence


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
    volts, power = PowerCalibration(voltage, malus(voltage)).nodes
    fluence = peak_fluence(power, 50e3, 2.25)
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
