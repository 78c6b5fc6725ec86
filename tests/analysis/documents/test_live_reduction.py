"""Live reduction of documents and files made by hand: the same numbers as offline, whatever fails.

The frames are those of `handmade`; the documents are composed by event_model, as the RunEngine
does it, and refer to an HDF5 file such as the spectrometer writes.
"""

import asyncio
import logging

import numpy as np
import pytest
from bluesky import RunEngine
from bluesky import plans as bp
from event_model import DocumentNames, compose_run, schema_validators
from handmade import Plate, reduce_complete
from ophyd.sim import SynSignal
from scan_documents import SATURATION, START, Scan

from analysis.documents.live_reduction import LiveReduction
from analysis.documents.live_table import ReductionTable, compare_with_limit
from analysis.scan_grid import fold

NOISE = {"shot_noise": True, "drift": 0.03, "energy_noise": 3e-3, "tilt_noise": 1e-3}


@pytest.fixture(autouse=True)
def _without_installation(monkeypatch, without_installation):
    monkeypatch.setattr("analysis.documents.derived_runs.version", lambda _: "0")


class Listener:
    """Keeps the documents of reduced runs, which all must be valid."""

    def __init__(self, reduction):
        self.documents = []
        reduction.subscribe(self)

    def __call__(self, name, doc):
        schema_validators[DocumentNames[name]].validate(doc)
        self.documents.append((name, doc))

    def all(self, wanted):
        return [doc for name, doc in self.documents if name == wanted]


@pytest.fixture
def reduction():
    return LiveReduction()


def feed(reduction, *batches):
    for batch in batches:
        for name, doc in batch:
            reduction(name, doc)


def plate(points=4, **changed):
    return Plate(
        np.linspace(-2e-3, 1e-2, points), delay=np.linspace(-5, 40, points), **NOISE, **changed
    )


def test_every_point_is_reduced_at_once_and_as_offline(tmp_path, reduction):
    listener = Listener(reduction)
    scan = Scan(plate(), tmp_path)
    offline = reduce_complete(scan.raw.assign_attrs(saturation=SATURATION))
    feed(reduction, scan.opening)
    for i in range(4):
        feed(reduction, scan.point(i))
        told = listener.all("event")[-1]["data"]
        assert len(listener.all("event")) == i + 1
        for name in ("delta_n", "delta_n_sigma", "delta_phi", "carrier_density", "delay"):
            assert told[name] == offline[name].values[i], name
        assert told["differential_spectrum"] == offline["differential_spectrum"].values[i].tolist()
    feed(reduction, scan.end())
    live = reduction.reduced[scan.uid]
    assert set(live.variables) == set(offline.variables)
    for name in offline.variables:
        np.testing.assert_array_equal(live[name].values, offline[name].values, err_msg=str(name))
        assert live[name].dims == offline[name].dims
        assert live[name].dtype == offline[name].dtype
    assert fold(live)["delta_n"].dims == ("delay",)


def test_points_wait_until_the_estimator_is_compiled(tmp_path):
    class Compilation:
        done = False
        waits = 0

        def wait(self):
            self.waits += 1
            self.done = True

    compilation = Compilation()
    reduction = LiveReduction(compilation)
    listener = Listener(reduction)
    scan = Scan(plate(), tmp_path)
    offline = reduce_complete(scan.raw.assign_attrs(saturation=SATURATION))
    feed(reduction, scan.opening, *(scan.point(i) for i in range(3)))
    assert not listener.all("event")
    compilation.done = True
    feed(reduction, scan.point(3))
    assert len(listener.all("event")) == 4
    feed(reduction, scan.end())
    live = reduction.reduced[scan.uid]
    np.testing.assert_array_equal(live["delta_n"].values, offline["delta_n"].values)
    assert compilation.waits == 0


def test_the_end_of_a_run_waits_for_the_compilation(tmp_path):
    class Compilation:
        done = False

        def wait(self):
            self.done = True

    reduction = LiveReduction(Compilation())
    listener = Listener(reduction)
    scan = Scan(plate(), tmp_path)
    feed(reduction, scan.opening, scan.point(0), scan.point(1), scan.point(2), scan.point(3))
    assert not listener.all("event")
    feed(reduction, scan.end())
    assert reduction.reduced[scan.uid].sizes["point"] == 4
    assert listener.all("stop")[-1]["exit_status"] == "success"


