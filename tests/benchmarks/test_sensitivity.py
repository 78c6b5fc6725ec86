"""The published reduction as a baseline, and the bounds that reductions are held against."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import reduce_complete
from scipy.special import erf

from benchmarks.accuracy.formula_plate import (
    GAIN,
    HALF,
    NOISE,
    OPEN,
    READ_NOISE,
    SHAPE,
    SLOT,
    WAVELENGTH,
    FormulaPlate,
)
from benchmarks.accuracy.paper_baseline import reduce_as_published
from benchmarks.accuracy.sensitivity import (
    Comparison,
    different_plates,
    drift_bound,
    rise,
    sensitivity,
)
from benchmarks.accuracy.sensitivity_page import draw, page
from ocm_ophyd.twin import load_scenario

DELTA_N = 3e-3


def published_bias(fringes, phase):
    point = FormulaPlate(fringes, phase).dataset(np.array([DELTA_N]), 60)
    return reduce_as_published(point).delta_n[0] / DELTA_N - 1


@pytest.mark.parametrize("fringes", [4.0, 8.0, 20.0])
def test_the_published_reduction_is_right_where_its_peak_is_clear_of_zero(fringes):
    assert max(abs(published_bias(fringes, phase)) for phase in (0, 1, 2, 3)) < 0.01


def test_the_published_reduction_is_biased_where_the_peak_overlaps_its_mirror_image():
    # 1.2 fringes: the sign goes with the fringe's phase; less than half a fringe: no number at all
    biases = [published_bias(1.2, phase) for phase in np.linspace(0, np.pi, 8, endpoint=False)]
    assert max(biases) > 0.03
    assert min(biases) < -0.03
    assert max(abs(published_bias(0.4, phase)) for phase in np.linspace(0, np.pi, 8)) > 0.2


def test_the_sign_is_the_samples_and_the_phase_follows_every_frame():
    plate = FormulaPlate(4.0)
    point = plate.dataset(np.array([DELTA_N, -DELTA_N]), 60)
    result = reduce_as_published(point)
    np.testing.assert_allclose(result.delta_n, [DELTA_N, -DELTA_N], rtol=0.01)
    opened = point["pump_open"].values[0]
    slope, _ = np.polyfit(opened, result.phase[0], 1)
    # 2 k L Δn at the window's middle, where 1/λ is the mean of both ends'
    expected = 2 * np.pi * (1 / 0.925 + 1 / 1.125) * plate.thickness * DELTA_N
    assert slope == pytest.approx(expected, rel=0.02)


def test_the_default_scenario_shows_the_papers_sensitivity_and_the_limit_is_far_below():
    scenario = load_scenario(None)
    result = sensitivity(scenario, periods=400, averaged=(1,))
    published, project, limit = (result[name][0] for name in ("published", "project", "limit"))
    assert published == pytest.approx(1e-3, rel=0.15)  # 400 points: known to 3.5 %
    assert project < 0.3 * published
    assert limit < 0.1 * project
    # what the published reduction takes for a phase is the sway of the spectrum
    steady = scenario.probe.model_copy(update={"slow_tilt_noise": 0.0})
    still = sensitivity(scenario.model_copy(update={"probe": steady}), periods=400, averaged=(1,))
    assert still["published"][0] < 0.3 * published
    assert still["project"][0] == pytest.approx(project, rel=0.1)


def test_a_rise_is_that_of_the_error_function():
    time = np.arange(-6, 6.01, 0.25)
    step = (1 + erf(time / (np.sqrt(2) * 0.9))) / 2
    assert rise(time, step) == pytest.approx(2.563 * 0.9, rel=0.02)  # between the 10 % quantiles


def test_the_bound_is_reached_by_least_squares_with_the_noises_own_covariance():
    """Generalised least squares, pixel by pixel, on frames with all the noise that is stated."""
    plate, frames, points = FormulaPlate(1.2, 1.0), 24, 400
    counts = plate.dataset(np.zeros(points), frames, seed=5)["frames"].values - 1500.0
    inside = np.abs(WAVELENGTH - 1025) <= HALF
    off = plate.spectrum(0.0)
    tilted = off * (WAVELENGTH - 1025) / 100
    covariance = np.diag(off / GAIN + (READ_NOISE / GAIN) ** 2)
    covariance += NOISE["energy"] ** 2 * np.outer(off, off)
    covariance += NOISE["tilt"] ** 2 * np.outer(tilted, tilted)
    slope = (plate.spectrum(1e-6) - plate.spectrum(-1e-6)) / 2e-6
    slope, inverse = slope[inside], np.linalg.inv(covariance[np.ix_(inside, inside)])
    of_frame = (counts[..., inside] - off[inside]) @ inverse @ slope / (slope @ inverse @ slope)
    modulation = np.tile(OPEN, frames // 6) - OPEN.mean()
    estimates = of_frame @ modulation / (modulation @ modulation)
    bound = plate.bound(frames, same_light=True)
    assert estimates.std() == pytest.approx(bound, rel=0.12)  # of 400: 3.5 %
    assert abs(estimates.mean()) < 4 * bound / np.sqrt(points)


def test_the_bound_and_its_part_are_the_errors_of_a_linear_estimate_with_priors():
    """Generalised least squares on frames that are linear in all that is not known."""
    plate, delta_n, frames, draws = FormulaPlate(0.4, 1.0), 3e-2, 12, 2000
    slope = (WAVELENGTH - 1025) / 100
    inside = np.abs(WAVELENGTH - 1025) <= HALF

    def frame(on, by=0.0, path=0.0, level_on=0.0, tilt_on=0.0, **shape):
        like = replace(plate, **{name: getattr(plate, name) + v for name, v in shape.items()})
        pumped = on * (1 + level_on + tilt_on * slope) * like.spectrum(delta_n + by, path)
        return ((1 - on) * like.spectrum(0.0, path) + pumped)[inside]

    width = {"by": np.inf, **SHAPE} | dict.fromkeys(("path", "level_on", "tilt_on"), np.inf)
    white = []
    for on in OPEN:
        light = frame(on)
        tilted = light * slope[inside]
        covariance = np.diag(light / GAIN + (READ_NOISE / GAIN) ** 2)
        covariance += NOISE["energy"] ** 2 * np.outer(light, light)
        covariance += NOISE["tilt"] ** 2 * np.outer(tilted, tilted)
        table = [(frame(on, **{n: 1e-5}) - frame(on, **{n: -1e-5})) / 2e-5 for n in width]
        white.append(np.linalg.solve(np.linalg.cholesky(covariance), np.transpose(table)))
    white = np.concatenate(white * (frames // len(OPEN)))
    known = np.array(list(width.values())) ** -2.0
    estimate = np.linalg.solve(white.T @ white + np.diag(known), white.T)[0]

    rng = np.random.default_rng(4)
    own = rng.standard_normal((draws, len(white))) @ estimate
    widths = np.where(known > 0, list(width.values()), 0.0)
    plates = rng.standard_normal((draws, len(known))) * widths @ (white.T @ estimate)
    assert own.std() == pytest.approx(plate.bound(frames, delta_n, one_plate=True), rel=0.06)
    whole = np.sqrt(np.mean((own + plates) ** 2))
    assert whole == pytest.approx(plate.bound(frames, delta_n), rel=0.06)  # of 2000: 1.6 %
    assert whole > 2 * own.std()


@pytest.mark.slow
@pytest.mark.parametrize("delta_n", [1e-3, 1e-2, 3e-2])
def test_sigma_is_right_for_plates_of_half_a_fringe_of_different_shapes(delta_n):
    """Their spectra are hardly curved: the fit has a narrow bent valley to go down."""
    result = different_plates(0.4, delta_n, 100)  # whose root mean squares are known to 7 %
    assert result["error"] < 1.15 * 1.14
    assert 0.75 < result["pull"] < 1.25
    assert result["largest"] < 4.5
    assert abs(result["bias"]) < 0.01 + 3 * result["bias_sigma"]


def test_the_bound_with_drift_has_the_limits_that_it_must_have():
    opened = np.tile(OPEN, 20)
    white = drift_bound(opened, 1e-3, 1e-9)
    assert white == pytest.approx(1e-3 / np.sqrt(len(opened) * OPEN.var()), rel=1e-3)
    # a walk alone: its steps are white, and what they see of the pump are the steps of `opened`
    walk = drift_bound(opened, 1e-6, 1e-3)
    assert walk == pytest.approx(1e-3 / np.sqrt(np.sum(np.diff(opened) ** 2)), rel=1e-2)
    assert drift_bound(opened, 1e-3, 1e-3) > max(white, walk)


def test_frames_of_the_formula_are_what_the_reduction_expects():
    point = FormulaPlate(1.2).dataset(np.array([DELTA_N]), 12, seed=1)
    assert point.attrs["thickness"] == pytest.approx(1.5, abs=0.02)  # 1.2 fringes are 1.5 um
    assert np.diff(point["frame_time"].values[0]) == pytest.approx(SLOT)


@pytest.mark.parametrize("fringes", [0.4, 0.7])
@pytest.mark.parametrize("phase", [0.5, 1.0])
def test_sigma_holds_where_the_light_of_a_thin_plate_sways(fringes, phase):
    """By 4 % within 50 ms: then a point's mean tilt is less well known than the reference's."""
    rng = np.random.default_rng(7)
    points, frames, delta_n = 60, 60, 1e-2
    kept = np.exp(-SLOT / 0.05)
    tilt = 0.04 * rng.standard_normal((points, frames))
    for f in range(1, frames):
        tilt[:, f] = kept * tilt[:, f - 1] + np.sqrt(1 - kept**2) * tilt[:, f]
    still = FormulaPlate(fringes, phase).dataset(np.full(points, delta_n), frames, seed=1)
    light = still["frames"] - still["dark"]
    slope = (WAVELENGTH - 1025) / 100
    swayed = light * (1 + tilt[:, :, np.newaxis] * slope) + still["dark"]
    point = reduce_complete(still.assign(frames=np.rint(swayed).astype(np.uint32)))
    pull = (point["delta_n"] - delta_n) / point["delta_n_sigma"]
    assert 0.7 < np.sqrt((pull**2).mean()) < 1.15
    # and the table says that it is the light
    assert point["source_share"].mean() > reduce_complete(still)["source_share"].mean()


def test_page_and_figure_show_every_row(tmp_path):
    columns = {
        name: [1e-4, 1e-5] for name in ("time", "published", "project", "stated", "bound", "limit")
    }
    times = np.arange(-6.0, 8.0)
    step = {"time": times, "delta_n": times * 0, "rise": 2.3, "plateau": 0.9}
    row = dict.fromkeys(
        (
            *("fringes", "bound", "bound_same_light", "scatter_published", "scatter_project"),
            *("stated_project", "bias_published", "bias_project"),
        ),
        0.5,
    )
    effect = {"fringes": 20.0, "delta_n": 1e-3, "drift": 0.0, "bound": 2e-6, "bias": 0.004}
    effect |= {"scatter": 3e-6, "stated": 3.3e-6}
    effects = [effect, effect | {"drift": 0.1}]
    different = {"fringes": 0.4, "delta_n": 1e-2, "error": 1.1, "error_same_light": 1.3}
    different |= {"pull": 0.9, "largest": 2.5, "bias": 1e-3, "bias_sigma": 2e-3}
    results = Comparison({"quiet": columns}, {"FFT bin": step}, [row], effects, [different])
    draw(results, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    text = page(results, "figure.png")
    assert text.count("| quiet |") == 2
    assert "| FFT bin | 2.30 ps | 0.900 |" in text
    assert "50.0%" in text
    assert "| 20 | 0.001 | 0 | 2e-06 | 1.50 | 1.10 | 0.40% |" in text
    assert "| 20 | 0.001 | 0.1 | 2e-06 | 1.50 | 1.10 | – |" in text
    assert "| 0.4 | 0.01 | 1.10 | 1.30 | 0.90 | 2.5 | 0.10% ± 0.20% |" in text


def test_bound_of_many_fringes_is_that_of_a_sine_in_white_noise():
    """Twenty fringes: <sin²> per frame, a lever of the chopper's variance; drift adds to it."""
    still = FormulaPlate(20.0, 1.0)
    frames = 60
    spectrum = still.spectrum(0.0)
    inside = np.abs(WAVELENGTH - 1025) <= 100
    slope = (still.spectrum(1e-7) - still.spectrum(-1e-7)) / 2e-7
    variance = spectrum / GAIN + (READ_NOISE / GAIN) ** 2
    information = (slope**2 / variance)[inside].sum()
    assert still.bound(frames) == pytest.approx(
        (information * frames * OPEN.var()) ** -0.5, rel=0.02
    )
    assert FormulaPlate(20.0, 1.0, drift=0.1).bound(frames) > 10 * still.bound(frames)
