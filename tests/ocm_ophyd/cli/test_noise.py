"""`ocm noise` on the simulated instrument: measured blind, held against its scenario."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from processes import end
from scipy.optimize import curve_fit
from typer.testing import CliRunner

from analysis.documents.datasets import frame_record
from analysis.documents.run_documents import RunDocuments, RunError
from analysis.estimate import Estimate
from analysis.noise.phase_record import virtual_chopper
from analysis.noise.spectrum import noise_spectrum
from analysis.probe_band import PROBE_BAND
from ocm_ophyd.archive.journal import journaled_runs, read_run
from ocm_ophyd.archive.run_list import list_derived_runs, list_runs
from ocm_ophyd.cli import app
from ocm_ophyd.processes.private_lab import laboratory, wait_for_runs
from ocm_ophyd.processes.servers import InstrumentServer
from ocm_ophyd.session.session import Session
from ocm_ophyd.twin import load_scenario
from plans import PlanError

SAMPLE = "CsPbBr3-microplate"
SECONDS = 20.0


@pytest.fixture(scope="module")
def measured(lab_settings, aligned):
    """A noise run of the shared instrument: its documents."""
    session = Session.around(lab_settings, aligned)
    uid = session.run(session.plans()["measure_noise"](sample=SAMPLE, periods=400))
    end(session.RE)
    (path,) = lab_settings.journal_dir.glob(f"*/{uid}.jsonl")
    return RunDocuments.from_journal(read_run(path))


@pytest.fixture(scope="module")
def noise(measured):
    with frame_record(measured) as dataset:
        return noise_spectrum(dataset)


def test_frames_are_taken_in_one_go_with_the_pump_shut(measured):
    start = measured.start
    assert (start["plan_name"], start["purpose"], start["num_points"]) == (
        "measure_noise",
        "noise",
        1,
    )
    with frame_record(measured) as dataset:
        assert dataset["frames"].shape == (1, 2400, 1044)
        assert float(dataset["pump_open"].max()) == 0
        np.testing.assert_allclose(np.diff(dataset["frame_time"][0]), 1 / 120, rtol=1e-4)


def test_the_scenarios_drift_and_source_noise_are_found(noise):
    truth = load_scenario(None)
    optics, probe = truth.interferometer, truth.probe
    # beside the walk a slow wandering: near it a walk too, of rms √(2/T)
    rate = np.hypot(optics.walk, optics.thermal * np.sqrt(2 / optics.thermal_time))
    drift = noise.estimates["drift"]
    assert abs(drift.value - rate) < 3 * drift.sigma
    assert drift.sigma < 0.1 * rate
    fast = probe.pulse_energy_noise / 20  # 400 pulses an exposure
    energy = noise.estimates["pulse_energy"].value
    assert fast < energy < 1.5 * np.hypot(fast, probe.slow_energy_noise)
    # 20 s of light that forgets its tilt in 50 ms: known to 5 %
    tilt = noise.estimates["pulse_tilt"].value
    assert tilt == pytest.approx(np.hypot(probe.pulse_tilt_noise / 20, probe.slow_tilt_noise), 0.2)


def shot_limit(dataset):
    """Δn in a second by shot noise alone, energy and tilt unknown, from mean spectra of a second.

    The interferometer drifts: the fringe is where it is, as scipy's fit of a cosine finds it.
    """
    light = dataset["reference"].values - dataset["dark"].values
    spectra = dataset["frames"].values[0] - dataset["dark"].values
    nm = dataset["wavelength"].values
    band = (nm > PROBE_BAND[0]) & (nm < PROBE_BAND[1])
    k, gain = 2e3 * np.pi / nm[band], dataset.attrs["gain"]
    away, beam = k - k.mean(), gain * light[band]

    def fringe(_, level, tilt, cos, sin, path):
        return (1 + tilt * away) * (level + cos * np.cos(path * away) + sin * np.sin(path * away))

    found, shot = [1.0, 0.0, 0.6, 0.6, 6.2], []  # twice the index and the thickness is 6 um
    for second in np.array_split(spectra[:, band], int(SECONDS)):
        electrons = gain * second.mean(axis=0)
        found, _ = curve_fit(fringe, k, electrons / beam, found, np.sqrt(electrons) / beam)
        _, tilt, cos, sin, path = found
        slope = sin * np.cos(path * away) - cos * np.sin(path * away)
        known = np.stack([beam * (1 + tilt * away) * slope, electrons, electrons * away])
        known /= np.sqrt(electrons)
        shot.append(np.linalg.inv(known @ known.T)[0, 0])
    time = dataset["frame_time"].values[0]
    opened = virtual_chopper(time, 1 / 120, 20.0)
    variances = []
    for first in range(6):  # frames of a period that is centred on the opening tell most
        six = slice(first, first + 6)
        design = np.stack([np.ones(6), time[six] - time[six].mean(), opened[six]])
        variances.append(np.linalg.inv(design @ design.T)[2, 2])
    phase = np.sqrt(min(variances) / 20 * np.mean(shot))
    return phase * 1.025 / (4 * np.pi * dataset.attrs["thickness"])


def test_the_sensitivity_is_the_drifts_and_above_the_limit(noise, measured):
    assert np.all(noise.limit[0] > noise.limit[1:])
    first = noise.delta_n_sigma[0]
    expected = np.hypot(noise.limit[0], noise.drift[0])
    assert first == pytest.approx(expected, rel=0.15)
    second = np.exp(np.interp(0.0, np.log(noise.time), np.log(noise.limit)))
    with frame_record(measured) as dataset:
        expected = shot_limit(dataset)
    # 120 000 counts of 4 electrons, visibility 0.9; most where the fringe looks like a tilt
    assert 1e-6 < expected < 2e-5
    assert second == pytest.approx(expected, rel=0.1)


def test_runs_without_frames_are_refused(lab_settings, measured):
    fits = [run for run in journaled_runs(lab_settings.journal_dir) if "raw_run" in run.start]
    with pytest.raises(RunError, match="holds no frames"):
        frame_record(RunDocuments.from_journal(read_run(fits[0].path)))
    with pytest.raises(RunError, match="holds no frames"):
        frame_record(RunDocuments.from_stream(measured.start))


def test_more_frames_than_the_spectrometer_takes_are_refused(session, aligned):
    with pytest.raises(PlanError, match="ask for 16666 periods"):
        session.run(session.plans()["measure_noise"](sample=SAMPLE, periods=20_000))


@pytest.mark.timeout(240)
def test_the_command_measures_keeps_and_draws(tmp_path, monkeypatch):
    """On a new instrument, without a reference."""
    monkeypatch.setenv("TILED_PROFILES", str(tmp_path / "profiles"))
    code = "from ocm_ophyd.cli import app; app()"
    png = tmp_path / "noise.png"
    arguments = ["noise", "--sample", SAMPLE, "--seconds", "4", "-o", str(png), "--json"]
    with laboratory(tmp_path / "data") as (settings, catalog):
        with InstrumentServer(settings, time_scale=20) as server:
            server.wait()
            done = subprocess.run(
                [sys.executable, "-c", code, *arguments],
                env=os.environ | settings.environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        catalog.wait()
        wait_for_runs(settings, [])
        kept = {run.plan: run for run in list_runs(settings)}
        below = list_derived_runs(settings, [run.uid for run in kept.values()])
        kept |= {run.plan: run for runs in below.values() for run in runs}
    assert done.returncode == 0, done.stderr
    ((name, answer),) = json.loads(done.stdout).items()
    assert answer["estimates"]["drift"]["unit"] == "rad/√s"
    assert png.read_bytes().startswith(b"\x89PNG")
    runs = {run.start["plan_name"]: run for run in journaled_runs(settings.journal_dir)}
    assert set(runs) == {"record_reference", "measure_noise", "fit"}
    assert name == f"run {runs['measure_noise'].uid[:8]}"
    assert {plan: run.uid for plan, run in kept.items()} == {p: r.uid for p, r in runs.items()}
    assert kept["measure_noise"].complete
    assert runs["fit"].start["raw_run"] == runs["measure_noise"].uid
    (event,) = (doc["data"] for kind, doc in read_run(runs["fit"].path) if kind == "event")
    second = Estimate(**answer["estimates"]["delta_n_sigma_second"])
    assert event["delta_n_sigma_second"] == pytest.approx(second.value)
    # the same from what was kept
    again = CliRunner().invoke(
        app,
        ["noise", runs["measure_noise"].uid[:8], "-o", str(png), "--json"],
        env=settings.environment(),
    )
    assert again.exit_code == 0, again.stderr
    ((_, second_time),) = json.loads(again.stdout).items()
    np.testing.assert_allclose(second_time["delta_n_sigma"], answer["delta_n_sigma"], rtol=1e-9)
    unknown = CliRunner().invoke(app, ["noise", "zzzzzz", "-o", str(png)])
    assert "there is no run zzzzzz" in unknown.stderr
