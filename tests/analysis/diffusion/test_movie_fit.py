"""Diffusion from movies of the simulated sample and of clouds that follow Eq. 4 to the letter."""

from functools import cache

import numpy as np
import pytest

from analysis.diffusion.cloud_model import ScanGeometry
from analysis.diffusion.movie_fit import fit_movie
from analysis.diffusion.solver import solve_diffusion
from analysis.estimate import Estimate, not_determined
from analysis.rate_equations.data import RateConstants
from ocm_ophyd.twin.sample import Sample, Spot
from ocm_ophyd.twin.scenario import load_scenario

pytestmark = pytest.mark.xdist_group("movie")  # its tests share cached calculations

FRAMES = np.array([*range(10, 100, 10), 130, 180, 240, 320, 410, 500], float)  # ps
PLACES = np.linspace(-2.5, 2.5, 11)  # um: the map of Fig. 4
SIGMA = 9e16  # cm⁻³: six chopper periods a point
SIZE, PUMP, PROBE = (8.0, 8.0), 2.25, 0.5  # um (paper)
FLUENCE = 0.8  # mJ/cm² (paper)
OFFSET = Spot(0.06, -0.04, PUMP)  # the pump's centre is never known better


@cache
def sample_movie(diffusion=0.8, spread=0.0, **changes):
    """Constants of a sample and its noise-free movie (T, Y, X)."""
    scenario = load_scenario()
    lasing = scenario.sample.lasing.model_copy(update=changes)
    update = {"diffusion": diffusion, "lasing": lasing}
    scenario = scenario.model_copy(update={"sample": scenario.sample.model_copy(update=update)})
    sample = Sample(scenario)
    cloud = sample.carriers(FLUENCE, OFFSET)
    times = np.array([FRAMES - spread, FRAMES + spread])
    density = [[sample.density(times, cloud, x, y).mean(axis=0) for x in PLACES] for y in PLACES]
    return scenario.sample, np.moveaxis(density, -1, 0)


def fit(sample, density, rng=None, **given):
    """Fit a movie with noise, and with calibrations that are off by their sigmas, by `rng`."""

    def known(value, relative):
        off = rng.normal(0, relative) if rng else 0.0
        return Estimate(value * (1 + off), value * relative, "")

    if rng:
        density = density + rng.normal(0, SIGMA, density.shape)
    geometry = {"time": FRAMES, "x": PLACES, "y": PLACES, "size": SIZE, "probe_waist": PROBE}
    geometry |= {name: given.pop(name) for name in ("x", "y", "spread") if name in given}
    arguments = {
        "pump_waist": known(PUMP, 0.01),
        "rates": RateConstants.independent(
            known(sample.trapping, 0.1), known(sample.radiative, 0.01), known(sample.auger, 0.3)
        ),
        **given,
    }
    sigma = np.full(density.shape, SIGMA)
    return fit_movie(ScanGeometry(**geometry), density, sigma, **arguments)


@pytest.mark.parametrize("threshold", [0.45, 0.561, 0.7])
def test_no_bias_without_noise(threshold):
    """What the twin has and Eq. 4 has not may not move D by more than a tenth of its sigma."""
    sample, density = sample_movie(threshold_fluence=threshold)
    found = fit(sample, density)
    assert found.diffusion.value == pytest.approx(0.8, abs=0.1 * found.diffusion.sigma)
    assert found.model == "linear"
    assert found.chi2 < 2  # of 1800 points
    assert found.waist.value == pytest.approx(PUMP, abs=0.5 * found.waist.sigma)
    assert found.x.value == pytest.approx(OFFSET.x, abs=0.5 * found.x.sigma)
    assert found.y.value == pytest.approx(OFFSET.y, abs=0.5 * found.y.sigma)


@pytest.mark.parametrize(
    "fits", [6, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])]
)
def test_sigma_and_limit_are_right(fits):
    """Pulls over seeds, and how often the interval and the upper limit cover the truth."""
    pulls, covered, inside = [], [], []
    rng = np.random.default_rng(7)
    for seed in range(fits):
        sample, density = sample_movie(threshold_fluence=(0.45, 0.561)[seed % 2])
        found = fit(sample, density, rng).diffusion
        pulls.append((found.value - 0.8) / found.sigma)
        covered.append(found.upper95 > 0.8)
        inside.append(found.interval[0] < 0.8 < found.interval[1])
    scatter = 1 / np.sqrt(fits)
    assert abs(np.mean(pulls)) < 3 * scatter
    assert np.std(pulls) == pytest.approx(1, abs=max(0.3, 2.5 * scatter))
    assert np.mean(covered) > 0.95 - 3 * 0.22 * scatter
    assert np.mean(inside) == pytest.approx(0.683, abs=3 * 0.47 * scatter)


def test_diffusion_that_is_not_there_gets_a_limit():
    rng = np.random.default_rng(1)
    sample, density = sample_movie(diffusion=0.0)
    for _ in range(2):
        found = fit(sample, density, rng).diffusion
        assert found.value >= 0
        assert 0 < found.upper95 < 2
        assert found.value > 2 * found.sigma or "not resolved" in found.note


