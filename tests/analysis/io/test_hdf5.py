"""Datasets of files from unknown sources: returned, or refused by name."""

import h5py
import numpy as np
import pytest

from analysis.io.hdf5 import find, naming, naming_file, string, text
from analysis.io.schema import RawFileError


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["/entry/values"] = np.arange(3.0)
        file["/entry/name"] = "a plate"
        file["/entry/soft"] = h5py.SoftLink("/entry/values")
        file["/entry/outside"] = h5py.ExternalLink("other.h5", "/values")
        file["/entry/empty"] = h5py.Empty("f8")
        file.create_dataset("/entry/unwritten", (4, 4), "f8", chunks=(1, 4))
        yield file


def test_a_dataset_is_found_and_a_missing_one_is_none(file):
    np.testing.assert_array_equal(find(file, "/entry/values"), [0, 1, 2])
    assert find(file, "/entry/nothing") is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/entry/soft", "is a link"),
        ("/entry/outside", "is a link"),
        ("/entry/empty", "is empty"),
        ("/entry/unwritten", "was never written"),
        ("/entry", "is no dataset"),
        ("/entry/values/deeper", "is no group"),
    ],
)
def test_data_that_are_not_in_the_file_are_refused(file, path, reason):
    with pytest.raises(RawFileError, match=f"^{path}: .*{reason}"):
        find(file, path)


def test_text_is_one_text(file):
    assert string(file["/entry/name"], "/entry/name") == "a plate"
    with pytest.raises(RawFileError, match="must be one text"):
        string(file["/entry/values"], "/entry/values")
    assert text(np.array([b"y", b"x "])) == "y x"


def test_errors_of_h5py_become_one_line_with_the_name():
    one_line = r"^/entry/frames: cannot be read.*\(two lines\)$"
    with pytest.raises(RawFileError, match=one_line), naming("/entry/frames"):
        raise OSError("two\nlines")
    with pytest.raises(RawFileError, match=r"^scan\.h5: missing$"), naming_file("scan.h5"):
        raise RawFileError("missing")
