"""Serve every instrument of the microscope behind its PVs."""

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Any

from caproto.asyncio.server import Context
from caproto.server import SubGroup

from ocm_ophyd.errors import OcmError
from ocm_ophyd.iocs.chopper import Chopper
from ocm_ophyd.iocs.delay import DelayStage
from ocm_ophyd.iocs.galvo import GalvoScanner
from ocm_ophyd.iocs.ioc_status import IocStatus
from ocm_ophyd.iocs.laser import Laser
from ocm_ophyd.iocs.lens import SteeringLens
from ocm_ophyd.iocs.optical_table import Bench, SimulatedClock
from ocm_ophyd.iocs.power_meter import PowerMeter
from ocm_ophyd.iocs.pulse_picker import PulsePicker
from ocm_ophyd.iocs.pv import Group
from ocm_ophyd.iocs.reference_mirror import ReferenceMirror
from ocm_ophyd.iocs.retarder import Retarder
from ocm_ophyd.iocs.sample_stage import SampleStage
from ocm_ophyd.iocs.shutter import Shutters
from ocm_ophyd.iocs.spectrometer import Spectrometer
from ocm_ophyd.twin import Knobs, Microscope, load_scenario

__all__ = ["Instrument", "PortTakenError", "build", "serve"]


class PortTakenError(OcmError):
    """Another server listens on the port already."""


class Instrument(Group):
    """All instruments on one bench.

    Parameters
    ----------
    bench : Bench
        What they share.
    """

    ioc = SubGroup(IocStatus, prefix="IOC:")
    laser = SubGroup(Laser, prefix="Laser:")
    picker = SubGroup(PulsePicker, prefix="Picker:")
    shutters = SubGroup(Shutters, prefix="Shutter:")
    delay = SubGroup(DelayStage, prefix="Delay:")
    galvo = SubGroup(GalvoScanner, prefix="Galvo:")
    chopper = SubGroup(Chopper, prefix="Chopper:")
    retarder = SubGroup(Retarder, prefix="Retarder:")
    lens = SubGroup(SteeringLens, prefix="Lens:")
    mirror = SubGroup(ReferenceMirror, prefix="RefMirror:")
    spectrometer = SubGroup(Spectrometer, prefix="Spec:")
    power = SubGroup(PowerMeter, prefix="Power:")
    sample = SubGroup(SampleStage, prefix="Sample:")

    def close(self) -> None:
        """End the computations and close the spectrometer's file."""
        self.bench.close()
        self.spectrometer.recorder.close()


def build(prefix: str, bench: Bench) -> Instrument:
    """Put all instruments on a bench; the result's ``pvdb`` is what a server serves."""
    return Instrument(prefix, bench=bench)


def serve(
    scenario: str | None,
    prefix: str,
    time_scale: float,
    interfaces: list[str],
    port: int,
    raw_dir: Path,
) -> None:
    """Serve the instrument until SIGINT or SIGTERM.

    Parameters
    ----------
    scenario : str or None
        Packaged name or path of the scenario; None is the default.
    prefix : str
        First part of every PV name.
    time_scale : float
        Simulated seconds a second; 1 is real time.
    interfaces : list of str
        Addresses to listen on; empty is the loopback.
    port : int
        Channel Access port, UDP and TCP.
    raw_dir : Path
        Directory below which frames are written.

    Raises
    ------
    PortTakenError
        Another server has the port.
    UsageError
        The scenario or the time scale cannot be used.
    """
    interfaces = interfaces or ["127.0.0.1"]
    _quiet_log()
    truth = load_scenario(scenario)
    _require_free(interfaces, port)
    os.environ.update(
        EPICS_CA_SERVER_PORT=str(port),
        EPICS_CAS_SERVER_PORT=str(port),
        EPICS_CAS_INTF_ADDR_LIST=" ".join(interfaces),
        EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO",
        EPICS_CAS_BEACON_ADDR_LIST="127.0.0.1",
    )
    # a sample that returns no light from its front face needs the mirror as its reference
    common_path = truth.interferometer.near_collection > 0
    clock = SimulatedClock(time_scale)
    bench = Bench(Microscope(truth), Knobs(mirror_blocked=common_path), clock, raw_dir)
    asyncio.run(_serve(build(prefix, bench), interfaces))


async def _serve(instrument: Instrument, interfaces: list[str]) -> None:
    server = asyncio.current_task()
    assert server is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.cancel)

    context = Context(instrument.pvdb, interfaces)

    async def announce(_: Any) -> None:
        for listener in context.tcp_sockets.values():
            # what it accepts inherits this; without it a completion that follows a monitor
            # waits 40 ms for the client's delayed acknowledgement
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await instrument.ioc.ready.write(1)

    try:
        await instrument.initialise()
        await context.run(startup_hook=announce)
    finally:
        instrument.close()


def _require_free(interfaces: list[str], port: int) -> None:
    """Refuse a port in use: caproto would share it, or quietly take another one."""
    for interface in interfaces:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                if kind == socket.SOCK_STREAM:  # connections of a server that has just ended
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((interface, port))
                except OSError as error:
                    msg = (
                        f"cannot listen on {interface}:{port} ({error.strerror}): "
                        "stop the other IOC or choose another port"
                    )
                    raise PortTakenError(msg) from error


def _quiet_log() -> None:
    """Log a refused write as one line, where caproto would add a traceback; no word of beacons."""

    def shorten(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ValueError):
            record.msg, record.args = "write refused: %s", (error,)
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True

    logging.getLogger("caproto.circ").addFilter(shorten)
    # beacons find nobody as long as no client has started a repeater, which is nothing wrong
    logging.getLogger("caproto.ctx").addFilter(lambda record: "beacon" not in str(record.msg))
