"""The session's calibration: every stored value, on disk, with its history."""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ophyd import Signal

__all__ = ["CalibrationError", "CalibrationStore"]


class CalibrationError(OSError):
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

    def history(self) -> Iterator[dict[str, Any]]:
        """Yield the stored changes, oldest first: version, time (Unix s), signal and value.

        Raises
        ------
        CalibrationError
            Names the line that cannot be read.
        """
        if not self.path.exists():
            return
        lines = self.path.read_text("utf-8").splitlines(keepends=True)
        for version, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                if not line.endswith("\n"):
                    return  # the write that a crash cut short
                msg = f"{self.path}, line {version}, is damaged: remove that line to go on"
                raise CalibrationError(msg) from None
            yield {"version": version, **entry}

    def attach(self, signals: Iterable[Signal]) -> None:
        """Load the stored values into `signals` and keep every later change.

        Parameters
        ----------
        signals : iterable of Signal
            Identified by their names.
        """
        latest = {entry["signal"]: entry["value"] for entry in self.history()}
        for signal in signals:
            if signal.name in latest:
                signal.put(latest[signal.name])
            signal.subscribe(self._changed, event_type=Signal.SUB_VALUE, run=False)

    def _changed(self, *, value: Any, obj: Signal, **_: Any) -> None:
        entry = {
            "time": time.time(),
            "signal": obj.name,
            "value": value.tolist() if isinstance(value, np.ndarray) else value,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            msg = f"the calibration cannot be kept in {self.path}: {error.strerror}"
            raise CalibrationError(msg) from error
