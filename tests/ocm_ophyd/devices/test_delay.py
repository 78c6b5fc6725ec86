"""The delay stage in picoseconds."""

import numpy as np
import pytest
from scipy.constants import speed_of_light

from ocm_ophyd.devices.failures import TargetError

STEP = 0.004  # mm, OSMS26-300, one full step


@pytest.fixture
def delay(instrument):
    """The stage with a known time zero, put back afterwards."""
    before = instrument.delay.time_zero.get()
    instrument.delay.time_zero.put(285.0)
    yield instrument.delay
    instrument.delay.time_zero.put(before)


def go(delay, tau):
    delay.set((tau,)).wait(20)
    return delay.read()


@pytest.mark.parametrize("tau", [-12.3, 0.0, 0.02, 1.0, 250.7])
def test_readback_is_the_delay_of_the_nearest_whole_step(delay, tau):
    reading = go(delay, tau)
    position = reading["delay_m1"]["value"]
    steps = position / STEP
    assert steps == pytest.approx(round(steps), abs=1e-6)
    # double pass: the pump's path grows by twice the carriage's travel
    reached = 2 * (285.0 - position) * 1e-3 / speed_of_light * 1e12
    assert reading["delay"]["value"] == pytest.approx(reached, abs=1e-9)
    half_step = STEP * 1e-3 / speed_of_light * 1e12
    assert abs(reached - tau) <= half_step * (1 + 1e-6)


def test_the_record_approaches_from_the_high_side_while_staged(delay):
    delay.m1.backlash.set(0.0).wait(10)
    delay.stage()
    try:
        # negative: past the target towards high positions, then down onto it
        assert delay.m1.backlash.get(use_monitor=False) == -0.04
    finally:
        delay.unstage()
        delay.m1.backlash.set(-0.04).wait(10)


def test_changing_time_zero_moves_the_scale_and_not_the_stage(delay):
    go(delay, 5.0)
    position = delay.m1.position
    delay.time_zero.put(285.0 + 3 * speed_of_light * 1e-9 / 2)
    assert delay.m1.position == position
    assert delay.read()["delay"]["value"] == pytest.approx(8.0, abs=0.02)


@pytest.mark.parametrize(
    ("tau", "says"), [(3000.0, "out of reach"), (-500.0, "out of reach"), (np.nan, "finite")]
)
def test_refuses_what_the_stage_cannot_reach(delay, tau, says):
    before = delay.m1.position
    with pytest.raises(TargetError, match=says):
        delay.set((tau,))
    assert delay.m1.position == before


def test_documents_carry_unit_and_type(delay):
    described = delay.describe()
    assert described["delay"]["units"] == "ps"
    assert described["delay"]["dtype_numpy"] == "<f8"
    assert delay.hints == {"fields": ["delay"]}
    assert delay.read_configuration()["delay_time_zero"]["value"] == 285.0
