"""One instrument for all tests of devices and plans; a new RunEngine for every test."""

import fcntl
import os
import subprocess
import sys

import pytest
from processes import end

SAMPLE = "CsPbBr3-microplate"
ESTIMATOR = "analysis.point.pipeline"


def pytest_configure():
    """Let every process of the tests, servers included, calculate in one thread of BLAS.

    Two workers with two threads each would wait for one another on two processors.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    """Keep tests that share a server or a calculation in one worker; spread all others.

    Tests with a fixture that lasts longer than one test are a group: those of a folder where the
    fixture is the folder's (all of the one instrument), those of a file where it is the file's.
    The largest groups begin first.
    """
    for item in items:
        fixtures = [
            fixture
            for each in item._fixtureinfo.name2fixturedefs.values()
            for fixture in each
            if fixture.baseid  # not pytest's own
        ]
        folders = [fixture.baseid for fixture in fixtures if fixture.scope == "session"]
        if folders:
            item.add_marker(pytest.mark.xdist_group(min(folders)))
        elif any(fixture.scope == "module" for fixture in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.location[0]))


def pytest_collection_finish(session):
    """Compile the estimator once, where a test that was chosen needs it.

    One process of its own compiles, and all workers wait for it: what a process has compiled itself
    may round otherwise than what others load.
    """
    needed = ESTIMATOR in sys.modules or any("instrument" in i.fixturenames for i in session.items)
    if not needed or session.config.option.collectonly:
        return
    from analysis.numerics.jit import is_kept
    from analysis.point.pipeline import estimate

    with (session.config.rootpath / "pyproject.toml").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_kept(estimate):
            command = [
                sys.executable,
                "-c",
                "from analysis.point.reducer import warm_up; warm_up()",
            ]
            subprocess.run(command, cwd=session.config.rootpath, check=True)


@pytest.fixture(scope="session")
def lab_settings(tmp_path_factory):
    """Settings of a laboratory of its own: free ports, empty data directory."""
    from ocm_ophyd.processes.servers import free_ports
    from ocm_ophyd.settings import Settings

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
    from ocm_ophyd.processes.servers import InstrumentServer
    from ocm_ophyd.session.session import Session

    with InstrumentServer(lab_settings, time_scale=50) as server:
        server.wait()
        session = Session.start(lab_settings)
        end(session.RE)
        yield session.instrument


@pytest.fixture
def session(lab_settings, instrument):
    """A session with a RunEngine of its own, the pump shut before and after."""
    from ocm_ophyd.session.session import Session

    session = Session.around(lab_settings, instrument)
    yield session
    end(session.RE)
    assert not instrument.pump_shutter.is_open.get(use_monitor=False)


@pytest.fixture(scope="session")
def aligned(lab_settings, instrument):
    """The instrument once reference, pump power and time zero are stored."""
    from ocm_ophyd.session.session import Session

    session = Session.around(lab_settings, instrument)
    plans = session.plans()
    session.RE(plans["record_reference"](sample=SAMPLE))
    session.RE(plans["calibrate_pump_power"](sample=SAMPLE))
    session.RE(plans["find_time_zero"](sample=SAMPLE, fluence=0.5))
    end(session.RE)
    return instrument
