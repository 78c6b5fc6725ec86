"""The microscope as its instruments see it: frames, open fractions, power."""

from dataclasses import replace

import numpy as np
import pytest

from ocm_ophyd.twin import Knobs, Microscope
from ocm_ophyd.twin.interferometer import Arms

DARK = Knobs(probe_shutter_open=False)
PROBE = Knobs()
ASIDE = Knobs(sample_x=0.02)
ON_PLATE = Arms(coverage=1.0)


def times(start: float, frames: int = 12) -> np.ndarray:
    return start + np.arange(frames) / 120


@pytest.fixture
def pumped(quiet, voltage) -> Knobs:
    """Probe on the pump's centre, 10 ps after 0.8 mJ/cm², chopper running."""
    position = 284.713 - 10 * 0.299792458 / 2
    return Knobs(delay_position=position, retarder_voltage=voltage(0.8), pump_shutter_open=True)


def test_dark_frames_hold_bias_and_dark_current_only(scenario):
    exposure = Microscope(scenario).expose(DARK, times(0.0, 60))
    assert exposure.frames.dtype == np.uint32
    assert exposure.frames.mean() == pytest.approx(1500 + 1100 * 8e-3 / 4, abs=0.1)
    assert not exposure.pump_open.any()
    assert exposure.saturated == 0


def test_probe_fills_the_converter_without_saturating(scenario):
    microscope = Microscope(scenario)
    tops = [microscope.expose(PROBE, times(100.0 * k)).frames.max() for k in range(1, 30)]
    assert 1.1e5 < np.median(tops) < 1.6e5
    assert max(tops) < 2**18 - 1


def test_bare_substrate_is_a_reference_up_to_a_factor(quiet, clock):
    plate, _ = quiet.interferometer.spectra(ON_PLATE)  # without the fringes
    bare = quiet.expose(ASIDE, times(next(clock), 1)).frames[0] - 1502.0
    ratio = bare[quiet.interferometer.band] * 4 / plate
    bright = plate > 0.3 * plate.max()
    assert np.ptp(ratio[bright]) < 0.03
    assert ratio[bright].mean() == pytest.approx(1, abs=0.1)


def test_a_chopped_frame_is_the_mixture_of_open_and_closed(quiet, clock, pumped):
    parked = replace(pumped, chopper_frequency=0.0)
    on = quiet.expose(parked, times(next(clock), 1)).frames[0].astype(float)
    off = quiet.expose(PROBE, times(next(clock), 1)).frames[0].astype(float)
    chopped = quiet.expose(pumped, times(next(clock)))
    share = chopped.pump_open[:, None]
    assert ((share > 0.2) & (share < 0.8)).any()
    np.testing.assert_allclose(chopped.frames, share * on + (1 - share) * off, atol=1.01)


def test_pump_reaches_the_sample_only_through_an_open_shutter(quiet, clock, pumped):
    for closed in (replace(pumped, pump_shutter_open=False), replace(pumped, laser_on=False)):
        exposure = quiet.expose(closed, times(next(clock)))
        assert not exposure.pump_open.any()
        green = (quiet.wavelength > 500) & (quiet.wavelength < 570)
        assert exposure.frames[:, green].max() == exposure.frames[:, green].min()


def test_photodiode_reads_the_open_fraction_with_a_small_error(scenario, quiet, clock, pumped):
    # The clock runs in steps of 10 s, 200 periods of the chopper: both see the same edges.
    true = quiet.expose(pumped, times(next(clock), 600)).pump_open
    noisy = Microscope(scenario).expose(pumped, times(0.0, 600)).pump_open
    partial = (true > 0.1) & (true < 0.9)
    assert (noisy - true)[partial].std() == pytest.approx(0.002, rel=0.25)
    assert noisy.min() >= 0
    assert noisy.max() <= 1


def fluorescence(quiet, clock, fluence, voltage):
    """Counts per pixel from the pumped crystal, pump leak taken off beside it."""
    knobs = Knobs(
        retarder_voltage=voltage(fluence),
        pump_shutter_open=True,
        chopper_frequency=0.0,
        probe_shutter_open=False,
    )
    on, leak = (
        quiet.expose(replace(knobs, sample_x=x), times(next(clock), 1)).frames[0].astype(float)
        for x in (0.0, 0.02)
    )
    return on - leak