def test_profile_and_prediction():
    sample, density = sample_movie()
    found = fit(sample, density, np.random.default_rng(2))
    d, rise = found.profile["diffusion"].values, found.profile.values
    best = found.diffusion
    assert d[np.argmin(rise)] == pytest.approx(best.value, abs=np.diff(d)[0])
    # Near the minimum the profile is the parabola of sigma; the limit lies 1.645 sigmas above.
    assert np.interp(best.value + best.sigma, d, rise) == pytest.approx(1, abs=0.35)
    assert best.upper95 == pytest.approx(best.value + 1.645 * best.sigma, rel=0.1)
    assert found.chi2 / found.dof == pytest.approx(1, abs=4 * np.sqrt(2 / found.dof))
    shown = found.evaluate(FRAMES, PLACES, PLACES)
    assert np.sqrt(np.mean((shown - density) ** 2)) < 0.3 * SIGMA
    assert not found.evaluate(-10.0, 0.0).any()
    assert found.evaluate([30.0, 10.0], 0.0)[:, 0, 0] == pytest.approx(
        density[[2, 0], 5, 5], abs=SIGMA
    )
    assert (found.stimulated["rate"] >= 0).all()
    assert found.stimulated["rate"].attrs["units"] == "1/ps"


def test_frames_that_last():
    """The chirped probe takes 1.4 ps to pass: a frame is a mean over that."""
    sample, density = sample_movie(spread=1.4)
    found = fit(sample, density, spread=np.full(len(FRAMES), 1.4))
    assert found.diffusion.value == pytest.approx(0.8, abs=0.1 * found.diffusion.sigma)


@pytest.mark.parametrize("kind", ["linear", "quadratic"])
def test_the_likelihood_tells_how_stimulated_emission_enters(kind):
    """Clouds of Eq. 4 itself, with k(t) N² as it is printed, and with k(t) N; D = 8 cm²/s."""
    cells, side = 80, 0.1
    x = (np.arange(cells) + 0.5) * side - 4
    peak, a, b = 1.6e19, 2e-4, 1.8e-21

    def k(t):
        return 0.04 * np.exp(-(((t - 15) / 10) ** 2))

    rates = (
        {"linear": lambda t: a + k(t), "quadratic": b}
        if kind == "linear"
        else {"linear": a, "quadratic": lambda t: b + k(t) / peak}
    )
    beam = np.exp(-2 * (x / PUMP) ** 2)
    times = np.array([0.0, *FRAMES])
    cloud = solve_diffusion(peak * np.outer(beam, beam), side, times, diffusion=8e-4, **rates)
    light = np.exp(-2 * ((PLACES[:, np.newaxis] - x) / PROBE) ** 2)
    light /= light.sum(axis=1, keepdims=True)
    sample, _ = sample_movie()
    no_auger = RateConstants.independent(
        Estimate(sample.trapping, 0.1 * sample.trapping, "s-1"),
        Estimate(sample.radiative, 0.01 * sample.radiative, "cm3/s"),
        Estimate(0.0, 1e-33, "cm6/s"),
    )
    found = fit(sample, light @ cloud[1:] @ light.T, rates=no_auger)
    assert found.model == kind
    assert found.diffusion.value == pytest.approx(8.0, abs=0.3 * found.diffusion.sigma)
    assert "D = " in found.diffusion.note  # of the other


def test_a_movie_with_holes_still_works():
    rng = np.random.default_rng(4)
    sample, density = sample_movie()
    holed = density + rng.normal(0, SIGMA, density.shape)
    holed[1::2] = np.nan
    holed[4, 3:6] = np.nan
    found = fit(sample, holed)
    assert abs(found.diffusion.value - 0.8) < 3 * found.diffusion.sigma
    assert found.diffusion.sigma < 1


def test_bad_movies_are_told_in_a_line():
    sample, density = sample_movie()
    noise = np.random.default_rng(5).normal(0, SIGMA, density.shape)
    early = np.where(FRAMES < 40, 1.0, np.nan)[:, np.newaxis, np.newaxis]
    with pytest.raises(ValueError, match="3 usable delays"):
        fit(sample, density * early)
    with pytest.raises(ValueError, match="16 usable positions"):
        fit(
            sample,
            density[:, :4, :4],
            x=PLACES[:4],
            y=PLACES[:4],
        )
    with pytest.raises(ValueError, match="no carriers stand out"):
        fit(sample, noise)


def test_unknown_rates_are_fitted_and_upper_limits_used():
    sample, density = sample_movie()
    found = fit(
        sample,
        density,
        rates=RateConstants.independent(
            not_determined("s-1", "no kinetics"),
            Estimate(sample.radiative, 0.01 * sample.radiative, "cm3/s"),
            Estimate(np.nan, np.nan, "cm6/s", upper95=1e-29),
        ),
    )
    assert abs(found.diffusion.value - 0.8) < found.diffusion.sigma
    assert found.trapping.value == pytest.approx(sample.trapping, abs=found.trapping.sigma)


def test_a_frame_is_the_same_alone_as_among_others():
    """The fit's steps follow the stimulated emission, also where one instant is asked for."""
    found, time = fit(*sample_movie()), np.array([20.0, 50.0, 180.0])
    together = found.evaluate(time, [0.0, 1.0])
    alone = np.concatenate([found.evaluate([t], [0.0, 1.0]) for t in time])
    np.testing.assert_allclose(alone, together, rtol=1e-12)
