"""Scatter against the Cramér–Rao bound, bias, and honest sigma.

The frames are those of `handmade`, behind a slit; the bound is written down here from the same
noise model, by nothing that the reduction uses.
"""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from blurred import GLASS, PULSES, Plate
from handmade import (
    GAIN,
    READ_NOISE,
    SLOT,
    STEPS,
    WAVELENGTH,
    open_fraction,
    phase_of,
    reduce_complete,
)
from slow_cases import slow_except

pytestmark = pytest.mark.usefixtures("without_installation")

SHAPE = {"ratio": np.inf, "group_excess": np.inf, "bend": 0.02}
"""What a point has to find of its fringe's shape, with what is known of it beforehand; and the bend
of its envelope, known to 0.002 from the reference."""


def bound(plate, delta_phi):
    """Least standard deviation of Δφ (rad) from one point, any unbiased estimate.

    Gaussian shot and read noise and rounding, energy and tilt of every frame unknown, the path a
    random walk whose rate is known, within exposures as well. The fringe's shape is the same in all
    frames of the point and is not known.
    """
    start = np.arange(plate.frames) * SLOT
    opened = open_fraction(start, plate.chopper_phase)
    band = (WAVELENGTH >= 925) & (WAVELENGTH <= 1125)
    h, tilt = 1e-4, (WAVELENGTH[band] - 1025) / 100
    parts = plate.gates(start)
    frames, within = plate.frames, SLOT / STEPS
    by_path, crossed, total = np.zeros((frames, 2, frames, 2)), [], 0.0
    for f, o in enumerate(opened):

        def frame(without=0.0, with_pump=0.0, pumped=0.0, o=o, **changed):
            like = replace(
                plate, **{name: getattr(plate, name) + by for name, by in changed.items()}
            )
            off, on = like.counts(0.0, without), like.counts(delta_phi + pumped, with_pump)
            return ((1 - o) * off + o * on)[band]

        mean = frame()
        variance = mean / GAIN + (READ_NOISE / GAIN) ** 2 + 1 / 12
        unknown = ("without", "with_pump", "pumped", *SHAPE)
        table = [(frame(**{n: h}) - frame(**{n: -h})) / (2 * h) for n in unknown]
        table = np.stack([*table, mean * tilt**2, mean, mean * tilt])
        full = (table / variance) @ table.T
        kept, pulse = slice(None, -2), slice(-2, None)
        left = full[kept, kept] - full[kept, pulse] @ np.linalg.solve(
            full[pulse, pulse], full[pulse, kept]
        )
        by_path[f, :, f] = left[:2, :2]
        crossed.append(left[:2, 2:])
        total += left[2:, 2:]
    total = total + np.diag([0.0, *(width**-2.0 for width in SHAPE.values()), 0.002**-2])
    time = (start[:, np.newaxis] + within * np.arange(1, STEPS + 1)).ravel()
    means = (np.eye(frames)[:, np.newaxis, :, np.newaxis] * parts[:, :, np.newaxis]).reshape(
        2 * frames, -1
    )
    walk = means @ (plate.drift**2 * np.minimum.outer(time, time) + 1e2) @ means.T  # from anywhere
    by_path, crossed = by_path.reshape(2 * frames, -1), np.concatenate(crossed)
    lost = crossed.T @ walk @ np.linalg.solve(np.eye(2 * frames) + by_path @ walk, crossed)
    return np.linalg.inv(total - lost)[0, 0] ** 0.5


def scatter(plate, delta_n, seed):
    """Errors and sigmas of Δφ in rad."""
    scan = reduce_complete(plate.dataset(seed))
    error = scan["delta_phi"].values - phase_of(delta_n, plate.thickness)
    return error, scan["delta_phi_sigma"].values


POINTS = 200  # whose scatter has a standard deviation of 5 %


@pytest.mark.parametrize(
    ("thickness", "delta_n", "phase", "loss"),
    slow_except(
        [(0.5, 1e-3, 2.2, 1.15), (25.5, 1e-2, 0.7, 1.15)],
        [
            (0.5, 1e-3, 2.2, 1.15),  # 0.4 fringes
            (1.5, 1e-4, 0.7, 1.15),
            (1.5, 3e-3, 2.2, 1.15),
            (5.0, 1e-3, 4.0, 1.15),
            (25.5, 1e-3, 0.7, 1.15),
            (1.5, 1e-2, 2.2, 1.15),  # its fringe's shape known, the bound would be 1.5 times less
            (5.0, 3e-2, 0.7, 1.15),
            (25.5, 1e-2, 0.7, 1.15),  # half a turn: partly open frames hardly show a fringe
        ],
    ),
)
def test_scatter_is_that_of_the_bound_and_sigma_says_so(thickness, delta_n, phase, loss):
    plate = Plate(np.full(POINTS, delta_n), thickness, phase=phase, attrs=GLASS, **PULSES)
    error, sigma = scatter(plate, delta_n, seed=1)
    least = bound(plate, phase_of(delta_n, thickness))
    assert 0.85 * least < np.std(error) < loss * least
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)
    assert abs(error.mean()) < 0.01 * phase_of(delta_n, thickness) + 4 * least / POINTS**0.5


