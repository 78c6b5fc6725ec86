"""The one number with an uncertainty, and how plans get it without waiting for scipy."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm

from analysis.estimate import ONE_SIDED, Estimate, not_determined, widening


def test_a_value_with_a_sigma_or_a_limit_is_determined():
    assert Estimate(1.0, 0.1, "ps").determined
    assert Estimate(np.nan, np.nan, "ps", upper95=3.0).determined
    assert not Estimate(1.0, np.nan, "ps").determined
    missing = not_determined("ps", "one delay only")
    assert not missing.determined
    assert (missing.unit, missing.note) == ("ps", "not determined: one delay only")


def test_the_one_sided_limit_holds_95_percent():
    assert norm.cdf(ONE_SIDED) == pytest.approx(0.95, abs=1e-15)


def test_sigmas_grow_with_the_misfit_and_never_shrink():
    assert [widening(chi2) for chi2 in (0.3, 1.0, 4.0, np.nan)] == [1.0, 1.0, 2.0, 1.0]


def test_plans_get_it_without_loading_anything_else():
    loaded = "import analysis.estimate, sys; print(*sys.modules)"
    names = subprocess.run(
        [sys.executable, "-c", loaded], check=True, capture_output=True, text=True
    ).stdout.split()
    assert not {"numpy", "scipy", "xarray", "lmfit", "numba"} & set(names)
