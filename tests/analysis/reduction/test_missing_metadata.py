"""What a file does not note of its instrument is found in its frames, and what it notes is kept."""

import numpy as np
import pytest
from handmade import Plate, phase_of, reduce_complete
from scipy.ndimage import gaussian_filter1d

from analysis.reduction.missing_metadata import complete_metadata

NOISE = {"shot_noise": True, "energy_noise": 3e-3, "drift": 0.03, "attrs": {"material": "glass"}}
PIXELS = 1 / np.sqrt(8 * np.log(2)) / 0.72  # standard deviation of 1 nm FWHM


class Behind(Plate):
    """A plate seen with a resolution in nm FWHM; the reference as well."""

    resolution = 0.0

    def _spectrum(self, delta_n, drift):
        return self._blurred(super()._spectrum(delta_n, drift))

    def dataset(self, seed=0):
        scan = super().dataset(seed)
        return scan.assign(reference=("wavelength", self._blurred(scan["reference"].values)))

    def _blurred(self, spectrum):
        return gaussian_filter1d(spectrum, max(self.resolution, 1e-3) * PIXELS)


pytestmark = pytest.mark.usefixtures("without_installation")


def plate(thickness, resolution=0.0, delta_n=1e-3, points=20, **more):
    made = Behind(np.full(points, delta_n), thickness, phase=2.2, **NOISE, **more)
    made.resolution = resolution
    return made


@pytest.mark.parametrize("thickness", [1.5, 5.0, 25.5])
@pytest.mark.parametrize("resolution", [0.0, 1.0, 1.5, 2.2])
def test_the_resolution_is_that_of_the_fringes(thickness, resolution):
    """Twenty fringes seen with another resolution than they are fitted with are off by percents."""
    result = reduce_complete(plate(thickness, resolution).dataset(1))
    assert result.attrs["resolution"] ** 2 == pytest.approx(resolution**2, abs=0.5)
    pull = ((result["delta_n"] - 1e-3) / result["delta_n_sigma"]).values
    assert abs(pull.mean()) < 4 / np.sqrt(len(pull))
    assert np.std(pull) < 1.6


def test_a_resolution_that_is_noted_is_used():
    scan = plate(25.5, 0.0).dataset(1)
    fitted = reduce_complete(scan)
    noted = reduce_complete(scan.assign_attrs(resolution=2.5))
    assert noted.attrs["resolution"] == 2.5
    off = np.abs(noted["delta_n"] / fitted["delta_n"] - 1).mean()
    assert off > 3 * np.abs(fitted["delta_n"] / 1e-3 - 1).mean()


@pytest.mark.parametrize("path", [14.0, 42.0, 105.0])
def test_a_path_that_nobody_noted_is_found(path):
    mirror = plate(0.3, delta_n=1e-2, path_difference=path).dataset(2)
    del mirror.attrs["path_difference"]
    result = reduce_complete(mirror)
    group = path + 2 * 2.006 * 1.032 * 0.3
    assert result["path"].values == pytest.approx(group, abs=0.3)
    pull = ((result["delta_n"] - 1e-2) / result["delta_n_sigma"]).values
    assert abs(pull.mean()) < 4 / np.sqrt(len(pull))
    assert (np.abs(result["delta_phi"] - phase_of(1e-2, 0.3)) < 0.01).all()


def test_too_few_fringes_say_nothing_of_their_path():
    mirror = plate(0.3, delta_n=1e-2, path_difference=3.0).dataset(2)
    del mirror.attrs["path_difference"]
    assert "path_difference" not in complete_metadata(mirror).attrs


def test_a_run_without_frames_or_pump_is_left_as_it_is():
    scan = plate(1.5).dataset(1)
    header = scan.drop_vars("frames")
    assert complete_metadata(header) is header
    off = complete_metadata(scan.assign(pump_open=scan["pump_open"] * 0))
    assert off.attrs["resolution"] == 1.5
