"""The motor records, over Channel Access; the delay stage in real time."""

import asyncio
import time

import numpy as np
import pytest
from ca_client import LATENCY

from ocm_ophyd.iocs.delay import DelayStage
from ocm_ophyd.iocs.optical_table import Bench, SimulatedClock
from ocm_ophyd.twin import Knobs

VELOCITY, ACCELERATION = 40.0, 400.0  # mm/s, mm/s²
STEP, BACKLASH = 0.004, 0.04  # mm


def duration(distance):
    """Seconds that a trapezoid of `distance` (mm) takes."""
    if distance < VELOCITY**2 / ACCELERATION:
        return 2 * np.sqrt(distance / ACCELERATION)
    return distance / VELOCITY + VELOCITY / ACCELERATION


@pytest.fixture
def stage(slow):
    """The delay stage at 270 mm, in real time."""
    slow.put("Delay:m1", 270.0)
    return slow


@pytest.mark.parametrize("distance", [20.0, 2.0, STEP])
def test_a_move_down_takes_its_physical_time(stage, distance):
    expected = duration(distance)
    taken = stage.quickest("Delay:m1", 270.0 - distance, 270.0, expected)
    assert expected - 2e-3 < taken < expected + LATENCY
    assert stage.get("Delay:m1.RBV") == pytest.approx(270.0 - distance, abs=1e-9)


def test_a_move_up_goes_beyond_and_comes_back_from_above(stage):
    expected = duration(2.0 + BACKLASH) + duration(BACKLASH)
    taken = stage.quickest("Delay:m1", 272.0, 270.0, expected)
    assert expected - 2e-3 < taken < expected + LATENCY


def test_the_last_stretch_is_driven_at_the_backlash_speed(stage):
    stage.put("Delay:m1.BVEL", 0.1)
    positions = stage.watch("Delay:m1.RBV")
    stage.put("Delay:m1", 271.0)
    stage.put("Delay:m1.BVEL", VELOCITY)
    beyond = [value for value in positions if 271.0 < value <= 271.0 + BACKLASH]
    assert len(beyond) >= 3  # 0.04 mm at 0.1 mm/s, ten readbacks a second
    assert stage.get("Delay:m1.RBV") == 271.0


def test_targets_are_rounded_to_whole_steps(fast):
    fast.put("Delay:m1", 200.0013)
    steps = fast.get("Delay:m1.RRBV")
    assert steps == round(200.0013 / STEP)
    assert fast.get("Delay:m1.RBV") == pytest.approx(steps * STEP, abs=1e-9)
    assert fast.get("Delay:m1.DRBV") == pytest.approx(steps * STEP, abs=1e-9)


@pytest.mark.parametrize("position", [300.1, -0.1, float("nan"), float("inf")])
def test_targets_outside_the_limits_are_refused_and_move_nothing(fast, position):
    fast.put("Delay:m1", 150.0)
    moves = fast.watch("Delay:m1.DMOV")
    fast.until(lambda: moves[-1] == 1)
    moves.clear()
    assert "outside the limits 0 to 300" in fast.refusal("Delay:m1", position)
    assert fast.get("Delay:m1.LVIO") == 1
    assert fast.get("Delay:m1") == 150.0
    assert fast.get("Delay:m1.RBV") == 150.0
    assert not moves
    fast.put("Delay:m1", 151.0)
    assert fast.get("Delay:m1.LVIO") == 0


def test_limits_are_those_that_clients_see(fast):
    assert fast.limits("Delay:m1") == (0.0, 300.0)
    fast.put("Delay:m1.HLM", 250.0)
    assert fast.limits("Delay:m1") == (0.0, 250.0)
    assert "outside" in fast.refusal("Delay:m1", 260.0)
    assert "must be below" in fast.refusal("Delay:m1.HLM", -1.0)
    fast.put("Delay:m1.HLM", 300.0)


def test_beyond_the_travel_stands_a_limit_switch(fast):
    fast.put("Sample:z.HLM", 2.0)
    fast.put("Sample:z", 1.5)
    assert fast.get("Sample:z.HLS") == 1
    assert 1.0 < fast.get("Sample:z.RBV") < 1.5
    fast.put("Sample:z", 0.0)
    assert fast.get("Sample:z.HLS") == 0
    fast.put("Sample:z.HLM", 1.0)


def test_stop_brakes_and_completes_the_move(stage):
    move = stage.start("Delay:m1", 0.0)
    stage.until(lambda: stage.get("Delay:m1.RBV") < 265)
    assert stage.get("Delay:m1.MOVN") == 1
    asked = time.perf_counter()
    before = stage.get("Delay:m1.RBV")
    stage.put("Delay:m1.STOP", 1)
    passed = time.perf_counter() - asked
    move.result(5)
    after = stage.get("Delay:m1.RBV")
    # braking distance v²/2a, and what it runs until the readback and the command have passed
    assert before - after < VELOCITY**2 / (2 * ACCELERATION) + VELOCITY * (0.1 + passed)
    assert after > 250
    assert stage.get("Delay:m1") == pytest.approx(after)
    assert (stage.get("Delay:m1.DMOV"), stage.get("Delay:m1.MOVN")) == (1, 0)
    assert stage.get("Delay:m1.STOP") == 0


