"""Reduction against the forward model of `handmade`: bias, noise, odd frames, files."""

import h5py
import numpy as np
import pytest
import xarray as xr
from handmade import EXPOSURE, SLOT, WAVELENGTH, open_fraction, phase_of, reduce_complete
from handmade import Plate as IdealPlate
from scipy.ndimage import gaussian_filter1d
from slow_cases import slow_except

from analysis.io.raw_file import write_raw
from analysis.io.reduced_file import read_reduced, write_reduced
from analysis.io.schema import RawFileError
from analysis.point.lock_in import RATIOS, PhaseRecord, WalkModels, WithinExposure, lock_in
from analysis.point.normalisation import energy_weights
from analysis.point.reducer import Reducer
from analysis.reduction.missing_metadata import open_raw

NOISE = {"shot_noise": True, "drift": 0.03, "energy_noise": 3e-3, "tilt_noise": 1e-3}
RESOLUTION = 1.5 / np.sqrt(8 * np.log(2)) / 0.72  # pixels: 1.5 nm FWHM, 0.72 nm apart


class Plate(IdealPlate):
    """A plate of a material whose Δn, given at 1025 nm, has dispersion, behind a slit of 1.5 nm."""

    def _spectrum(self, delta_n, drift):
        resonance, energy, centre = 2.36, 1239.842 / WAVELENGTH, 1239.842 / 1025  # eV
        dispersion = {
            "CsPbBr3": (resonance**2 - centre**2) / (resonance**2 - energy**2),  # Eq. 1
            "Si": (WAVELENGTH / 1025) ** 2,  # Drude
        }[self.attrs.get("material", "CsPbBr3")]
        sharp = super()._spectrum(delta_n * dispersion, drift)
        return gaussian_filter1d(sharp, RESOLUTION)

    def dataset(self, seed=0):
        scan = super().dataset(seed)
        blurred = gaussian_filter1d(scan["reference"].values, RESOLUTION)
        return scan.assign(reference=("wavelength", blurred))


def reduced(plate, seed=0):
    return reduce_complete(plate.dataset(seed))


pytestmark = pytest.mark.usefixtures("without_installation")


# 1.2, 4 and 20 fringes over the band; the shift stays below a radian.
@pytest.mark.parametrize(("thickness", "largest"), [(1.5, 2e-2), (5.0, 1.6e-2), (25.5, 3e-3)])
@pytest.mark.parametrize("phase", [0.0, 1.3, 2.6, 3.9, 5.2])
@pytest.mark.parametrize("group_excess", slow_except([0.05], [0.0, 0.05]))
def test_phase_is_unbiased_from_one_fringe_to_twenty(thickness, largest, phase, group_excess):
    """With an unknown reference factor, phase and group index; rounding is all the noise."""
    delta_n = np.array([1e-4, 1e-3, largest, -largest])
    scan = reduced(
        Plate(delta_n, thickness, phase=phase, group_excess=group_excess, reference_factor=0.88)
    )
    expected = phase_of(delta_n, thickness)
    error = np.abs(scan["delta_phi"].values - expected)
    assert (error <= 0.01 * np.abs(expected)).all()
    assert (error <= 1e-3 * np.abs(expected) + 3e-5).all()
    np.testing.assert_allclose(scan["delta_n"], delta_n, rtol=0.01)
    assert scan["path"].values == pytest.approx(
        2 * 2.006 * (1 + group_excess) * thickness, rel=1e-3
    )


def test_half_a_micron_is_unbiased_within_its_honest_uncertainty():
    """0.4 fringes hardly fix the visibility: sigma says so, and the mean is right to 1 %."""
    delta_n, phases = 1e-2, np.linspace(0, 2 * np.pi, 12, endpoint=False)
    scans = [
        reduced(Plate(np.full(20, delta_n), 0.5, phase=phase, group_excess=0, shot_noise=True), 3)
        for phase in phases
    ]
    scan = xr.concat(scans, "point", data_vars="minimal")
    expected = phase_of(delta_n, 0.5)
    pull = (scan["delta_phi"].values - expected) / scan["delta_phi_sigma"].values
    assert np.std(pull) < 1.3
    mean = np.average(scan["delta_phi"], weights=scan["delta_phi_sigma"].values ** -2.0)
    assert mean == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("phase", [0.0, 1.3, 2.6, 3.9, 5.2])
def test_a_dispersive_crystal_is_unbiased(phase):
    """CsPbBr3: the group index bends the phase by 11 mrad at the band's edges."""
    plate = Plate(np.array([1e-2]), bend=0.031, phase=phase)
    assert reduced(plate)["delta_n"].values[0] == pytest.approx(1e-2, rel=1e-3)


