"""Scatter against the Cramér–Rao bound, bias, honest sigma, and frames with something wrong.

The frames are those of `handmade`, behind a slit; the bound is written down here from the same
noise model, by nothing that the reduction uses.
"""

from dataclasses import replace

import numpy as np
import pytest
from handmade import (
    DARK,
    GAIN,
    READ_NOISE,
    SLOT,
    STEPS,
    WAVELENGTH,
    open_fraction,
    phase_of,
)
from handmade import Plate as IdealPlate
from scipy.ndimage import gaussian_filter1d

from analysis.outliers import ends_at
from analysis.reduction import reduce_scan

RESOLUTION = 1.5 / np.sqrt(8 * np.log(2)) / 0.72  # pixels: 1.5 nm FWHM, 0.72 nm apart
PULSES = {"shot_noise": True, "energy_noise": 3e-3, "tilt_noise": 1e-3}
GLASS = {"material": "glass"}  # whose Δn has no dispersion


class Plate(IdealPlate):
    """A plate behind a slit of 1.5 nm, its reference as well."""

    def _spectrum(self, delta_n, drift):
        return gaussian_filter1d(super()._spectrum(delta_n, drift), RESOLUTION)

    def dataset(self, seed=0):
        scan = super().dataset(seed)
        blurred = gaussian_filter1d(scan["reference"].values, RESOLUTION)
        return scan.assign(reference=("wavelength", blurred))

    def counts(self, delta_phi, drift):
        """Counts of a frame (K,) for a pump's phase and a drift, both in rad."""
        delta_n = delta_phi / phase_of(1.0, self.thickness)
        return self._spectrum(np.array([[delta_n]]), np.array([[drift]]))[0]


@pytest.fixture(autouse=True)
def _without_installation(monkeypatch):
    """The version is the installed package's; tests also run from a bare checkout."""
    monkeypatch.setattr("analysis.reduction.metadata.version", lambda _: "0")


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
    scan = reduce_scan(plate.dataset(seed))
    error = scan["delta_phi"].values - phase_of(delta_n, plate.thickness)
    return error, scan["delta_phi_sigma"].values


POINTS = 200  # whose scatter has a standard deviation of 5 %


@pytest.mark.parametrize(
    ("thickness", "delta_n", "phase", "loss"),
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
)
def test_scatter_is_that_of_the_bound_and_sigma_says_so(thickness, delta_n, phase, loss):
    plate = Plate(np.full(POINTS, delta_n), thickness, phase=phase, attrs=GLASS, **PULSES)
    error, sigma = scatter(plate, delta_n, seed=1)
    least = bound(plate, phase_of(delta_n, thickness))
    assert 0.85 * least < np.std(error) < loss * least
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)
    assert abs(error.mean()) < 0.01 * phase_of(delta_n, thickness) + 4 * least / POINTS**0.5


@pytest.mark.parametrize("stepwise", [False, True])
@pytest.mark.parametrize(
    ("thickness", "delta_n"),
    [(1.5, 1e-2), (1.5, 3e-2), (5.0, 1e-2), (25.5, 1e-3), (25.5, 1e-2)],
)
def test_large_effects_are_seen_beside_drift_in_partly_open_frames(thickness, delta_n, stepwise):
    """From frame to frame alone, the path's walk would leave 2 to 6 times the stepwise bound."""
    walk = {"drift": 0.1, "stepwise": stepwise}
    plate = Plate(np.full(2 * POINTS, delta_n), thickness, phase=2.2, attrs=GLASS, **PULSES, **walk)
    error, sigma = scatter(plate, delta_n, seed=2)
    assert np.std(error) < 1.3 * bound(plate, phase_of(delta_n, thickness))
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)


