"""What `ocm reproduce` refuses, what it goes on with, and all of it once from end to end."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from event_model import compose_run
from processes import wait_until
from typer.testing import CliRunner

from ocm_ophyd.archive.journal import Journal, journaled_runs, read_run
from ocm_ophyd.cli import app
from ocm_ophyd.experiments.acquisition import Points, expected_seconds, measure_sample
from ocm_ophyd.experiments.definition import DELAYS, SAMPLE, SILICON, STEPS, Experiment, Step
from ocm_ophyd.experiments.evidence import calibration, instrument_time
from ocm_ophyd.settings import Settings
from ocm_ophyd.twin import load_scenario

TABLE_1 = (
    "A",
    "B",
    "C",
    "beta",
    "tau_lasing",
    "tau_fluor",
    "D",
    "N_threshold",
    "delta_n_threshold",
    "fluence_threshold",
)
STEP = {step.name: step for step in STEPS}


@pytest.fixture
def experiment(tmp_path):
    return Experiment.open(tmp_path / "out", None, None)


@pytest.fixture
def settings(experiment):
    return Settings(data_dir=experiment.directory / "data")


def journal(settings, metadata, exit_status="success", at=0.0, points=(), configuration=None):
    """Write a run into the journal, the delay stage at `points` (mm), and return its uid.

    Without an exit status the run has not ended.
    """
    emit = Journal(settings.journal_dir)
    run = compose_run(metadata=metadata, time=1e9 + at)
    emit("start", run.start_doc)
    if points:
        key = {"source": "test", "dtype": "number", "shape": []}
        stream = run.compose_descriptor(
            name="primary", data_keys={"delay_m1": key}, configuration=configuration
        )
        emit("descriptor", stream.descriptor_doc)
        for position in points:
            data = {"delay_m1": position}
            emit("event", stream.compose_event(data=data, timestamps=dict.fromkeys(data, 0.0)))
    if exit_status:
        stop = run.compose_stop(exit_status=exit_status)
        emit("stop", stop | {"time": 1e9 + at + 10.0})
    return run.start_doc["uid"]


def ocm(*arguments):
    """Outcome of the command, in this process."""
    return CliRunner().invoke(app, ["reproduce", *map(str, arguments)])


# --- what is refused, before anything starts -------------------------------------------------


def refused(result, *said):
    """Whether a command ended with one line that says this."""
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("ocm: ")
    for words in said:
        assert words in line
    return True


def test_a_scenario_that_is_not_there_is_refused_in_one_line(tmp_path):
    out = tmp_path / "out"
    missing = tmp_path / "none.yaml"
    assert refused(ocm("--out", out, "--scenario", missing), "there is no scenario", str(missing))
    assert not out.exists()


def test_a_scenario_with_an_unknown_key_is_refused(tmp_path):
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("sample: {colour: green}\n")
    assert refused(ocm("--out", tmp_path / "out", "--scenario", scenario), "sample.colour")


def test_the_directory_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert refused(ocm("--out", tmp_path), "holds no experiment", "another --out")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert refused(ocm("--out", tmp_path / "thesis.tex"), "another --out")


def test_another_seed_in_the_same_directory_is_refused(experiment):
    assert refused(ocm("--out", experiment.directory, "--seed", 5), "another scenario or seed")


def test_another_scenario_in_the_same_directory_is_refused(experiment, tmp_path):
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("sample: {diffusion: 0.5}\n")
    result = ocm("--out", experiment.directory, "--scenario", scenario)
    assert refused(result, "another scenario or seed")


def test_a_file_that_says_the_same_as_the_default_is_the_same_scenario(experiment, tmp_path):
    scenario = tmp_path / "scenario.yaml"
    default = load_scenario(None)
    scenario.write_text(f"seed: {default.seed}\nsample: {{diffusion: {default.sample.diffusion}}}")
    again = Experiment.open(experiment.directory, str(scenario), None)
    assert again.scenario == experiment.scenario


def test_a_damaged_record_is_named(experiment):
    (experiment.directory / "reproduce.json").write_text("{")
    assert refused(ocm("--out", experiment.directory), "reproduce.json", "cannot be read")


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert refused(ocm("--out", tmp_path / "file" / "out"), "cannot be written", "another --out")


def test_two_commands_never_work_on_one_directory(experiment):
    with experiment.alone():
        assert refused(ocm("--out", experiment.directory), "another `ocm reproduce` works on")


# --- what the instruments are ----------------------------------------------------------------


def test_the_seed_replaces_the_scenarios_own_for_both_samples(tmp_path):
    experiment = Experiment.open(tmp_path / "out", None, 7)
    for sample in (SAMPLE, SILICON):
        assert load_scenario(experiment.scenario_file(sample)).seed == 7


def test_the_waveguide_is_in_the_same_microscope_and_keeps_its_own_properties(tmp_path):
    file = tmp_path / "scenario.yaml"
    changes = {
        "actuators": {"time_zero": 284.5},
        "interferometer": {"walk": 0.01},
        "sample": {"diffusion": 0.5, "damage_fluence": 2.0},
    }
    file.write_text(yaml.safe_dump(changes))
    experiment = Experiment.open(tmp_path / "out", str(file), None)
    plate, guide = (load_scenario(experiment.scenario_file(sample)) for sample in (SAMPLE, SILICON))
    silicon = load_scenario("silicon")
    assert plate == load_scenario(file)
    assert guide.actuators == plate.actuators
    assert guide.interferometer.walk == 0.01
    assert guide.sample == silicon.sample
    assert guide.interferometer.mirror_amplitude == silicon.interferometer.mirror_amplitude
    assert guide.fluorescence is None


def test_every_delay_is_asked_for_once_and_in_order():
    assert len(DELAYS) == 60
    assert (np.diff(DELAYS) > 0).all()
    assert (DELAYS[0], DELAYS[-1]) == (-6, 500)


# --- what is gone on with --------------------------------------------------------------------


def test_only_complete_runs_of_this_experiment_count(experiment, settings):
    tags = {name: experiment.tags(name, step) for name, step in STEP.items()}
    whole = journal(settings, tags["sweep"])
    journal(settings, tags["kinetics"], exit_status="abort")
    journal(settings, tags["movie"], exit_status=None)
    journal(settings, {"reproduce": "silicon", "asked": "something else"})
    journal(settings, {"purpose": "time zero"})
    taken = experiment.complete_runs(settings.journal_dir)
    assert {name: run.uid for name, run in taken.items()} == {"sweep": whole}


def test_of_several_complete_runs_the_last_counts(experiment, settings):
    tags = experiment.tags("sweep", STEP["sweep"])
    last = journal(settings, tags, at=100.0)
    journal(settings, tags, at=0.0)
    assert experiment.complete_runs(settings.journal_dir)["sweep"].uid == last


def test_the_runs_of_another_scenario_do_not_count(experiment, settings, tmp_path):
    other = Experiment.open(tmp_path / "other", None, 5)
    journal(settings, other.tags("sweep", STEP["sweep"]))
    assert experiment.complete_runs(settings.journal_dir) == {}


def test_an_alignment_counts_for_its_sample_until_the_next_one_begins(experiment, settings):
    plate, silicon = f"alignment, {SAMPLE}", f"alignment, {SILICON}"
    everything = expected_seconds(experiment, settings)
    assert list(everything) == [plate, "sweep", "kinetics", "movie", silicon, "silicon"]

    found = [{"name": "delay_time_zero", "value": 284.7, "sigma": 0.003}]
    experiment.keep_alignment(SAMPLE, found)
    journal(settings, experiment.tags("sweep", STEP["sweep"]))
    again = Experiment.open(experiment.directory, None, None)
    assert again.alignments == {SAMPLE: found}
    assert list(expected_seconds(again, settings)) == ["kinetics", "movie", silicon, "silicon"]

    again.begin_alignment()  # and interrupted in it: the stored calibration is nobody's
    last = Experiment.open(experiment.directory, None, None)
    assert next(iter(expected_seconds(last, settings))) == plate


def test_nothing_is_left_of_a_complete_experiment(experiment, settings):
    for name, step in STEP.items():
        journal(settings, experiment.tags(name, step))
    assert expected_seconds(experiment, settings) == {}


def test_the_real_instrument_takes_exposures_and_travel_in_full(experiment, settings):
    # 10 s here, of which the 60 s of 40 points of 30 periods at 20 Hz took 60 s / 50
    tags = experiment.tags("sweep", STEP["sweep"])
    exposing = {"num_points": 40, "periods_per_point": 30, "chopper_frequency": 20.0}
    journal(settings, tags | exposing)
    assert instrument_time(settings) == pytest.approx(10 + 60 * (1 - 1 / 50))
    # 0.1 s to 40 mm/s and back is 4 mm; 80 mm need 2.1 s, 1 mm needs 0.1 s, and standing nothing
    rates = {"delay_m1_velocity": 40.0, "delay_m1_acceleration": 0.1}
    configuration = {
        "delay": {"data": rates, "timestamps": dict.fromkeys(rates, 0.0), "data_keys": {}}
    }
    before = instrument_time(settings)
    moves = [280.0, 200.0, 200.0, 201.0]
    journal(settings, tags, points=moves, configuration=configuration)
    assert instrument_time(settings) - before == pytest.approx(10 + 2.2 * (1 - 1 / 50))


def test_of_the_second_sample_the_calibration_lists_what_is_its_own(experiment):
    table = {"name": "pump_calibration", "value": [[1.0, 2.0], [0.3, 0.1]], "version": 1}
    zeros = [{"name": "delay_time_zero", "value": at, "version": at} for at in (284.7, 284.8)]
    experiment.keep_alignment(SAMPLE, [table, zeros[0]])
    experiment.keep_alignment(SILICON, [table, zeros[1]])
    listed = {entry["name"]: entry["value"] for entry in calibration(experiment)}
    assert listed == {
        "pump_calibration": [1.0, 2.0, 0.3, 0.1],
        "delay_time_zero": 284.7,
        f"delay_time_zero, {SILICON}": 284.8,
    }


def test_a_measurement_that_fails_does_not_stop_the_others(experiment, session, aligned):
    short = {"delays": [5.0], "fluence": 0.4, "periods": 4}
    far = Step("kinetics", SAMPLE, "delay_scan", 1, short | {"delays": [9000.0]})
    near = Step("sweep", SAMPLE, "delay_scan", 1, short)
    experiment.keep_alignment(SAMPLE, [])
    seen, failures = [], {}
    points = Points(lambda *told: seen.append(told))
    measure_sample(experiment, session, points, [far, near], failures)
    assert [told[0] for told in seen] == ["kinetics", "sweep"]
    assert list(failures) == ["kinetics"]
    assert "9000 ps is out of reach" in failures["kinetics"]
    runs = list(journaled_runs(session.settings.journal_dir))
    tagged = [run for run in runs if run.start.get("asked") == experiment.tags("", near)["asked"]]
    assert [run.stop["exit_status"] for run in tagged] == ["success"]


def test_a_sample_that_cannot_be_aligned_is_left_out_with_the_reason(
    experiment, session, monkeypatch
):
    experiment.keep_alignment(SAMPLE, [])
    monkeypatch.delitem(session.instrument.samples, SILICON)
    failures = {}
    measure_sample(experiment, session, Points(lambda *_: None), [STEP["silicon"]], failures)
    assert failures["silicon"].startswith(f"not aligned: sample '{SILICON}' is not known")
    assert experiment.aligned is None, "the stored calibration is nobody's"


# --- from end to end -------------------------------------------------------------------------


WATCH = """
from caproto.sync.client import block, subscribe

