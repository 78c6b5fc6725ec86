"""The session's calibration: every stored value, on disk, with its history."""

import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.errors import OcmError

__all__ = ["CalibrationError", "CalibrationStore"]

_KEYS = ("time", "signal", "value")


class CalibrationError(OcmError):
    """The calibration cannot be read or kept."""


class CalibrationStore:
    """Keeps calibration signals in an append-only file, one line a change.

    The last line of a signal is its value; the lines before it are its history. The line
    number is the version of the calibration.

    Parameters
    ----------
    directory : Path
        Made when it does not exist; holds ``calibration.jsonl``.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "calibration.jsonl"
        self._signals: list[StoredSignal] = []
        self._known = -1  # size of the file when it was last read or written
        self._lock = threading.Lock()  # signals are set by threads of their own

    def history(self) -> Iterator[dict[str, Any]]:
        """Yield the stored changes, oldest first: version, time (Unix s), signal and value.

        Raises
        ------
        CalibrationError
            Names the line that cannot be read.
        """
        if not self.path.exists():
            return
        try:
            lines = self.path.read_text("utf-8", errors="replace").splitlines(keepends=True)
        except OSError as error:
            msg = f"the calibration {self.path} cannot be read: {error.strerror}"
            raise CalibrationError(msg) from None
        for version, line in enumerate(lines, start=1):
            if not line.endswith("\n"):
                return  # the write that a crash cut short
            try:
                entry = json.loads(line)
                yield {"version": version, **{key: entry[key] for key in _KEYS}}
            except (json.JSONDecodeError, KeyError, TypeError):
                msg = f"{self.path}, line {version}, is damaged: remove that line to go on"
                raise CalibrationError(msg) from None

    def attach(self, signals: Iterable[StoredSignal]) -> None:
        """Load the stored values into `signals` and keep every later change.

        Parameters
        ----------
        signals : iterable of StoredSignal
            Identified by their names.

        Raises
        ------
        CalibrationError
            Where the file is damaged.
        """
        self._signals = list(signals)
        self.refresh()
        for signal in self._signals:
            signal.keep = self._keep

    def refresh(self) -> None:
        """Load what another session has stored meanwhile.

        Raises
        ------
        CalibrationError
            Where the file is damaged.
        """
        if self._size() == self._known:
            return
        latest = {entry["signal"]: entry["value"] for entry in self.history()}
        for signal in self._signals:
            if signal.name in latest:
                signal.load(latest[signal.name])
        self._known = self._size()

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _keep(self, name: str, value: Any) -> None:
        kept = value.tolist() if isinstance(value, np.ndarray) else value
        line = json.dumps({"time": time.time(), "signal": name, "value": kept}) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, self.path.open("ab+") as file:
                up_to_date = file.tell() == self._known
                _cut_torn_line(file)
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
                if up_to_date:
                    self._known = file.tell()
        except OSError as error:
            msg = f"the calibration cannot be kept in {self.path}: {error.strerror}"
            raise CalibrationError(msg) from error


def _cut_torn_line(file: BinaryIO) -> None:
    """Take away the write that a crash cut short."""
    if file.tell():
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