@pytest.mark.parametrize("drift", [0.0, 0.1])
@pytest.mark.parametrize(("thickness", "delta_n"), [(5.0, 5e-2), (25.5, 9e-3), (25.5, 1e-2)])
def test_half_open_frames_may_show_no_fringe_at_all(thickness, delta_n, drift):
    """Half a turn, in frames that the chopper opens for half of their exposure."""
    chopper = {"chopper_phase": 0.0867, "drift": drift}
    plate = Plate(np.full(40, delta_n), thickness, phase=0.7, attrs=GLASS, **PULSES, **chopper)
    error, sigma = scatter(plate, delta_n, seed=3)
    assert np.abs(error / sigma).max() < 4.5
    assert np.abs(error).max() < 0.01 * phase_of(delta_n, thickness)


@pytest.mark.parametrize("drift", [0.01, 0.03, 0.1])
@pytest.mark.parametrize(("frames", "path"), [(120, None), (36, None), (120, 14.0)])
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
@pytest.mark.parametrize("delta_n", [1e-4, 1e-3, 1e-2, 3e-2])
def test_bias_is_below_one_percent(thickness, delta_n):
    """Over the phases of the fringe, or below the point's own sigma where that is more."""
    phases = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    scans = [
        reduce_scan(
            Plate(np.array([delta_n]), thickness, phase=p, bend=0.031, attrs=GLASS).dataset()
        )
        for p in phases
    ]
    found = np.array([float(scan["delta_n"][0]) for scan in scans])
    weight = np.array([1 / float(scan["delta_n_sigma"][0]) for scan in scans])
    assert np.average(found, weights=weight**2) == pytest.approx(delta_n, rel=0.01)
    allowed = 0.01 * delta_n if thickness > 1 else 3 / weight
    assert (np.abs(found - delta_n) < np.maximum(allowed, 1e-6)).all()


