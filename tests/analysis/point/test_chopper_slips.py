"""A chopper that slips within a point: noticed, left out and counted, and only then."""

import numpy as np
import pytest
from blurred import GLASS, PULSES, Plate
from handmade import reduce_complete
from slow_cases import slow_except

pytestmark = pytest.mark.usefixtures("without_installation")


def test_a_chopper_that_slips_costs_nothing_where_the_open_fractions_say_it():
    """In the middle of 60 points the chopper jumps by a fifth of a turn."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS}
    scan = Plate(np.full(60, 5e-3), **noise).dataset(5)
    steady = reduce_complete(scan.copy(deep=True))
    late = Plate(np.full(60, 5e-3), chopper_phase=0.33, **noise).dataset(5)
    for name in ("frames", "pump_open"):
        scan[name][:, 60:] = late[name][:, 60:]
    result = reduce_complete(scan)
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert 0.75 < np.std(pull) < 1.25
    assert abs(pull.mean()) < 4 / 60**0.5
    assert float(result["delta_n_sigma"].mean()) < 1.1 * float(steady["delta_n_sigma"].mean())


@pytest.mark.parametrize(
    ("turn", "drift"),
    slow_except(
        [(0.1, 0.0), (0.25, 0.1)],
        [(0.1, 0.0), (0.25, 0.0), (0.5, 0.0), (0.8, 0.0), (0.25, 0.1), (0.5, 0.1), (0.8, 0.1)],
    ),
)
def test_a_chopper_that_slips_unsaid_is_noticed(turn, drift):
    """At 70 of 120 frames it jumps; a tenth of a turn would take 8 % of Δn.

    Where the path walks by 0.1 rad/√s a tenth of a turn is not noticed in all points.
    """
    noise = PULSES | {"drift": drift, "attrs": GLASS}
    scan = Plate(np.full(20, 5e-3), **noise).dataset(7)
    late = Plate(np.full(20, 5e-3), chopper_phase=0.13 + turn, **noise).dataset(7)
    scan["frames"][:, 70:] = late["frames"][:, 70:]
    result = reduce_complete(scan)
    assert (result["frames_slipped"] >= 50).all()
    assert np.median(result["frames_used"]) >= 57
    assert (result["frames_used"] + result["frames_slipped"] == 120).all()
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert 0.5 < np.std(pull) < 1.5
    assert abs(pull.mean()) < 4 / 20**0.5


@pytest.mark.parametrize("frames", slow_except([60], [60, 84]))
@pytest.mark.parametrize("turn", [0.25, 0.5])
def test_a_slip_is_noticed_in_short_points(turn, frames):
    """10 and 14 periods: what follows the slip is left out, though half a turn is a real effect."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS, "frames": frames}
    scan = Plate(np.full(20, 5e-3), **noise).dataset(7)
    late = Plate(np.full(20, 5e-3), chopper_phase=0.13 + turn, **noise).dataset(7)
    at = round(0.45 * frames)
    scan["frames"][:, at:] = late["frames"][:, at:]
    result = reduce_complete(scan)
    assert (result["frames_slipped"] >= frames - at).all()
    assert (result["frames_used"] >= 0.25 * frames).all()
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert np.abs(pull).max() < 4.5


@pytest.mark.parametrize("at", slow_except([20, 40], [20, 30, 40]))
@pytest.mark.parametrize("turn", slow_except([1 / 6], [1 / 6, 1 / 3, 0.5]))
def test_a_slip_is_noticed_beside_drift_in_half_a_second(turn, at):
    """3e-3 in 1.5 um, 55 mrad: the path walks by 7 mrad a period, the slip takes 11 to 140 %."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS, "frames": 60}
    scan = Plate(np.full(40, 3e-3), **noise).dataset(7)
    late = Plate(np.full(40, 3e-3), chopper_phase=0.13 + turn, **noise).dataset(7)
    scan["frames"][:, at:] = late["frames"][:, at:]
    result = reduce_complete(scan)
    noticed = (result["frames_slipped"] > 0).values
    assert noticed.mean() > 0.95
    pull = ((result["delta_n"] - 3e-3) / result["delta_n_sigma"]).values[noticed]
    assert np.abs(pull).max() < 4.5


@pytest.mark.parametrize("turn", [0.25, 0.5])
def test_a_slip_after_one_good_period_is_no_reason_to_believe_the_rest(turn):
    noise = PULSES | {"drift": 0.03, "attrs": GLASS, "frames": 60}
    scan = Plate(np.full(20, 3e-3), **noise).dataset(7)
    late = Plate(np.full(20, 3e-3), chopper_phase=0.13 + turn, **noise).dataset(7)
    scan["frames"][:, 12:] = late["frames"][:, 12:]
    result = reduce_complete(scan)
    assert (result["frames_slipped"] >= 48).all()
    good = np.isfinite(result["delta_n"])
    assert (np.abs(result["delta_n"] - 3e-3)[good] < 5 * result["delta_n_sigma"][good]).all()


def test_a_chopper_that_loses_lock_for_a_moment_loses_that_moment():
    noise = PULSES | {"drift": 0.03, "attrs": GLASS}
    scan = Plate(np.full(20, 5e-3), **noise).dataset(8)
    late = Plate(np.full(20, 5e-3), chopper_phase=0.53, **noise).dataset(8)
    scan["frames"][:, 50:62] = late["frames"][:, 50:62]
    result = reduce_complete(scan)
    assert (result["frames_slipped"] >= 12).all()
    assert (result["frames_slipped"] <= 30).all()
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert abs(pull.mean()) < 4 / 20**0.5


def test_a_point_after_an_unsaid_slip_has_no_number():
    """Nothing in it is as its open fractions say."""
    scan = Plate(np.full(3, 5e-3), **PULSES).dataset(9)
    scan["pump_open"][:] = Plate(np.full(3, 5e-3), chopper_phase=0.38).dataset()["pump_open"]
    result = reduce_complete(scan)
    assert np.isnan(result["delta_n"]).all()
    assert (result["frames_slipped"] == 120).all()


@pytest.mark.parametrize("frames", slow_except([48], [120, 48]))
@pytest.mark.parametrize("drift", slow_except([0.0, 0.3], [0.0, 0.03, 0.3]))
@pytest.mark.parametrize("delta_n", slow_except([0.0, 5e-3], [0.0, 1e-4, 5e-3]))
def test_no_slip_is_seen_where_none_is(delta_n, drift, frames):
    noise = PULSES | {"drift": drift, "attrs": GLASS, "frames": frames}
    scan = Plate(np.full(400, delta_n), **noise).dataset(10)
    assert reduce_complete(scan)["frames_slipped"].sum() == 0
