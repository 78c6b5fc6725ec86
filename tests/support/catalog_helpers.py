"""A real ``ocm serve`` in a process of its own, and runs to feed it with."""

import os
import subprocess
import sys
from pathlib import Path

from event_model import compose_run
from processes import free_port, wait_until

from ocm_ophyd.archive.catalog import connect
from ocm_ophyd.archive.connection import server_answers, waiting_runs
from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.settings import Settings

PIXELS, FRAMES = 1044, 6


class Served:
    """An ``ocm serve`` in a process of its own."""

    def __init__(self, directory):
        self.settings = Settings(data_dir=directory, tiled_port=free_port())
        self.profiles = directory / "profiles"
        self.log = directory / "serve.log"
        self.journal = Journal(self.settings.journal_dir)

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ocm_ophyd.cli", "serve"],
                env=os.environ
                | self.settings.environment()
                | {"TILED_PROFILES": str(self.profiles)},
                stdout=log,
                stderr=log,
            )
        wait_until(self._ready, 90)
        self.catalog = connect(self.settings)

    def _ready(self):
        assert self.process.poll() is None, self.log.read_text()
        return server_answers(self.settings)

    def tiled_pid(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        (pid,) = children.read_text().split()
        return int(pid)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(20) == 0

    def wait_until_fed(self):
        wait_until(lambda: not waiting_runs(self.settings))

    def take(self, documents):
        """Journal the documents of a run, wait until it is fed, and return it."""
        for name, doc in documents:
            self.journal(name, doc)
        self.wait_until_fed()
        return self.catalog[documents[0][1]["uid"]]


def documents(points=3, keys=None, values=None, stream="primary", start_time=None, **metadata):
    """Compose a run: `values(i)` gives the data of point i for the data keys `keys`."""
    keys = keys or {"x": {"dtype": "number", "shape": [], "source": "test"}}
    values = values or (lambda i: {"x": i / 2})
    run = compose_run(metadata=metadata, time=start_time)
    descriptor = run.compose_descriptor(name=stream, data_keys=keys)
    events = []
    for i in range(points):
        data = values(i)
        events.append(
            ("event", descriptor.compose_event(data=data, timestamps=dict.fromkeys(data, 1.0)))
        )
    return [
        ("start", run.start_doc),
        ("descriptor", descriptor.descriptor_doc),
        *events,
        ("stop", run.compose_stop()),
    ]


def rows(catalog, uid):
    if uid not in catalog or "primary" not in catalog[uid]:
        return 0
    stream = catalog[uid]["primary"]
    return len(stream["seq_num"].read()) if "seq_num" in stream else 0
