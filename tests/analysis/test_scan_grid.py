"""Folding the points of a scan into its grid."""

import numpy as np
import pytest
import xarray as xr

from analysis.scan_grid import fold, varying


def scan(**columns):
    """A reduced scan at one place, but for `columns` (P)."""
    points = len(next(iter(columns.values())))
    still = {"delay": 5.0, "x": 0.2, "y": -0.1, "fluence": 0.5}
    columns = {**{name: np.full(points, value) for name, value in still.items()}, **columns}
    return xr.Dataset({name: ("point", np.asarray(values)) for name, values in columns.items()})


def test_a_map_folds_with_the_slowest_axis_first():
    delay, y, x = np.meshgrid([0.0, 10.0], [1.0, 2.0, 3.0], [-1.0, 0.0, 1.0, 2.0], indexing="ij")
    value = 100 * delay + 10 * y + x
    points = scan(delay=delay.ravel(), y=y.ravel(), x=x.ravel(), delta_n=value.ravel())
    points["differential_spectrum"] = ("point", "wavelength"), np.outer(value.ravel(), [1.0, 2.0])
    points = points.assign_coords(wavelength=[530.0, 540.0])
    points = points.assign_attrs(shape=np.array([2, 3, 4]), axes="delay y x")
    folded = fold(points)
    assert folded["delta_n"].dims == ("delay", "y", "x")
    assert float(folded["delta_n"].sel(delay=10, y=3, x=-1)) == 1029
    assert folded["differential_spectrum"].dims == ("delay", "y", "x", "wavelength")
    assert float(folded["differential_spectrum"].sel(delay=10, y=3, x=-1)[1]) == 2058
    np.testing.assert_array_equal(folded.coords["wavelength"], [530, 540])
    assert folded["fluence"].dims == ("delay", "y", "x"), "no axis, so a value at every point"


def test_an_axis_is_where_its_points_really_were():
    """Whole steps of 26.7 fs: the readback differs from what was asked for."""
    delay = np.array([1.0, 2.0, 1.02, 2.04])
    points = scan(fluence=[0.3, 0.3, 0.6, 0.6], delay=delay, delta_n=np.arange(4.0))
    folded = fold(points.assign_attrs(shape=np.array([2, 2]), axes="fluence delay"))
    np.testing.assert_allclose(folded["delay"], [1.01, 2.02])
    np.testing.assert_allclose(folded["fluence"], [0.3, 0.6])


@pytest.mark.parametrize("axis", ["delay", "x", "y", "fluence"])
def test_without_a_shape_the_one_coordinate_that_changes_is_the_axis(axis):
    """A scan that was broken off, or somebody else's; the others tremble as readbacks do."""
    rng = np.random.default_rng(1)
    trembling = {
        "x": 0.2 + rng.uniform(-0.04, 0.04, 5),
        "y": rng.uniform(-0.04, 0.04, 5),
        "fluence": 0.5 * (1 + rng.uniform(-0.008, 0.008, 5)),
    }
    values = np.array([0.1, 0.4, 0.8, 0.6, 1.0])
    points = scan(**{**trembling, axis: values}, delta_n=2 * values)
    assert varying(points) == [axis]
    folded = fold(points)
    assert folded.attrs["axes"] == axis
    np.testing.assert_array_equal(folded[axis], values)
    np.testing.assert_array_equal(folded["delta_n"], 2 * values)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (scan(delay=[1.0, 2.0, 1.0], fluence=[0.3, 0.3, 0.6]), "over delay and fluence has no"),
        (scan(delay=[1.0, 1.0]), "over nothing has no shape"),
        (scan(delay=[1.0, 2.0]).assign_attrs(shape=np.array([3]), axes="delay"), "2 points do not"),
        (scan(delay=[1.0, 2.0]).assign_attrs(shape=np.array([2]), axes="y x"), "do not fold"),
        (xr.Dataset(), "no points"),
    ],
)
def test_what_does_not_fold_is_refused_with_the_reason(points, message):
    with pytest.raises(ValueError, match=message):
        fold(points)
