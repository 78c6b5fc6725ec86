"""The spectrometer's file when its writer is killed."""

import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from analysis.io.schema import RawFileError
from analysis.reduction.missing_metadata import open_raw

WRITER = """
import os, pathlib, signal, sys
import numpy as np
from ocm_ophyd.frame_schema import POINT_DATASETS
from ocm_ophyd.iocs.frame_file import FrameFile

file = FrameFile(pathlib.Path(sys.argv[1]), 6, np.linspace(400, 1150, 1044), {"gain": 4.0})
for row, value in ((0, 10), (1, 11), (2, 12), (1, 77)):
    sizes = {"frame": 6, "wavelength": 1044}
    point = {entry.name: np.ones([sizes[dim] for dim in entry.dims]) for entry in POINT_DATASETS}
    point |= {"frames": np.full((6, 1044), value, np.uint32), "frame_time": row + np.arange(6.0)}
    file.write(row, **point)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def orphan(tmp_path):
    """A file whose writer was killed after three points, the second of them taken twice."""
    path = tmp_path / "run.h5"
    done = subprocess.run([sys.executable, "-c", WRITER, path], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    return path


def test_every_point_survives_a_kill_without_repair(orphan):
    with h5py.File(orphan, "r", swmr=True) as file:
        group = file["/entry/instrument/spectrometer"]
        np.testing.assert_array_equal(group["frames"][:, 5, 1043], [10, 77, 12])
        np.testing.assert_array_equal(group["frame_time"][:, 0], [0, 1, 2])
        assert group["pump_open"].shape == (3, 6)


def test_taken_for_a_raw_file_it_is_refused_in_one_line_that_helps(orphan):
    with pytest.raises(RawFileError, match="ocm export") as refused:
        open_raw(orphan)
    assert "\n" not in str(refused.value)