@pytest.mark.parametrize("phase", [0.0, 1.3, 2.6, 3.9, 5.2])
def test_a_reference_of_another_colour_matters_little(phase):
    """A substrate that sends back 2 % more of the red costs less than 1 %."""
    plate = Plate(np.array([1e-2]), reference_tilt=0.02, phase=phase)
    assert reduced(plate)["delta_n"].values[0] == pytest.approx(1e-2, rel=0.01)


def test_the_fitted_model_is_the_spectrum_with_and_without_the_pump():
    """What estimates from many points start from: the slit leaves less than a thousandth."""
    scan = Plate(np.array([1e-2]), bend=0.031, phase=2.6).dataset()
    reducer = Reducer.from_dataset(scan)
    names = ("frames", "frame_time", "pump_open")
    result, (spectra,) = reducer.points_and_spectra(*(scan[name].values for name in names))
    off, _ = reducer.model.derivatives(spectra.fringe)
    on, _ = reducer.model.derivatives(spectra.fringe, result.delta_phi)
    np.testing.assert_allclose(off, spectra.off, atol=2e-3)
    np.testing.assert_allclose(on - off, spectra.difference, atol=5e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_large_phases_keep_their_size_and_sign(sign):
    delta_n = sign * 1.0 / phase_of(1.0, 1.5)  # one radian
    scan = reduced(Plate(np.array([delta_n]), phase=2.0))
    assert scan["delta_phi"].values[0] == pytest.approx(sign, abs=1e-3)


def test_reference_mirror_finds_fringes_whose_path_is_off_by_microns():
    """Silicon lowers the index; the mirror stands 2 um from where its scale says."""
    plate = Plate(
        np.array([-5e-3, 1e-2]),
        *(0.22, 3.559, 0.1),
        path_difference=14.0,
        attrs={"material": "Si", "path_difference": 12.0},
    )
    result = reduced(plate)
    np.testing.assert_allclose(result["delta_n"], [-5e-3, 1e-2], rtol=2e-3)
    assert result["path"].values == pytest.approx(14.0 + 2 * 3.559 * 1.1 * 0.22, abs=0.02)
    assert result["carrier_density"][0] > 0 > result["carrier_density"][1]


@pytest.mark.parametrize(
    ("frames", "noise"),
    slow_except([(36, NOISE)], [(120, NOISE), (36, NOISE), (120, {"shot_noise": True})]),
)
def test_sigma_is_the_scatter(frames, noise):
    """Over 240 points, with a path that walks 0.03 rad/√s and drifts, and noisy pulses."""
    truth = phase_of(5e-3, 1.5)
    scan = reduced(Plate(np.full(240, 5e-3), frames=frames, slow_drift=0.1, **noise), seed=1)
    error = scan["delta_phi"].values - truth
    pull = error / scan["delta_phi_sigma"].values
    assert 0.85 <= np.std(pull) <= 1.2
    assert abs(np.mean(pull)) < 4 / np.sqrt(240)


def test_shot_noise_limits_an_otherwise_quiet_second():
    """5.5e-5 rad (3e-6 in Δn) is for a phase alone; a slope of it over the band doubles that."""
    scan = reduced(Plate(np.full(200, 1e-3), shot_noise=True), seed=5)
    scatter = np.std(scan["delta_phi"].values)
    assert scatter < 1.3e-4
    assert scan["delta_phi_sigma"].values.mean() == pytest.approx(scatter, rel=0.15)


@pytest.mark.parametrize("lost", [[], [7, 8, 31]])
@pytest.mark.parametrize("phase", [0.05, 0.13, 0.31, 0.77])
def test_partly_open_frames_count_exactly(phase, lost):
    """Noise-free frames S_off + o ΔS on a drift linear in time give both back to rounding."""
    start = np.delete(np.arange(60) * SLOT, lost)
    opened = open_fraction(start, phase)
    assert ((opened > 0.02) & (opened < 0.98)).any()
    noise, none = np.full(len(start), 1e-7), np.zeros(len(start))
    signal = 7.0 + 0.5 * opened + 3.0 * start
    record = PhaseRecord(signal, opened, start, noise)
    models = WalkModels(RATIOS, 0 * RATIOS)
    result = lock_in(record, WithinExposure(none, none), EXPOSURE, models)
    weights = energy_weights(result.weights, opened, none)
    assert result.effect == pytest.approx(0.5, rel=1e-9)
    assert weights.difference @ signal == pytest.approx(0.5, rel=1e-9)
    assert weights.off @ signal == pytest.approx(7.0 + 3.0 * start.mean(), rel=1e-9)


def test_saturated_frames_are_left_out_and_counted():
    scan = Plate(np.array([5e-3, 5e-3, 5e-3])).dataset()
    frames = scan["frames"].values
    band = np.flatnonzero((WAVELENGTH > 1000) & (WAVELENGTH < 1010))
    frames[0, 10:13, band[0]] = 2**18 - 1
    frames[1, :, band] = 2**18 - 1
    frames[2, :, np.argmin(np.abs(WAVELENGTH - 540))] = 2**18 - 1  # fluorescence, not the probe
    result = reduce_complete(scan)
    assert result["frames_used"].values.tolist() == [117, 0, 120]
    assert result["frames_saturated"].values.tolist() == [3, 120, 0]
    good = result["delta_phi"].values[[0, 2]]
    np.testing.assert_allclose(good, phase_of(5e-3, 1.5), rtol=1e-3)
    assert np.isnan(result["delta_phi"].values[1])
    assert np.isnan(result["delta_n_sigma"].values[1])
    assert np.isnan(result["differential_spectrum"].values[2]).sum() == 1


def test_point_without_modulation_is_nan():
    scan = Plate(np.array([5e-3, 5e-3])).dataset()
    scan["pump_open"][1] = 0.0
    result = reduce_complete(scan)
    assert result["frames_used"].values.tolist() == [120, 0]
    assert np.isnan(result["delta_phi"].values[1])


def test_noise_of_the_photodiode_is_no_modulation():
    """A wheel that has stopped: open fractions scatter by their own error of 2e-3."""
    scan = Plate(np.array([5e-3, 5e-3])).dataset()
    noise = np.random.default_rng(1).normal(0, 2e-3, scan["pump_open"].shape[1])
    scan["pump_open"][1] = np.clip(1 + noise, 0, 1)
    result = reduce_complete(scan)
    assert np.isfinite(result["delta_phi"].values[0])
    assert np.isnan(result["delta_phi"].values[1])


def test_fluorescence_is_what_the_pump_adds():
    result = reduced(Plate(np.array([5e-3]), fluorescence=5000.0))
    glow = result["differential_spectrum"].sel(wavelength=slice(500, 560))
    expected = 5000 * np.exp(-(((glow["wavelength"] - 530) / 10) ** 2))
    np.testing.assert_allclose(glow[0], expected, atol=0.6)  # counts are rounded


def test_a_change_of_contrast_is_not_taken_for_a_phase():
    """The pump changes the faces' reflection too: 1 % of the fringes' contrast at Δφ = 0.18 rad."""
    scan = Plate(np.array([1e-2]), phase=0.5).dataset()
    brighter = Plate(np.array([1e-2]), phase=0.5, ratio=0.61).dataset()
    opened = scan["pump_open"].values[..., np.newaxis]
    mixed = (1 - opened) * scan["frames"].values + opened * brighter["frames"].values
    on_only = scan.assign(frames=scan["frames"].copy(data=np.rint(mixed).astype(np.uint32)))
    result = reduce_complete(on_only)
    assert result["delta_phi"].values[0] == pytest.approx(phase_of(1e-2, 1.5), rel=0.02)


def test_live_and_offline_give_the_same_numbers(tmp_path):
    scan = Plate(np.linspace(-5e-3, 1e-2, 20), **NOISE).dataset()
    write_raw(scan, tmp_path / "scan.h5")
    with open_raw(tmp_path / "scan.h5") as raw:
        offline = reduce_complete(raw)
    reducer = Reducer.from_dataset(scan)
    for i in range(20):
        live = reducer.point(
            scan["frames"].values[i], scan["frame_time"].values[i], scan["pump_open"].values[i]
        )
        assert live.delta_phi == offline["delta_phi"].values[i]
        assert live.delta_n_sigma == offline["delta_n_sigma"].values[i]
        np.testing.assert_array_equal(
            live.differential_spectrum, offline["differential_spectrum"].values[i]
        )


def test_dark_reference_is_refused():
    scan = Plate(np.array([1e-3])).dataset()
    scan["reference"] = scan["dark"] + (WAVELENGTH < 900)
    with pytest.raises(ValueError, match=r"reference.*925 and 1125 nm"):
        reduce_complete(scan)


def test_carriers_follow_delta_n_and_unknown_materials_have_none():
    plate = Plate(np.array([1e-2]))
    result = reduced(plate)
    # 1.09e19 is for the paper's 1050 nm; at the band's 1025 nm the resonance is nearer
    nearer = (2.36**2 - (1239.842 / 1025) ** 2) / (2.36**2 - (1239.842 / 1050) ** 2)
    assert result["carrier_density"].values[0] == pytest.approx(1.09e19 * nearer, rel=0.01)
    relative = result["carrier_density_sigma"] / result["carrier_density"]
    assert relative.values[0] == pytest.approx(
        float((result["delta_n_sigma"] / result["delta_n"]).values[0]), rel=0.01
    )
    unknown = reduce_complete(plate.dataset().assign_attrs(material="glass"))
    assert "carrier_density" not in unknown


def edge(time):
    """A step of Δn at 0.4 ps, 0.2 ps from 10 to 90 %."""
    return 1e-2 / (1 + np.exp(-np.clip((time - 0.4) / 0.05, -500, 500)))


def chirped_scan(step, seed=2, **noise):
    """The step seen by a probe of 5 ps, with a small cubic term."""
    u = (WAVELENGTH - 1025) / 100
    chirp = np.clip(2.4 * u + 0.1 * u**3, -2.6, 2.6)
    return Plate(edge, delay=np.arange(-5.0, 6.0, step), chirp=chirp, frames=60, **noise).dataset(
        seed
    )


def rise(time, delta_n):
    """Time from 10 to 90 % of 1e-2."""
    early, late = np.interp([1e-3, 9e-3], np.maximum.accumulate(delta_n), time)
    return late - early


def test_chirp_resolved_delay_scan_is_as_sharp_as_its_step():
    result = reduce_complete(chirped_scan(0.2, **NOISE))
    assert rise(result["delay"].values, result["delta_n"].values) > 2.0
    resolved = result["chirp_resolved_delta_n"].values
    assert rise(result["chirp_resolved_delay"].values, resolved) < 0.3


def test_chirp_resolved_decay_has_its_true_size():
    """Δn falls by 8 % a picosecond; away from the ends, which few colours of few points see."""

    def decay(time):
        return 1e-2 * np.exp(-time / 12.5)

    chirp = 2.4 * (WAVELENGTH - 1025) / 100
    scan = Plate(decay, delay=np.arange(3.0, 24.0, 0.4), chirp=chirp).dataset()
    resolved = reduce_complete(scan).isel(time=slice(30, -30))
    np.testing.assert_allclose(
        resolved["chirp_resolved_delta_n"], decay(resolved["chirp_resolved_delay"]), rtol=1e-3
    )


def test_chirp_resolved_sigma_is_the_scatter():
    """Away from the edge, where a time misses the truth by what its resolution leaves out."""
    pulls = []
    for seed in range(5):
        result = reduce_complete(chirped_scan(0.2, seed, **NOISE))
        time = result["chirp_resolved_delay"].values
        error = result["chirp_resolved_delta_n"].values - edge(time)
        smooth = np.abs(time - 0.4) > 1
        pulls.append((error / result["chirp_resolved_delta_n_sigma"].values)[smooth])
    assert 0.8 < np.std(pulls) < 1.3


def test_reduced_file_holds_the_documented_datasets(tmp_path):
    scan = chirped_scan(1.0)
    result = reduce_complete(scan)
    path = tmp_path / "reduced.h5"
    write_reduced(result, path)
    back = read_reduced(path)
    xr.testing.assert_identical(back.drop_attrs(), result.drop_attrs())
    assert back.attrs["thickness"] == 1.5
    assert back["delta_n"].attrs["units"] == "RIU"
    with h5py.File(path) as file:
        names = ["delta_n", "delta_n_sigma", "delta_phi", "delta_phi_sigma", "carrier_density"]
        names += ["delay", "x", "y", "fluence", "frames_used"]
        for name in names:
            assert file[name].shape == (11,)
        assert file["differential_spectrum"].shape == (11, len(WAVELENGTH))
        times = result.sizes["time"]
        assert times > 11, "finer than the scan's delays"
        for name in ("delay", "delta_n", "delta_n_sigma", "resolution"):
            assert file["chirp_resolved"][name].shape == (times,)
    with pytest.raises(FileExistsError):
        write_reduced(result, path)


def test_other_files_are_not_taken_for_reduced_ones(tmp_path):
    write_raw(Plate(np.array([1e-3])).dataset(), tmp_path / "raw.h5")
    for name in ("raw.h5", "absent.h5"):
        with pytest.raises(RawFileError, match=name):
            read_reduced(tmp_path / name)
