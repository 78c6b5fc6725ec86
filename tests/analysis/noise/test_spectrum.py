"""Noise of frames made from formulas, against theory: spectrum, Allan deviation, limit, drift."""

import json

import h5py
import numpy as np
import pytest
from handmade import (
    CHOPPER,
    DARK,
    EXPOSURE,
    GAIN,
    READ_NOISE,
    SLOT,
    Plate,
    open_fraction,
    reduce_complete,
)
from typer.testing import CliRunner

from analysis.io.raw_file import write_raw
from analysis.noise.phase_record import virtual_chopper
from analysis.noise.spectrum import (
    allan_deviation,
    noise_spectrum,
    period_differences,
    random_walk_rate,
)
from ocm_ophyd.cli import app

MINUTE = 7200  # frames


def pump_off(plate, seed=1):
    """The plate's frames with the pump shut: the chopper shows no modulation."""
    dataset = plate.dataset(seed)
    return dataset.assign(pump_open=dataset["pump_open"] * 0)


def with_shot_noise(dataset, seed=1):
    """Shot noise of the light and read noise; the plate's own is of the converter's bias too."""
    electrons = (dataset["frames"].values - DARK) * GAIN
    rng = np.random.default_rng(seed)
    counts = rng.normal(electrons, np.sqrt(np.maximum(electrons, 0) + READ_NOISE**2)) / GAIN + DARK
    return dataset.assign(frames=dataset["frames"].copy(data=np.rint(counts).astype(np.uint32)))


@pytest.fixture(scope="module")
def quiet():
    """A minute of shot and read noise alone."""
    return noise_spectrum(with_shot_noise(pump_off(Plate(delta_n=0.0, frames=MINUTE))))


def test_a_figure_of_no_kind_is_refused_before_anything_is_measured(tmp_path):
    answer = CliRunner().invoke(app, ["noise", "--sample", "any", "-o", str(tmp_path / "n.json")])
    assert answer.exit_code != 0
    assert "is no figure" in answer.output


def test_the_command_takes_a_file_without_any_pump(tmp_path):
    path = tmp_path / "off.h5"
    with_pump = Plate(delta_n=0.0, frames=600, shot_noise=True, drift=0.05).dataset(1)
    write_raw(with_pump, path)
    with h5py.File(path, "a") as file:
        file["/entry/instrument/spectrometer/pump_open"][:] = 0.0
    answer = CliRunner().invoke(app, ["noise", str(path), "-o", str(tmp_path / "n.png"), "--json"])
    assert answer.exit_code == 0, answer.output
    drift = next(iter(json.loads(answer.stdout).values()))["estimates"]["drift"]
    assert drift["value"] == pytest.approx(0.05, abs=4 * drift["sigma"])


def test_allan_deviation_of_white_noise_falls_with_the_root_of_time():
    rng = np.random.default_rng(1)
    time, deviation, (low, high) = allan_deviation([rng.normal(0, 3.0, 20_000)], 0.05)
    pulls = (deviation / (3.0 * np.sqrt(0.05 / time)) - 1) / (np.log(high / low) / 2)
    known = high < 1.3 * low  # beyond there are few averages, whose scatter is no Gaussian
    assert known.sum() > 15
    assert np.abs(pulls[known]).max() < 3
    assert np.all(np.diff(high / low) > 0)


def test_allan_deviation_of_a_random_walk_grows_as_theory_says():
    # NIST SP 1065: σ²(m) of a walk of unit steps is (2m² + 1)/(6m)
    rng = np.random.default_rng(2)
    walks = [np.cumsum(rng.normal(size=2000)) for _ in range(30)]
    time, deviation, _ = allan_deviation(walks, 1.0)
    short = time < 100
    expected = np.sqrt((2 * time**2 + 1) / (6 * time))
    np.testing.assert_allclose(deviation[short], expected[short], rtol=0.08)


