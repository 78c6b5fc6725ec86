"""A run's documents, whether they come from the journal, the catalog or one after the other."""

import json

import numpy as np
import pytest
import xarray as xr
from handmade import Plate
from scan_documents import Scan

from analysis.documents.run_documents import RunDocuments, RunError, journal_documents

PLATE = Plate(np.array([1e-3, 5e-3, -2e-3]), delay=np.array([-5.0, 2.0, 40.0]), frames=18)


@pytest.fixture
def scan(tmp_path):
    return Scan(PLATE, tmp_path)


def documents(scan, points=3):
    taken = [scan.point(i) for i in range(points)]
    return [*scan.opening, *(doc for point in taken for doc in point), *scan.end()]


def test_a_journal_gives_streams_columns_configuration_and_arrays(scan):
    run = RunDocuments.from_journal(documents(scan))
    assert run.uid == scan.uid
    assert run.stop["exit_status"] == "success"
    assert set(run.streams) == {"baseline", "primary"}
    primary = run.streams["primary"]
    assert primary.points == 3
    assert primary.data_keys["delay"]["units"] == "ps"
    assert primary.configuration("spectrometer")["spectrometer_gain"] == 4.0
    np.testing.assert_array_equal(primary.column("delay"), [-5, 2, 40])
    np.testing.assert_array_equal(primary.columns()["delay"], [-5, 2, 40])
    assert len(primary.column("time")) == 3
    np.testing.assert_array_equal(primary.array("spectrometer_frames"), scan.raw["frames"])
    run.close()


def test_what_a_run_lacks_is_a_key_error(scan):
    primary = RunDocuments.from_journal(documents(scan)).streams["primary"]
    for read, key in ((primary.column, "polarization"), (primary.array, "spectrometer_noise")):
        with pytest.raises(KeyError, match=key):
            read(key)
    with pytest.raises(KeyError, match="galvos"):
        primary.configuration("galvos")


def test_a_growing_run_has_its_last_point_at_once(scan):
    run = RunDocuments.from_stream(scan.opening[0][1])
    for name, doc in scan.opening[1:]:
        run.take(name, doc)
    for i in range(3):
        for name, doc in scan.point(i):
            run.take(name, doc)
        assert run.streams["primary"].points == i + 1
        assert run.stream_name(doc) == "primary"
        row = run.last_row("spectrometer_frames")
        np.testing.assert_array_equal(row, scan.raw["frames"][i])
    assert run.stop is None
    run.close()


def test_frames_that_are_gone_are_one_line(scan):
    run = RunDocuments.from_journal(documents(scan))
    next(iter(scan.directory.glob("*.h5"))).unlink()
    with pytest.raises(RunError, match=r"spectrometer_frames cannot be read"):
        run.streams["primary"].array("spectrometer_frames")


def test_no_documents_are_no_run():
    with pytest.raises(RunError, match="no documents"):
        RunDocuments.from_journal([])


def test_a_journal_file_is_read_but_for_a_torn_last_line(tmp_path, scan):
    path = tmp_path / "run.jsonl"
    lines = [json.dumps([name, doc]) for name, doc in documents(scan)]
    path.write_text("\n".join(lines) + '\n["event", {"dat')
    expected = [json.loads(line)[0] for line in lines]
    assert [name for name, _ in journal_documents(path)] == expected
    path.write_text("\n".join([lines[0], "oops", *lines[1:]]) + "\n")
    with pytest.raises(RunError, match="damaged in line 2"):
        list(journal_documents(path))
    with pytest.raises(RunError, match="cannot be read"):
        list(journal_documents(tmp_path / "none.jsonl"))


class Column:
    """An array of the catalog."""

    def __init__(self, values):
        self._values = np.asarray(values)
        self.shape = self._values.shape

    def read(self):
        return self._values

    def __getitem__(self, key):
        return self._values[key]


class CatalogStream(dict):
    """A stream of the catalog, as the tiled client gives it."""

    def __init__(self, metadata, columns):
        super().__init__({key: Column(values) for key, values in columns.items()})
        self.metadata = metadata

    def read(self, keys):
        return xr.Dataset({key: ("point", self[key].read()) for key in keys})


class CatalogRun(dict):
    metadata: dict


def test_a_catalogued_run_gives_the_same():
    stream = CatalogStream(
        {"data_keys": {"delay": {"units": "ps"}}, "configuration": {"delay": {"data": {"v": 1.0}}}},
        {"delay": [1.0, 2.0], "seq_num": [1, 2], "ts_delay": [9.0, 9.5]},
    )
    found = CatalogRun(primary=stream)
    found.metadata = {"start": {"uid": "abcdefghij", "plan_name": "count"}, "stop": {"time": 1.0}}
    run = RunDocuments.from_catalog(found)
    assert run.title == "run abcdefgh (count)"
    assert run.stop == {"time": 1.0}
    primary = run.streams["primary"]
    assert primary.points == 2
    assert primary.configuration("delay") == {"v": 1.0}
    assert set(primary.columns()) == {"delay"}
    np.testing.assert_array_equal(primary.column("delay"), [1, 2])
    np.testing.assert_array_equal(primary.array("delay")[:1], [1])
    run.close()
