"""Uncertainties of Table 1 over random scenarios: right, not merely present."""

import numpy as np
import pytest
from scipy.stats import chi2

from benchmarks.accuracy.coverage import records
from benchmarks.accuracy.pulls import BARS, draw, page, summaries

TABLE_1 = ["A", "B", "C", "beta", "tau_lasing", "tau_fluor", "D"]
TABLE_1 += ["N_threshold", "delta_n_threshold", "fluence_threshold"]

# The seeds are fixed, so the outcome is too. Were all sigmas right, the mean of 60 pulls would
# leave ± 0.35 with a probability of 0.7 %, their standard deviation 0.7 to 1.3 with 0.1 %, and
# limits at 95 % would hold in less than 90 % with 3 %.
SCENARIOS = 60


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory):
    """Estimates and truths of all scenarios."""
    return records(tmp_path_factory.mktemp("coverage") / "all.jsonl", range(1, SCENARIOS + 1), 2)


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("name", TABLE_1)
def test_pulls_are_centred_and_of_unit_width_and_limits_hold(scenarios, name):
    summary = summaries(scenarios)[name]
    assert summary.undetermined == 0
    assert summary.held >= BARS["covered"] * summary.limits
    if not summary.alone:
        pulls = summary.pulls
        assert abs(pulls.mean()) < BARS["mean"]
        assert BARS["least"] < pulls.std(ddof=1) < BARS["most"]


def record(seed, pull, upper95=None):
    row = {"value": 1.0 + 0.1 * pull, "sigma": 0.1, "upper95": upper95, "truth": 1.0, "note": ""}
    return {"seed": seed, "seconds": [1.0, 1.0], "quantities": {"A": row}}


def test_summary_counts_pulls_limits_and_what_was_not_determined():
    limits = [record(3, 0.5, 1.1), record(4, np.nan, 0.9)]
    summary = summaries([record(1, -1), record(2, 2), *limits, record(5, np.nan)])["A"]
    assert summary.pulls == pytest.approx([-1, 2, 0.5])
    assert (summary.limits, summary.held, summary.alone, summary.undetermined) == (2, 1, 1, 1)
    assert summary.chance == pytest.approx(chi2.sf(5.25, 3))


def test_what_was_run_is_not_run_again(tmp_path):
    (tmp_path / "all.jsonl").write_text(
        '{"seed": 1, "seconds": [1, 1], "quantities": {}}\n{"seed": 2, "quantities": {}}\n'
    )
    assert [one["seed"] for one in records(tmp_path / "all.jsonl", [1, 2], 2)] == [1, 2]


def test_page_and_figure_show_every_quantity(tmp_path):
    scenarios = [record(seed, pull) for seed, pull in enumerate([-1.0, 0.5, 1.0], 1)]
    draw(scenarios, tmp_path / "pulls.png")
    assert (tmp_path / "pulls.png").stat().st_size > 1000
    assert "| A | 3 | +0.17 | 1.04 |" in page(scenarios, "pulls.png")
