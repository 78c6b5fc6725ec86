"""Real IOCs for tests: started, waited for and stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from caproto import CaprotoError
from caproto.sync.client import read

START_TIMEOUT = 30.0  # s


def wait_until(condition, timeout=40.0):
    """Poll until the condition holds, and return what it gave."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Ioc:
    """A running IOC."""

    prefix: str
    port: int
    raw_dir: Path
    log: Path
    process: subprocess.Popen

    def environment(self):
        """Channel Access environment that reaches this IOC, and it alone, for a `with` block."""
        return mock.patch.dict(
            os.environ,
            EPICS_CA_ADDR_LIST=f"127.0.0.1:{self.port}",
            EPICS_CA_AUTO_ADDR_LIST="NO",
            EPICS_CA_SERVER_PORT=str(self.port),
        )


def free_port():
    """A port that nobody uses now, for TCP and UDP, on the loopback."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def running_ioc(
    directory, *, prefix="OCM:", scenario=None, time_scale=50.0, raw_dir=None, before=""
) -> Iterator[Ioc]:
    """Serve an instrument from a process of its own until the `with` block ends.

    Parameters
    ----------
    directory : Path
        For the log and, unless `raw_dir` is given, the raw data.
    before : str
        Python statements that the process executes first.
    """
    port = free_port()
    raw_dir = Path(raw_dir or directory / "raw")
    log = Path(directory) / f"ioc-{port}.log"
    code = (
        f"{before}\n"
        "from pathlib import Path\n"
        "from ocm_ophyd.iocs.main import serve\n"
        f"serve({scenario!r}, {prefix!r}, {time_scale!r}, [], {port}, Path({str(raw_dir)!r}))"
    )
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
        )
    ioc = Ioc(prefix, port, raw_dir, log, process)
    try:
        _wait_until_ready(ioc)
        yield ioc
    finally:
        stop(process)


def stop(process, timeout=10.0):
    """End a process by SIGINT, by force where that does not help; returns its exit status."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def _wait_until_ready(ioc):
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if ioc.process.poll() is not None:
            break
        try:
            with ioc.environment():
                answer = read(f"{ioc.prefix}IOC:Ready_RBV", timeout=0.5, repeater=False)
        except (CaprotoError, OSError):
            continue
        if answer.data[0] == 1:
            return
    raise RuntimeError(f"the IOC did not get ready; its log:\n{ioc.log.read_text()}")


def end(engine):
    """Stop a RunEngine, its thread and its event loop, whatever state it is in."""
    if engine.loop.is_closed():
        return
    if engine.state != "idle":
        engine.halt()
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join(5)  # other engines may still run, and are not waited for
    if not engine.loop.is_running():
        engine.loop.close()
