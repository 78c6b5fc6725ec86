"""From estimates to results: scales, carriers, probe times, and the constants of a run."""

import numpy as np
import pytest
from handmade import DARK, GAIN, READ_NOISE, WAVELENGTH, Plate, phase_of

from analysis.materials import MATERIALS
from analysis.point.pipeline import estimate
from analysis.point.reducer import Instrument, Reducer, Sample, warm_up
from analysis.probe_band import CENTRE_WAVELENGTH

SCAN = Plate(np.array([3e-3, -1e-3]), thickness=2.0, frames=24, shot_noise=True).dataset(1)
INPUTS = tuple(SCAN[name].values for name in ("frames", "frame_time", "pump_open"))


@pytest.fixture(scope="module")
def result():
    return Reducer.from_dataset(SCAN).points(*INPUTS)


def test_index_changes_are_phases_over_the_path_through_the_sample(result):
    scale = phase_of(1.0, 2.0)
    np.testing.assert_allclose(result.delta_phi / result.delta_n, scale, rtol=1e-9)
    np.testing.assert_allclose(result.delta_phi_sigma / result.delta_n_sigma, scale, rtol=1e-9)
    assert (np.abs(result.delta_n - [3e-3, -1e-3]) < 5 * result.delta_n_sigma + 1e-5).all()
    assert (result.delta_n_limit <= result.delta_n_sigma).all()
    assert (result.delta_n_systematic <= result.delta_n_sigma).all()


def test_carrier_densities_are_the_materials():
    name = next(iter(MATERIALS))
    reducer = Reducer.from_dataset(SCAN.assign_attrs(material=name))
    result = reducer.points(*INPUTS)
    expected = MATERIALS[name].carrier_density(result.delta_n, CENTRE_WAVELENGTH)
    np.testing.assert_allclose(result.carrier_density, expected)
    other = Reducer.from_dataset(SCAN.assign_attrs(material="glass")).points(*INPUTS)
    assert np.isnan(other.carrier_density).all()


def test_one_point_is_reduced_as_it_is_among_others(result):
    one = Reducer.from_dataset(SCAN).point(*(values[1] for values in INPUTS))
    assert one.delta_n == pytest.approx(result.delta_n[1], rel=1e-12)
    assert one.differential_spectrum.shape == WAVELENGTH.shape
    assert one.differential_spectrum.dtype == np.float32


def test_a_dataset_gives_the_same_reducer_as_its_contents(result):
    attrs = SCAN.attrs
    reducer = Reducer(
        SCAN["wavelength"].values,
        SCAN["dark"].values,
        SCAN["reference"].values,
        Sample(attrs["thickness"], attrs["refractive_index"]),
        Instrument(GAIN, READ_NOISE, exposure=attrs["exposure"]),
    )
    np.testing.assert_allclose(reducer.points(*INPUTS).path, result.path, rtol=1e-3)


def test_probe_times_are_those_of_the_colours_that_count():
    colours = np.array([900.0, 1150.0])
    linear = SCAN.assign_attrs(chirp_wavelength=colours, chirp_delay=(colours - 1025) / 50)
    result = Reducer.from_dataset(linear).points(*INPUTS)
    assert (np.abs(result.probe_delay) < 2).all()  # ps, within the band
    constant = linear.assign_attrs(chirp_delay=np.array([0.7, 0.7]))
    result = Reducer.from_dataset(constant).points(*INPUTS)
    np.testing.assert_allclose(result.probe_delay, 0.7)
    np.testing.assert_allclose(result.probe_spread, 0.0, atol=1e-6)
    assert np.isnan(Reducer.from_dataset(SCAN).points(*INPUTS).probe_delay).all()


def test_spectra_come_for_points_with_a_fringe_only():
    frames, time, opened = (values.copy() for values in INPUTS)
    opened[1] = 0.5
    result, spectra = Reducer.from_dataset(SCAN).points_and_spectra(frames, time, opened)
    assert spectra[1] is None
    assert np.isnan(result.delta_n[1])
    assert result.frames_used.tolist() == [24, 0]
    assert spectra[0].fringe.visibility == pytest.approx(result.visibility[0])


def test_a_reference_without_light_is_refused():
    dark = np.full(len(WAVELENGTH), DARK)
    with pytest.raises(ValueError, match="shutter"):
        Reducer(WAVELENGTH, dark, dark, Sample(1.5, 2.0), Instrument(GAIN, READ_NOISE))


def test_compiling_beforehand_reduces_a_point_of_its_own():
    warm_up()


def test_read_only_frames_are_not_compiled_for_once_more(result):
    frozen = [values.copy() for values in INPUTS]
    for values in frozen:
        values.setflags(write=False)
    again = Reducer.from_dataset(SCAN).points(*frozen)
    np.testing.assert_array_equal(again.delta_n, result.delta_n)
    assert len(estimate.signatures) == 1
