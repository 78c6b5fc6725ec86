"""The catalog as its users meet it: key, values, frames, search, commands, databroker."""

import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import typer
from catalog_helpers import PIXELS, documents, rows
from processes import free_port, wait_until
from tiled.queries import Key
from typer.testing import CliRunner

from ocm_ophyd.archive import run_list
from ocm_ophyd.archive.catalog import connect, write_profile
from ocm_ophyd.archive.connection import CatalogError, catalog_lock
from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.archive.run_list import list_derived_runs, list_runs
from ocm_ophyd.archive.runs import show
from ocm_ophyd.archive.server import TiledServer
from ocm_ophyd.cli import catalog as commands
from ocm_ophyd.session import catalog as session_catalog
from ocm_ophyd.session.catalog import SessionCatalog
from ocm_ophyd.settings import Settings


def test_the_key_is_required_and_private(served):
    response = httpx.get(f"{served.settings.tiled_uri}/metadata/")
    assert response.status_code == 401
    assert (served.settings.catalog_dir / "api_key").stat().st_mode & 0o777 == 0o600
    wrong = served.settings.model_copy(update={"tiled_api_key": _secret("0" * 64)})
    with pytest.raises(CatalogError, match="401"):
        connect(wrong)


def _secret(key):
    return Settings(tiled_api_key=key).tiled_api_key


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux")
def test_only_loopback_is_listened_on(served):
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if Path(table).exists():
            for line in Path(table).read_text().splitlines()[1:]:
                address, state = line.split()[1], line.split()[3]
                host, port = address.split(":")
                if state == "0A" and int(port, 16) == served.settings.tiled_port:
                    listening.add(host)
    assert listening == {"0100007F"}  # 127.0.0.1


def test_a_second_serve_is_refused(served):
    with (
        pytest.raises(CatalogError, match="another `ocm serve` runs on"),
        catalog_lock(served.settings),
    ):
        pass
    with pytest.raises(CatalogError, match="is already served"), TiledServer(served.settings):
        pass


def test_values_keep_type_and_size(served):
    keys = {
        "number": {"dtype": "number", "shape": [], "source": "test"},
        "integer": {"dtype": "integer", "shape": [], "source": "test"},
        "flag": {"dtype": "boolean", "shape": [], "source": "test"},
        "word": {"dtype": "string", "shape": [], "source": "test"},
        "few": {"dtype": "array", "shape": [3], "source": "test", "dtype_numpy": "<f4"},
    }
    data = [
        {"number": 0, "integer": 2**62, "flag": True, "word": "µJ", "few": [0.5, 1.0, 2.0]},
        {"number": 0.1, "integer": -1, "flag": False, "word": "", "few": [0.25, 0.0, -1.0]},
        {"number": np.nan, "integer": 0, "flag": True, "word": "x y", "few": [3.0, 4.0, 5.0]},
    ]
    taken = documents(
        3, keys, data.__getitem__, threshold=1.1e19, sample={"name": "plate", "thickness": 1.5}
    )
    run = served.take(taken)
    assert run.metadata["start"]["threshold"] == 1.1e19
    stream = run["primary"].read()
    for key, dtype in (("number", "f8"), ("integer", "i8"), ("flag", "?"), ("few", "f4")):
        assert stream[key].dtype == np.dtype(dtype)
        np.testing.assert_array_equal(stream[key], [row[key] for row in data])
    assert list(stream["word"].values) == ["µJ", "", "x y"]


def test_baseline_arrays_come_back(served):
    keys = {
        "wavelength": {
            "dtype": "array", "shape": [PIXELS], "source": "test", "dtype_numpy": "<f8",
        }
    }  # fmt: skip
    wavelength = np.linspace(400, 1150, PIXELS)
    run = served.take(documents(2, keys, lambda _: {"wavelength": wavelength}, stream="baseline"))
    np.testing.assert_array_equal(run["baseline"].read()["wavelength"], [wavelength, wavelength])


def test_a_running_scan_and_its_frames_can_be_read_within_seconds(served, frames):
    _, counts, taken = frames
    for name, doc in taken[:-2]:  # three points, and the frames of the fourth without its event
        served.journal(name, doc)
    uid = taken[0][1]["uid"]
    wait_until(lambda: rows(served.catalog, uid) == 3, timeout=5)
    np.testing.assert_array_equal(served.catalog[uid]["primary"].read()["frames"], counts[:3])
    (live,) = [run for run in list_runs(served.settings, complete=False) if run.uid == uid]
    assert live.exit_status is None
    for name, doc in taken[-2:]:
        served.journal(name, doc)
    served.wait_until_fed()
    read = served.catalog[uid]["primary"].read()["frames"]
    assert read.dtype == np.uint32
    assert read.dims == ("time", "frame", "pixel")
    np.testing.assert_array_equal(read, counts)
    (_, columns) = show(served.catalog, uid).streams["primary"].values()
    assert columns["frames"]["units"] == "counts"