def damaged(change, seed=4, **more):
    """Result of a noisy point that `change` has been at, with its error in its own sigmas."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS} | more
    scan = Plate(np.array([5e-3]), **noise).dataset(seed)
    frames = scan["frames"].values[0].copy()
    change(frames)
    result = reduce_scan(scan.assign(frames=(scan["frames"].dims, frames[np.newaxis])))
    result = result.isel(point=0)
    return result, float((result["delta_n"] - 5e-3) / result["delta_n_sigma"])


INSIDE = int(np.argmin(np.abs(WAVELENGTH - 1010)))


@pytest.mark.parametrize("drift", [0.0, 0.03])
@pytest.mark.parametrize("delta_phi", [1.6, 2.2, 3.0, -2.2])
def test_a_narrow_light_does_not_turn_the_phase_once_more(delta_phi, drift):
    """Within 975 to 1075 nm a turn more or less looks much like the slope of a phase."""
    narrow = (WAVELENGTH >= 975) & (WAVELENGTH <= 1075)
    delta_n = delta_phi / phase_of(1.0, 10.0)
    plate = Plate(np.full(40, delta_n), 10.0, drift=drift, attrs=GLASS, **PULSES)
    result = reduce_scan(plate.dataset(1).isel(wavelength=narrow))
    pull = (result["delta_phi"].values - delta_phi) / result["delta_phi_sigma"].values
    assert np.abs(pull).max() < 5


@pytest.mark.parametrize("energy", [1e-2, 3e-2])
@pytest.mark.parametrize(("thickness", "delta_n"), [(1.5, 3e-3), (5.0, 3e-3)])
def test_noisy_pulses_do_not_mix_with_the_effect(energy, thickness, delta_n):
    """They would scatter it by a third of their own relative noise."""
    noise = PULSES | {"energy_noise": energy}
    plate = Plate(np.full(3 * POINTS, delta_n), thickness, phase=2.2, attrs=GLASS, **noise)
    error, sigma = scatter(plate, delta_n, seed=3)
    assert np.std(error) < 1.15 * bound(plate, phase_of(delta_n, thickness))
    assert np.std(error) == pytest.approx(np.sqrt((sigma**2).mean()), rel=0.15)


def hot(frames):
    frames[:, INSIDE] += 20_000


def stuck_high(frames):
    frames[:, INSIDE] = 2**18 - 1


def dead(frames):
    frames[:, INSIDE] = 0


def flickering(frames):
    frames[np.random.default_rng(0).random(len(frames)) < 0.3, INSIDE] += 9_000


@pytest.mark.parametrize("change", [hot, stuck_high, dead, flickering])
def test_a_pixel_that_lies_is_left_out(change):
    result, error = damaged(change)
    assert result["pixels_masked"] == 1
    assert result["frames_used"] == 120
    assert abs(error) < 4
    unharmed, _ = damaged(lambda _: None)
    assert result["delta_n_sigma"] < 1.3 * unharmed["delta_n_sigma"]


@pytest.mark.parametrize("level", [0, DARK, 30_000], ids=["zero", "dark", "stuck"])
@pytest.mark.parametrize("thickness", [1.5, 5.0])
def test_several_pixels_that_see_no_light_are_left_out(level, thickness):
    def kill(frames):
        frames[:, INSIDE + np.array([-60, -20, 0, 35])] = level

    result, error = damaged(kill, thickness=thickness)
    assert 4 <= result["pixels_masked"] <= 12
    assert abs(error) < 4


@pytest.mark.parametrize("ceiling", [110_000, 2**17 - 1])
def test_frames_clipped_below_the_full_well_are_noticed(ceiling):
    """A camera of fewer bits whose file does not say so: its top is where several pixels end."""

    def clip(frames):
        frames[::10] = (frames[::10] * 1.7).astype(np.uint32)
        np.minimum(frames, ceiling, out=frames)

    result, error = damaged(clip, drift=0.0)
    assert result["frames_saturated"] == 12
    assert result["frames_used"] == 108
    assert abs(error) < 4


def test_frames_that_are_clipped_just_above_the_others_are_noticed():
    def clip(frames):
        most = np.delete(frames, np.s_[::10], axis=0).max()
        frames[::10] = np.minimum((frames[::10] * 1.15).astype(np.uint32), most + 50)

    result, error = damaged(clip, drift=0.0)
    assert result["frames_saturated"] == 12
    assert result["frames_used"] == 108
    assert abs(error) < 4


def test_a_point_whose_frames_are_all_cut_off_has_no_number():
    """What is left of the band would be right to some sigmas only."""
    scan = Plate([1e-2], phase=2.2, attrs=GLASS, **PULSES).dataset(seed=4)
    cut = np.minimum(scan["frames"], np.uint32(0.9 * scan["frames"].max()))
    result = reduce_scan(scan.assign(frames=cut))
    assert result["frames_saturated"] == 120
    assert result["frames_used"] == 0
    assert np.isnan(result["delta_n"])


PIXEL = np.arange(-140, 141)


def crest(peak, width):
    return np.rint(peak * np.exp(-((PIXEL / width) ** 2) / 2)).astype(np.uint32)


@pytest.mark.parametrize(("peak", "width"), [(800, 30), (800, 100), (3000, 300), (20_000, 1000)])
def test_a_smooth_crest_that_rounding_makes_flat_is_not_cut_off(peak, width):
    flat = crest(peak, width)
    assert np.count_nonzero(flat == peak) >= 3
    assert not ends_at(peak, np.stack([flat, crest(0.9 * peak, width)]))
    for dead in (138, 140, 142, 145):
        struck = flat.copy()
        struck[dead] = 0
        assert not ends_at(peak, np.stack([struck, crest(0.9 * peak, width)]))


@pytest.mark.parametrize("peak", [200, 400, 1000])
def test_crests_of_many_fringes_that_share_a_count_are_not_cut_off(peak):
    phases = np.arange(0, 2 * np.pi, 0.1)
    frames = peak / 2 * (1 + np.cos(2 * np.pi * 20 * PIXEL / 281 + phases[:, np.newaxis]))
    frames = np.rint(frames).astype(np.uint32)
    assert not ends_at(frames.max(), frames)


@pytest.mark.parametrize(
    ("peak", "width", "noise", "end"),
    [(1150, 100, 1, 1000), (3300, 100, 5, 3000), (21_000, 300, 5, 20_000), (120_000, 30, 150, 1e5)],
)
def test_what_is_cut_off_is_noticed_on_coarse_and_fine_converters(peak, width, noise, end):
    rng = np.random.default_rng(1)
    brightness = np.where(np.arange(120) % 10, 0.8 * end / peak, 1.0)[:, np.newaxis]
    frames = brightness * crest(peak, width) + noise * rng.standard_normal((120, 281))
    frames = np.minimum(np.rint(np.maximum(frames, 0)), end).astype(np.uint32)
    assert ends_at(end, frames)
    frames[::10] = end  # all of the band
    assert ends_at(end, frames)


def test_cosmic_rays_are_taken_out_of_their_frames():
    """Eight hits of 3000 to 60 000 counts, some of three pixels side by side."""
    rng = np.random.default_rng(3)
    struck = np.zeros((120, len(WAVELENGTH)), np.uint32)
    for frame in rng.choice(120, 8, replace=False):
        first = rng.integers(INSIDE - 80, INSIDE + 80)
        width = rng.integers(1, 4)
        struck[frame, first : first + width] = rng.integers(3_000, 60_000, width)

    def hit(frames):
        frames += struck

    result, error = damaged(hit)
    assert result["pixels_repaired"] == np.count_nonzero(struck)
    assert result["pixels_masked"] == 0
    assert result["frames_used"] == 120
    assert abs(error) < 4


@pytest.mark.parametrize("thickness", [1.5, 25.5])
@pytest.mark.parametrize("left", [0.0, 0.4, "nothing"])
def test_frames_that_lost_their_light_are_left_out_and_counted(left, thickness):
    def lose(frames):
        lost = frames[[7, 8, 61]]
        frames[[7, 8, 61]] = 0 if left == "nothing" else DARK + left * (lost - DARK)

    result, error = damaged(lose, thickness=thickness)
    assert result["frames_rejected"] == 3
    assert result["frames_used"] == 117
    assert abs(error) < 4


@pytest.mark.parametrize("thickness", [1.5, 5.0])
def test_many_lost_frames_cost_no_point(thickness):
    """One of eight; the fringe in the mean of all would be nobody's."""
    scan = Plate(np.full(40, 5e-3), thickness, drift=0.03, attrs=GLASS, **PULSES).dataset(4)
    lost = np.random.default_rng(0).random((40, 120)) < 0.12
    scan["frames"].values[lost] = 0
    result = reduce_scan(scan)
    np.testing.assert_array_equal(result["frames_rejected"], lost.sum(axis=1))
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert np.abs(pull).max() < 4.5


