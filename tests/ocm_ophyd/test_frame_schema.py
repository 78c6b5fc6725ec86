"""The tables of what a run records agree with the devices and with the raw file."""

import subprocess
import sys

from analysis.io.schema import VARIABLES
from ocm_ophyd.frame_schema import POINT_DATASETS, SCAN_AXES, SPECTRA
from plans.stubs.points import POSITIONERS, Point


def test_every_coordinate_of_a_point_is_a_scan_axis_and_has_a_device():
    keys = [axis.data_key for axis in SCAN_AXES]
    assert sorted(keys) == sorted(Point._fields)
    moved = [name for positioner in POSITIONERS for name in positioner.coordinates]
    assert sorted(moved) == sorted(keys)


def test_the_raw_file_holds_everything_that_is_recorded():
    for entry in (*POINT_DATASETS, *SPECTRA, *SCAN_AXES):
        assert VARIABLES[entry.name].path == entry.path
        assert VARIABLES[entry.name].units == entry.unit


def test_the_schema_imports_nothing_of_the_project():
    code = "import ocm_ophyd.frame_schema, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = {name for name in done.stdout.split() if name.startswith(("ocm_ophyd.", "analysis"))}
    assert loaded == {"ocm_ophyd.frame_schema"}
