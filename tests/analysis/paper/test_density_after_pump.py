"""A sweep that looks late is followed back to the pump, as far as lasing lets it."""

import numpy as np
import pytest
import xarray as xr
from microlaser import DIFFUSION, Laboratory
from slow_cases import slow_except

from analysis.paper.thresholds import density_after_pump
from analysis.rate_equations.fit import fit_rate_equations
from ocm_ophyd.twin import load_scenario

FLUENCE = np.linspace(0.1, 1.0, 19)  # mJ/cm²
TIME, SPREAD = 5.2, 1.4  # ps: the sweep's delay, and the chirped probe's passage
NOISE = 5e-3  # relative, of a point


@pytest.fixture(scope="module", params=slow_except([0.43], [0.43, 0.561, 2.0]))
def sweep(request):
    """Sample, its sweep without noise, and rates fitted to noisy kinetics of it."""
    default = load_scenario()
    lasing = default.sample.lasing.model_copy(update={"threshold_fluence": request.param})
    sample = default.sample.model_copy(update={"lasing": lasing})
    laboratory = Laboratory(default.model_copy(update={"sample": sample}))
    curves = laboratory.curves(np.random.default_rng(2))
    rates = fit_rate_equations(curves, laboratory.plate, None, DIFFUSION, profiles=False)
    clouds = [laboratory.sample.carriers(fluence) for fluence in FLUENCE]
    nodes = np.array([TIME - SPREAD, TIME + SPREAD])
    left = [laboratory.sample.density(nodes, cloud, 0.0, 0.0).mean() for cloud in clouds]
    before = np.array([laboratory.seen(fluence) for fluence in FLUENCE])
    return request.param, np.array(left), before, rates


def reduced(density):
    return xr.Dataset(
        {
            "carrier_density": ("point", density),
            "carrier_density_sigma": ("point", NOISE * np.abs(density)),
            "delay": ("point", np.full(density.size, TIME)),
            "probe_delay": ("point", np.zeros(density.size)),
            "probe_spread": ("point", np.full(density.size, SPREAD)),
            "fluence": ("point", FLUENCE),
        }
    )


def test_what_is_followed_back_is_what_was_there(sweep):
    threshold, left, before, rates = sweep
    found = density_after_pump(reduced(left), rates)
    known = np.isfinite(found["density"].values)
    assert known[threshold * 1.4 > FLUENCE].all()
    away = (found["density"] - before) / found["sigma"]
    assert (np.abs(away.values[known]) < 1).all()  # only the rates' own noise is left
    assert (found["sigma"].values[known] >= 0.99 * NOISE * before[known]).all()


def test_where_less_is_left_of_more_nothing_is_said(sweep):
    """Far above the threshold a fall of density hides behind the same number that a rise has."""
    threshold, left, before, rates = sweep
    falls = np.append(np.diff(left) < 0, False)
    rng, pulls = np.random.default_rng(8), []
    for _ in range(20):
        found = density_after_pump(reduced(left * (1 + rng.normal(0, NOISE, left.size))), rates)
        known = np.isfinite(found["density"].values)
        assert not known[falls].any()
        pulls.extend((found["density"].values - before)[known] / found["sigma"].values[known])
    assert np.sqrt(np.mean(np.square(pulls))) == pytest.approx(1, abs=0.25)
    assert abs(np.mean(pulls)) < 0.3
    if threshold == 0.43:
        assert falls.any()


def test_one_wrong_point_is_one_wrong_point(sweep):
    _, left, _, rates = sweep
    right = density_after_pump(reduced(left), rates)
    left = left.copy()
    left[3] *= 8
    found = density_after_pump(reduced(left), rates)
    others = np.arange(left.size) != 3
    np.testing.assert_array_equal(np.isnan(found["density"]), np.isnan(right["density"]))
    np.testing.assert_allclose(found["density"][others], right["density"][others], rtol=5e-3)


def test_what_cannot_be_followed_back_is_told_in_a_line(sweep):
    _, left, _, rates = sweep
    with pytest.raises(ValueError, match="no carriers stand out"):
        density_after_pump(reduced(-left), rates)
    with pytest.raises(ValueError, match="still arriving: measure it some ps later"):
        density_after_pump(reduced(left).assign(delay=("point", np.full(19, -1.0))), rates)
    late = reduced(left / 10).assign(delay=("point", np.full(19, 5000.0)))
    with pytest.raises(ValueError, match="measure the fluence sweep earlier"):
        density_after_pump(late, rates)
