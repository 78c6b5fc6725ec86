"""Measurements on the simulated instrument: runs, metadata, shutter, interruptions."""

import os
import signal
import threading

import numpy as np
import pytest
from bluesky.utils import RunEngineInterrupted

from ocm_ophyd.devices.spectrometer import AcquisitionError
from plans import PlanError

SAMPLE = "CsPbBr3-microplate"
DELAYS = [-5.0, 5.0, 10.0]


@pytest.fixture
def lab(session, aligned):
    """A session on the aligned instrument."""
    return session


@pytest.fixture
def plans(lab):
    return lab.plans()


def documents_of(lab):
    """Collect every document of the raw runs of a session."""
    seen = []
    lab.RE.subscribe(lambda name, doc: seen.append((name, doc)))
    return seen


def pump_is_open(lab):
    return bool(lab.instrument.pump_shutter.is_open.get(use_monitor=False))


def start_of(seen):
    return next(doc for name, doc in seen if name == "start")


def primary_events(seen):
    (descriptor,) = [
        doc["uid"] for name, doc in seen if name == "descriptor" and doc["name"] == "primary"
    ]
    return [doc for name, doc in seen if name == "event" and doc["descriptor"] == descriptor]


def test_delay_scan_records_where_it_went_and_why(lab, plans):
    seen = documents_of(lab)
    lab.RE(plans["delay_scan"](DELAYS, fluence=0.5, sample=SAMPLE, periods=4, md={"operator": "A"}))
    start = start_of(seen)
    assert start["plan_name"] == "delay_scan"
    assert start["plan_args"]["delays"] == DELAYS
    assert start["sample"]["thickness"] == 1.5
    assert (start["shape"], start["axes"], start["num_points"]) == ([3], ["delay"], 3)
    assert (start["fluence_min"], start["fluence_max"]) == (0.5, 0.5)
    assert start["purpose"] == "kinetics"
    assert start["operator"] == "A"
    assert start["simulated"] is True
    assert start["reference_run"]
    data = [event["data"] for event in primary_events(seen)]
    # half a step of 4 um is 13.3 fs
    assert [row["delay"] for row in data] == pytest.approx(DELAYS, abs=0.0134)
    assert [row["fluence"] for row in data] == pytest.approx([0.5] * 3, rel=5e-3)
    assert all({"probe_x", "probe_y", "delay_m1"} <= set(row) for row in data)
    streams = {doc["name"] for name, doc in seen if name == "descriptor"}
    assert streams == {"baseline", "primary"}


def test_a_point_may_be_measured_again_and_again(lab, plans):
    seen = documents_of(lab)
    lab.RE(plans["delay_scan"]([5.0, 5.0, 5.0], fluence=0.5, sample=SAMPLE, periods=4))
    reached = [event["data"]["delay"] for event in primary_events(seen)]
    assert reached == pytest.approx([5.0] * 3, abs=0.0134)


def test_the_pump_is_open_at_every_point_and_shut_between_runs(lab, plans):
    state_at_points = []

    def look(name, doc):
        if name == "event" and "delay" in doc["data"] and "spectrometer_max_counts" in doc["data"]:
            state_at_points.append(pump_is_open(lab))

    lab.RE.subscribe(look)
    lab.RE(plans["fluence_sweep"]([0.2, 0.4], delay=5.0, sample=SAMPLE, periods=4))
    assert state_at_points == [True, True]
    assert not pump_is_open(lab)


def test_grid_goes_through_delays_then_y_then_x(lab, plans):
    seen = documents_of(lab)
    lab.RE(
        plans["spatiotemporal_grid"](
            [2.0, 20.0], [-1.0, 1.0], [0.0, 0.5], fluence=0.4, sample=SAMPLE, periods=4
        )
    )
    start = start_of(seen)
    assert start["shape"] == [2, 2, 2]
    assert start["axes"] == ["delay", "probe_y", "probe_x"]
    reached = np.array(
        [
            [event["data"][key] for key in ("delay", "probe_y", "probe_x")]
            for event in primary_events(seen)
        ]
    ).reshape(2, 2, 2, 3)
    assert reached[:, 0, 0, 0] == pytest.approx([2.0, 20.0], abs=0.0134)
    assert reached[0, :, 0, 1] == pytest.approx([0.0, 0.5], abs=2e-3)
    assert reached[0, 0, :, 2] == pytest.approx([-1.0, 1.0], abs=2e-3)
    lab.instrument.galvos.set((0.0, 0.0)).wait(10)


def test_fluence_delay_map_is_one_run(lab, plans):
    seen = documents_of(lab)
    lab.RE(plans["fluence_delay_map"]([0.3, 0.6], [5.0, 50.0], sample=SAMPLE, periods=4))
    assert sum(name == "start" for name, _ in seen) == 1
    fluences = [event["data"]["fluence"] for event in primary_events(seen)]
    assert fluences == pytest.approx([0.3, 0.3, 0.6, 0.6], rel=5e-3)


