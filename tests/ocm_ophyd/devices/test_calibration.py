"""The calibration on disk: what was set comes back, with its history."""

import json

import numpy as np
import pytest

from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.session.calibration_store import CalibrationError, CalibrationStore


@pytest.fixture
def signals():
    return make()


def make():
    """Signals as a new session has them."""
    return {
        "zero": StoredSignal(name="zero", value=285.0, units="mm"),
        "table": StoredSignal(name="table", value=[0.0], units="V"),
        "run": StoredSignal(name="run", value=""),
    }


def test_a_later_session_has_what_was_stored(tmp_path, signals):
    CalibrationStore(tmp_path / "new").attach(signals.values())
    signals["zero"].put(284.7130000000001)
    signals["table"].put([1.0, 2.5, 7.25])
    signals["run"].put("a-uid")
    later = make()
    CalibrationStore(tmp_path / "new").attach(later.values())
    assert later["zero"].get() == 284.7130000000001
    np.testing.assert_array_equal(later["table"].get(), [1.0, 2.5, 7.25])
    assert later["run"].get() == "a-uid"


def test_history_has_every_change_once(tmp_path, signals):
    store = CalibrationStore(tmp_path)
    store.attach(signals.values())
    for value in (284.7, 284.7, 284.8):
        signals["zero"].put(value)
    entries = list(store.history())
    assert [entry["value"] for entry in entries] == [284.7, 284.8]
    assert [entry["version"] for entry in entries] == [1, 2]
    assert entries[0]["time"] <= entries[1]["time"]


def test_another_sessions_change_is_taken_over(tmp_path, signals):
    mine, others = CalibrationStore(tmp_path), make()
    mine.attach(signals.values())
    CalibrationStore(tmp_path).attach(others.values())
    others["zero"].put(280.0)
    mine.refresh()
    assert signals["zero"].get() == 280.0
    assert len(list(mine.history())) == 1, "what is loaded is not stored again"


def test_a_line_that_a_crash_cut_short_is_left_out_and_replaced(tmp_path, signals):
    store = CalibrationStore(tmp_path)
    store.attach(signals.values())
    signals["zero"].put(284.7)
    with store.path.open("a") as file:
        file.write('{"time": 1.0, "signal": "zero", "val')
    later = make()
    CalibrationStore(tmp_path).attach(later.values())
    assert later["zero"].get() == 284.7
    later["zero"].put(284.9)
    assert [json.loads(line)["value"] for line in store.path.read_text().splitlines()] == [
        284.7,
        284.9,
    ]


@pytest.mark.parametrize("line", ["no JSON", '{"signal": "zero"}', "[1]"])
def test_a_damaged_line_is_named(tmp_path, signals, line):
    store = CalibrationStore(tmp_path)
    store.attach(signals.values())
    signals["zero"].put(284.7)
    with store.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CalibrationError, match="line 2, is damaged"):
        CalibrationStore(tmp_path).attach(make().values())


def test_what_cannot_be_kept_is_not_set(tmp_path, signals):
    (tmp_path / "file").touch()  # where a directory should be: fails for root as well
    CalibrationStore(tmp_path / "file").attach(signals.values())
    with pytest.raises(CalibrationError, match="cannot be kept"):
        signals["zero"].put(1.0)
    assert signals["zero"].get() == 285.0
