"""Periods of a chopper and the break between their effects, from made-up phases."""

import numpy as np
import pytest
from fringes import times

from analysis.point.chopper_slips import break_point, frames_in_step, has_slipped, periods
from analysis.point.frame_phases import FramePhases

pytestmark = pytest.mark.usefixtures("interpreted")

TIME, OPENED = times(120)
NONE = np.zeros(120)
EFFECT, SIGMA = 0.05, 1e-3


def phases(opened, rng):
    """Phases beside EFFECT, of frames that the chopper really opened by `opened`, on a walk."""
    walk = np.cumsum(1e-3 * rng.standard_normal(120))
    phase = walk + EFFECT * (opened - OPENED) + SIGMA * rng.standard_normal(120)
    return FramePhases(phase, NONE, NONE, OPENED, np.full(120, SIGMA**2), NONE)


def test_periods_begin_where_the_chopper_opens():
    edges = periods(OPENED, TIME)
    assert len(edges) == 19
    assert (np.diff(edges, axis=1) == 6).all()
    assert (OPENED[edges[:, 0]] >= OPENED.mean()).all()
    assert (OPENED[edges[:, 0] - 1] < OPENED.mean()).all()


def test_a_period_that_lacks_frames_is_none():
    kept = np.delete(np.arange(120), np.arange(52, 57))
    edges = periods(OPENED[kept], TIME[kept])
    lengths = TIME[kept][edges[:, 1]] - TIME[kept][edges[:, 0]]
    np.testing.assert_allclose(lengths, 0.05)
    assert len(edges) < 19


def test_a_step_in_the_effects_is_a_break():
    rng = np.random.default_rng(0)
    scaled = rng.standard_normal(20) + 1j * rng.standard_normal(20)
    assert break_point(scaled, 80.0) == 0
    scaled[13:] += 12j
    assert break_point(scaled, 80.0) == 13


def test_no_slip_without_one():
    rng = np.random.default_rng(1)
    for _ in range(10):
        assert not has_slipped(phases(OPENED, rng), TIME, OPENED, EFFECT)
        assert frames_in_step(phases(OPENED, rng), TIME, OPENED, EFFECT).all()


@pytest.mark.parametrize("turn", [0.25, 0.5, 0.75])
def test_frames_after_a_slip_are_out_of_step(turn):
    rng = np.random.default_rng(2)
    late = np.interp((TIME + turn * 0.05) % 0.05, TIME[:7] % 0.0501, OPENED[:7])
    opened = np.where(np.arange(120) < 70, OPENED, late)
    damaged = phases(opened, rng)
    assert has_slipped(damaged, TIME, OPENED, EFFECT)
    good = frames_in_step(damaged, TIME, OPENED, EFFECT)
    assert good[:60].all()
    assert not good[70:].any()
