"""The instrument's IOC and the catalog as child processes: start, wait, stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from ocm_ophyd.archive.connection import server_answers
from ocm_ophyd.errors import OcmError
from ocm_ophyd.settings import Settings

__all__ = [
    "CatalogServer",
    "InstrumentServer",
    "Server",
    "ServerError",
    "free_ports",
    "stop_on_signals",
]

START_TIMEOUT = 120.0  # s; tiled alone takes half a minute on a cold disk
STOP_TIMEOUT = 15.0  # s


class ServerError(OcmError):
    """A server did not come up; the message has its last line."""


def free_ports(count: int) -> list[int]:
    """Return ports on the loopback that nothing uses, neither for TCP nor for UDP."""
    holders: list[socket.socket] = []
    ports: list[int] = []
    while len(ports) < count:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        holders += [tcp, udp]
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        ports.append(tcp.getsockname()[1])
    for holder in holders:
        holder.close()
    return ports


def stop_on_signals() -> None:
    """Make SIGTERM end this process as Ctrl-C does, so that what it started is stopped.

    SIGINT too: a shell starts background commands with SIGINT ignored.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


class Server:
    """An ``ocm`` command that serves until it is interrupted, in a process of its own.

    Entering the context starts it, `wait` waits until it answers, leaving stops it.

    Parameters
    ----------
    settings : Settings
        Handed to the process; its log goes to ``<data_dir>/logs``.
    arguments : sequence of str
        Of the ``ocm`` command.
    """

    def __init__(self, settings: Settings, arguments: Sequence[str]) -> None:
        self.settings = settings
        self.log = settings.home / "logs" / f"{arguments[0]}.log"
        self._arguments = arguments

    def __enter__(self) -> Self:
        """Start the process."""
        self.settings.make_home()
        self.log.parent.mkdir(exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ocm_ophyd.cli", *self._arguments],
                env={**os.environ, **self.settings.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the parent, which stops its children
            )
        return self

    def answers(self) -> bool:
        """Whether the server is ready."""
        raise NotImplementedError

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Wait until the server answers.

        Raises
        ------
        ServerError
            Where it ends or stays silent instead.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if not self.alive or time.monotonic() > deadline:
                lines = self.log.read_text("utf-8", errors="replace").strip().splitlines()
                reason = lines[-1] if lines else "no message"
                msg = f"`ocm {self._arguments[0]}` did not start: {reason} (log: {self.log})"
                raise ServerError(msg)
            time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the process, by force where it does not end by itself."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class InstrumentServer(Server):
    """The simulated instrument.

    Parameters
    ----------
    settings : Settings
        Prefix, ports and data directory.
    scenario : str, optional
        Scenario name or file.
    time_scale : float
        How many times faster than real time.
    """

    def __init__(
        self, settings: Settings, *, scenario: str | None = None, time_scale: float = 1.0
    ) -> None:
        chosen = [] if scenario is None else ["--scenario", scenario]
        super().__init__(settings, ["ioc", "--time-scale", str(time_scale), *chosen])

    def answers(self) -> bool:
        """Whether the IOC says that it is ready."""
        from caproto import CaprotoTimeoutError  # noqa: PLC0415 - slow to import
        from caproto.sync.client import read  # noqa: PLC0415

        self.settings.use_channel_access()
        try:
            ready = read(f"{self.settings.prefix}IOC:Ready_RBV", timeout=0.3, repeater=False)
        except (CaprotoTimeoutError, ConnectionError):
            return False
        return bool(ready.data[0])


class CatalogServer(Server):
    """The tiled server, and the feeder that fills it from the journal."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, ["serve"])

    def answers(self) -> bool:
        """Whether tiled answers."""
        return server_answers(self.settings)
