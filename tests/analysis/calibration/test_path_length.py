"""Thickness and mirror position from fringes of known path."""

import numpy as np
import pytest

from analysis.calibration.path_length import (
    PATH_DRIFT,
    fit_fringes,
    group_index,
    mirror_offset,
    plate_path,
    plate_thickness,
)

WAVELENGTH = np.linspace(400, 1150, 1044)  # nm
INDEX, GROUP_INDEX = 2.0, 2.07
DARK = np.full(1044, 1500.0)
LIGHT = 8e4 * np.exp(-(((WAVELENGTH - 1025) / 95) ** 8)) + 1e-3
GAIN, READ_NOISE, FRAMES = 4.0, 12.0, 60


def spectra(paths, rng, visibility=0.9, phases=None):
    """Mean spectra whose fringe has group path differences in um and a phase at 1025 nm."""
    k = 2e3 * np.pi / WAVELENGTH
    centre = 2e3 * np.pi / 1025
    turns = rng.uniform(0, 6, len(paths)) if phases is None else phases
    rows = []
    for path, turn in zip(paths, turns, strict=True):
        # an index linear in frequency: the group value holds at the centre
        bend = (GROUP_INDEX - INDEX) / GROUP_INDEX
        psi = turn + path * (k - centre) * (1 + bend * (k / centre - 1))
        clean = DARK + LIGHT * (1 + visibility * np.cos(psi))
        noise = np.sqrt(clean / GAIN / FRAMES)
        rows.append(clean + noise * rng.standard_normal(len(clean)))
    return np.array(rows)


def fringes(rows, path):
    return fit_fringes(
        WAVELENGTH,
        DARK,
        DARK + LIGHT,
        rows,
        gain=GAIN,
        read_noise=READ_NOISE,
        frames=FRAMES,
        path=path,
    )


@pytest.mark.parametrize("thickness", [1.0, 1.5, 4.0])
def test_a_plates_thickness_is_its_path_over_twice_the_group_index(thickness):
    rng = np.random.default_rng(11)
    path = 2 * GROUP_INDEX * thickness
    estimate = plate_thickness(
        fringes(spectra([path] * 6, rng), (2, 22)), group_index(INDEX, GROUP_INDEX)
    )
    # the fit itself is better than what the path may have drifted by
    assert estimate.value == pytest.approx(thickness, abs=0.03)
    assert estimate.sigma == pytest.approx(PATH_DRIFT / (2 * GROUP_INDEX), rel=0.3)
    assert estimate.unit == "um"


def test_without_a_group_index_the_thickness_is_less_certain():
    known, unknown = group_index(INDEX, GROUP_INDEX), group_index(INDEX, None)
    assert known == pytest.approx((2.07, 0.0207))
    assert unknown[0] == pytest.approx(INDEX / 0.98)
    assert unknown[1] > 2 * known[1]


def test_the_mirrors_offset_is_what_the_paths_exceed_its_positions_by():
    rng = np.random.default_rng(12)
    at = np.linspace(10, 20, 6)
    estimate = mirror_offset(at, fringes(spectra(at + 0.7, rng), (6, 24)))
    assert abs(estimate.value - 0.7) < max(3 * estimate.sigma, 0.05)
    assert estimate.sigma < 0.1
    with pytest.raises(ValueError, match="does not follow the mirror"):
        mirror_offset(at, fringes(spectra(15 + 0.5 * (at - 15), rng), (6, 24)))


def test_no_fringe_is_refused():
    rng = np.random.default_rng(13)
    dull = fringes(spectra([6.2] * 4, rng, visibility=0.0), (2, 22))
    with pytest.raises(ValueError, match="no fringe"):
        plate_thickness(dull, (2.07, 0.02))
    with pytest.raises(ValueError, match="three or more"):
        plate_thickness(dull[:2], (2.07, 0.02))


def test_the_range_of_paths_is_that_of_the_sample():
    plate = {"refractive_index": 2.0, "thickness": 1.5}
    low, high = plate_path(plate)
    assert low < 2 * 1.5 * 2.07 < high < 8
    low, high = plate_path({"refractive_index": 2.0})
    assert low < 2 * 0.5 * 2.0
    assert high > 4 * 5.0 * 0.9
    low, high = plate_path(plate | {"path_difference": 15.0})
    assert low < 15.0 - 2.9
    assert high > 15.0 + 6.2
