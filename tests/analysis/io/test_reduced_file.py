"""Reduced files: what was written comes back, and other files are refused in one line."""

import h5py
import numpy as np
import pytest
import xarray as xr

from analysis.io.reduced_file import DEFINITION, VERSION, read_reduced, write_reduced
from analysis.io.schema import RawFileError


@pytest.fixture
def reduced():
    return xr.Dataset(
        {
            "delta_n": ("point", [1e-3, 2e-3], {"units": "RIU"}),
            "differential_spectrum": (("point", "wavelength"), np.ones((2, 3), np.float32)),
            "chirp_resolved_delay": ("time", [0.0, 0.5, 1.0, 1.5], {"units": "ps"}),
        },
        coords={"wavelength": [900.0, 1000.0, 1100.0]},
        attrs={"definition": DEFINITION, "version": VERSION, "material": "Si"},
    )


def test_what_was_written_comes_back(tmp_path, reduced):
    path = tmp_path / "reduced.h5"
    write_reduced(reduced, path)
    xr.testing.assert_identical(read_reduced(path), reduced)
    with h5py.File(path) as file:
        assert file["chirp_resolved/delay"].shape == (4,)
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_reduced(reduced, path)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"definition": "ocm_raw"}, "this is no reduced file"),
        ({"version": "1"}, "version is 1.* reduce the raw file again"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, reduced, changed, reason):
    path = tmp_path / "reduced.h5"
    write_reduced(reduced.assign_attrs(changed), path)
    with pytest.raises(RawFileError, match=reason):
        read_reduced(path)


def test_no_file_and_no_hdf5_are_refused(tmp_path):
    with pytest.raises(RawFileError, match="no such file"):
        read_reduced(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(RawFileError, match="not an HDF5 file"):
        read_reduced(tmp_path / "text.h5")
