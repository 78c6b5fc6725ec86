"""Which fit a scan gets by its axes, and that its numbers are those it was made of."""

import numpy as np
import pytest
from reduced_scans import FAST, SLOW, THRESHOLD, biexponential, scan

from analysis.scan_fits import fit_scan
from ocm_ophyd.errors import DataError


def close(estimate, value):
    return abs(estimate.value - value) < 3.5 * estimate.sigma


DELAY = np.concatenate([np.arange(2, 20, 1.0), np.geomspace(20, 400, 25)])


def test_a_delay_scan_gives_the_decay_and_its_window():
    points = scan("delay", [len(DELAY)], biexponential(DELAY), delay=DELAY)
    found = fit_scan(points, (2.0, 250.0)).estimates
    assert close(found["tau_lasing"], FAST)
    assert close(found["tau_fluor"], SLOW)
    assert found["tau_lasing"].unit == "ps"
    assert "window 2 to 250 ps" in found["tau_fluor"].note
    assert found["relaxation_time"].value > FAST


def test_a_broken_off_delay_scan_is_fitted_all_the_same():
    points = scan("delay", [len(DELAY)], biexponential(DELAY), delay=DELAY)
    rest = points.isel(point=slice(35))
    rest.attrs.clear()
    assert close(fit_scan(rest).estimates["tau_lasing"], FAST)


def test_a_fluence_sweep_gives_response_and_threshold():
    fluence = np.linspace(0.1, 1.0, 13)
    points = scan("fluence", [13], 1.75e-2 * fluence / (1 + 0.08 * fluence), fluence=fluence)
    found = fit_scan(points).estimates
    assert close(found["slope"], 1.75e-2)
    assert close(found["loss"], 0.08)
    assert close(found["threshold"], THRESHOLD)
    assert found["threshold"].sigma < 0.01


def test_sigma_grows_where_the_model_misses_more_than_the_noise():
    """Fluences known to 1 %: the scatter about the curve is then five times the noise of Δn."""
    rng = np.random.default_rng(2)
    fluence = np.linspace(0.1, 1.0, 13)
    pulls = []
    for seed in range(60):
        real = fluence * (1 + rng.normal(0, 0.01, 13))
        points = scan("fluence", [13], 1.75e-2 * real, seed, fluence=fluence)
        slope = fit_scan(points).estimates["slope"]
        pulls.append((slope.value - 1.75e-2) / slope.sigma)
    # the largest fluences scatter most and yet weigh as much: a factor of two is in order
    assert np.std(pulls) < 2


def test_a_sweep_below_threshold_says_that_there_is_none():
    fluence = np.linspace(0.05, 0.3, 8)
    found = fit_scan(scan("fluence", [8], 1.75e-2 * fluence, fluence=fluence)).estimates
    assert close(found["slope"], 1.75e-2)
    assert np.isnan(found["threshold"].value)
    assert "does not bend up" in found["threshold"].note


def test_a_fluence_delay_map_is_fitted_at_every_fluence():
    fluence, delay = np.meshgrid([0.4, 0.8], DELAY, indexing="ij")
    points = scan(
        "fluence delay",
        fluence.shape,
        fluence / 0.8 * biexponential(delay),
        fluence=fluence.ravel(),
        delay=delay.ravel(),
    )
    found = fit_scan(points).estimates
    for value in ("0.4", "0.8"):
        assert close(found[f"tau_lasing at {value} mJ/cm^2"], FAST)


def test_a_map_gives_the_cloud_at_every_delay_even_the_same_one_twice():
    """w_map² = w_cloud² + w_probe²; a slice without a cloud says so and spoils no other."""
    side = np.linspace(-2.5, 2.5, 9)
    delay, y, x = np.meshgrid([5.0, 5.0, -9.0], side, side, indexing="ij")
    width = np.hypot(2.25, 0.5)
    cloud = 8e-3 * np.exp(-2 * ((x - 0.3) ** 2 + (y + 0.2) ** 2) / width**2) * (delay > 0)
    cloud[2] = np.nan
    points = scan("delay y x", cloud.shape, cloud, delay=delay.ravel(), y=y.ravel(), x=x.ravel())
    found = fit_scan(points).estimates
    assert close(found["cloud_waist at 5 ps"], 2.25)
    assert close(found["cloud_waist at 5 ps (2)"], 2.25)
    assert close(found["x at 5 ps"], 0.3)
    assert close(found["y at 5 ps"], -0.2)
    assert close(found["amplitude at 5 ps"], 8e-3)
    assert "not determined" in found["at -9 ps"].note