@pytest.mark.parametrize(
    ("thickness", "delta_n"), slow_except([(0.5, 3e-2)], [(0.5, 1e-2), (0.5, 3e-2), (0.9, 1e-2)])
)
def test_points_scatter_by_what_is_their_own_of_sigma(thickness, delta_n):
    """Half a fringe: most of sigma is what light, path and reference leave open in all points."""
    plate = Plate(np.full(POINTS, delta_n), thickness, phase=2.2, attrs=GLASS, **PULSES)
    scan = reduce_complete(plate.dataset(3))
    own = (scan["delta_n_sigma"] ** 2 - scan["delta_n_systematic"] ** 2).mean() ** 0.5
    assert float(scan["delta_n"].std()) == pytest.approx(float(own), rel=0.15)
    shared = float(scan["delta_n_systematic"].mean())
    assert abs(float(scan["delta_n"].mean()) - delta_n) < 3 * shared


@pytest.mark.parametrize(
    ("stepwise", "points"),
    slow_except([(False, POINTS)], [(False, POINTS), (False, 2 * POINTS), (True, 2 * POINTS)]),
)
@pytest.mark.parametrize(
    ("thickness", "delta_n"),
    slow_except([(1.5, 1e-2)], [(1.5, 1e-2), (1.5, 3e-2), (5.0, 1e-2), (25.5, 1e-3), (25.5, 1e-2)]),
)
def test_large_effects_are_seen_beside_drift_in_partly_open_frames(
    thickness, delta_n, stepwise, points
):
    """From frame to frame alone, the path's walk would leave 2 to 6 times the stepwise bound."""
    walk = {"drift": 0.1, "stepwise": stepwise}
    plate = Plate(np.full(points, delta_n), thickness, phase=2.2, attrs=GLASS, **PULSES, **walk)
    error, sigma = scatter(plate, delta_n, seed=2)
    assert np.std(error) < 1.3 * bound(plate, phase_of(delta_n, thickness))
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)


@pytest.mark.parametrize("drift", slow_except([0.1], [0.0, 0.1]))
@pytest.mark.parametrize(
    ("thickness", "delta_n"),
    slow_except([(5.0, 5e-2)], [(5.0, 5e-2), (25.5, 9e-3), (25.5, 1e-2)]),
)
def test_half_open_frames_may_show_no_fringe_at_all(thickness, delta_n, drift):
    """Half a turn, in frames that the chopper opens for half of their exposure."""
    chopper = {"chopper_phase": 0.0867, "drift": drift}
    plate = Plate(np.full(40, delta_n), thickness, phase=0.7, attrs=GLASS, **PULSES, **chopper)
    error, sigma = scatter(plate, delta_n, seed=3)
    assert np.abs(error / sigma).max() < 4.5
    assert np.abs(error).max() < 0.01 * phase_of(delta_n, thickness)


@pytest.mark.parametrize("drift", slow_except([0.1], [0.01, 0.03, 0.1]))
@pytest.mark.parametrize(
    ("frames", "path"),
    slow_except([(36, None), (120, 14.0)], [(120, None), (36, None), (120, 14.0)]),
)
def test_a_walking_path_is_whitened(drift, frames, path):
    """Δφ = 18 mrad, and in reference-mirror geometry 37 mrad."""
    thickness, delta_n = (1.5, 1e-3) if path is None else (0.3, 1e-2)
    plate = Plate(
        *(np.full(POINTS, delta_n), thickness),
        **(PULSES | {"drift": drift, "frames": frames, "path_difference": path, "attrs": GLASS}),
    )
    error, sigma = scatter(plate, delta_n, seed=2)
    assert np.std(error) < 1.3 * bound(plate, phase_of(delta_n, thickness))
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)


