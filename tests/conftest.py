"""One instrument for all tests of devices and plans; a new RunEngine for every test."""

import subprocess
import sys

import pytest
from processes import end

from analysis.numerics.jit import is_kept
from analysis.point.pipeline import estimate
from ocm_ophyd.processes.servers import InstrumentServer, free_ports
from ocm_ophyd.session.session import Session
from ocm_ophyd.settings import Settings

SAMPLE = "CsPbBr3-microplate"


def pytest_sessionstart(session):
    """Compile once, in a process of its own, not in every process that tests.

    What a process has compiled itself may round otherwise than what others load.
    """
    if not hasattr(session.config, "workerinput") and not is_kept(estimate):
        command = [sys.executable, "-c", "from analysis.point.warm_up import warm_up; warm_up()"]
        subprocess.run(command, cwd=session.config.rootpath, check=True)


@pytest.fixture(scope="session")
def lab_settings(tmp_path_factory):
    """Settings of a laboratory of its own: free ports, empty data directory."""
    ca_port, repeater_port, tiled_port = free_ports(3)
    return Settings(
        data_dir=tmp_path_factory.mktemp("lab"),
        ca_port=ca_port,
        ca_repeater_port=repeater_port,
        tiled_port=tiled_port,
        ca_timeout=10,
    )


@pytest.fixture(scope="session")
def instrument(lab_settings):
    """The devices, connected to an IOC that runs 50 times faster than real time."""
    with InstrumentServer(lab_settings, time_scale=50) as server:
        server.wait()
        session = Session.start(lab_settings)
        end(session.RE)
        yield session.instrument


@pytest.fixture
def session(lab_settings, instrument):
    """A session with a RunEngine of its own, the pump shut before and after."""
    session = Session.around(lab_settings, instrument)
    yield session
    end(session.RE)
    assert not instrument.pump_shutter.is_open.get(use_monitor=False)


@pytest.fixture(scope="session")
def aligned(lab_settings, instrument):
    """The instrument once reference, pump power and time zero are stored."""
    session = Session.around(lab_settings, instrument)
    plans = session.plans()
    session.RE(plans["record_reference"](sample=SAMPLE))
    session.RE(plans["calibrate_pump_power"](sample=SAMPLE))
    session.RE(plans["find_time_zero"](sample=SAMPLE, fluence=0.5))
    end(session.RE)
    return instrument
