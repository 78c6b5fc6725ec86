"""What the journal holds, the catalog holds: once, completely, whatever dies on the way."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bluesky.plan_stubs as bps
import httpx
import numpy as np
import pytest
from bluesky import RunEngine
from catalog_helpers import PIXELS, documents, rows
from processes import wait_until

from ocm_ophyd.archive import run_writer
from ocm_ophyd.archive.connection import waiting_runs
from ocm_ophyd.archive.journal import Journal, journaled_runs, read_run
from ocm_ophyd.archive.run_list import list_runs
from ocm_ophyd.archive.runs import show


@pytest.fixture
def engine(served):
    loop = asyncio.new_event_loop()
    engine = RunEngine({}, loop=loop, context_managers=[])
    engine.subscribe(served.journal)
    yield engine
    if engine.state not in {"idle", "panicked"}:
        engine.halt()
    loop.call_soon_threadsafe(loop.stop)
    engine._th.join()
    loop.close()


class Detector:
    """A scalar, a counter and a spectrum."""

    name = "detector"
    parent = None

    def __init__(self):
        self.rng = np.random.default_rng(1)
        self.reads = 0

    def describe(self):
        scalar = {"source": "test", "shape": []}
        return {
            "mean": {**scalar, "dtype": "number", "units": "counts"},
            "count": {**scalar, "dtype": "integer"},
            "spectrum": {
                "source": "test",
                "shape": [PIXELS],
                "dtype": "array",
                "dtype_numpy": "<f8",
            },
        }

    def read(self):
        self.reads += 1
        values = {
            "mean": self.rng.normal(),
            "count": self.reads,
            "spectrum": self.rng.normal(size=PIXELS),
        }
        return {key: {"value": value, "timestamp": time.time()} for key, value in values.items()}

    def describe_configuration(self):
        return {}

    def read_configuration(self):
        return {}


def assert_same_as_journal(catalog, path):
    """The run in the catalog has the metadata and every value of every event in the journal."""
    kept = list(read_run(path))
    run = catalog[kept[0][1]["uid"]]
    assert run.metadata["start"] == kept[0][1]
    stop = next((doc for name, doc in kept if name == "stop"), None)
    assert (run.metadata.get("stop") or {}).items() >= (stop or {}).items()
    streams = {doc["uid"]: doc["name"] for name, doc in kept if name == "descriptor"}
    for uid, stream in streams.items():
        events = [doc for name, doc in kept if name == "event" and doc["descriptor"] == uid]
        data = run[stream].read()
        assert list(run[stream]["seq_num"].read()) == [doc["seq_num"] for doc in events]
        np.testing.assert_array_equal(data["time"], [doc["time"] for doc in events])
        for key in events[0]["data"]:
            np.testing.assert_array_equal(data[key], [doc["data"][key] for doc in events])


def count_with(detector, points, at=None, do=None):
    """Take points, and do something in between."""
    yield from bps.open_run(md={"plan_name": "count"})
    for i in range(points):
        if i == at:
            do()
        yield from bps.checkpoint()
        yield from bps.create("primary")
        yield from bps.read(detector)
        yield from bps.save()
    yield from bps.close_run()


def when_partly_written(served, then):
    """Wait until some points of the run that is being taken are in the catalog, and go on."""

    def do():
        (path,) = waiting_runs(served.settings)
        wait_until(lambda: rows(served.catalog, path.stem) > 0)
        assert "stop" not in served.catalog[path.stem].metadata
        then()

    return do


def test_a_lost_answer_leaves_no_row_twice_and_no_raw_file_lost(
    served, feeding, frames, monkeypatch
):
    path, counts, taken = frames
    append = run_writer._TiledRun._append_with_retry
    lost = []

    def append_and_lose_the_answer(self, table_client, table, stream):
        append(self, table_client, table, stream)
        if not lost:
            lost.append(stream)
            raise httpx.ReadTimeout("the answer is lost")

    monkeypatch.setattr(run_writer._TiledRun, "_append_with_retry", append_and_lose_the_answer)
    journal = Journal(feeding.settings.journal_dir)
    for name, doc in taken:
        journal(name, doc)
    wait_until(lambda: not waiting_runs(feeding.settings))
    assert lost == ["primary"]
    run = served.catalog[taken[0][1]["uid"]]
    assert list(run["primary"]["seq_num"].read()) == [1, 2, 3, 4]
    np.testing.assert_array_equal(run["primary"].read()["frames"], counts)
    assert path.exists()


def test_a_number_that_starts_as_an_integer_becomes_a_float(served, feeding):
    keys = {"x": {"dtype": "integer", "shape": [], "source": "test"}}
    taken = documents(3, keys, lambda i: {"x": i / 2 if i % 2 else i // 2})
    journal = Journal(feeding.settings.journal_dir)
    for name, doc in taken[:3]:
        journal(name, doc)
    uid = taken[0][1]["uid"]
    wait_until(lambda: rows(served.catalog, uid) == 1)  # written as an integer
    for name, doc in taken[3:]:
        journal(name, doc)
    wait_until(lambda: not waiting_runs(feeding.settings))
    x = served.catalog[uid]["primary"].read()["x"]
    assert list(x.values) == [0.0, 0.5, 1.0]
    assert x.dtype == float


def test_a_run_that_was_stored_but_not_marked_is_stored_once(served, feeding):
    taken = documents()
    journal = Journal(feeding.settings.journal_dir)
    for name, doc in taken:
        journal(name, doc)
    wait_until(lambda: not waiting_runs(feeding.settings))
    (mark,) = (feeding.settings.catalog_dir / "fed").glob("*/*")
    mark.unlink()
    wait_until(lambda: not waiting_runs(feeding.settings))
    assert list(served.catalog).count(taken[0][1]["uid"]) == 1
    (path,) = feeding.settings.journal_dir.glob("*/*.jsonl")
    assert_same_as_journal(served.catalog, path)


def test_a_run_that_tiled_refuses_is_set_aside_and_blocks_no_other(served, feeding):
    keys = {name: {"dtype": "number", "shape": [], "source": "test"} for name in ("a", "A")}
    poison = documents(3, keys, lambda i: {"a": float(i), "A": float(i)})
    good = documents(3)
    journal = Journal(feeding.settings.journal_dir)
    for name, doc in [*poison, *good]:
        journal(name, doc)
    uid, good_uid = poison[0][1]["uid"], good[0][1]["uid"]
    (note,) = wait_until(lambda: list(feeding.refused_dir.glob("*/*")))
    assert note.name == uid
    assert note.read_text().strip()
    assert uid not in served.catalog
    assert served.catalog[good_uid].metadata["stop"]["exit_status"] == "success"
    assert [path.stem for path in waiting_runs(feeding.settings)] == [uid]  # it still waits


def test_a_run_whose_process_was_killed_is_incomplete_and_blocks_no_other(served):
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_journal import Journal, compose
journal = Journal(Path({str(served.settings.journal_dir)!r}))
for name, doc in compose(points=3, plan_name="killed"):
    if name != "stop":
        journal(name, doc)
    uid = doc["uid"] if name == "start" else uid
print(uid, flush=True)
with next(journal.directory.glob(f"*/{{uid}}.jsonl")).open("ab") as file:
    file.write(b'["event",{{"uid"')  # a line torn by the kill
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run(
        [sys.executable, "-c", script], check=False, stdout=subprocess.PIPE, text=True
    )
    assert killed.returncode == -signal.SIGKILL
    later = served.take(documents())
    assert later.metadata["stop"]["exit_status"] == "success"
    details = show(served.catalog, killed.stdout.strip())
    assert details.stop is None
    assert details.streams["primary"]["points"] == 3
    assert details.start["uid"] in {run.uid for run in list_runs(served.settings, complete=False)}


@pytest.mark.parametrize("victim", ["tiled", "feeder"])
def test_a_killed_process_changes_nothing_for_the_scan(served, engine, victim):
    detector = Detector()
    tiled = served.tiled_pid()
    killed_at = []

    def kill():
        os.kill(tiled if victim == "tiled" else served.process.pid, signal.SIGKILL)
        killed_at.append(time.monotonic())

    engine(count_with(detector, 80, at=20, do=when_partly_written(served, kill)))
    # 60 points after the kill take 0.2 s; a RunEngine that writes to tiled itself is blocked
    # for 73 s or more.
    assert time.monotonic() - killed_at[0] < 5
    engine(count_with(detector, 5))
    assert served.process.wait(20) != 0
    wait_until(lambda: not Path(f"/proc/{tiled}").exists())

    served.start()
    served.wait_until_fed()
    uids = list(served.catalog)
    assert len(uids) == len(set(uids))
    runs = list(journaled_runs(served.settings.journal_dir))
    # derived runs of other tests are in the catalog too, but in no list of measurements
    assert {run.uid for run in runs if "raw_run" not in run.start} <= set(uids)
    for run in sorted(runs, key=lambda run: run.start["time"])[-2:]:
        assert run.stop["exit_status"] == "success"
        assert_same_as_journal(served.catalog, run.path)