def show(_, response):  # caproto keeps weak references only
    print(response.data[0], flush=True)

shutter = subscribe("OCM:Shutter:Pump:Open_RBV")
shutter.add_callback(show)
try:
    block(shutter, repeater=False)
except BaseException:  # the instrument ends
    pass
"""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_interrupted_in_the_middle_and_gone_on_with_it_takes_every_run_once(tmp_path):
    scenario, out = tmp_path / "scenario.yaml", tmp_path / "out"
    scenario.write_text("sample: {lasing: {threshold_fluence: 0.62}}\n")
    settings = Settings(data_dir=out / "data")
    first = start(out, scenario)
    wait_until(lambda: first.poll() is not None or points_of(settings, "kinetics") > 20, 600)
    with watching(instrument_environment(first)) as shutter:
        wait_until(lambda: shutter.poll() is not None or points_of(settings, "kinetics") > 40, 60)
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 130
        states = shutter.communicate(timeout=30)[0].split()
    assert states[0] == "1"
    assert states[-1] == "0", "the pump is shut before the instrument ends"
    assert "the same command continues" in first.stderr.read()
    before = complete(settings)
    assert list(before) == ["sweep"]

    second = start(out, scenario)
    answer, errors = second.communicate(timeout=2000)
    assert second.returncode == 0, errors
    after = complete(settings)
    assert {name: len(uids) for name, uids in after.items()} == dict.fromkeys(STEP, 1)
    assert after["sweep"] == before["sweep"]
    answer = json.loads(answer)
    for name in TABLE_1:
        assert {"value", "sigma", "unit", "paper"} <= answer[name].keys()
    assert answer == json.loads((out / "results.json").read_text())
    threshold = answer["fluence_threshold"]
    assert abs(threshold["value"] / 0.57 / (0.62 / 0.561) - 1) < 0.03, "not the default's"
    for name in ("report.html", "fig2.png", "fig2.pdf", "fig3.pdf", "fig4.pdf", "silicon.pdf"):
        assert (out / name).stat().st_size > 1000

    third = start(out, scenario)  # nothing is left to take, and the instrument is not started
    again, errors = third.communicate(timeout=600)
    assert third.returncode == 0, errors
    assert complete(settings) == after
    again = json.loads(again)
    for name in TABLE_1:  # threads add up in another order
        assert again[name]["value"] == pytest.approx(answer[name]["value"], rel=1e-4)


def start(out, scenario):
    """The command in a process of its own."""
    arguments = ["--out", str(out), "--scenario", str(scenario), "--json"]
    return subprocess.Popen(
        [sys.executable, "-m", "ocm_ophyd.cli", "reproduce", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def points_of(settings, step):
    """Points of a step's runs in the journal."""
    runs = [
        run for run in journaled_runs(settings.journal_dir) if run.start.get("reproduce") == step
    ]
    return sum(name == "event" for run in runs for name, _ in read_run(run.path))


def complete(settings):
    """Uids of the complete runs of each step."""
    found = {}
    for run in journaled_runs(settings.journal_dir):
        if run.start.get("reproduce") in STEP and run.stop and run.stop["exit_status"] == "success":
            found.setdefault(run.start["reproduce"], []).append(run.uid)
    return found


def instrument_environment(command):
    """Environment of the instrument that a command has started."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            words = (process / "cmdline").read_bytes().split(b"\0")
            environment = (process / "environ").read_bytes().decode().split("\0")
        except OSError:  # it has ended
            continue
        if parent == command.pid and b"ioc" in words:
            return dict(entry.split("=", 1) for entry in environment if entry)
    raise AssertionError("the command has started no instrument")


@contextmanager
def watching(environment):
    """A process that prints every state of the pump shutter until its instrument ends."""
    port = environment["OCM_CA_PORT"]
    address = {
        "EPICS_CA_ADDR_LIST": f"127.0.0.1:{port}",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": port,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", WATCH],
        env=os.environ | address,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
