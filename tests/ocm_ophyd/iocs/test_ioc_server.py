"""The server as a process: where it listens, how it starts and ends."""

import signal
import socket
import subprocess
import sys

import h5py
import hdf5plugin  # noqa: F401 - registers the compression
import pytest
from ca_client import Client
from processes import free_port, running_ioc

from ocm_ophyd.errors import UsageError
from ocm_ophyd.iocs.main import PortTakenError, serve


def test_it_is_ready_simulated_and_keeps_time(fast):
    assert fast.get("IOC:Ready_RBV") == 1
    assert fast.get("IOC:Simulated_RBV") == 1
    ticks = fast.watch("IOC:Clock_RBV")
    fast.until(lambda: len(ticks) >= 3)
    assert ticks[-1] - ticks[-2] == pytest.approx(50, rel=0.2)


def test_two_instruments_run_side_by_side(fast, slow):
    assert fast.ioc.port != slow.ioc.port
    fast.put("Galvo:Y", 0.3)
    slow.put("Galvo:Y", -0.3)
    assert fast.get("Galvo:Y_RBV") == pytest.approx(0.3)
    assert slow.get("Galvo:Y_RBV") == pytest.approx(-0.3)
    fast.put("Galvo:Y", 0.0)


def test_it_listens_on_the_loopback_only(fast):
    socket.create_connection(("127.0.0.1", fast.ioc.port), timeout=1).close()
    # another address of this machine: a server on all interfaces would answer
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", fast.ioc.port), timeout=1)


def test_a_port_in_use_is_refused(fast, tmp_path):
    with pytest.raises(PortTakenError, match="stop the other IOC or choose another port"):
        serve(None, "OCM:", 1.0, ["127.0.0.1"], fast.ioc.port, tmp_path)


def test_a_bad_scenario_is_refused_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="no-such-scenario") as caught:
        serve("no-such-scenario", "OCM:", 1.0, [], free_port(), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), 1e6])
def test_an_impossible_time_scale_is_refused(scale, tmp_path):
    with pytest.raises(UsageError, match="time scale must be"):
        serve(None, "OCM:", scale, [], free_port(), tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly_and_closes_its_file(tmp_path, number):
    with running_ioc(tmp_path) as ioc:
        with Client(ioc) as client:
            client.put("Spec:NumFrames", 600)
            client.put("Spec:FileName", "run")
            client.put("Spec:Capture", 1)
            client.put("Spec:Acquire", 1)
            path = client.text("Spec:FullFileName_RBV")
            client.pv("Spec:Acquire").write(1, wait=False)
            client.until(lambda: client.get("Spec:Status_RBV") == 1)  # acquiring
        ioc.process.send_signal(number)
        assert ioc.process.wait(5) == 0
        assert ioc.log.read_text() == ""
    with h5py.File(path) as file:  # not as a reader of a growing file: it was closed in order
        assert len(file["/entry/instrument/spectrometer/frames"]) == 1


def test_a_refused_write_is_one_line_in_the_log(fast):
    before = len(fast.ioc.log.read_text().splitlines())
    fast.refusal("Delay:m1", 400.0)
    lines = fast.ioc.log.read_text().splitlines()[before:]
    assert len(lines) == 1
    assert "400 mm is outside the limits" in lines[0]


def test_the_silicon_waveguide_starts_with_its_reference_mirror(tmp_path):
    with running_ioc(tmp_path, scenario="silicon") as ioc, Client(ioc) as client:
        assert client.get("RefMirror:Block_RBV") == 0
        client.put("Spec:NumFrames", 6)
        client.put("Spec:Acquire", 1)
        assert client.get("Spec:MaxCounts_RBV") > 1000


def test_it_starts_without_the_control_side():
    code = "import sys, ocm_ophyd.iocs.main; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"ophyd", "bluesky", "tiled", "epics", "analysis", "plans"} & set(modules)
