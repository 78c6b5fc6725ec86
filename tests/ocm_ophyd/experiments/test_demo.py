"""The demo as a user runs it, held against the simulated truth that it must not read."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from tiled.queries import KeyPresent

from analysis.documents.datasets import reduced_run
from analysis.documents.run_documents import RunDocuments
from analysis.kinetics.decay_fit import fit_decay
from analysis.lasing.fluence_response import fit_fluence_response
from analysis.paper.measurements import WINDOW
from analysis.probe_band import CENTRE_WAVELENGTH
from ocm_ophyd.archive.catalog import connect
from ocm_ophyd.experiments.demo import SWEEP_DELAY
from ocm_ophyd.processes.servers import CatalogServer, free_ports
from ocm_ophyd.settings import Settings
from ocm_ophyd.twin import Microscope, load_scenario
from ocm_ophyd.twin.sample import Spot

PNG = b"\x89PNG"


def ocm(*arguments, **environment):
    """Run the command; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "ocm_ophyd.cli", *arguments],
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What the demo printed, and where."""
    out = tmp_path_factory.mktemp("demo") / "new"
    return json.loads(ocm("demo", "--json", "--out", str(out))), out


@pytest.fixture(scope="module")
def catalog(demo):
    """The demo's catalog, served again after the demo has stopped everything."""
    answer, out = demo
    (port,) = free_ports(1)
    settings = Settings(data_dir=answer["data_dir"], tiled_port=port)
    os.environ["TILED_PROFILES"] = str(out / "profiles")
    with CatalogServer(settings) as server:
        server.wait()
        yield settings
    del os.environ["TILED_PROFILES"]


@pytest.fixture(scope="module")
def truth():
    """Return the true Δn at delays (ps) and a fluence, where the demo's probe really was."""
    microscope = Microscope(load_scenario(None))
    x, y = microscope.true_probe_position(0, 0)
    spot = Spot(*microscope.true_pump_position(0, 0), 2.25)
    sample, centre = microscope.sample, CENTRE_WAVELENGTH
    return lambda delay, fluence: sample.delta_n(delay, fluence, x, y, spot, centre)


def reduced_of(settings, plan, fluence=None):
    """Reduced dataset of the demo's run of a plan (at a fluence)."""
    client = connect(settings).search(KeyPresent("start.raw_run"))
    for uid in client:
        start = client[uid].metadata["start"]
        if (
            start.get("raw_plan_name") == plan
            and start["purpose"] in {"reduction of kinetics", "reduction of fluence"}
            and fluence in {None, start["fluence_max"]}
        ):
            return reduced_run(RunDocuments.from_catalog(client[uid]))
    raise AssertionError(f"no reduced run of {plan} at {fluence}")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_index_change_is_proportional_to_fluence_with_the_true_slope(demo, catalog, truth):
    row = demo[0]["results"]["slope of delta_n against fluence"]
    sweep = reduced_of(catalog, "fluence_sweep")
    fluence, sigma = sweep["fluence"].values, sweep["delta_n_sigma"].values
    delta_n = np.array([truth(np.array([SWEEP_DELAY]), f)[0] for f in fluence])
    true_slope = fit_fluence_response(fluence, delta_n, sigma, 0.003).slope.value
    assert abs(row["value"] - true_slope) < 3 * row["sigma"]
    assert row["sigma"] < 0.01 * row["value"], "a demo that knows nothing proves nothing"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_decay_times_are_those_of_the_noise_free_microscope(demo, catalog, truth):
    scan = reduced_of(catalog, "delay_scan", 0.8)
    delay, sigma = scan["delay"].values, scan["delta_n_sigma"].values
    fit = fit_decay(delay, truth(delay, 0.8), sigma, WINDOW, model="biexponential")
    for name in ("tau_lasing", "tau_fluor"):
        row = demo[0]["results"][name]
        assert abs(row["value"] - fit.values[name]) < 3 * row["sigma"]
        assert row["sigma"] < 0.2 * row["value"]


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_time_zero_and_overlap_are_the_instruments_own(demo):
    results = demo[0]["results"]
    actuators = load_scenario(None).actuators
    time_zero = results["time zero"]
    half_step = 0.004 / 2
    assert abs(time_zero["value"] - actuators.time_zero) < 3 * time_zero["sigma"] + half_step
    microscope = Microscope(load_scenario(None))
    pump = np.array(microscope.true_pump_position(0, 0))
    # where the probe must be sent, in the galvos' nominal micrometres (2 um/V), to meet the pump
    origin = np.array(microscope.true_probe_position(0, 0))
    matrix = np.stack(
        [np.array(microscope.true_probe_position(*unit)) - origin for unit in ((1, 0), (0, 1))], 1
    )
    nominal = 2 * np.linalg.solve(matrix, pump - origin)
    for axis, value in zip("xy", nominal, strict=True):
        row = results[f"pump-probe offset {axis}"]
        assert abs(row["value"] - value) < 3 * row["sigma"] + 0.01


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_rise_is_resolved_beyond_the_probe_pulse(demo):
    """The pump takes 0.1 ps and carriers are there at once; a whole-band phase takes over 2 ps."""
    row = demo[0]["results"]["rise of delta_n, 10-90 %"]
    assert 0.05 < row["value"] < 0.3
    assert row["sigma"] < 0.1


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_both_ways_into_the_catalog_find_every_run(demo, catalog):
    uids = set(demo[0]["runs"])
    listed = json.loads(ocm("runs", "--json", "--limit", "100", **catalog.environment()))
    assert uids <= {run["uid"] for run in listed}
    code = "import databroker, json; print(json.dumps(list(databroker.catalog['ocm'])))"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert uids <= set(json.loads(found.stdout))
    assert {run["raw_run"] for run in listed if run["raw_run"]} <= uids


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_figures_are_pictures_and_results_are_kept(demo):
    answer, out = demo
    assert len(answer["figures"]) == 5
    for name in ("delta_n_vs_fluence", "kinetics", "rise", "fluorescence", "map"):
        assert (out / f"{name}.png").read_bytes().startswith(PNG)
    assert json.loads((out / "results.json").read_text())["results"] == answer["results"]


def test_a_used_directory_is_refused(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "ocm_ophyd.cli", "demo", "--out", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "choose a new directory" in done.stderr
    assert "Traceback" not in done.stderr