def test_records_are_pooled_as_pairs_of_averages_within_one_record():
    steps = [np.zeros(8), np.full(8, 5.0)]  # a jump between the records is not noise
    _, deviation, _ = allan_deviation(steps, 1.0)
    np.testing.assert_array_equal(deviation, 0.0)


def test_the_interval_of_the_allan_deviation_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(3)
    runs = [allan_deviation([rng.normal(size=400)], 1.0) for _ in range(400)]
    truth = 1 / np.sqrt(runs[0][0])
    held = np.mean([(low < truth) & (truth < high) for _, _, (low, high) in runs], axis=0)
    few = runs[0][0] > 100  # fewer than four averages
    assert np.all(np.abs(held[~few] - 0.683) < 0.1)  # of 400: 2.3 %, and the freedom is approximate
    assert np.all(held[few] > 0.5)


def test_a_drift_in_a_straight_line_leaves_the_differences_alone():
    times = np.arange(600) * SLOT
    opened = open_fraction(times, 0.13)
    values, weights = period_differences(times, opened, 0.2 * opened + 0.3 * times + 1, CHOPPER)
    np.testing.assert_allclose(values, 0.2, atol=1e-12)
    assert weights.shape == (len(values), 6)
    assert 98 <= len(values) <= 100
    shut = virtual_chopper(times, EXPOSURE, CHOPPER)
    assert shut.min() == 0
    assert shut.max() == pytest.approx(1)
    np.testing.assert_allclose(shut[:6], shut[6:12], atol=1e-9)


def test_energy_and_tilt_of_the_light_are_not_taken_for_its_phase():
    plate = Plate(delta_n=0.0, frames=3600, energy_noise=3e-3, tilt_noise=1e-3)
    estimates = noise_spectrum(pump_off(plate)).estimates
    for name, rms in (("pulse_energy", 3e-3), ("pulse_tilt", 1e-3)):
        assert estimates[name].value == pytest.approx(rms, abs=4 * estimates[name].sigma)
        assert estimates[name].sigma < 0.03 * rms
    # neither is taken for phase: 1e-5 RIU is 0.2 mrad, and the light changes by 3 mrad a frame
    assert estimates["delta_n_sigma_period"].value < 1e-5


def test_shot_noise_alone_reaches_the_limit(quiet):
    assert quiet.density.mean() == pytest.approx(quiet.density_limit, rel=0.06)
    low, high = quiet.interval
    assert np.mean((low < quiet.limit) & (quiet.limit < high)) > 0.4  # neighbours are correlated
    assert quiet.delta_n_sigma[0] == pytest.approx(quiet.limit[0], rel=0.06)


def test_a_random_walk_is_measured_as_such():
    rate = 0.03
    noise = noise_spectrum(pump_off(Plate(delta_n=0.0, frames=MINUTE, shot_noise=True, drift=rate)))
    drift = noise.estimates["drift"]
    # exposures average the walk: 4 % less over six frames
    assert abs(drift.value - rate) < 3 * drift.sigma + 0.04 * rate
    slow = (noise.frequency > 0.3) & (noise.frequency < 3)
    spectrum = noise.density[slow] * 2 * np.pi**2 * noise.frequency[slow] ** 2  # w² of a walk
    assert np.sqrt(spectrum.mean()) == pytest.approx(rate, rel=0.15)
    expected = np.hypot(noise.limit, noise.drift)
    assert noise.delta_n_sigma[0] == pytest.approx(expected[0], rel=0.12)
    assert noise.delta_n_sigma[0] > 5 * noise.limit[0]


