"""Reduced scans as arrays: gaps, order, sampling times and materials."""

import numpy as np
import pytest
import xarray as xr

from analysis.materials import Lorentz, SorefBennett
from analysis.paper.curves import (
    grid_scan,
    kinetics_curves,
    material_of,
    measured_scan,
    probe_time,
)
from ocm_ophyd.errors import DataError


def scan(**columns):
    return xr.Dataset({name: ("point", np.asarray(values)) for name, values in columns.items()})


def kinetics():
    fluence, delay = (
        grid.ravel() for grid in np.meshgrid([0.35, 0.8], [20.0, -5.0, 5.0, 10.0], indexing="ij")
    )
    density = fluence * 2e19 * np.exp(-np.maximum(delay, 0) / 100)
    return scan(
        fluence=fluence + np.tile([0.001, -0.001, 0.0, 0.0], 2),
        delay=delay,
        carrier_density=density,
        carrier_density_sigma=np.full(8, 3e16),
    )


def test_curves_are_in_order_of_time_after_the_passage_of_the_probe():
    low, high = kinetics_curves(kinetics())
    np.testing.assert_array_equal(low.delay, [5.0, 10.0, 20.0])
    assert (low.fluence, high.fluence) == pytest.approx((0.35, 0.8))
    np.testing.assert_allclose(high.density, 1.6e19 * np.exp(-np.array([0.05, 0.1, 0.2])))
    np.testing.assert_allclose(high.sigma, np.hypot(3e16, 1e-3 * high.density))


def test_a_fluence_without_half_of_its_delays_is_dropped():
    holed = kinetics()
    holed["carrier_density"][[0, 1, 2]] = np.nan
    (curve,) = kinetics_curves(holed)
    assert curve.fluence == pytest.approx(0.8)
    holed["carrier_density"][:] = np.nan
    with pytest.raises(DataError, match="at no fluence"):
        kinetics_curves(holed)


def test_the_probe_samples_later_than_the_delay():
    time, spread = probe_time(kinetics())
    np.testing.assert_array_equal(time, kinetics()["delay"])
    assert not spread.any()
    chirped = kinetics().assign(
        probe_delay=("point", np.where(np.arange(8) < 7, 0.6, np.nan)),
        probe_spread=("point", np.full(8, 1.2)),
    )
    time, spread = probe_time(chirped)
    np.testing.assert_allclose(time[:7], kinetics()["delay"][:7] + 0.6)
    assert time[7] == kinetics()["delay"][7]  # without a phase there is no sampling time
    np.testing.assert_array_equal(spread, 1.2)


def test_maps_fold_into_a_grid_with_gaps():
    delay, y, x = (
        g.ravel() for g in np.meshgrid([5.0, 50.0], [-1.0, 1.0], [0.0, 1.0, 2.0], indexing="ij")
    )
    values = 100 * delay + 10 * y + x
    movie = scan(delay=delay, x=x, y=y, delta_n=values, delta_n_sigma=np.ones(12))
    broken = movie.isel(point=slice(0, 10)).isel(point=np.random.default_rng(1).permutation(10))
    grid = grid_scan(broken, "delta_n")
    assert grid.values.shape == (2, 2, 3)
    np.testing.assert_array_equal(grid.time, [5.0, 50.0])
    np.testing.assert_array_equal(grid.x, [0.0, 1.0, 2.0])
    assert grid.values[1, 0, 2] == 5000 - 10 + 2
    assert np.isnan(grid.values[1, 1, 1:]).all()
    assert np.isnan(grid.sigma[1, 1, 2])


def test_the_material_of_a_scan_has_a_model():
    assert isinstance(material_of(kinetics().assign_attrs(material="CsPbBr3")), Lorentz)
    assert isinstance(material_of(kinetics().assign_attrs(material="Si")), SorefBennett)
    for attrs in ({}, {"material": "unobtainium"}):
        with pytest.raises(DataError, match="CsPbBr3, Si"):
            material_of(kinetics().assign_attrs(attrs))


def test_a_scan_without_points_was_not_measured():
    for missing in (None, kinetics().isel(point=slice(0))):
        with pytest.raises(DataError, match="no movie was measured"):
            measured_scan(missing, "movie")
    assert measured_scan(kinetics(), "kinetics").sizes["point"] == 8