BAD = {
    "unknown sample": (
        "delay_scan",
        ([1.0],),
        {"fluence": 0.5, "sample": "unobtainium"},
        "unobtainium.*known",
    ),
    "NaN delay": (
        "delay_scan",
        ([1.0, float("nan")],),
        {"fluence": 0.5, "sample": SAMPLE},
        "delay of point 2 of 2 is nan",
    ),
    "delay out of reach": (
        "delay_scan",
        ([1.0, 5000.0],),
        {"fluence": 0.5, "sample": SAMPLE},
        "5000 ps is out of reach",
    ),
    "fluence above maximum": (
        "fluence_sweep",
        ([0.5, 1.3],),
        {"delay": 2.0, "sample": SAMPLE},
        "1.3 mJ/cm² is above the maximum",
    ),
    "no fluence": (
        "fluence_sweep",
        ([0.0],),
        {"delay": 2.0, "sample": SAMPLE},
        "not above zero",
    ),
    "probe out of reach": (
        "spatiotemporal_grid",
        ([2.0], [0.0, 100.0], [0.0]),
        {"fluence": 0.5, "sample": SAMPLE},
        "needs .* V",
    ),
    "nothing to do": ("delay_scan", ([],), {"fluence": 0.5, "sample": SAMPLE}, "empty"),
    "too few periods": (
        "delay_scan",
        ([1.0],),
        {"fluence": 0.5, "sample": SAMPLE, "periods": 1},
        "two or more",
    ),
    "more frames than the spectrometer takes": (
        "delay_scan",
        ([1.0],),
        {"fluence": 0.5, "sample": SAMPLE, "periods": 20_000},
        "120000 frames .* ask for 16666 periods or fewer",
    ),
    "text for a number": (
        "delay_scan",
        ([1.0, "2"],),
        {"fluence": 0.5, "sample": SAMPLE},
        r"delays\.1 = '2'",
    ),
    "true for a number": (
        "delay_scan",
        ([1.0],),
        {"fluence": True, "sample": SAMPLE},
        "fluence = True",
    ),
    "an unknown argument": (
        "delay_scan",
        ([1.0],),
        {"fluence": 0.5, "sample": SAMPLE, "delay": 3},
        "unexpected keyword argument 'delay'",
    ),
    "metadata that the plan writes": (
        "delay_scan",
        ([1.0],),
        {"fluence": 0.5, "sample": SAMPLE, "md": {"sample": "plate 7"}},
        "writes the metadata sample itself",
    ),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_bad_input_is_one_line_before_anything_moves(lab, plans, case):
    name, args, kwargs, says = case
    moved, seen = [], documents_of(lab)
    hardware = set(lab.instrument.devices().values()) - {lab.instrument.pump_shutter}
    lab.RE.msg_hook = lambda msg: (
        moved.append(msg) if msg.command == "set" and msg.obj in hardware else None
    )
    with pytest.raises(PlanError, match=says) as refused:
        lab.RE(plans[name](*args, **kwargs))
    assert "\n" not in str(refused.value)
    assert moved == []
    assert seen == [], "no run is opened"


def test_missing_reference_is_said_before_anything_moves(lab, plans):
    dark = lab.instrument.spectrometer.spectra.dark
    stored = dark.get()
    dark.put([0.0])
    try:
        with pytest.raises(PlanError, match="record_reference"):
            lab.RE(plans["delay_scan"](DELAYS, fluence=0.5, sample=SAMPLE))
    finally:
        dark.put(stored)


def test_a_detector_that_fails_ends_the_run_with_the_pump_shut(lab, plans, monkeypatch):
    spectrometer = lab.instrument.spectrometer
    seen = documents_of(lab)
    trigger = spectrometer.trigger
    calls = []

    def failing():
        calls.append(1)
        if len(calls) == 2:
            # what a second client, or a broken disk, does to an acquisition
            status = trigger()
            spectrometer.abort.put(1)
            return status
        return trigger()

    monkeypatch.setattr(spectrometer, "trigger", failing)
    spectrometer.frames_per_point.set(1200).wait(10)
    with pytest.raises(AcquisitionError):
        lab.RE(plans["delay_scan"](DELAYS, fluence=0.5, sample=SAMPLE, periods=100))
    assert not pump_is_open(lab)
    stop = next(doc for name, doc in seen if name == "stop")
    assert stop["exit_status"] == "fail"
    assert len(primary_events(seen)) == 1, "what was taken is kept"


def test_pausing_shuts_the_pump_and_resuming_loses_nothing(lab, plans):
    seen = documents_of(lab)
    triggers = []

    def pause_while_exposing(msg):
        if msg.command == "trigger" and msg.obj is lab.instrument.spectrometer:
            triggers.append(msg)
        if msg.command == "wait" and len(triggers) == 3:
            lab.RE.msg_hook = None
            threading.Timer(0.05, lab.RE.request_pause).start()

    lab.RE.msg_hook = pause_while_exposing
    delays = [0.0, 5.0, 10.0, 15.0, 20.0]
    with pytest.raises(RunEngineInterrupted):
        lab.RE(plans["delay_scan"](delays, fluence=0.5, sample=SAMPLE, periods=100))
    lab.instrument.pump_shutter.set("closed").wait(10)  # waits for the move that began
    assert len(primary_events(seen)) == 2
    lab.RE.resume()
    reached = [event["data"]["delay"] for event in primary_events(seen)]
    assert reached == pytest.approx(delays, abs=0.0134)
    assert not pump_is_open(lab)
    reduced = lab.reduction.reduced[start_of(seen)["uid"]]
    assert reduced["delay"].values == pytest.approx(reached)
    assert (reduced["frames_used"] == 600).all()


def test_ctrl_c_and_abort_leave_the_pump_shut(lab, plans):
    seen = documents_of(lab)

    def press(name, doc):
        if name == "event" and "spectrometer_max_counts" in doc["data"]:
            lab.RE.unsubscribe(token)
            for _ in range(2):  # two Ctrl-C: pause now
                threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()

    token = lab.RE.subscribe(press)
    with pytest.raises(RunEngineInterrupted):
        lab.RE(plans["delay_scan"](DELAYS * 20, fluence=0.5, sample=SAMPLE, periods=20))
    lab.RE.abort("a test of Ctrl-C")
    assert not pump_is_open(lab)
    stop = next(doc for name, doc in seen if name == "stop")
    assert stop["exit_status"] == "abort"
    assert primary_events(seen)
