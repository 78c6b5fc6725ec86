"""The local journal: every document of every run, on disk before anything else may fail.

One file a run, ``<journal_dir>/YYYY-MM-DD/<uid>.jsonl``, with one JSON line ``["name", doc]`` a
document. The writer holds an ``flock`` on the file of a running run, so that a reader can tell a
run that is still being taken from one whose process died. Floats are written with all their
digits; NaN and infinities stand as Python's ``json`` writes and reads them.
"""

import fcntl
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ocm_ophyd.errors import OcmError

__all__ = [
    "Journal",
    "JournalError",
    "JournaledRun",
    "RunReader",
    "journaled_runs",
    "read_run",
    "writer_alive",
]

MIN_FREE_SPACE = 200_000_000
"""Free bytes that a run needs to be allowed to start: an hour of frames and documents."""

# The document that says which run a document belongs to: the key under which it names it.
_PARENT = {
    "descriptor": "run_start",
    "resource": "run_start",
    "stream_resource": "run_start",
    "stop": "run_start",
    "event": "descriptor",
    "event_page": "descriptor",
    "stream_datum": "descriptor",
    "datum": "resource",
    "datum_page": "resource",
}


class JournalError(OcmError):
    """The journal cannot be written or read; the message says why and what to do."""


def _plain(value: Any) -> Any:
    """Turn numpy values into what JSON knows."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class _RunFile:
    """The open journal file of one running run."""

    def __init__(self, directory: Path, start: Mapping[str, Any]) -> None:
        day = datetime.fromtimestamp(start["time"]).strftime("%Y-%m-%d")
        self.path = directory / day / f"{start['uid']}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(self.path.parent).free) < MIN_FREE_SPACE:
            raise OSError(
                f"only {free / 1e6:.0f} MB are free, {MIN_FREE_SPACE / 1e6:.0f} are needed"
            )
        # Under its own name only once it is locked and holds the start document: no reader can
        # ever see the file of a running run without its lock.
        new = self.path.with_suffix(".new")
        self._fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.write("start", start)
            os.fsync(self._fd)
            new.rename(self.path)
            _sync_directory(self.path.parent)
        except BaseException:
            os.close(self._fd)
            new.unlink(missing_ok=True)
            raise

    def write(self, name: str, doc: Mapping[str, Any]) -> None:
        """Append one document in one system call; on failure nothing of it stays behind."""
        line = json.dumps([name, doc], default=_plain, separators=(",", ":")).encode() + b"\n"
        end = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError("the disk is full")
        except OSError:
            os.ftruncate(self._fd, end)
            raise

    def close(self) -> None:
        """Bring the file to the disk and release its lock."""
        try:
            os.fsync(self._fd)
        finally:
            os.close(self._fd)


class Journal:
    """A bluesky callback that appends every document to the journal.

    Parameters
    ----------
    directory : Path
        The journal directory; made if it does not exist.

    Attributes
    ----------
    completed : set of str
        The uids of the runs that this object has written to their end.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.completed: set[str] = set()
        self._files: dict[str, _RunFile] = {}  # by the uid of start, descriptor or resource
        self._lock = threading.Lock()

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Write one document.

        Raises
        ------
        JournalError
            If it cannot be written. At a start document this is before anything has moved.
        """
        with self._lock:
            try:
                self._write(name, doc)
            except OSError as error:
                raise JournalError(
                    f"the journal in {self.directory} cannot take a {name} document: {error}. "
                    "Free some space or repair the disk, or set OCM_DATA_DIR to another one."
                ) from error
            except TypeError as error:
                raise JournalError(f"the {name} document cannot be kept: {error}.") from error

    def _write(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "start":
            self._files[doc["uid"]] = _RunFile(self.directory, doc)
            return
        parent = doc[_PARENT[name]]
        file = self._files.get(parent)
        if name == "stop":
            if file is not None:  # None: the end of a run that was refused at its start
                self._stop(file, doc)
        elif file is None:
            raise TypeError(f"it names {parent!r}, which no open run has announced")
        else:
            file.write(name, doc)
            if name in {"descriptor", "resource"}:
                self._files[doc["uid"]] = file

    def _stop(self, file: _RunFile, doc: Mapping[str, Any]) -> None:
        self._files = {uid: other for uid, other in self._files.items() if other is not file}
        try:
            file.write("stop", doc)
        finally:
            file.close()
        self.completed.add(doc["run_start"])


class RunReader:
    """Reads the documents of one journalled run, also while it is still growing.

    Parameters
    ----------
    path : Path
        The run's file.

    Raises
    ------
    JournalError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise JournalError(f"{path} cannot be read: {error.strerror}") from None

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what was written since the last time.

        A last line without its end is not yet written, or never will be: it is left alone.

        Raises
        ------
        JournalError
            If a line is damaged.
        """
        while True:
            here = self._file.tell()
            line = self._file.readline()
            if not line.endswith(b"\n"):
                self._file.seek(here)
                return
            try:
                name, doc = json.loads(line)
            except ValueError as error:
                raise JournalError(f"{self.path} is damaged at byte {here}: {error}") from error
            yield name, doc

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_run(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the (name, document) pairs of a journalled run.

    Parameters
    ----------
    path : Path
        The run's file.

    Raises
    ------
    JournalError
        If a line is damaged; a torn last line is only left out.
    """
    reader = RunReader(path)
    try:
        yield from reader
    finally:
        reader.close()


def writer_alive(path: Path) -> bool:
    """Whether the process that takes this run still holds its file."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@dataclass(frozen=True)
class JournaledRun:
    """What the journal holds of one run: its file, and its first and last document."""

    path: Path
    start: dict[str, Any]
    stop: dict[str, Any] | None

    @property
    def uid(self) -> str:
        """The run's unique identifier."""
        return str(self.start["uid"])


def journaled_runs(directory: Path) -> Iterator[JournaledRun]:
    """Yield the runs in a journal directory, day by day.

    Parameters
    ----------
    directory : Path
        The journal directory.

    Raises
    ------
    JournalError
        If a file is damaged.
    """
    for path in sorted(directory.glob("*/*.jsonl")):
        for _, start in islice(read_run(path), 1):
            yield JournaledRun(path, start, _last_stop(path))


def _last_stop(path: Path) -> dict[str, Any] | None:
    """Read the stop document from the file's end, without the events before it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536))
        *complete, _torn = file.read().split(b"\n")
    if complete and complete[-1].startswith(b'["stop",'):
        stop: dict[str, Any] = json.loads(complete[-1])[1]
        return stop
    return None
