"""Many files in one command, here and on a cluster of two worker processes."""

import json
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster
from handmade import Plate
from typer.testing import CliRunner

from analysis.io.raw_file import write_raw
from analysis.io.reduced_file import read_reduced
from analysis.io.schema import RawFileError
from analysis.reduction import batch
from analysis.reduction.batch import ClusterError, reduce_file, reduce_files
from ocm_ophyd.cli import app

LOCAL = {"processes": True, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A directory with three scans of different lengths, and one that is no HDF5 file."""
    directory = tmp_path_factory.mktemp("night")
    for seed, points in enumerate((12, 1, 5)):
        plate = Plate(np.linspace(1e-3, 2e-2, points), frames=36, shot_noise=True, drift=0.05)
        write_raw(plate.dataset(seed), directory / f"scan{seed}.h5")
    (directory / "torn.h5").write_text("half a file")
    return directory


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, **LOCAL) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def short_timeout(monkeypatch):
    monkeypatch.setattr(batch, "_TIMEOUT", 1)


def ocm(*arguments):
    done = CliRunner().invoke(app, ["reduce", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def refused(*arguments):
    """The one line with which the command ended."""
    done = ocm(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("ocm: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.timeout(60)
def test_a_cluster_gives_the_numbers_of_this_machine_to_the_last_bit(night, cluster, monkeypatch):
    paths = sorted(night.iterdir())
    local = dict(reduce_files(paths))
    # what is computed now is computed elsewhere: workers are processes of their own
    monkeypatch.setattr(batch, "reduce_file", None)
    remote = dict(reduce_files(paths, cluster))
    assert set(remote) == set(paths)
    for path in paths:
        if path.name == "torn.h5":
            assert isinstance(remote[path], RawFileError)
            assert str(remote[path]) == str(local[path])
            assert str(path) in str(remote[path])
        else:
            assert remote[path].identical(local[path])  # every bit, NaN for NaN
            assert np.isfinite(remote[path]["delta_n"]).all()


@pytest.mark.timeout(60)
def test_the_command_writes_what_the_cluster_found(night, cluster, tmp_path):
    one = ocm(night / "scan0.h5", "-o", tmp_path / "one.h5", "--scheduler", cluster)
    assert one.exit_code == 0, one.stderr
    many = ocm(night / "scan0.h5", night / "scan2.h5", "-o", tmp_path / "m", "--scheduler", cluster)
    assert many.exit_code == 0, many.stderr
    here = reduce_file(night / "scan0.h5")
    for written in (tmp_path / "one.h5", tmp_path / "m" / "scan0-reduced.h5"):
        np.testing.assert_array_equal(read_reduced(written)["delta_n"], here["delta_n"])


def test_a_night_is_one_command_and_a_bad_file_does_not_stop_it(night, tmp_path):
    done = ocm(night, "-o", tmp_path / "r", "--json")
    assert done.exit_code == 1  # one is missing
    lines = {Path(line["file"]).name: line for line in json.loads(done.stdout)}
    assert list(lines) == ["scan0.h5", "scan1.h5", "scan2.h5", "torn.h5"]
    assert "not an HDF5 file" in lines["torn.h5"]["error"]
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == [
        f"scan{i}-reduced.h5" for i in range(3)
    ]
    for name, points in (("scan0.h5", 12), ("scan1.h5", 1), ("scan2.h5", 5)):
        assert (lines[name]["points"], lines[name]["frames_used"]) == (points, 36 * points)
        written, here = read_reduced(lines[name]["reduced"]), reduce_file(night / name)
        for column in ("delta_n", "delta_n_sigma", "differential_spectrum"):
            np.testing.assert_array_equal(written[column], here[column])
    table = ocm(night / "scan0.h5", night / "scan1.h5", "-o", tmp_path / "again").stdout
    assert "scan1-reduced.h5" in table
    assert "…" not in table


def test_reduced_files_in_a_directory_are_passed_over(night, tmp_path):
    for name in ("scan1.h5", "scan2.h5"):
        (tmp_path / name).write_bytes((night / name).read_bytes())
    assert ocm(tmp_path, "-o", tmp_path).exit_code == 0
    done = ocm(tmp_path, "-o", tmp_path / "second", "--json")
    assert len(json.loads(done.stdout)) == 2


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_at_once(night, tmp_path):
    pipe = tmp_path / "pipe.h5"
    os.mkfifo(pipe)  # nobody ever writes to it: who opens it waits for ever
    for target in (pipe, "/dev/null"):
        assert "is a pipe, socket or device" in refused(target)
        assert "is a pipe, socket or device" in refused(
            night / "scan1.h5", target, "-o", tmp_path / "r"
        )
    assert "no raw file" in refused(tmp_path, "-o", tmp_path / "r")  # the pipe alone is in it
    assert not (tmp_path / "r").exists()


def test_outputs_are_checked_before_the_work(night, tmp_path):
    assert "-o" in refused(night)
    (tmp_path / "a").mkdir()
    same = tmp_path / "a" / "scan0.h5"
    same.write_bytes((night / "scan1.h5").read_bytes())
    assert "2 of the files" in refused(night / "scan0.h5", same, "-o", tmp_path / "r")
    (tmp_path / "scan2-reduced.h5").write_text("mine")
    assert "scan2-reduced.h5 exists" in refused(night, "-o", tmp_path)
    assert not (tmp_path / "scan0-reduced.h5").exists()
    assert "cannot be made" in refused(night, "-o", same / "r")
    assert "one at a time" in refused(night, "3f2a91", "-o", tmp_path / "r")


def test_an_unreachable_cluster_is_reported_in_one_line(night, short_timeout):
    scan = night / "scan1.h5"
    for address in ("tcp://127.0.0.1:9", "nonsense", "http://127.0.0.1:8786"):
        assert f"no dask scheduler answers at '{address}'" in refused(scan, "--scheduler", address)
    with LocalCluster(n_workers=0, **LOCAL) as empty:
        assert "no workers" in refused(scan, "--scheduler", empty.scheduler_address)
    assert "ocm export" in refused("3f2a91", "--scheduler", "tcp://127.0.0.1:9")


def test_without_dask_the_line_says_what_to_install(night, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    line = refused(night / "scan1.h5", "--scheduler", "tcp://127.0.0.1:9")
    assert 'pip install "ocm-ophyd[cluster]"' in line


@pytest.mark.timeout(240)
def test_a_scheduler_that_goes_away_is_noticed(night, monkeypatch):
    monkeypatch.setattr(batch, "_TIMEOUT", 30)  # a worker that starts on a busy machine
    with LocalCluster(n_workers=1, **LOCAL) as cluster:
        done = reduce_files([night / "scan0.h5"] * 200, cluster.scheduler_address)
        next(done)
        closing = threading.Thread(target=cluster.close, daemon=True)
        closing.start()
        with pytest.raises(ClusterError, match="is lost"):
            list(done)
        closing.join(60)