def test_a_point_without_fault_has_none():
    result, error = damaged(lambda _: None)
    frames = ("frames_rejected", "frames_saturated", "frames_slipped")
    for name in (*frames, "pixels_repaired", "pixels_masked"):
        assert result[name] == 0
    assert abs(error) < 4


def test_a_pixel_of_the_fluorescence_does_not_matter():
    def glow(frames):
        frames[50, np.argmin(np.abs(WAVELENGTH - 530))] += 50_000

    result, error = damaged(glow)
    unharmed, _ = damaged(lambda _: None)
    assert float(result["delta_n"]) == pytest.approx(float(unharmed["delta_n"]), rel=1e-6)
    assert abs(error) < 4


def test_a_chopper_that_slips_costs_nothing_where_the_open_fractions_say_it():
    """In the middle of 60 points the chopper jumps by a fifth of a turn."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS}
    scan = Plate(np.full(60, 5e-3), **noise).dataset(5)
    steady = reduce_scan(scan.copy(deep=True))
    late = Plate(np.full(60, 5e-3), chopper_phase=0.33, **noise).dataset(5)
    for name in ("frames", "pump_open"):
        scan[name][:, 60:] = late[name][:, 60:]
    result = reduce_scan(scan)
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert 0.75 < np.std(pull) < 1.25
    assert abs(pull.mean()) < 4 / 60**0.5
    assert float(result["delta_n_sigma"].mean()) < 1.1 * float(steady["delta_n_sigma"].mean())


@pytest.mark.parametrize(
    ("turn", "drift"),
    [(0.1, 0.0), (0.25, 0.0), (0.5, 0.0), (0.8, 0.0), (0.25, 0.1), (0.5, 0.1), (0.8, 0.1)],
)
def test_a_chopper_that_slips_unsaid_is_noticed(turn, drift):
    """At 70 of 120 frames it jumps; a tenth of a turn would take 8 % of Δn.

    Where the path walks by 0.1 rad/√s a tenth of a turn is noticed in two points of three only.
    """
    noise = PULSES | {"drift": drift, "attrs": GLASS}
    scan = Plate(np.full(20, 5e-3), **noise).dataset(7)
    late = Plate(np.full(20, 5e-3), chopper_phase=0.13 + turn, **noise).dataset(7)
    scan["frames"][:, 70:] = late["frames"][:, 70:]
    result = reduce_scan(scan)
    assert (result["frames_slipped"] >= 50).all()
    assert np.median(result["frames_used"]) >= 57
    assert (result["frames_used"] + result["frames_slipped"] == 120).all()
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert 0.5 < np.std(pull) < 1.5
    assert abs(pull.mean()) < 4 / 20**0.5


@pytest.mark.parametrize("frames", [60, 84])
@pytest.mark.parametrize("turn", [0.25, 0.5])
def test_a_slip_is_noticed_in_short_points(turn, frames):
    """10 and 14 periods: what follows the slip is left out, though half a turn is a real effect."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS, "frames": frames}
    scan = Plate(np.full(20, 5e-3), **noise).dataset(7)
    late = Plate(np.full(20, 5e-3), chopper_phase=0.13 + turn, **noise).dataset(7)
    at = round(0.45 * frames)
    scan["frames"][:, at:] = late["frames"][:, at:]
    result = reduce_scan(scan)
    assert (result["frames_slipped"] >= frames - at).all()
    assert (result["frames_used"] >= 0.25 * frames).all()
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert np.abs(pull).max() < 4.5


