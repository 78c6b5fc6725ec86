"""Documents of reduced runs and of fits: valid, with units, and with the name of the raw run."""

import numpy as np
import pytest
from event_model import DocumentNames, schema_validators
from handmade import Plate, reduce_complete
from scan_documents import START

from analysis.documents.derived_runs import DerivedRun, keep_fit, keep_reduction
from analysis.estimate import Estimate
from ocm_ophyd.frame_schema import SCAN_AXES

RAW = {**START, "uid": "raw", "time": 1.0, "num_points": 2, "shape": [2]}
REDUCED = Plate(np.array([1e-3, 5e-3]), delay=np.array([-5.0, 2.0]), frames=18).dataset()


@pytest.fixture
def kept():
    return []


@pytest.fixture
def emit(kept):
    def keep(name, doc):
        schema_validators[DocumentNames[name]].validate(doc)
        kept.append((name, doc))

    return keep


def only(kept, wanted):
    (doc,) = (doc for name, doc in kept if name == wanted)
    return doc


def test_a_reduction_has_the_units_of_its_dataset(kept, emit):
    reduced = reduce_complete(REDUCED)
    uid = keep_reduction(RAW, reduced, emit)
    start, descriptor = only(kept, "start"), only(kept, "descriptor")
    assert start["uid"] == uid
    assert (start["raw_run"], start["plan_name"]) == ("raw", "reduce")
    assert start["sample"] == RAW["sample"]
    keys = descriptor["data_keys"]
    names = {axis.name: axis.data_key for axis in SCAN_AXES}
    for name, variable in reduced.data_vars.items():
        assert keys[names.get(name, name)]["units"] == variable.attrs["units"], name
    events = [doc["data"] for name, doc in kept if name == "event"]
    assert [data["delta_n"] for data in events] == reduced["delta_n"].values.tolist()
    assert only(kept, "stop")["exit_status"] == "success"


def test_a_run_that_lacks_points_has_failed(kept, emit):
    derived = DerivedRun(RAW, emit)
    derived.add(reduce_complete(REDUCED.isel(point=[0])))
    derived.close()
    stop = only(kept, "stop")
    assert (stop["exit_status"], stop["reason"]) == ("fail", "1 points are missing")


def test_a_fit_has_values_sigmas_units_and_notes(kept, emit):
    found = {"tau": Estimate(3.0, 0.1, "ps", note="window 0 to 5 ps"), "b": Estimate(1.0, 2.0, "")}
    assert keep_fit(RAW, found, emit) == only(kept, "start")["uid"]
    assert only(kept, "event")["data"] == {"tau": 3.0, "tau_sigma": 0.1, "b": 1.0, "b_sigma": 2.0}
    keys = only(kept, "descriptor")["data_keys"]
    assert keys["tau"]["units"] == keys["tau_sigma"]["units"] == "ps"
    assert only(kept, "start")["notes"] == {"tau": "window 0 to 5 ps"}
