"""A sweep that looks late is followed back to the pump, as far as lasing lets it."""

import numpy as np
import pytest
import xarray as xr
from microlaser import DIFFUSION, Laboratory

from analysis.paper.thresholds import density_after_pump
from analysis.rate_equations import fit_rate_equations
from ocm_ophyd.twin import load_scenario

FLUENCE = np.linspace(0.1, 1.0, 19)  # mJ/cm²
TIME, SPREAD = 5.2, 1.4  # ps: the sweep's delay, and the chirped probe's passage
NOISE = 5e-3  # relative, of a point


@pytest.fixture(scope="module", params=[0.43, 0.561, 2.0])
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
    noise = np.random.default_rng(8).normal(0, NOISE, (20, left.size))
    for one in noise:
        found = density_after_pump(reduced(left * (1 + one)), rates)
        known = np.isfinite(found["density"].values)
        assert not known[falls].any()
        away = (found["density"].values - before)[known] / found["sigma"].values[known]
        assert np.sqrt(np.mean(away**2)) < 1.8  # of 7 or more
    if threshold == 0.43:
        assert falls.any()


def test_without_carriers_there_is_nothing_to_follow(sweep):
    _, left, _, rates = sweep
    assert np.isnan(density_after_pump(reduced(-left), rates)["density"]).all()