def width(wavelength, spectrum):
    bright = wavelength[spectrum > spectrum.max() / 2]
    return np.ptp(bright)


def test_fluorescence_is_broad_below_threshold_and_narrow_above(quiet, clock, voltage):
    below = fluorescence(quiet, clock, 0.35, voltage)
    above = fluorescence(quiet, clock, 0.8, voltage)
    assert width(quiet.wavelength, below) == pytest.approx(18, abs=2)
    peak = quiet.wavelength[above.argmax()]
    assert 535 < peak < 545
    near = np.abs(quiet.wavelength - peak) < 1.5
    assert width(quiet.wavelength, np.where(near, above, 0)) < 2.5
    assert above.max() > 10 * below.max()


def test_fluorescence_stays_below_saturation_at_the_highest_fluence(quiet, clock, voltage):
    brightest = fluorescence(quiet, clock, 1.1, voltage).max()
    assert 5e4 < brightest < 2e5


def test_lasing_moves_to_redder_modes_with_fluence(quiet, clock, voltage):
    lines = (quiet.wavelength > 534) & (quiet.wavelength < 546)
    colour = [
        np.average(quiet.wavelength[lines], weights=fluorescence(quiet, clock, f, voltage)[lines])
        for f in (0.7, 0.85, 1.0)
    ]
    assert colour[0] < colour[1] < colour[2]


def test_output_grows_faster_above_threshold(quiet, clock, voltage):
    total = {f: fluorescence(quiet, clock, f, voltage).sum() for f in (0.25, 0.35, 0.9, 1.0)}
    below = (total[0.35] - total[0.25]) / 0.1
    above = (total[1.0] - total[0.9]) / 0.1
    assert above > 4 * below


def test_saturated_pixels_are_counted(scenario):
    bright = scenario.model_copy(
        update={"probe": scenario.probe.model_copy(update={"electrons": 3e7})}
    )
    microscope = Microscope(bright)
    exposure = microscope.expose(PROBE, times(0.0))
    assert exposure.saturated == np.count_nonzero(exposure.frames == 2**18 - 1) > 100
    assert exposure.frames.max() == microscope.saturation_counts


def test_source_noise_of_frames(scenario):
    # Beside the plate there are no fringes, so drift does not matter; 10 s apart the slow part
    # (50 ms) is forgotten: 0.2 % ⊕ 0.22 %. Shot noise of the sum is 0.01 %.
    microscope = Microscope(scenario)
    frames = microscope.expose(ASIDE, 10.0 * np.arange(800)).frames.astype(float) - 1502
    band = frames[:, microscope.interferometer.band]
    energy = band.sum(axis=1)
    sigma = 1 / np.sqrt(2 * 800)
    assert energy.std() / energy.mean() == pytest.approx(np.hypot(2e-3, 2.2e-3), rel=5 * sigma)
    wavelength = (microscope.wavelength[microscope.interferometer.band] - 1025) / 100
    mean = band.mean(axis=0)
    bright = mean > 0.1 * mean.max()
    tilt = np.polyfit(wavelength[bright], (band / mean)[:, bright].T, 1)[0]
    assert tilt.std() == pytest.approx(np.hypot(7.5e-4, 4.2e-2), rel=5 * sigma + 0.02)


def test_fringes_drift_as_a_random_walk(scenario):
    path = scenario.interferometer.model_copy(update={"thermal": 0.0})
    light = scenario.probe.model_copy(update={"slow_tilt_noise": 0.0})  # looks like a phase
    parts = {"interferometer": path, "probe": light}
    microscope = Microscope(scenario.model_copy(update=parts))
    level, fringe = microscope.interferometer.spectra(ON_PLATE)
    start = np.arange(400.0)
    band = microscope.interferometer.band
    frames = 4 * (microscope.expose(PROBE, start).frames[:, band].astype(float) - 1502)
    # Normalised fringes against quadratures of the fringe at rest.
    kappa = microscope.interferometer.relative_wavenumber
    phases = [0.0]
    for frame in frames:
        trial = phases[-1] + np.linspace(-0.2, 0.2, 161)
        rotated = fringe.real * np.cos(np.outer(trial, kappa)) - fringe.imag * np.sin(
            np.outer(trial, kappa)
        )
        model = level + rotated
        share = (model @ frame) / (model**2).sum(axis=1)
        phases.append(trial[((frame - share[:, None] * model) ** 2).sum(axis=1).argmin()])
    steps = np.diff(phases[1:])
    assert steps.std() == pytest.approx(0.03, rel=5 / np.sqrt(2 * len(steps)))


