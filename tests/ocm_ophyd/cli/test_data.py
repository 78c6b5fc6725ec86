"""`ocm export`, `ocm reduce` and `ocm fit` on runs and files, against the live reduction."""

import json
import math
import os
from functools import partial
from unittest import mock

import h5py
import numpy as np
import pytest
from processes import wait_until
from typer.testing import CliRunner

from analysis.documents import derived_runs
from analysis.estimate import Estimate
from analysis.reduction.missing_metadata import open_raw
from ocm_ophyd.archive.connection import waiting_runs
from ocm_ophyd.cli import app
from ocm_ophyd.cli._output import to_json
from ocm_ophyd.processes.servers import CatalogServer
from ocm_ophyd.session.session import Session

SAMPLE = "CsPbBr3-microplate"

DELAYS = [-10.0, 3.0, 5.0, 8.0, 12.0, 20.0, 35.0, 60.0, 100.0, 170.0]
COLUMNS = ("delay", "fluence", "delta_n", "delta_n_sigma", "delta_phi")


@pytest.fixture(scope="module")
def run(lab_settings, aligned, tmp_path_factory):
    """A delay scan in a catalog that is being served: its uid and its live reduction."""
    for path in waiting_runs(lab_settings):  # other tests' runs need not be in the catalog
        mark = lab_settings.catalog_dir / "fed" / path.parent.name / path.stem
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    session = Session.around(lab_settings, aligned)
    plan = session.plans()["delay_scan"](DELAYS, fluence=0.8, sample=SAMPLE, periods=6)
    uid = session.run(plan)
    session.RE.loop.call_soon_threadsafe(session.RE.loop.stop)
    profiles = {"TILED_PROFILES": str(tmp_path_factory.mktemp("profiles"))}
    with mock.patch.dict(os.environ, profiles), CatalogServer(lab_settings) as server:
        server.wait()
        wait_until(lambda: not waiting_runs(lab_settings), 60)
        yield uid, session.reduction.reduced[uid]


@pytest.fixture
def ocm(lab_settings, tmp_path, monkeypatch):
    """Run the command in a directory of its own; its result."""
    monkeypatch.chdir(tmp_path)
    return partial(command, lab_settings)


def command(settings, *arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)), env=settings.environment())
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture(scope="module")
def exported(run, lab_settings, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "scan.h5"
    done = command(lab_settings, "export", run[0], "-o", path)
    assert done.exit_code == 0, done.stderr
    return path


def answer(done):
    """The JSON that a command printed."""
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def refused(done):
    """The one line with which a command ended."""
    assert done.exit_code == 1
    assert done.stderr.startswith("ocm: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.timeout(240)
def test_file_run_and_live_reduction_give_the_same_numbers(
    lab_settings, run, ocm, exported, tmp_path
):
    uid, live = run
    from_file = answer(ocm("reduce", exported, "-o", tmp_path / "r.h5", "--json"))
    from_run = answer(ocm("reduce", uid[:8], "--json"))
    for name in COLUMNS:
        # the same arithmetic in the same order; the last digits may depend on the threads
        np.testing.assert_allclose(from_file[name], live[name].values, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(from_run[name], live[name].values, rtol=1e-9, atol=1e-15)
    assert from_file["frames_used"] == live["frames_used"].values.tolist() == [36] * len(DELAYS)
    for name in ("frames_saturated", "frames_rejected", "frames_slipped", "delta_n_systematic"):
        assert from_file[name] == pytest.approx(live[name].values.tolist())
    assert from_file["reduced_run"] is None
    wait_until(lambda: not waiting_runs(lab_settings), 60)
    listed = answer(ocm("show", from_run["reduced_run"], "--json"))
    assert listed["raw_run"] == uid
    with h5py.File(tmp_path / "r.h5") as file:
        np.testing.assert_array_equal(file["delta_n"][()], from_file["delta_n"])


def test_a_fit_is_the_same_from_raw_file_reduced_file_and_run(run, ocm, exported, tmp_path):
    assert ocm("reduce", exported, "-o", tmp_path / "r.h5").exit_code == 0
    targets = (exported, tmp_path / "r.h5", run[0])
    fits = [answer(ocm("fit", target, "--window", 2, 200, "--json")) for target in targets]
    assert fits[0]
    for quantity, estimate in fits[0].items():
        for other in fits[1:]:
            assert other[quantity]["value"] == pytest.approx(estimate["value"], rel=1e-4)


def test_a_reduction_is_summarised(ocm, exported, tmp_path):
    lines = ocm("reduce", exported, "-o", tmp_path / "r.h5").stdout.splitlines()
    assert lines[0].startswith("10 of 10 points have a delta_n, from ")
    assert lines[1].startswith("median sigma ")
    assert "times the limit of shot and read noise; in " in lines[1]
    assert lines[2].startswith("left out or repaired: ") or lines[2] == "nothing was left out"
    assert f"every point: {tmp_path / 'r.h5'}" in lines


def test_the_same_reduction_is_not_stored_twice(lab_settings, run, ocm, monkeypatch):
    """The live reduction has stored one already."""
    uid, _ = run
    before = answer(ocm("show", uid, "--json"))["derived_runs"]
    (line,) = [line for line in ocm("reduce", uid).stdout.splitlines() if "reduced run" in line]
    assert "which the catalog had already" in line
    assert any(known in line for known in before)
    assert not waiting_runs(lab_settings)
    monkeypatch.setattr(derived_runs, "version", lambda _: "0.0.0")
    assert "stored as run" in ocm("reduce", uid).stdout
    wait_until(lambda: not waiting_runs(lab_settings), 60)
    assert len(answer(ocm("show", uid, "--json"))["derived_runs"]) == len(before) + 1


def test_what_is_no_raw_file_is_named(ocm, exported, tmp_path):
    torn = tmp_path / "torn.h5"
    torn.write_bytes(exported.read_bytes()[:100_000])
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = 1
    words = tmp_path / "words.h5"
    words.write_text("not HDF5")
    for command in ("reduce", "fit"):
        for path in (torn, foreign, words):
            assert str(path) in refused(ocm(command, path))
        assert "there is no file none.h5" in refused(ocm(command, "none.h5"))


def test_runs_that_cannot_be_exported_are_named(run, ocm, exported, tmp_path):
    assert "zzzzzz" in refused(ocm("export", "zzzzzz", "-o", tmp_path / "x.h5"))
    kept = exported.read_bytes()
    assert "exists" in refused(ocm("export", run[0], "-o", exported))
    assert exported.read_bytes() == kept
    elsewhere = tmp_path / "none" / "x.h5"
    assert "cannot be written" in refused(ocm("export", run[0], "-o", elsewhere))


def test_json_has_null_where_a_number_is_not_finite():
    written = json.loads(to_json({"fits": [Estimate(math.nan, math.inf, "ps")], "chi2": 1.5}))
    assert (written["fits"][0]["value"], written["fits"][0]["sigma"]) == (None, None)
    assert (written["fits"][0]["unit"], written["chi2"]) == ("ps", 1.5)


def test_an_export_carries_the_chirp_that_the_alignment_found(exported):
    with open_raw(exported) as raw:
        wavelength, delay = (raw.attrs[f"chirp_{name}"] for name in ("wavelength", "delay"))
    assert (wavelength[0], wavelength[-1]) == (925, 1125)
    assert np.interp(1025, wavelength, delay) == pytest.approx(0, abs=1e-3)
    assert abs(delay[-1] - delay[0]) == pytest.approx(5, abs=0.1)  # the paper's span