def test_search(served):
    noon = datetime(2026, 3, 1, 12)
    taken = [
        {"plan_name": "sweep", "fluence_min": 0.1, "fluence_max": 0.4},
        {"plan_name": "sweep", "fluence_min": 0.35, "fluence_max": 0.35},
        {"plan_name": "sweep", "fluence_min": 0.8, "fluence_max": 0.8},
        {"plan_name": "delay_scan", "purpose": "kinetics", "scan_id": 4711},
    ]
    for i, metadata in enumerate(taken):
        raw = documents(
            start_time=noon.timestamp() + i, sample={"name": "search plate"}, **metadata
        )
        for name, doc in raw:
            served.journal(name, doc)
    uid = raw[0][1]["uid"]
    derived = served.take(
        documents(
            start_time=noon.timestamp() + len(taken),
            sample={"name": "search plate"},
            plan_name="reduction",
            raw_run=uid,
        )
    )

    def found(**query):
        exactly = {"sample.name": "search plate"} | query.pop("exactly", {})
        return [run.plan for run in list_runs(served.settings, exactly=exactly, **query)]

    assert found() == ["delay_scan", "sweep", "sweep", "sweep"]
    assert found(limit=2) == ["delay_scan", "sweep"]
    assert found(exactly={"plan_name": "delay_scan"}) == ["delay_scan"]
    assert found(exactly={"purpose": "kinetics"}) == ["delay_scan"]
    assert len(found(fluence=(0.3, 0.5))) == 2
    assert len(found(fluence=(0.36, 0.5))) == 1
    assert found(fluence=(0.5, 0.7)) == []
    assert len(found(complete=True)) == 4
    assert found(complete=False) == []
    started = noon + timedelta(seconds=3)
    assert found(since=started) == ["delay_scan"]
    assert found(until=started) == ["sweep"] * 3
    assert list_runs(served.settings, exactly={"sample.name": "no such plate"}) == []
    # The runs of March were stored last, but are not the latest.
    (latest,) = list_runs(served.settings, limit=1)
    assert served.catalog[-1].metadata["start"]["time"] == latest.time
    assert latest.time > noon.timestamp() + len(taken)
    (below,) = list_derived_runs(served.settings, [uid])[uid]
    assert (below.uid, below.raw_run) == (derived.metadata["start"]["uid"], uid)

    for name in (uid, uid[:8], "4711"):
        details = show(served.catalog, name)
        assert details.start["uid"] == uid
        assert details.derived_runs == [derived.metadata["start"]["uid"]]
        assert details.streams["primary"]["points"] == 3
    assert show(served.catalog, derived.metadata["start"]["uid"]).raw_run == uid
    for wrong in ("zzzzzzzz", "ab", "987654"):
        with pytest.raises(CatalogError, match=f"no run '{wrong}'"):
            show(served.catalog, wrong)


@pytest.fixture
def run_command(served, monkeypatch):
    app = typer.Typer()
    app.command()(commands.runs)
    app.command()(commands.show)
    for name, value in served.settings.environment().items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(app, arguments)


def test_commands(served, run_command):
    run = served.take(
        documents(plan_name="from the command line", fluence_min=0.5, fluence_max=0.5)
    )
    uid = run.metadata["start"]["uid"]
    listed = run_command("runs", "--plan", "from the command line", "--json")
    assert [found["uid"] for found in json.loads(listed.stdout)] == [uid]
    assert uid[:8] in run_command("runs", "--fluence", "0.5:0.5", "--complete").stdout
    assert json.loads(run_command("show", uid[:8], "--json").stdout)["start"]["uid"] == uid
    assert "primary: 3 points" in run_command("show", uid[:8]).stdout
    reduced = served.take(documents(plan_name="reduce", raw_run=uid)).metadata["start"]["uid"]
    listed = run_command("runs", "--plan", "from the command line", "--derived").stdout
    assert [line.split()[:2] for line in listed.splitlines()[-2:]][1] == ["└", reduced[:8]]
    assert uid[:8] in run_command("runs", "--since", "1h", "--until", "2999-01-01").stdout
    for arguments in (
        ("show", "zzzzzzzz"),
        ("runs", "--fluence", "0.5"),
        ("runs", "--since", "the other day"),
    ):
        failed = run_command(*arguments)
        assert failed.exit_code == 1
        assert len(failed.stderr.splitlines()) == 1
        assert "Traceback" not in failed.output


def test_databroker_finds_the_same_runs(served):
    script = "import databroker; print(*databroker.catalog['ocm'])"
    listed = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"TILED_PROFILES": str(served.profiles)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert sorted(listed.stdout.split()) == sorted(served.catalog)
    profile = served.profiles / "ocm.yml"
    assert profile.stat().st_mode & 0o777 == 0o600


