"""Moments against numpy."""

import numpy as np
import pytest

from analysis.numerics.moments import largest_magnitude, mean, variance

pytestmark = pytest.mark.usefixtures("interpreted")


def test_moments_are_numpys():
    values = np.random.default_rng(0).standard_normal(101) + 5
    assert mean(values) == pytest.approx(values.mean(), rel=1e-12)
    assert variance(values) == pytest.approx(values.var(), rel=1e-12)
    assert largest_magnitude(-values) == np.abs(values).max()


def test_a_number_that_is_none_is_the_largest():
    assert np.isnan(largest_magnitude(np.array([1.0, np.nan, -3.0])))
