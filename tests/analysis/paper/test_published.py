"""Agreement with the paper's values and bounds."""

import numpy as np
import pytest

from analysis.estimate import Estimate, not_determined
from analysis.paper.published import TABLE, compare


@pytest.mark.parametrize(
    ("name", "value", "sigma", "agrees"),
    [
        ("tau_lasing", 15.0, 0.16, True),  # 13.4 ± 1.3: 1.6 away, 1.3 + 2 sigma are allowed
        ("tau_lasing", 15.0, 0.14, False),
        ("tau_lasing", 14.6, 0.01, True),
        ("fluence_threshold", 0.58, 0.003, True),
        ("fluence_threshold", 0.59, 0.003, False),
        ("relaxation_below", 90.0, 4.0, False),  # over 100
        ("relaxation_below", 95.0, 4.0, True),
        ("relaxation_above", 25.0, 3.0, True),  # under 20
        ("relaxation_above", 27.0, 3.0, False),
        ("A", 2e8, 1.1e8, None),  # twice its sigma is more than the paper's value
    ],
)
def test_values_agree_within_tolerance_and_two_sigmas(name, value, sigma, agrees):
    assert compare(name, Estimate(value, sigma, "")).agrees is agrees


def test_a_limit_agrees_with_a_bound():
    assert compare("C", Estimate(np.nan, np.nan, "", upper95=9e-30)).agrees is True
    assert compare("C", Estimate(np.nan, np.nan, "", upper95=2e-29)).agrees is False
    # a value that keeps to the bound agrees although its limit does not
    assert compare("D", Estimate(0.9, 0.2, "", upper95=1.3)).agrees is True
    assert compare("D", Estimate(1.6, 0.2, "", upper95=2.0)).agrees is False


def test_what_cannot_be_compared_has_no_verdict():
    assert compare("photon_loss", Estimate(0.8, 0.01, "1/ps")).paper == ""
    row = compare("B", not_determined("cm^3/s", "no kinetics"))
    assert (row.paper, row.agrees) == (TABLE["B"].text, None)
