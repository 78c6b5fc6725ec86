"""Motion as a function of time, without any IOC around it."""

import numpy as np
import pytest

from ocm_ophyd.iocs.motion import Path, play

VELOCITY, ACCELERATION = 40.0, 400.0  # mm/s, mm/s²: the delay stage


@pytest.mark.parametrize(
    ("distance", "duration"),
    [
        (10.0, 10.0 / 40 + 40 / 400),  # reaches top speed: d/v + v/a
        (-10.0, 10.0 / 40 + 40 / 400),
        (4.0, 0.2),  # just reaches it: 2 v/a
        (0.004, 2 * np.sqrt(0.004 / 400)),  # one step, a triangle: 2 √(d/a)
    ],
)
def test_a_trapezoid_takes_its_time_and_ends_on_the_target(distance, duration):
    path = Path.resting(5.0, 100.0).moved(100.0 + distance, VELOCITY, ACCELERATION)
    assert path.end - 5.0 == pytest.approx(duration, rel=1e-9)
    assert path.at(path.end).position == 100.0 + distance
    assert path.at(path.end + 1).velocity == 0


def test_position_is_the_integral_of_a_velocity_within_its_bounds():
    path = Path.resting(0.0, 0.0).moved(10.0, VELOCITY, ACCELERATION)
    time = np.linspace(0, path.end, 20001)
    position, velocity = np.array([path.at(t)[1:] for t in time]).T
    assert velocity.max() == pytest.approx(VELOCITY)
    assert np.abs(np.gradient(velocity, time)).max() == pytest.approx(ACCELERATION, rel=1e-3)
    integral = np.concatenate(([0], np.cumsum((velocity[1:] + velocity[:-1]) / 2 * np.diff(time))))
    np.testing.assert_allclose(position, integral, atol=1e-5)


def test_braking_takes_the_braking_distance_and_ends_on_a_whole_step():
    path = Path.resting(0.0, 0.0).moved(100.0, VELOCITY, ACCELERATION)
    halted = path.braked(1.0, ACCELERATION, 0.004)
    travelled = halted.target - path.at(1.0).position
    assert travelled == pytest.approx(VELOCITY**2 / (2 * ACCELERATION), abs=0.002)
    assert halted.target / 0.004 == pytest.approx(round(halted.target / 0.004), abs=1e-9)
    assert halted.end == pytest.approx(1.0 + VELOCITY / ACCELERATION)


def test_lost_motion_appears_once_after_a_reversal():
    forward = play(0.0, [1.0], 0.003)
    assert forward == pytest.approx(1.0 - 0.0015)
    assert play(forward, [1.0 - 0.002], 0.003) == forward  # the driver turns, nothing follows
    assert play(forward, [0.5], 0.003) == pytest.approx(0.5 + 0.0015)