def test_a_chopper_that_loses_lock_for_a_moment_loses_that_moment():
    noise = PULSES | {"drift": 0.03, "attrs": GLASS}
    scan = Plate(np.full(20, 5e-3), **noise).dataset(8)
    late = Plate(np.full(20, 5e-3), chopper_phase=0.53, **noise).dataset(8)
    scan["frames"][:, 50:62] = late["frames"][:, 50:62]
    result = reduce_scan(scan)
    assert (result["frames_slipped"] >= 12).all()
    assert (result["frames_slipped"] <= 30).all()
    pull = ((result["delta_n"] - 5e-3) / result["delta_n_sigma"]).values
    assert abs(pull.mean()) < 4 / 20**0.5


def test_a_point_after_an_unsaid_slip_has_no_number():
    """Nothing in it is as its open fractions say."""
    scan = Plate(np.full(3, 5e-3), **PULSES).dataset(9)
    scan["pump_open"][:] = Plate(np.full(3, 5e-3), chopper_phase=0.38).dataset()["pump_open"]
    result = reduce_scan(scan)
    assert np.isnan(result["delta_n"]).all()
    assert (result["frames_slipped"] == 120).all()


@pytest.mark.parametrize("frames", [120, 48])
@pytest.mark.parametrize("drift", [0.0, 0.03, 0.3])
@pytest.mark.parametrize("delta_n", [0.0, 1e-4, 5e-3])
def test_no_slip_is_seen_where_none_is(delta_n, drift, frames):
    noise = PULSES | {"drift": drift, "attrs": GLASS, "frames": frames}
    scan = Plate(np.full(400, delta_n), **noise).dataset(10)
    assert reduce_scan(scan)["frames_slipped"].sum() == 0


def test_sigma_is_never_below_the_limit_and_its_shares_name_the_cause():
    def share(**noise):
        scan = reduce_scan(
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
