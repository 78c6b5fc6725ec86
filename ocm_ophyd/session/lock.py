"""One session at a time measures."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bluesky import RunEngine

from ocm_ophyd.errors import OcmError

__all__ = ["BusyError", "OneAtATime"]


class BusyError(OcmError):
    """The right to measure with this instrument cannot be had: another session has it."""


class OneAtATime:
    """A RunEngine's context manager that lets one of several sessions measure.

    The lock is held from the begin of a plan to its end, pauses included. The kernel gives it
    back when the process ends, however that ends; the process id that then still stands in the
    file tells the next holder that there is something to clear up.

    Parameters
    ----------
    path : Path
        The lock file, common to all sessions of this instrument.
    begin : callable
        Called as ``begin(crashed)`` whenever the lock was taken, before the plan begins, with
        whether its last holder died while it measured.
    """

    def __init__(self, path: Path, begin: Callable[[bool], None]) -> None:
        self._path = path
        self._begin = begin
        self._fd: int | None = None
        self._holder: RunEngine | None = None

    @contextmanager
    def __call__(self, engine: RunEngine) -> Iterator[None]:
        """Hold the lock while `engine` works on a plan or is paused in one.

        Raises
        ------
        BusyError
            Names the process that measures.
        """
        if self._fd is None:
            self._take()
            self._holder = engine
        try:
            yield
        finally:
            # another engine of this session, that of %mov, may work while `engine` is paused
            if self._holder is engine and engine.state != "paused":
                self._give_back()

    def clear_up(self) -> None:
        """Do what `begin` does now, unless another session measures."""
        try:
            self._take()
        except BusyError:
            return
        self._give_back()

    def _take(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            msg = (
                f"the lock {self._path} cannot be opened ({error.strerror}): make it writable, or "
                "set OCM_DATA_DIR to another directory"
            )
            raise BusyError(msg) from None
        holder = os.read(fd, 20).decode()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            msg = (
                f"another session (process {holder}) is measuring with this instrument: wait "
                "until it is done, or end it"
            )
            raise BusyError(msg) from None
        self._fd = fd
        try:
            self._begin(bool(holder))
        except BaseException:
            self._fd = None
            os.close(fd)  # and the next one clears up
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)

    def _give_back(self) -> None:
        assert self._fd is not None
        fd, self._fd = self._fd, None
        os.ftruncate(fd, 0)
        os.close(fd)