@pytest.mark.parametrize(("drift", "cause"), [(0.0, "shot"), (0.3, "drift")])
def test_the_table_says_what_keeps_a_point_from_its_limit(tmp_path, reduction, drift, cause):
    """Drift of 0.3 rad/√s is a hundred times the shot noise of a frame from frame to frame."""
    lines = []
    reduction.subscribe(ReductionTable(["delay"], lines.append))
    noisy = Plate(np.full(3, 5e-3), delay=np.arange(3.0), shot_noise=True, drift=drift)
    # Δn of these frames has no dispersion: in CsPbBr3 that would be a step that differs by colour.
    scan = Scan(noisy, tmp_path, sample=START["sample"] | {"material": "glass"})
    feed(reduction, scan.opening, *(scan.point(i) for i in range(3)), scan.end())
    live = reduction.reduced[scan.uid]
    titles, *_ = (line for line in lines if "limited_by" in line)
    titles = [title.strip() for title in titles.strip("| ").split("|")]
    rows = [
        dict(zip(titles, [cell.strip() for cell in line.strip("| ").split("|")], strict=True))
        for line in lines
        if line.count("|") > 3 and "limited_by" not in line and "/" not in line
    ] or [
        dict(zip(titles, [cell.strip() for cell in line.strip("| ").split("|")], strict=True))
        for line in lines
        if cause in line
    ]
    assert len(rows) == 3
    ratio = (live["delta_n_sigma"] / live["delta_n_limit"]).values
    for row, expected in zip(rows, ratio, strict=True):
        assert row["limited_by"] == cause
        assert float(row["sigma_over_limit"]) == pytest.approx(expected, abs=0.006)
    assert ratio.max() < 2 if cause == "shot" else ratio.min() > 10


def test_what_is_not_known_of_a_thin_plates_fringe_is_not_called_shot_noise():
    """0.4 fringes, a large effect: most of sigma is the reference's tilt."""
    glass = {"material": "glass"}
    thin = Plate(np.full(1, 3e-2), thickness=0.5, phase=2.2, shot_noise=True, attrs=glass)
    reduced = reduce_complete(thin.dataset(1)).isel(point=0)
    told = compare_with_limit(
        {name: float(reduced[name]) for name in reduced if reduced[name].ndim == 0}
    )
    assert told["sigma_over_limit"] > 2
    assert told["limited_by"] == "fringe"


def test_the_reduced_run_names_its_raw_run_and_keeps_what_a_search_needs(tmp_path, reduction):
    listener = Listener(reduction)
    scan = Scan(plate(2), tmp_path)
    feed(reduction, scan.opening, scan.point(0), scan.point(1), scan.end())
    (start,) = listener.all("start")
    assert start["raw_run"] == scan.uid != start["uid"]
    for key in ("sample", "axes", "shape", "num_points", "fluence_max", "geometry"):
        assert start[key] == scan.run.start_doc[key]
    assert start["reduction"]["centre_wavelength"] == 1025
    (descriptor,) = listener.all("descriptor")
    assert descriptor["data_keys"]["delta_n"]["units"] == "RIU"
    assert descriptor["data_keys"]["probe_x"]["units"] == "um"
    told = descriptor["configuration"]["spectrometer"]["data"]["spectrometer_wavelength"]
    assert told == scan.raw["wavelength"].values.tolist()
    (stop,) = listener.all("stop")
    assert stop["exit_status"] == "success"
    assert stop["num_events"] == {"primary": 2}
    assert reduction.reduced[scan.uid].attrs["raw_run"] == scan.uid


def test_a_run_broken_off_keeps_its_points_and_says_so(tmp_path, reduction):
    listener = Listener(reduction)
    scan = Scan(plate(), tmp_path)
    feed(reduction, scan.opening, scan.point(0), scan.point(1), scan.end("abort", "Ctrl-C"))
    live = reduction.reduced[scan.uid]
    expected = reduce_complete(scan.raw.isel(point=[0, 1]))
    np.testing.assert_array_equal(live["delta_n"], expected["delta_n"])
    assert "shape" not in live.attrs, "two points are not the grid of four"
    (stop,) = listener.all("stop")
    assert (stop["exit_status"], stop["reason"]) == ("abort", "Ctrl-C")


def test_a_run_without_points_ends(tmp_path, reduction):
    listener = Listener(reduction)
    scan = Scan(plate(), tmp_path)
    feed(reduction, scan.opening, scan.end("fail", "the shutter stuck"))
    assert not reduction.reduced[scan.uid].variables
    assert listener.all("stop")[0]["exit_status"] == "fail"


