"""Reference-mirror geometry, end to end on an instrument of its own.

Channel Access knows one instrument in a process, so the measurement runs in a process of its own.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ocm_ophyd.processes.servers import free_ports
from ocm_ophyd.settings import Settings
from ocm_ophyd.twin import Microscope, load_scenario
from ocm_ophyd.twin.sample import Spot

MEASURE = """
import json
from ocm_ophyd.processes.servers import InstrumentServer
from ocm_ophyd.session.session import Session
from ocm_ophyd.settings import Settings
from plans import PlanError

settings = Settings()
with InstrumentServer(settings, scenario="silicon", time_scale=50) as server:
    server.wait()
    session = Session.start(settings)
    plans, own = session.plans(), {"sample": "Si-waveguide"}
    session.run(plans["record_reference"](**own))
    mirror = session.run(plans["calibrate_reference_mirror"](**own))["offset"]
    common_path = plans["delay_scan"]([0.0], fluence=0.5, sample="CsPbBr3-microplate")
    try:
        session.run(common_path)
    except PlanError as error:
        refusal = str(error)
    session.run(plans["calibrate_pump_power"](**own))
    zero = session.run(plans["find_time_zero"](fluence=0.5, periods=40, **own))
    delays = [-20.0, -10.0, 10.0, 50.0, 200.0]
    uid = session.run(plans["delay_scan"](delays, fluence=0.5, periods=40, **own))
    reduced = session.reduction.reduced[uid]
    session.close()
zero = zero["time_zero"]
names = ("delay", "delta_n", "delta_n_sigma", "visibility")
answer = {name: reduced[name].values.tolist() for name in names}
answer |= {"offset": [mirror.value, mirror.sigma], "time_zero": [zero.value, zero.sigma]}
print(json.dumps({"refusal": refusal, **answer}))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    ca_port, repeater_port = free_ports(2)
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("silicon"),
        ca_port=ca_port,
        ca_repeater_port=repeater_port,
        ca_timeout=10,
    )
    done = subprocess.run(
        [sys.executable, "-c", MEASURE],
        env=clean_environment() | settings.environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def clean_environment():
    """The environment without the Channel Access of the other tests' instrument."""
    return {key: value for key, value in os.environ.items() if not key.startswith("EPICS_")}


def test_silicon_lowers_its_index_by_what_the_microscope_truly_has(measured):
    microscope = Microscope(load_scenario("silicon"))
    x, y = microscope.true_probe_position(0, 0)
    spot = Spot(*microscope.true_pump_position(0, 0), 2.25)
    delay, delta_n, sigma = (
        np.array(measured[name]) for name in ("delay", "delta_n", "delta_n_sigma")
    )
    truth = microscope.sample.delta_n(delay, 0.5, x, y, spot)
    assert (truth[2:] < 0).all(), "carriers lower the index of silicon"
    # 3 sigma, and 3 %: the fluence is known to the power meter's per cent
    assert (np.abs(delta_n - truth) < 3.5 * sigma + 0.03 * np.abs(truth)).all()
    assert (sigma[2:] < 0.2 * np.abs(truth[2])).all()


def test_time_zero_is_the_stages(measured):
    zero, sigma = measured["time_zero"]
    assert abs(zero - load_scenario("silicon").actuators.time_zero) < 4 * sigma
    assert sigma < 0.03, "0.2 ps, although the mirror drifts"


def test_the_mirrors_zero_is_where_the_paths_are_equal(measured):
    offset, sigma = measured["offset"]
    light = load_scenario("silicon").interferometer
    # since the start, 50 times faster than the wall clock, the path has walked
    walked = (
        1.025 / (2 * np.pi) * light.mirror_drift * np.hypot(light.walk * 600**0.5, light.thermal)
    )
    assert abs(offset - light.path_offset) < 3 * np.hypot(sigma, walked)
    assert walked < 0.7, "a wrong sign of 0.7 um would show"
    assert 0 < sigma < 0.3


def test_the_reference_of_one_geometry_is_refused_for_the_other(measured):
    assert "reference-mirror geometry" in measured["refusal"]
    assert "run record_reference" in measured["refusal"]
