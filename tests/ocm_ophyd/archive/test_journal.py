"""The journal keeps every document, and says so before anything moves when it cannot."""

import asyncio
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import bluesky.plan_stubs as bps
import numpy as np
import pytest
from bluesky import RunEngine
from event_model import compose_run

from ocm_ophyd.archive import journal as journal_module
from ocm_ophyd.archive.journal import (
    Journal,
    JournalError,
    RunReader,
    journaled_runs,
    read_run,
    writer_alive,
)
from ocm_ophyd.archive.metadata import MetadataError, check_metadata

HERE = str(Path(__file__).parent)


def compose(points=3, value=0.5, **metadata):
    """Documents of a run with one scalar, as (name, doc) pairs."""
    run = compose_run(metadata=metadata)
    stream = run.compose_descriptor(
        name="primary", data_keys={"x": {"dtype": "number", "shape": [], "source": "test"}}
    )
    yield "start", run.start_doc
    yield "descriptor", stream.descriptor_doc
    for _ in range(points):
        yield "event", stream.compose_event(data={"x": value}, timestamps={"x": 1.0})
    yield "stop", run.compose_stop()


def write(directory, documents):
    journal = Journal(directory)
    for name, doc in documents:
        journal(name, doc)
    return next(directory.glob("*/*.jsonl"))


def test_documents_come_back_exactly(tmp_path):
    value = [0.1, 1e-300, math.nan, -math.inf, 2**60, "µJ/cm²", None, True, {"a": [1, 2.0]}]
    documents = list(compose(value=value, sample={"name": "plate"}))
    kept = list(read_run(write(tmp_path, documents)))
    # NaN differs from itself: compare what is printed, which tells every float64 apart.
    assert repr(kept) == repr([(name, dict(doc)) for name, doc in documents])


def test_numpy_values_are_kept_as_numbers(tmp_path):
    spectrum = np.random.default_rng(1).normal(size=1044)
    value = {"f": np.float32(0.1), "i": np.uint32(7), "b": np.bool_(True), "a": spectrum}
    _, _, (_, event), _ = read_run(write(tmp_path, compose(points=1, value=value)))
    kept = event["data"]["x"]
    assert kept["f"] == float(np.float32(0.1))
    assert (kept["i"], kept["b"]) == (7, True)
    np.testing.assert_array_equal(kept["a"], spectrum)


def test_every_document_is_there_before_the_next(tmp_path):
    journal = Journal(tmp_path)
    reader = None
    for name, doc in compose():
        journal(name, doc)
        reader = reader or RunReader(next(tmp_path.glob("*/*.jsonl")))
        assert [seen for seen, _ in reader] == [name]
    reader.close()


def test_interleaved_runs_are_kept_apart(tmp_path):
    journal = Journal(tmp_path)
    first, second = list(compose(points=2, plan_name="raw")), list(compose(points=2))
    for pair in zip(first, second, strict=True):
        for name, doc in pair:
            journal(name, doc)
    for documents in (first, second):
        (path,) = tmp_path.glob(f"*/{documents[0][1]['uid']}.jsonl")
        assert list(read_run(path)) == [(name, dict(doc)) for name, doc in documents]


def test_a_torn_last_line_is_left_out_wherever_it_was_torn(tmp_path):
    path = write(tmp_path, compose())
    content = path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(content)):
        path.write_bytes(content[:end])
        assert [name for name, _ in read_run(path)] == ["start", "descriptor"] + 3 * ["event"]


def test_a_damaged_line_is_named(tmp_path):
    path = write(tmp_path, compose())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\0\0\0\n", *lines[3:]]))
    with pytest.raises(JournalError, match=rf"{path.name} is damaged at byte"):
        list(read_run(path))


def test_what_was_written_survives_kill_9_and_the_lock_does_not(tmp_path):
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {HERE!r})
from test_journal import Journal, compose
journal = Journal(Path({str(tmp_path)!r}))
for name, doc in compose(points=5):
    if name != "stop":
        journal(name, doc)