def test_the_last_run_is_the_last_measurement_for_every_client(served):
    """Of tiled, of databroker in another process, and of this project."""
    raw = documents(plan_name="delay_scan")
    uid = raw[0][1]["uid"]
    served.take(raw)
    reduced = served.take(documents(plan_name="reduce", raw_run=uid)).metadata["start"]["uid"]
    script = (
        "import databroker, json; from tiled.queries import Key; "
        "catalog = databroker.catalog['ocm']; "
        f"found = catalog.search(Key('start.raw_run') == {uid!r}); "
        f"names = catalog[-1], catalog[{reduced[:8]!r}], found[-1]; "
        "print(json.dumps([run.metadata['start']['uid'] for run in names] + list(catalog)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"TILED_PROFILES": str(served.profiles)},
        check=True,
        capture_output=True,
        text=True,
    )
    last, by_uid, by_raw_run, *every = json.loads(answer.stdout)
    assert (last, by_uid, by_raw_run) == (uid, reduced, reduced)
    assert uid in every
    assert reduced not in every
    assert served.catalog[-1].metadata["start"]["uid"] == uid
    assert reduced in served.catalog


def test_a_list_longer_than_a_page_of_the_server(served, monkeypatch):
    """The server sends at most 300 runs at once, here two."""
    started = [1.6e9 + second for second in range(5)]
    for moment in started:
        for name, doc in documents(points=1, plan_name="page", start_time=moment):
            served.journal(name, doc)
    served.wait_until_fed()
    monkeypatch.setattr(run_list, "_PAGE", 2)
    for limit in (3, 4, 5, 1000):
        listed = list_runs(served.settings, exactly={"plan_name": "page"}, limit=limit)
        assert [run.time for run in listed] == started[::-1][:limit]


def test_a_profile_of_somebody_else_is_left_alone(tmp_path):
    settings = Settings(data_dir=tmp_path)
    directory = tmp_path / "profiles"
    ours = write_profile(settings, directory)
    assert write_profile(settings, directory) == ours
    for foreign in (ours, directory / "lab.yaml"):
        ours.unlink(missing_ok=True)
        foreign.write_text("ocm: {uri: 'http://elsewhere/api/v1'}\n")
        with pytest.raises(CatalogError, match=f"{foreign.name} already defines"):
            write_profile(settings, directory)
        assert "elsewhere" in foreign.read_text()
        foreign.unlink()


def test_a_profile_directory_that_cannot_be_used_is_named(tmp_path):
    """`ocm serve` goes on without a profile: it catches this one error."""
    settings = Settings(data_dir=tmp_path)
    (tmp_path / "file").touch()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "mine.yml").write_text("a: [1,")
    for directory in (tmp_path / "file", broken):
        with pytest.raises(CatalogError, match="TILED_PROFILES") as refused:
            write_profile(settings, directory)
        assert str(directory) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_dead_server_is_told_at_once(tmp_path):
    settings = Settings(data_dir=tmp_path, tiled_port=free_port())
    journal = Journal(settings.journal_dir)
    for name, doc in documents():
        journal(name, doc)
    began = time.monotonic()
    with pytest.raises(CatalogError, match=r"`ocm up`.*1 run\(s\) wait in"):
        connect(settings)
    assert time.monotonic() - began < 5.0, "tiled itself tries for ten seconds and more"


def test_the_catalog_of_a_session_has_what_the_session_has_just_taken(served):
    catalog = SessionCatalog(served.settings, served.journal)
    taken = documents(purpose="just now")
    uid = taken[0][1]["uid"]
    for name, doc in [*taken, *documents(raw_run=uid)]:
        served.journal(name, doc)
    assert catalog[-1].metadata["start"]["purpose"] == "just now"
    assert len(list(catalog.search(Key("start.raw_run") == uid))) == 1
    assert uid in catalog
    assert next(reversed(list(catalog))) == uid


def test_a_session_does_not_wait_for_ever_for_its_runs(served, tmp_path, monkeypatch):
    """Nobody feeds the journal of this directory; the server is another's."""
    monkeypatch.setattr(session_catalog, "WAITING_TIME", 0.2)
    key = (served.settings.catalog_dir / "api_key").read_text()
    settings = Settings(data_dir=tmp_path, tiled_port=served.settings.tiled_port, tiled_api_key=key)
    journal = Journal(settings.journal_dir)
    catalog = SessionCatalog(settings, journal)
    for name, doc in documents():
        journal(name, doc)
    with pytest.raises(CatalogError, match=r"1 run\(s\) of this session are not in the catalog"):
        len(catalog)
    assert len(catalog) == len(connect(settings))


def test_the_catalog_of_a_session_says_that_nothing_serves(tmp_path):
    settings = Settings(data_dir=tmp_path, tiled_port=free_port())
    journal = Journal(settings.journal_dir)
    catalog = SessionCatalog(settings, journal)
    for name, doc in documents():
        journal(name, doc)
    with pytest.raises(CatalogError, match="start it with `ocm up`"):
        catalog[-1]
    assert "start it with `ocm up`" in repr(catalog)