def test_same_seed_same_frames_other_seed_other_noise(scenario, pumped):
    one, two = Microscope(scenario), Microscope(scenario)
    other = Microscope(scenario.model_copy(update={"seed": 7}))
    first, second, third = (m.expose(pumped, times(0.0)).frames for m in (one, two, other))
    np.testing.assert_array_equal(first, second)
    assert (first != third).mean() > 0.5


def test_pump_power_is_the_fluence_over_the_spot(quiet, voltage):
    knobs = Knobs(retarder_voltage=voltage(0.57), pump_shutter_open=True)
    # Energy of the spot by brute force: 1 mJ/cm² is 1e-11 J/um².
    x = np.linspace(-10, 10, 801)
    profile = np.exp(-2 * (x / 2.25) ** 2)
    energy = 0.57e-11 * (profile.sum() * (x[1] - x[0])) ** 2
    assert quiet.pump_power(knobs, 0.0) == pytest.approx(energy * 50_000, rel=1e-6)
    slower = replace(knobs, repetition_rate=10_000.0)
    assert quiet.pump_power(slower, 0.0) == pytest.approx(energy * 10_000, rel=1e-6)
    assert quiet.pump_power(replace(knobs, pump_shutter_open=False), 0.0) == 0


def test_power_meter_has_noise_and_a_zero_of_its_own(scenario, voltage):
    microscope = Microscope(scenario)
    knobs = Knobs(retarder_voltage=voltage(1.0), pump_shutter_open=True)
    readings = np.array([microscope.pump_power(knobs, 900.0) for _ in range(500)])
    assert readings.std() / readings.mean() == pytest.approx(3e-3, rel=5 / np.sqrt(1000))
    closed = microscope.pump_power(replace(knobs, pump_shutter_open=False), 0.0)
    assert closed == pytest.approx(4e-9)


def test_defocused_lens_dilutes_the_pump(quiet, clock, voltage):
    # Half a millimetre beyond its focus the waist is √2 larger and the fluence half; the probe
    # averages over w²/(w² + 0.5²) of the peak. Recombination in the first picosecond is 1 %.
    knobs = Knobs(
        delay_position=284.713 - 0.15,
        retarder_voltage=voltage(0.2),
        pump_shutter_open=True,
        chopper_frequency=0.0,
    )
    band = quiet.interferometer.band
    off, focused, wide = (
        quiet.expose(k, times(next(clock), 1)).frames[0][band].astype(float)
        for k in (PROBE, replace(knobs, lens_z=0.02), replace(knobs, lens_z=0.52))
    )
    template = focused - off
    ratio = template @ (wide - off) / (template @ template)
    seen = [w**2 / (w**2 + 0.25) for w in (2.25, 2.25 * np.sqrt(2))]
    assert ratio == pytest.approx(0.5 * seen[1] / seen[0], rel=0.03)


def test_clock_runs_forward_only(scenario):
    microscope = Microscope(scenario)
    microscope.expose(DARK, times(5.0))
    for bad in (times(4.0), np.array([6.0, 6.0]), np.array([8.0, 7.0])):
        with pytest.raises(ValueError, match="one after the other"):
            microscope.expose(DARK, bad)
    assert microscope.expose(DARK, np.array([])).frames.shape == (0, 1044)


def test_overexposed_crystal_bleaches(scenario):
    fragile = scenario.sample.model_copy(update={"damage_fluence": 0.4, "damage_rate": 1.0})
    microscope = Microscope(scenario.noiseless().model_copy(update={"sample": fragile}))
    before = float(microscope.sample.delta_n(1, 0.3, 0, 0))
    burning = Knobs(pump_shutter_open=True, retarder_voltage=2.3, chopper_frequency=0.0)
    microscope.expose(burning, times(0.0, 120))
    assert float(microscope.sample.delta_n(1, 0.3, 0, 0)) < 0.7 * before