def test_a_single_map_gives_the_cloud():
    side = np.linspace(-2.5, 2.5, 9)
    y, x = np.meshgrid(side, side, indexing="ij")
    cloud = 8e-3 * np.exp(-2 * (x**2 + y**2) / (2.25**2 + 0.5**2))
    found = fit_scan(scan("y x", cloud.shape, cloud, y=y.ravel(), x=x.ravel()))
    assert close(found.estimates["cloud_waist"], 2.25)
    assert found.residuals[""].position.max() == pytest.approx(2.5 * np.sqrt(2), rel=0.01)
    assert not found.misfits


def test_a_named_model_is_fitted_to_every_delay_scan():
    fluence, delay = np.meshgrid([0.4, 0.8], DELAY, indexing="ij")
    decay = fluence / 0.8 * 8e-3 * np.exp(-((delay / 50) ** 0.7))
    points = scan("fluence delay", decay.shape, decay, fluence=fluence.ravel(), delay=delay.ravel())
    found = fit_scan(points, model="stretched")
    assert close(found.estimates["beta at 0.8 mJ/cm^2"], 0.7)
    assert {fit.model.name for fit in found.decays.values()} == {"stretched"}


def test_fits_that_miss_the_data_by_far_are_listed_with_their_residuals():
    odd = biexponential(DELAY) * (1 + 0.03 * np.sin(DELAY))
    found = fit_scan(scan("delay", [len(DELAY)], odd, delay=DELAY))
    (residuals,) = found.misfits.values()
    assert residuals.reduced_chi2 > 2
    assert residuals.fit == "biexponential"
    np.testing.assert_array_equal(residuals.position, DELAY)
    assert np.mean(residuals.value**2) == pytest.approx(
        residuals.reduced_chi2 * residuals.dof / len(DELAY), rel=1e-6
    )
    good = fit_scan(scan("delay", [len(DELAY)], biexponential(DELAY), delay=DELAY))
    assert not good.misfits


def constant(axes, shape, seed=0, **columns):
    return scan(axes, shape, np.full(shape, 2e-3), seed, **columns)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (scan("delay", [1], [5e-3], delay=5.0), "a single delay, 5 ps"),
        (scan("delay", [9], np.full(9, 5e-3), delay=5.0), "a single delay, 5 ps"),
        (
            constant("delay", [43], delay=DELAY),
            r"Δn does not change with the delay; it is 0.00[12]",
        ),
        (scan("delay", [43], np.full(43, np.nan), delay=DELAY), "no delay has a finite Δn"),
        (scan("x", [9], np.zeros(9), x=np.linspace(-2, 2, 9)), "no fit for a scan over x; there"),
        (
            scan("fluence", [8], np.zeros(8), fluence=np.linspace(0.05, 0.3, 8)),
            "neither Δn nor the fluorescence changes with the fluence",
        ),
    ],
)
def test_a_scan_with_nothing_to_fit_says_why(points, message):
    with pytest.raises(DataError, match=f"nothing to fit: .*{message}") as caught:
        fit_scan(points)
    assert "\n" not in str(caught.value)


def test_maps_without_a_cloud_say_that_there_is_nothing_to_fit():
    side = np.linspace(-2.5, 2.5, 9)
    delay, y, x = np.meshgrid([3.0, 5.0], side, side, indexing="ij")
    empty = scan("delay y x", delay.shape, 0 * x, delay=delay.ravel(), y=y.ravel(), x=x.ravel())
    with pytest.raises(
        DataError, match=r"nothing to fit: at 3 ps \(and 1 more\): the map shows no"
    ):
        fit_scan(empty)
    alone = empty.isel(point=slice(81)).assign_attrs(axes="y x", shape=np.array([9, 9]))
    with pytest.raises(DataError, match="nothing to fit: the map shows no cloud"):
        fit_scan(alone)


def test_noise_about_a_constant_is_hardly_ever_fitted():
    """The chance is 1 in 1000 for a linear model; decay times are free, so that more pass."""
    fits = 0
    for seed in range(60):
        try:
            fit_scan(constant("delay", [43], seed, delay=DELAY))
            fits += 1
        except DataError:
            pass
    assert fits <= 2


def test_a_window_and_a_model_are_refused_where_no_delay_is_scanned():
    points = scan("fluence", [8], np.zeros(8), fluence=np.linspace(0.05, 0.3, 8))
    for options in ({"window": (0.0, 1.0)}, {"model": "abc"}):
        with pytest.raises(DataError, match="are for delay scans; this is a scan over fluence"):
            fit_scan(points, **options)