def test_a_new_target_redirects_a_move(stage):
    first = stage.start("Delay:m1", 0.0)
    stage.until(lambda: stage.get("Delay:m1.RBV") < 265)
    moves = stage.watch("Delay:m1.DMOV")
    stage.put("Delay:m1", 269.0)
    first.result(5)
    assert stage.get("Delay:m1.RBV") == 269.0
    assert stage.get("Delay:m1") == 269.0
    stage.until(lambda: moves[-1] == 1)
    assert moves.count(1) == 1  # one motion, not two


def test_readbacks_come_on_the_way(stage):
    positions = stage.watch("Delay:m1.RBV")
    stage.put("Delay:m1", 250.0)
    stage.until(lambda: positions[-1] == 250.0)
    assert len(positions) >= 5  # 0.6 s at ten a second
    assert positions == sorted(positions, reverse=True)


def test_moving_to_where_it_stands_still_reports_a_finished_move(fast):
    fast.put("Lens:x", 1.0)
    moves = fast.watch("Lens:x.DMOV")
    fast.until(lambda: moves[-1] == 1)
    moves.clear()
    fast.put("Lens:x", 1.0)
    fast.until(lambda: moves == [0, 1])


def test_set_redefines_the_position_and_its_limits_without_motion(fast):
    fast.put("Sample:x", 1.0)
    fast.put("Sample:x.SET", 1)
    fast.put("Sample:x", 0.0)
    fast.put("Sample:x.SET", 0)
    assert fast.get("Sample:x.RBV") == 0.0
    assert fast.get("Sample:x.OFF") == -1.0
    assert fast.get("Sample:x.DRBV") == 1.0
    assert fast.limits("Sample:x") == (-6.0, 4.0)
    fast.put("Sample:x.OFF", 0.0)
    assert fast.get("Sample:x.RBV") == 1.0


def test_a_negative_direction_mirrors_position_and_limits(fast):
    fast.put("Lens:z", 1.0)
    fast.put("Lens:z.HLM", 2.0)
    fast.put("Lens:z.DIR", 1)
    assert fast.get("Lens:z.RBV") == -1.0
    assert fast.limits("Lens:z") == (-2.0, 5.0)
    fast.put("Lens:z", -2.0)
    assert fast.get("Lens:z.DRBV") == 2.0
    fast.put("Lens:z.DIR", 0)
    fast.put("Lens:z.HLM", 5.0)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("VELO", 41.0, "at most VMAX"),
        ("VELO", 0.0, "above 0"),
        ("ACCL", 0.0, "above 0"),
        ("MRES", 0.001, "fixed by the hardware"),
        ("HOMF", 1, "no home switch"),
        ("DVAL", 1.0, "move with VAL"),
    ],
)
def test_what_the_stage_cannot_do_is_refused(fast, field, value, why):
    before = fast.get(f"Delay:m1.{field}")
    assert why in fast.refusal(f"Delay:m1.{field}", value)
    assert fast.get(f"Delay:m1.{field}") == before


@pytest.mark.parametrize(
    ("motor", "units", "limits", "step"),
    [
        ("Delay:m1", b"mm", (0, 300), 0.004),
        ("Lens:x", b"mm", (-3, 3), 1e-4),
        ("Lens:z", b"mm", (-5, 5), 1e-3),
        ("RefMirror:m1", b"um", (-100, 100), 0.05),
        ("Sample:y", b"mm", (-5, 5), 1e-4),
        ("Sample:z", b"mm", (-1, 1), 1e-4),
    ],
)
def test_every_axis_states_its_data_sheet(fast, motor, units, limits, step):
    assert fast.limits(motor) == limits
    assert fast.get(f"{motor}.EGU") == units
    assert fast.get(f"{motor}.MRES") == step
    assert fast.pv(f"{motor}.RBV").read(data_type="control").metadata.units == units


def test_the_carriage_lags_after_a_reversal_unless_approached_from_one_side(tmp_path):
    async def lags(backlash):
        """True minus reported position after a move down and one up."""
        clock = SimulatedClock(1000.0)
        bench = Bench(None, Knobs(), clock, tmp_path)
        stage = DelayStage("X:", bench=bench)
        await stage.initialise()
        motor = stage.m1
        await motor.record.fields["BDST"].write(backlash)
        found = []
        for position in (100.0, 110.0):
            await motor.record.write(position)
            true = bench.knobs(clock.now()).delay_position
            found.append(true - motor.record.fields["RBV"].value)
        bench.close()
        return found

    down, up = asyncio.run(lags(0.0))
    assert down - up == pytest.approx(0.003)  # the screw's lost motion
    down, up = asyncio.run(lags(-BACKLASH))
    assert down == pytest.approx(up)
