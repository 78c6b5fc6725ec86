"""An unattended series: what is skipped, what a failure does, what an interruption does."""

import threading

import pytest
from bluesky.utils import RunEngineInterrupted
from processes import wait_until

from ocm_ophyd.archive.journal import journaled_runs
from ocm_ophyd.errors import UsageError
from ocm_ophyd.experiments.overnight_series import Series, completed, load_series
from ocm_ophyd.samples import load_samples
from plans import PlanError

SAMPLE = "CsPbBr3-microplate"
SHORT = {"plan": "delay_scan", "sample": SAMPLE, "delays": [5.0], "fluence": 0.4, "periods": 4}
SWEEP = {"plan": "fluence_sweep", "sample": SAMPLE, "fluences": [0.3], "delay": 5.0, "periods": 4}
FAILING = SHORT | {"delays": [9000.0]}  # out of the stage's reach: only the plan can know


@pytest.fixture
def take(session, aligned):
    """Take a series; returns what the plan returns, and the failures it reported."""

    def taken(name, *measurements, **options):
        failures = {}
        plan = session.plans()["overnight_series"](
            list(measurements),
            name=name,
            alignment_fluence=0.5,
            on_failure=failures.__setitem__,
            **options,
        )
        return session.RE(plan).plan_result, failures

    return taken


def runs_of(session, name):
    """Raw runs of a series in the journal, in order."""
    runs = [
        run
        for run in journaled_runs(session.settings.journal_dir)
        if run.start.get("series") == name and "raw_run" not in run.start
    ]
    return sorted(runs, key=lambda run: run.start["time"])


def test_a_restarted_series_takes_only_what_is_missing(session, take):
    entries = [SHORT, SWEEP, SHORT | {"fluence": 0.6}]
    series = Series(name="restarted", alignment_fluence=0.5, measurements=entries)
    done, _ = take("restarted", *entries, skip=[0, 2])
    assert list(done) == [1]
    assert completed(session.settings.journal_dir, series) == {1}
    plans = [run.start["plan_name"] for run in runs_of(session, "restarted")]
    # reference, coarse and fine scan for time zero, then the measurement
    assert plans == ["record_reference", "delay_scan", "delay_scan", "fluence_sweep"]
    assert runs_of(session, "restarted")[-1].start["series_index"] == 1
    changed = Series(
        name="restarted",
        alignment_fluence=0.5,
        measurements=[SHORT, SWEEP | {"fluences": [0.3, 0.5]}, SHORT],
    )
    assert completed(session.settings.journal_dir, changed) == set()
    assert completed(session.settings.journal_dir, series.model_copy(update={"name": "x"})) == set()


def test_a_measurement_that_fails_does_not_stop_the_others(session, take):
    done, failures = take("failing", FAILING, SHORT, SHORT)
    assert list(done) == [1, 2]
    assert list(failures) == [0]
    assert "9000 ps is out of reach" in str(failures[0])
    purposes = [run.start["purpose"] for run in runs_of(session, "failing")]
    assert purposes.count("reference") == 1, "an alignment that came off is not done again"


def test_three_failures_in_a_row_end_it(session, take):
    with pytest.raises(PlanError, match="3 measurements in a row"):
        take("broken", FAILING, FAILING, FAILING, SHORT)
    assert not session.instrument.pump_shutter.is_open.get(use_monitor=False)
    assert all("series_index" not in run.start for run in runs_of(session, "broken"))


@pytest.mark.parametrize("end", ["abort", "stop"])
def test_an_abort_ends_it_with_the_pump_shut(session, take, end):
    watched = []

    def pause(name, doc):
        if name == "start" and "series_index" in doc:
            watched.append(doc["uid"])
        if watched and name == "event" and "spectrometer_max_counts" in doc["data"]:
            session.RE.unsubscribe(token)
            threading.Thread(target=session.RE.request_pause, daemon=True).start()

    token = session.RE.subscribe(pause)
    long = SHORT | {"delays": [5.0, 10.0, 15.0], "periods": 200}
    with pytest.raises(RunEngineInterrupted):
        take(f"ended by {end}", long, SHORT)
    wait_until(lambda: not session.instrument.pump_shutter.is_open.get(use_monitor=False), 5)
    getattr(session.RE, end)()
    (run,) = [run for run in runs_of(session, f"ended by {end}") if "series_index" in run.start]
    assert run.stop["exit_status"] == "abort"
    series = Series(name=f"ended by {end}", alignment_fluence=0.5, measurements=[long, SHORT])
    assert completed(session.settings.journal_dir, series) == set()


BAD = {
    "no plan": ({"sample": SAMPLE}, "needs a plan out of delay_scan"),
    "no measurement": ({"plan": "record_reference", "sample": SAMPLE}, "needs a plan out of"),
    "no sample": ({"plan": "delay_scan", "delays": [1], "fluence": 0.5}, "'sample'"),
    "unknown sample": (SHORT | {"sample": "unobtainium"}, "unobtainium.*known"),
    "unknown argument": (SHORT | {"delay": 3}, "'delay'"),
    "too bright": (SWEEP | {"fluences": [0.3, 2.0]}, "2 mJ/cm² is above the maximum"),
    "no number": (SWEEP | {"fluences": [0.3, "much"]}, r"fluences.1 = 'much'.*valid number"),
    "no list": (SHORT | {"delays": 5.0}, "delays = 5.0.*Sequence"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_a_series_with_a_wrong_entry_is_refused_as_a_whole(tmp_path, case):
    entry, says = case
    path = tmp_path / "night.yaml"
    text = {"name": "night", "alignment_fluence": 0.5, "measurements": [SHORT, entry]}
    path.write_text(repr(text))  # a Python literal of plain values is YAML
    with pytest.raises(PlanError, match=says) as refused:
        load_series(path, load_samples())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: [", "line 1: not YAML"),
        ("name: a", "alignment_fluence"),
        ("{name: a, alignment_fluence: 0.5, measurements: []}", "measurements"),
        ("{name: a, alignment_fluence: 0.5, measurements: [1]}", "measurements"),
        ("just words", "dictionary|object"),
    ],
)
def test_a_file_that_is_no_series_is_refused(tmp_path, text, says):
    path = tmp_path / "night.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=says) as refused:
        load_series(path, load_samples())
    assert str(path) in str(refused.value)
    with pytest.raises(UsageError, match="cannot be read"):
        load_series(tmp_path / "none.yaml", load_samples())
