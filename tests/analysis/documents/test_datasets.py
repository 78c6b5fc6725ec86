"""Datasets of runs: everything that the raw file would hold, and one line for what is missing."""

import json

import numpy as np
import pytest
from handmade import Plate
from scan_documents import START, Scan

from analysis.documents.datasets import (
    folding,
    frame_record,
    is_pump_probe,
    open_run,
    raw_dataset,
    reduced_run,
)
from analysis.documents.derived_runs import keep_fit, keep_reduction
from analysis.documents.run_documents import RunDocuments, RunError
from analysis.estimate import Estimate
from analysis.reduction.scan import reduce_scan

PLATE = Plate(np.array([1e-3, 5e-3, -2e-3]), delay=np.array([-5.0, 2.0, 40.0]), frames=18)


@pytest.fixture
def scan(tmp_path):
    return Scan(PLATE, tmp_path)


def documents(scan, points=3):
    taken = [scan.point(i) for i in range(points)]
    return [*scan.opening, *(doc for point in taken for doc in point), *scan.end()]


def test_a_run_is_the_raw_dataset_of_its_frames(scan):
    with raw_dataset(RunDocuments.from_journal(documents(scan))) as dataset:
        for name in scan.raw.variables:
            np.testing.assert_array_equal(dataset[name], scan.raw[name], err_msg=str(name))
        for name in ("exposure", "gain", "read_noise", "resolution", "thickness", "material"):
            assert dataset.attrs[name] == scan.raw.attrs[name], name
        assert dataset.attrs["axes"] == "delay"
        assert dataset.attrs["raw_run"] == scan.uid


def test_a_run_that_was_broken_off_keeps_its_points(scan):
    with raw_dataset(RunDocuments.from_journal(documents(scan, 2))) as dataset:
        assert dataset["frames"].shape[0] == dataset.sizes["point"] == 2
        assert "shape" not in dataset.attrs


def test_the_pump_wavelength_of_the_sample_is_kept(tmp_path):
    scan = Scan(PLATE, tmp_path, sample=START["sample"] | {"pump_wavelength": 515.0})
    with raw_dataset(RunDocuments.from_journal(documents(scan))) as dataset:
        assert dataset.attrs["pump_wavelength"] == 515.0


def test_frames_are_opened_without_coordinates(scan):
    with frame_record(RunDocuments.from_journal(documents(scan))) as record:
        np.testing.assert_array_equal(record["frames"], scan.raw["frames"])
        assert "delay" not in record


def test_runs_without_the_data_are_refused_by_name(scan):
    opening = RunDocuments.from_journal([*scan.opening[:1]])
    with pytest.raises(RunError, match="ended before its first point"):
        raw_dataset(opening)
    with pytest.raises(RunError, match=r"run .{8} \(delay_scan\) holds no frames"):
        frame_record(opening)
    count = RunDocuments.from_stream({"uid": "0123456789", "plan_name": "count"})
    with pytest.raises(RunError, match=r"run 01234567 \(count\) holds no pump-probe"):
        raw_dataset(count)


@pytest.mark.parametrize("missing", ["spectrometer_gain", "spectrometer_spectra_dark"])
def test_a_missing_quantity_is_named(scan, missing):
    held = [(name, json.loads(json.dumps(doc))) for name, doc in documents(scan)]
    for _, doc in held:
        for values in (
            doc.get("data", {}),
            doc.get("configuration", {}).get("spectrometer", {}).get("data", {}),
        ):
            values.pop(missing, None)
    with pytest.raises(RunError, match=f"has no {missing}: it cannot be reduced"):
        raw_dataset(RunDocuments.from_journal(held))


def test_axes_have_the_names_of_the_raw_file():
    start = {"num_points": 4, "axes": ["probe_y", "probe_x"], "shape": [2, 2]}
    assert folding(start, 4)["axes"] == "y x"
    assert folding(start, 3) == {}


def test_a_reduced_run_is_the_reduced_dataset(scan):
    kept = []
    raw = scan.raw
    reduced = reduce_scan(raw)
    keep_reduction(scan.run.start_doc, reduced, lambda name, doc: kept.append((name, doc)))
    back = reduced_run(RunDocuments.from_journal(kept))
    for name in reduced.data_vars:
        np.testing.assert_array_equal(back[name], reduced[name], err_msg=str(name))
    assert back.attrs["material"] == "CsPbBr3"
    assert back.attrs["raw_run"] == scan.uid
    assert not is_pump_probe(kept[0][1])
    with pytest.raises(RunError, match="has no points"):
        reduced_run(RunDocuments.from_journal(kept[:1]))
    fit = []
    found = {"tau": Estimate(3.0, 0.1, "ps")}
    keep_fit(scan.run.start_doc, found, lambda name, doc: fit.append((name, doc)))
    with pytest.raises(RunError, match="results of a fit"):
        reduced_run(RunDocuments.from_journal(fit))


def test_a_journal_file_is_opened_as_what_it_is(tmp_path, scan):
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in documents(scan)))
    with open_run(path) as dataset:
        np.testing.assert_array_equal(dataset["frames"], scan.raw["frames"])


def test_a_catalog_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.documents.datasets.CATALOG", "no-such-profile")
    with pytest.raises(RunError, match="tiled profile 'no-such-profile'"):
        open_run("abc")
