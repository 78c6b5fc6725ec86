"""Phase, energy and tilt of every frame of frames made from formulas."""

import numpy as np
import pytest
from handmade import CHOPPER, EXPOSURE, GAIN, READ_NOISE, SLOT, WAVELENGTH, Plate, open_fraction

from analysis.noise.phase_record import frame_phases, virtual_chopper
from analysis.reduction.missing_metadata import complete_metadata
from ocm_ophyd.errors import DataError


def pump_off(plate, seed=1):
    """The plate's frames with the pump shut: the chopper shows no modulation."""
    dataset = plate.dataset(seed)
    return complete_metadata(dataset.assign(pump_open=dataset["pump_open"] * 0))


def fit(dataset):
    return frame_phases(dataset, dataset["frames"].values[0], dataset["frame_time"].values[0])


def test_phase_of_every_frame_follows_a_drift_through_turns():
    plate = Plate(delta_n=0.0, frames=3600, slow_drift=0.4, energy_noise=3e-3, tilt_noise=1e-3)
    dataset = pump_off(plate)
    times = dataset["frame_time"].values[0]
    fit = frame_phases(dataset, dataset["frames"].values[0], times)
    slope, _ = np.polyfit(times, fit.phase, 1)
    assert slope == pytest.approx(0.4, rel=0.01)
    assert np.ptp(fit.phase) > 3 * np.pi
    assert fit.energy.std() == pytest.approx(3e-3, rel=0.1)  # of 3600: 1 %


def test_the_limit_is_the_cramer_rao_bound_of_the_spectrum():
    """From the plate's two beams, differentiated numerically, with energy and tilt to be found."""
    plate = Plate(delta_n=0.0, frames=360, shot_noise=True)
    here, there = (plate._spectrum(0.0, np.array([[d]]))[0] for d in (-1e-4, 1e-4))
    mean, slope = (here + there) / 2, (there - here) / 2e-4
    band = (WAVELENGTH >= 925) & (WAVELENGTH <= 1125)
    table = np.stack([slope, mean, mean * (WAVELENGTH - 1025) / 100])[:, band]
    variance = (mean / GAIN + (READ_NOISE / GAIN) ** 2)[band]
    bound = np.sqrt(np.linalg.inv(table / variance @ table.T)[0, 0])
    dataset = pump_off(plate)
    fit = frame_phases(dataset, dataset["frames"].values[0], dataset["frame_time"].values[0])
    assert fit.sigma == pytest.approx(bound, rel=0.02)


def test_energy_and_tilt_of_every_frame_are_those_of_its_light():
    """Each frame multiplied by a known factor and slope, at a fringe that stands still."""
    dataset = pump_off(Plate(delta_n=0.0, frames=240))
    rng = np.random.default_rng(2)
    energy, tilt = rng.normal(0, 3e-3, 240), rng.normal(0, 1e-3, 240)
    factor = 1 + energy[:, None] + tilt[:, None] * (WAVELENGTH - 1025) / 100
    frames = (dataset["frames"].values - 1500.0) * factor + 1500
    result = fit(dataset.assign(frames=dataset["frames"].copy(data=np.rint(frames).astype("u4"))))
    first = slice(30)  # the quarter of a second whose mean gives the envelope
    np.testing.assert_allclose(result.energy, energy - energy[first].mean(), atol=3e-5)
    np.testing.assert_allclose(result.tilt, tilt - tilt[first].mean(), atol=1e-4)
    np.testing.assert_allclose(result.phase, 0.0, atol=1e-4)


def test_the_virtual_chopper_is_open_half_of_the_time():
    times = np.arange(600) * SLOT
    shut = virtual_chopper(times, EXPOSURE, CHOPPER)
    assert (shut.min(), shut.max()) == (0.0, pytest.approx(1.0))
    assert shut.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(shut[:6], shut[6:12], atol=1e-9)
    assert shut == pytest.approx(open_fraction(times, -CHOPPER * EXPOSURE / 4), abs=1e-9)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda d: d.assign(frames=d["frames"] * 0 + 300_000), "saturated"),
        (lambda d: d.assign(frame_time=d["frame_time"] ** 2), "missing between others"),
        (lambda d: d.assign(frames=(d["frames"] * 0 + d["dark"]).astype("u4")), "no fringe"),
    ],
    ids=["saturated", "uneven", "dark"],
)
def test_frames_without_a_phase_are_refused(spoil, reason):
    with pytest.raises(DataError, match=reason):
        fit(spoil(pump_off(Plate(delta_n=0.0, frames=120))))
