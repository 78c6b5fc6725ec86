"""Priors, selection of points and the minimum of χ² of a movie."""

import numpy as np
import pytest

from analysis.diffusion.cloud_model import (
    AMPLITUDE,
    SHARED,
    WAIST,
    A,
    B,
    C,
    CloudModel,
    D,
    ScanGeometry,
    Stimulated,
    X,
    Y,
)
from analysis.diffusion.search import Movie
from analysis.estimate import Estimate
from analysis.rate_equations.data import RateConstants
from ocm_ophyd.errors import DataError

TIME = np.array([1.0, 10.0, 60.0, 150.0, 300.0, 500.0])  # ps
PLACES = np.linspace(-2, 2, 5)  # um
GEOMETRY = ScanGeometry(TIME, PLACES, (8.0, 8.0), 0.5, y=PLACES)
UNIT, SIGMA = 1e19, 5e16  # cm⁻³
PUMP = Estimate(2.25, 0.02, "um")
KNOWN = RateConstants.independent(
    Estimate(2e8, 2e7, "1/s"), Estimate(1.8e-9, 2e-11, "cm^3/s"), Estimate(5e-30, 1e-30, "cm^6/s")
)
NONE = Stimulated("linear", np.empty(0), 10.0, 500.0)


def movie(noise=0.0, rates=KNOWN, density=None, **changes):
    """A movie of Eq. 4 without stimulated emission; D = 3 cm²/s."""
    values = np.zeros(SHARED)
    values[[D, AMPLITUDE, WAIST]] = 3.0, 1.0, 2.25
    values[[A, B, C]] = 2e-4, 1.8e-21 * UNIT, 5e-42 * UNIT**2
    if density is None:
        density = (
            UNIT * CloudModel(GEOMETRY, Stimulated("linear", np.empty(0), 10.0, 500.0))(values)[0]
        )
    density = density + noise * np.random.default_rng(2).normal(size=density.shape)
    given = {"pump_waist": PUMP, "positions": 20} | changes
    return Movie(GEOMETRY, density, np.full(density.shape, SIGMA), rates=rates, **given)


def test_frames_in_which_the_probe_overlaps_the_pump_are_dropped():
    chosen = movie()
    np.testing.assert_array_equal(chosen.geometry.time, TIME[1:])
    assert chosen.points == 5 * 25


def test_priors_are_those_that_say_something():
    assert movie().priors == 4  # waist, A, B, C: nothing is known of D
    assert movie(rates=None).priors == 1
    assert movie(pump_waist=Estimate(2.25, 0.0, "um")).priors == 3
    assert not movie(pump_waist=Estimate(2.25, 0.0, "um")).free[WAIST]
    assert not movie(rates=None).free[[B, C]].any()


def test_the_fit_gives_back_the_cloud():
    chosen = movie()
    best = chosen.fit(NONE, chosen.start)
    assert best.chi2 < 1e-3
    assert best.values[D] == pytest.approx(3.0, abs=0.02 * best.sigmas[D])
    assert best.values[WAIST] == pytest.approx(2.25, abs=1e-3)
    np.testing.assert_allclose(best.values[[X, Y]], 0, atol=1e-3)


def test_sigmas_are_the_curvature_of_chi2():
    """One sigma from the best D, all else fitted, χ² has grown by one."""
    chosen = movie(noise=SIGMA)
    best = chosen.fit(NONE, chosen.start)
    for sign in (1, -1):
        held = best.values[D] + sign * best.sigmas[D]
        rise = chosen.fit(NONE, best.values, held).chi2 - best.chi2
        assert rise == pytest.approx(1, abs=0.1)  # nearly a parabola


def test_a_parameter_at_its_bound_is_held_there():
    """A movie that narrows: D is zero, and no rate is negative."""
    growing = movie(rates=None)
    shrinking = np.array([1.0, 0.8, 0.6, 0.5, 0.45, 0.4])
    waists = np.linspace(2.3, 2.0, 6)
    dx, dy = np.meshgrid(PLACES, PLACES)
    density = UNIT * np.array(
        [a * np.exp(-2 * (dx**2 + dy**2) / w**2) for a, w in zip(shrinking, waists, strict=True)]
    )
    narrowing = movie(rates=None, density=density)
    best = narrowing.fit(NONE, growing.start)
    assert best.values[D] == 0
    assert best.sigmas[D] > 0  # it is needed for the limit
    assert (best.values[[A, B, C]] >= 0).all()


def test_an_unknown_waist_is_refused():
    with pytest.raises(DataError, match="measure it with overlap_pump"):
        movie(pump_waist=Estimate(np.nan, np.nan, "um"))