def test_a_point_taken_again_is_read_from_its_new_frames(tmp_path, reduction):
    """After a pause the same row is overwritten before any document names it."""
    scan = Scan(plate(), tmp_path)
    feed(reduction, scan.opening, scan.point(0))
    scan.point(3, row=1)  # the try that was broken off: no document tells of it
    feed(reduction, scan.point(1), scan.point(2), scan.point(3), scan.end())
    expected = reduce_complete(scan.raw)
    np.testing.assert_array_equal(reduction.reduced[scan.uid]["delta_n"], expected["delta_n"])


@pytest.mark.parametrize("lost", [0, 1])
def test_a_point_that_cannot_be_read_costs_that_point_alone(tmp_path, reduction, lost, caplog):
    listener = Listener(reduction)
    scan = Scan(plate(3), tmp_path)
    feed(reduction, scan.opening)
    rows = iter(range(3))
    for i in range(3):
        row = 99 if i == lost else next(rows)
        feed(reduction, scan.point(i, row, write=i != lost))
    feed(reduction, scan.end())
    kept = [i for i in range(3) if i != lost]
    expected = reduce_complete(scan.raw.isel(point=kept))
    live = reduction.reduced[scan.uid]
    np.testing.assert_array_equal(live["delta_n"], expected["delta_n"])
    assert "shape" not in live.attrs
    (stop,) = listener.all("stop")
    assert stop["exit_status"] == "fail", "a run that lacks a point is not complete"
    assert stop["reason"]
    assert "live reduction failed" in caplog.text


@pytest.mark.parametrize("dark_point", [0, 1])
def test_a_point_saturated_throughout_has_no_numbers_but_all_columns(
    tmp_path, reduction, dark_point
):
    listener = Listener(reduction)
    scan = Scan(plate(3), tmp_path)
    scan.raw["frames"].values[dark_point] = SATURATION
    feed(reduction, scan.opening, *(scan.point(i) for i in range(3)), scan.end())
    columns = set(listener.all("descriptor")[0]["data_keys"])
    assert "carrier_density" in columns
    assert all(set(told["data"]) == columns for told in listener.all("event"))
    live = reduction.reduced[scan.uid]
    np.testing.assert_array_equal(
        np.isnan(live["carrier_density"]), [i == dark_point for i in range(3)]
    )
    offline = reduce_complete(scan.raw)
    np.testing.assert_array_equal(live["carrier_density"], offline["carrier_density"])


def test_other_runs_are_left_alone(reduction):
    listener = Listener(reduction)
    run = compose_run(metadata={"plan_name": "count"})
    feed(reduction, [("start", run.start_doc), ("stop", run.compose_stop())])
    assert not listener.documents
    assert not reduction.reduced


def test_a_subscriber_that_fails_at_the_start_leaves_the_next_run_alone(
    tmp_path, reduction, caplog
):
    """A full disk, say: the journal of the reduced run cannot be opened."""

    def full(name, doc):
        raise OSError("no space")

    token = reduction.subscribe(full)
    run = compose_run(metadata={**START, "num_points": 1, "shape": [1]})
    feed(reduction, [("start", run.start_doc), ("stop", run.compose_stop())])
    assert "no space" in caplog.text
    reduction.unsubscribe(token)
    scan = Scan(plate(1), tmp_path)
    feed(reduction, scan.opening, scan.point(0), scan.end())
    assert list(reduction.reduced) == [scan.uid]


@pytest.fixture
def engine():
    loop = asyncio.new_event_loop()
    engine = RunEngine({}, loop=loop, context_managers=[])
    yield engine
    loop.call_soon_threadsafe(loop.stop)
    engine._th.join()
    loop.close()


def test_what_fails_in_the_reduction_does_not_reach_the_runengine(engine, reduction, caplog):
    """A run that promises interferograms and has none: every point fails, the log says it once."""
    listener = Listener(reduction)
    engine.subscribe(reduction)
    ended = []
    engine.subscribe(lambda _, doc: ended.append(doc), "stop")
    detector = SynSignal(name="photodiode", func=lambda: 1.0)
    with caplog.at_level(logging.ERROR, "analysis.documents.live_reduction"):
        engine(bp.count([detector], 3, md={**START, "num_points": 3, "shape": [3]}))
    assert ended[0]["exit_status"] == "success"
    assert ended[0]["num_events"] == {"primary": 3}
    assert caplog.text.count("live reduction failed") == 1
    (stop,) = listener.all("stop")
    assert stop["exit_status"] == "fail"
    assert "spectrometer" in stop["reason"]
