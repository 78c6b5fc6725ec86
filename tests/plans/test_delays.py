"""Lists of delays."""

import numpy as np
import pytest

from plans import PlanError, linear_then_logarithmic


def test_even_steps_then_even_ratios():
    delays = linear_then_logarithmic(-5, 10, 0.5, 500, 10)
    assert delays[0] == -5
    assert delays[-1] == pytest.approx(500)
    split = delays.index(10.0)
    assert np.diff(delays[: split + 1]) == pytest.approx([0.5] * 30)
    ratios = np.array(delays[split + 1 :]) / np.array(delays[split:-1])
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-4)
    assert ratios[0] <= 10 ** (1 / 10) + 1e-6


@pytest.mark.parametrize(
    "arguments", [(5, 1, 1, 10, 5), (-5, 10, 0, 50, 5), (-5, -1, 1, 50, 5), (0, 10, 1, 50, 0)]
)
def test_refuses_what_is_no_list(arguments):
    with pytest.raises(PlanError, match="start < linear_stop < stop"):
        linear_then_logarithmic(*arguments)