def test_a_line_stands_in_the_spectrum_where_the_table_shakes():
    amplitude, frequency = 5e-3, 17.0  # rad, Hz
    plate = Plate(delta_n=0.0, frames=3600, shot_noise=True)
    dataset = pump_off(plate)
    times = dataset["frame_time"].values[0]
    shaking = amplitude * np.sin(2 * np.pi * frequency * times)[:, np.newaxis]
    change = plate._spectrum(0.0, shaking) - plate._spectrum(0.0, 0 * shaking)
    noise = noise_spectrum(dataset.assign(frames=dataset["frames"] + np.rint(change).astype(int)))
    line = np.abs(noise.frequency - frequency) < 1
    assert noise.frequency[np.argmax(noise.density)] == pytest.approx(frequency, abs=0.11)
    power = np.sum(noise.density[line]) * (noise.frequency[1] - noise.frequency[0])
    assert power == pytest.approx(amplitude**2 / 2, rel=0.05)  # Parseval


def test_white_noise_alone_is_called_no_drift():
    white = np.random.default_rng(4).normal(0, 1e-3, 3600)
    drift = random_walk_rate([white], SLOT, 6)
    assert not drift.determined or drift.value < 3 * drift.sigma


def test_a_chopped_scan_gives_the_same_noise_as_the_pump_shut(quiet):
    scan = noise_spectrum(with_shot_noise(Plate(delta_n=np.full(20, 5e-3), frames=240).dataset()))
    limit = scan.limit[0]
    assert limit == pytest.approx(quiet.limit[0], rel=0.1)  # another chopper phase
    assert scan.delta_n_sigma[0] == pytest.approx(limit, rel=0.1)
    assert np.median(scan.density) < 1.5 * scan.density_limit  # the pump's effect is taken out


def test_the_reduction_scatters_no_less_than_the_limit(quiet):
    """Seconds of frames, each reduced as a point, scatter as the curve at a second allows."""
    scan = Plate(delta_n=np.zeros(60), frames=120, shot_noise=True).dataset(6)
    scatter = float(reduce_complete(scan)["delta_n"].std(ddof=1))
    limit = np.exp(np.interp(0.0, np.log(quiet.time), np.log(quiet.limit)))
    assert 0.75 * limit < scatter < 2 * limit  # a bound; the scatter of 60 is known to 9 %


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda d: d.assign(frames=d["frames"] * 0 + 300_000), "saturated"),
        (lambda d: d.assign(frame_time=d["frame_time"] ** 2), "missing between others"),
        (lambda d: d.isel(frame=slice(0, 12)), "four chopper periods"),
        (lambda d: d.isel(frame=slice(0, 1)), "four chopper periods"),
    ],
)
def test_frames_without_information_are_refused(spoil, reason):
    with pytest.raises(ValueError, match=reason):
        noise_spectrum(spoil(pump_off(Plate(delta_n=0.0, frames=120))))


def test_the_command_compares_files(tmp_path):
    for name, drift in (("quiet", 0.0), ("kicked", 0.1)):
        plate = Plate(delta_n=np.zeros(2), frames=360, shot_noise=True, drift=drift)
        write_raw(plate.dataset(7), tmp_path / f"{name}.h5")
    files = [str(tmp_path / f"{name}.h5") for name in ("quiet", "kicked")]
    png = tmp_path / "both.png"
    done = CliRunner().invoke(app, ["noise", *files, "-o", str(png), "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    quiet, kicked = (answer[name]["estimates"]["delta_n_sigma_period"]["value"] for name in files)
    assert kicked > 10 * quiet
    assert png.read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "both.json").read_text()) == answer
    table = CliRunner().invoke(app, ["noise", files[0], "-o", str(png)]).stdout
    assert "ratio" in table
    assert "…" not in table
    assert "--sample" in CliRunner().invoke(app, ["noise", "-o", str(png)]).stderr


def test_a_reference_mirror_shows_its_drift_through_its_own_fringes():
    plate = Plate(delta_n=0.0, frames=2400, path_difference=12.0, drift=0.1, thickness=0.5)
    noise = noise_spectrum(with_shot_noise(pump_off(plate)))
    drift = noise.estimates["drift"]
    assert abs(drift.value - 0.1) < 3 * drift.sigma + 0.004
