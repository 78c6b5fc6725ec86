"""The 10–90 % rise of curves whose rise is known."""

import numpy as np
import pytest
from scipy.special import ndtr

from analysis.kinetics.rise_time import measure_rise

TIME = np.arange(-3.0, 3.0, 0.02)


@pytest.mark.parametrize("height", [1e-2, -3e-3])
def test_a_normal_integral_rises_in_2_56_sigma(height):
    signal = height * ndtr((TIME - 0.4) / 0.1)
    rise = measure_rise(TIME, signal, np.full(len(TIME), 1e-3 * abs(height)))
    assert rise.middle.value == pytest.approx(0.4, abs=1e-3)
    assert rise.duration.value == pytest.approx(2.563 * 0.1, rel=0.01)
    assert rise.plateau == pytest.approx(height, rel=1e-3)
    # the slope at half height is 1/(sqrt(2 pi) 0.1 ps)
    assert rise.middle.sigma == pytest.approx(1e-3 * np.sqrt(2 * np.pi) * 0.1, rel=0.1)


def test_gaps_are_left_out_and_noise_is_no_rise():
    signal = ndtr(TIME / 0.1)
    signal[::7] = np.nan
    assert measure_rise(TIME, signal, 0.01 + 0 * TIME).duration.value == pytest.approx(
        0.2563, rel=0.05
    )
    for flat in (np.zeros(len(TIME)), np.full(len(TIME), np.nan)):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match="no rise"):
            measure_rise(TIME, flat, 0.01 + 0 * TIME)
    with pytest.raises(ValueError, match="no rise"):
        measure_rise(TIME, 1 - 0.1 * TIME, 0.01 + 0 * TIME)