print("written", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"written\n"
    (path,) = tmp_path.glob("*/*.jsonl")
    assert writer_alive(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not writer_alive(path)
    assert [name for name, _ in read_run(path)] == ["start", "descriptor"] + 5 * ["event"]
    (run,) = journaled_runs(tmp_path)
    assert run.stop is None


def test_an_ended_run_is_unlocked_and_summarised(tmp_path):
    documents = list(compose(plan_name="delay_scan"))
    path = write(tmp_path, documents)
    assert not writer_alive(path)
    (run,) = journaled_runs(tmp_path)
    assert (run.uid, run.path) == (documents[0][1]["uid"], path)
    assert (run.start, run.stop) == (dict(documents[0][1]), dict(documents[-1][1]))
    day = time.strftime("%Y-%m-%d", time.localtime(run.start["time"]))
    assert path == tmp_path / day / f"{run.uid}.jsonl"


def test_a_full_disk_costs_only_the_document_that_did_not_fit(tmp_path):
    # A limit on the file's size makes the kernel cut a write short, as a full disk does.
    script = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {HERE!r})
from test_journal import Journal, JournalError, compose
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
journal = Journal(Path({str(tmp_path)!r}))
try:
    for n, (name, doc) in enumerate(compose(points=1000)):
        journal(name, doc)
except JournalError as error:
    print(n, error)
"""
    out = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    kept, message = out.stdout.split(maxsplit=1)
    assert "Free or mend the disk" in message
    (path,) = tmp_path.glob("*/*.jsonl")
    assert path.read_bytes().endswith(b"]\n")
    assert len(list(read_run(path))) == int(kept)


class Axis:
    """A device that remembers whether it was moved."""

    name = "axis"
    parent = None
    moved = False

    def set(self, _value):
        self.moved = True
        raise AssertionError("moved")


@pytest.fixture
def engine():
    loop = asyncio.new_event_loop()
    engine = RunEngine({}, loop=loop, context_managers=[])
    yield engine
    if engine.state not in {"idle", "panicked"}:
        engine.halt()
    loop.call_soon_threadsafe(loop.stop)
    engine._th.join()
    loop.close()


def measure(axis):
    yield from bps.open_run()
    yield from bps.mv(axis, 1)
    yield from bps.close_run()


def test_an_unwritable_journal_stops_the_run_before_anything_moves(tmp_path, engine):
    (tmp_path / "file").write_text("not a directory")
    engine.subscribe(Journal(tmp_path / "file"))
    axis = Axis()
    with pytest.raises(JournalError, match=r"cannot take a start document.*OCM_DATA_DIR"):
        engine(measure(axis))
    assert not axis.moved


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_journal_stops_the_run_before_anything_moves(tmp_path, engine):
    tmp_path.chmod(0o500)
    engine.subscribe(Journal(tmp_path))
    axis = Axis()
    with pytest.raises(JournalError, match="Permission denied"):
        engine(measure(axis))
    assert not axis.moved


def test_too_little_space_stops_the_run_before_anything_moves(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(journal_module, "MIN_FREE_SPACE", 10**18)
    engine.subscribe(Journal(tmp_path))
    axis = Axis()
    with pytest.raises(JournalError, match=r"only \d+ MB are free"):
        engine(measure(axis))
    assert not axis.moved
    assert list(journaled_runs(tmp_path)) == []


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"sample": {"thickness": math.nan}}, r"metadata\['sample'\]\['thickness'\] is nan"),
        ({"window": [0.0, np.inf]}, r"metadata\['window'\]\[1\] is inf"),
        ({"points": {1: "a"}}, r"metadata\['points'\] has the key 1"),
        ({"serial": 2**53}, r"metadata\['serial'\] is 9007199254740992"),
        ({"serial": np.array([-(2**60)])}, r"metadata\['serial'\]\[0\] is -1152921504606846976"),
        ({"device": object()}, r"metadata\['device'\] is a object"),
        ({"phase": 1j}, r"metadata\['phase'\] is a complex"),
    ],
)
def test_metadata_that_the_catalog_would_mangle_are_refused(metadata, message, engine):
    engine.md_validator = check_metadata
    axis = Axis()

    def plan():
        yield from bps.open_run(md=metadata)
        yield from bps.mv(axis, 1)

    with pytest.raises(MetadataError, match=message):
        engine(plan())
    assert not axis.moved


def test_ordinary_metadata_are_accepted():
    check_metadata(
        {
            "sample": {"name": "CsPbBr3 plate", "thickness": np.float64(1.5), "flat": True},
            "axes": ("delay", "y", "x"),
            "shape": np.array([3, 4, 5]),
            "carrier_density_threshold": 1.1e19,
            "largest": 2**53 - 1,
            "comment": None,
        }
    )


def test_a_value_that_json_does_not_know_is_named(tmp_path):
    with pytest.raises(JournalError, match="the event document cannot be kept: a complex"):
        write(tmp_path, compose(value=1j))
    (path,) = tmp_path.glob("*/*.jsonl")
    assert json.loads(path.read_bytes().splitlines()[-1])[0] == "descriptor"
