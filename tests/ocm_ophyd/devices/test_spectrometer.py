"""The spectrometer: files, documents and refusals."""

import uuid
from pathlib import Path
from urllib.parse import urlparse

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest
from event_model import DocumentNames, schema_validators

from ocm_ophyd.devices.spectrometer import AcquisitionError
from ocm_ophyd.frame_schema import POINT_DATASETS

FRAMES = 12


@pytest.fixture
def spectrometer(instrument):
    instrument.spectrometer.frames_per_point.set(FRAMES).wait(10)
    return instrument.spectrometer


def test_points_are_in_the_file_that_the_documents_name(spectrometer):
    spectrometer.stage()
    try:
        described = spectrometer.describe()
        documents = []
        for _ in range(3):
            spectrometer.trigger().wait(30)
            documents += spectrometer.collect_asset_docs()
    finally:
        spectrometer.unstage()
    resources = {doc["data_key"]: doc for name, doc in documents if name == "stream_resource"}
    assert set(resources) == {entry.data_key for entry in POINT_DATASETS}
    for key, resource in resources.items():
        schema_validators[DocumentNames.stream_resource].validate({**resource, "run_start": "x"})
        rows = [
            doc["indices"]
            for name, doc in documents
            if name == "stream_datum" and doc["stream_resource"] == resource["uid"]
        ]
        assert [(row["start"], row["stop"]) for row in rows] == [(0, 1), (1, 2), (2, 3)]
        with h5py.File(urlparse(resource["uri"]).path, swmr=True) as file:
            dataset = file[resource["parameters"]["dataset"]]
            assert dataset.shape == (3, *described[key]["shape"])
            assert dataset.dtype == np.dtype(described[key]["dtype_numpy"])
    assert described["spectrometer_frames"]["external"] == "STREAM:"
    assert not set(resources) & set(spectrometer.read()), "frames never stand in events"


def test_a_point_that_was_not_reported_is_taken_again_in_its_place(spectrometer):
    spectrometer.stage()
    try:
        spectrometer.trigger().wait(30)
        first = dict(spectrometer.collect_asset_docs())
        spectrometer.trigger().wait(30)  # as when a pause comes before the point is read
        spectrometer.trigger().wait(30)
        again = [doc for name, doc in spectrometer.collect_asset_docs() if name == "stream_datum"]
        path = Path(spectrometer.full_file_name.get())
    finally:
        spectrometer.unstage()
    assert first["stream_datum"]["indices"] == {"start": 0, "stop": 1}
    assert all(doc["indices"] == {"start": 1, "stop": 2} for doc in again)
    with h5py.File(path, swmr=True) as file:
        assert file["/entry/instrument/spectrometer/frames"].shape[0] == 2


def test_reading_without_a_point_reports_none(spectrometer):
    spectrometer.stage()
    try:
        assert list(spectrometer.collect_asset_docs()) == []
    finally:
        spectrometer.unstage()


def test_an_existing_file_is_never_overwritten(spectrometer, monkeypatch):
    name = uuid.uuid4()
    monkeypatch.setattr("ocm_ophyd.devices.spectrometer.uuid.uuid4", lambda: name)
    spectrometer.stage()
    spectrometer.trigger().wait(30)
    path = Path(spectrometer.full_file_name.get())
    spectrometer.unstage()
    with pytest.raises(AcquisitionError, match=str(name)) as refused:
        spectrometer.stage()
    assert "\n" not in str(refused.value)
    assert spectrometer.capturing.get(use_monitor=False) == 0
    with h5py.File(path, swmr=True) as file:
        assert file["/entry/instrument/spectrometer/frames"].shape[0] == 1


def test_scalars_are_short_and_typed(spectrometer):
    assert spectrometer.hints == {"fields": ["spectrometer_max_counts"]}
    assert len(spectrometer.read()) <= 4


def test_a_file_that_was_closed_from_elsewhere_fails_the_point(spectrometer):
    spectrometer.stage()
    try:
        spectrometer.capture.put(0, wait=True)  # as a restart of the IOC leaves it
        status = spectrometer.trigger()
        with pytest.raises(AcquisitionError, match="file is closed"):
            status.wait(30)
        assert list(spectrometer.collect_asset_docs()) == []
    finally:
        spectrometer.unstage()