# 0.4, 1.2, 4 and 20 fringes over the band, up to 1.5 turns of the phase
@pytest.mark.parametrize("thickness", [0.5, 1.5, 5.0, 25.5])
@pytest.mark.parametrize("delta_n", slow_except([1e-3, 3e-2], [1e-4, 1e-3, 1e-2, 3e-2]))
def test_bias_is_below_one_percent(thickness, delta_n):
    """Over the phases of the fringe, or below the point's own sigma where that is more."""
    phases = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    scans = [
        reduce_complete(
            Plate(np.array([delta_n]), thickness, phase=p, bend=0.031, attrs=GLASS).dataset()
        )
        for p in phases
    ]
    found = np.array([float(scan["delta_n"][0]) for scan in scans])
    weight = np.array([1 / float(scan["delta_n_sigma"][0]) for scan in scans])
    assert np.average(found, weights=weight**2) == pytest.approx(delta_n, rel=0.01)
    allowed = 0.01 * delta_n if thickness > 1 else 3 / weight
    assert (np.abs(found - delta_n) < np.maximum(allowed, 1e-6)).all()


@pytest.mark.parametrize("drift", [0.0, 0.03])
@pytest.mark.parametrize("delta_phi", [1.6, 2.2, 3.0, -2.2])
def test_a_narrow_light_does_not_turn_the_phase_once_more(delta_phi, drift):
    """Within 975 to 1075 nm a turn more or less looks much like the slope of a phase."""
    narrow = (WAVELENGTH >= 975) & (WAVELENGTH <= 1075)
    delta_n = delta_phi / phase_of(1.0, 10.0)
    plate = Plate(np.full(40, delta_n), 10.0, drift=drift, attrs=GLASS, **PULSES)
    result = reduce_complete(plate.dataset(1).isel(wavelength=narrow))
    pull = (result["delta_phi"].values - delta_phi) / result["delta_phi_sigma"].values
    assert np.abs(pull).max() < 5


@pytest.mark.parametrize(
    ("energy", "points"),
    slow_except([(3e-2, POINTS)], [(3e-2, POINTS), (1e-2, 3 * POINTS), (3e-2, 3 * POINTS)]),
)
@pytest.mark.parametrize(
    ("thickness", "delta_n"), slow_except([(1.5, 3e-3)], [(1.5, 3e-3), (5.0, 3e-3)])
)
def test_noisy_pulses_do_not_mix_with_the_effect(energy, points, thickness, delta_n):
    """They would scatter it by a third of their own relative noise: far more than 200 points need
    to show it, the scatter of which is known to 5 %.
    """
    noise = PULSES | {"energy_noise": energy}
    plate = Plate(np.full(points, delta_n), thickness, phase=2.2, attrs=GLASS, **noise)
    error, sigma = scatter(plate, delta_n, seed=3)
    assert np.std(error) < 1.15 * bound(plate, phase_of(delta_n, thickness))
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)


def test_sigma_is_never_below_the_limit_and_its_shares_name_the_cause():
    def share(**noise):
        scan = reduce_complete(
            Plate(np.full(30, 1e-3), attrs=GLASS, shot_noise=True, **noise).dataset(6)
        )
        assert (scan["delta_n_sigma"] >= scan["delta_n_limit"]).all()
        least = bound(Plate(np.full(1, 1e-3), attrs=GLASS), phase_of(1e-3, 1.5))
        limit = scan["delta_n_limit"].values * phase_of(1.0, 1.5)
        np.testing.assert_allclose(limit, least, rtol=0.1)
        return float(scan["drift_share"].mean()), float(scan["source_share"].mean())

    drift, source = share()
    assert drift < 0.25
    assert source < 0.25
    drift, source = share(drift=0.1)
    assert drift > 0.9
    assert source < 0.05


@pytest.mark.parametrize("delta_phi", [0.5, 1.0, 2.0])
def test_a_number_has_a_sigma(delta_phi):
    """Frames that the chopper opens for a quarter and three quarters say little of a large effect.

    Where a variance came out negative, there was a number without one.
    """
    plate = Plate(np.full(20, delta_phi / phase_of(1.0, 1.5)), attrs=GLASS, **PULSES)
    scan = plate.dataset(3)
    fully = scan["pump_open"] > 0.5
    off, on = (scan["frames"].where(part).mean("frame") for part in (~fully, fully))
    mixed = xr.where(fully, 0.25 * off + 0.75 * on, 0.75 * off + 0.25 * on)
    scan["frames"] = mixed.transpose(*scan["frames"].dims).round().astype(np.uint32)
    scan["pump_open"] = xr.where(fully, 0.75, 0.25)
    result = reduce_complete(scan)
    assert (np.isfinite(result["delta_n"]) == np.isfinite(result["delta_n_sigma"])).all()
