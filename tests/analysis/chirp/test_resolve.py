"""Δn against time through a chirped probe: spectra built by hand from fields, and hostile ones."""

import json
from functools import partial

import numpy as np
import pytest
import xarray as xr
from chirped_pulse import CHIRP, PulsedPlate, ThroughPulse, group_delay, step
from handmade import WAVELENGTH, reduce_complete
from slow_cases import slow_except
from typer.testing import CliRunner

from analysis.chirp.resolve import averaging_time
from analysis.io.raw_file import write_raw
from analysis.io.reduced_file import read_reduced, write_reduced
from ocm_ophyd.cli import app

NOISE = {"shot_noise": True, "drift": 0.03, "energy_noise": 3e-3, "tilt_noise": 1e-3}
DELAY = np.arange(-5.0, 8.0, 0.25)  # ps
ZERO = 0.4  # ps, of `step`
BAND = np.linspace(940, 1110, 18)  # nm


pytestmark = pytest.mark.usefixtures("without_installation")


def scan(
    truth=step, delay=DELAY, chirp=CHIRP, thickness=1.5, gain=0.0, known=True, seed=3, **noise
):
    """Raw delay scan; `known`: whether the file has the chirp."""
    plate = PulsedPlate(
        ThroughPulse(truth, thickness, chirp, gain),
        thickness=thickness,
        delay=np.asarray(delay),
        chirp=group_delay(WAVELENGTH, chirp),
        frames=60,
        **noise,
    )
    raw = plate.dataset(seed)
    return raw if known else without_chirp(raw)


def without_chirp(raw):
    kept = {key: value for key, value in raw.attrs.items() if not key.startswith("chirp_")}
    return raw.drop_attrs().assign_attrs(kept)


def resolved(raw):
    """Time, Δn, sigma and resolution, without gaps; and the whole reduction."""
    result = reduce_complete(raw)
    names = ("delay", "delta_n", "delta_n_sigma", "resolution")
    columns = np.stack([result[f"chirp_resolved_{name}"].values for name in names])
    return columns[:, np.isfinite(columns[1])], result


def crossings(time, delta_n, height, zero=ZERO):
    """When Δn passes 10, 50 and 90 % of a step's height near `zero`, ps."""
    near = np.abs(time - zero) < 1
    share, moment = delta_n[near] / height, time[near]
    after = [int(np.argmax(share > level)) for level in (0.1, 0.5, 0.9)]
    return [
        np.interp(part, share[i - 1 : i + 1], moment[i - 1 : i + 1])
        for part, i in zip((0.1, 0.5, 0.9), after, strict=True)
    ]


def test_the_averaging_time_is_how_fast_a_step_would_rise():
    """Of a box 80 % of its width, of a normal density 2.56 sigma; NaN where prior dominates."""
    nodes = np.arange(0.0, 10.0, 0.05)
    distance = np.subtract.outer(nodes, nodes)
    box = (np.abs(distance) < 1.01) / 41
    normal = np.exp(-0.5 * (distance / 0.5) ** 2) * 0.05 / 0.5 / np.sqrt(2 * np.pi)
    middle = (nodes > 3) & (nodes < 7)
    assert averaging_time(nodes, box)[middle] == pytest.approx(0.8 * 41 * 0.05, rel=0.01)
    assert averaging_time(nodes, normal)[middle] == pytest.approx(2.563 * 0.5, rel=0.01)
    assert np.isnan(averaging_time(nodes, 0.4 * normal)).all()


@pytest.mark.parametrize("known", [True, False], ids=["calibrated", "from the scan"])
@pytest.mark.parametrize(
    ("height", "thickness", "chirp"),
    slow_except(
        [(1e-2, 1.5, CHIRP), (3e-2, 5.0, CHIRP)],
        [
            *((1e-2, 1.5, CHIRP), (3e-2, 1.5, CHIRP), (1.5e-2, 5.0, CHIRP), (3e-2, 5.0, CHIRP)),
            (1e-2, 1.5, (-1.3, 0.1, 0.02)),
        ],
    ),
    ids=["plate", "0.55 rad", "0.92 rad in 4 fringes", "1.84 rad", "blue first"],
)
def test_a_step_rises_in_a_fraction_of_the_pulse(known, height, thickness, chirp):
    """Bars of the issue: 0.30 ps from a 5 ps probe at 0.25 ps steps, 2 %, 50 fs.

    The step itself takes 0.11 ps.
    """
    raw = scan(lambda t: step(t, height), chirp=chirp, thickness=thickness, known=known, **NOISE)
    (time, delta_n, _, resolution), result = resolved(raw)
    early, middle, late = crossings(time, delta_n, height)
    assert late - early < 0.2, "0.30 with a calibration, 0.40 without, are asked for"
    assert abs(middle - ZERO) < 0.02, "0.05 is asked for"
    plateau = (time > ZERO + 0.3) & (time < DELAY[-1] - 1)
    assert np.abs(delta_n[plateau] / height - 1).max() < 0.02
    assert np.abs(delta_n[(time < ZERO - 0.3) & (time > DELAY[0] - 1)]).max() < 0.02 * height
    assert np.interp(ZERO, time, resolution) < 0.2
    about = result["chirp_resolved_delay"].attrs
    assert about["light"] == "pulse"
    assert about["chirp_source"] == ("calibration" if known else "this scan")


def test_pixels_may_begin_at_either_end():
    raw = scan(**NOISE)
    rising, falling = resolved(raw)[0], resolved(raw.isel(wavelength=slice(None, None, -1)))[0]
    np.testing.assert_allclose(falling[1], rising[1], atol=1e-6)


def test_the_chirp_found_from_the_scan_is_right_and_says_how_sure_it_is():
    late = []
    for height in (1e-2, 1e-3):
        raw = scan(lambda t, top=height: step(t, top), known=False, **NOISE)
        about = resolved(raw)[1]["chirp_resolved_delay"].attrs
        deviations = (about["chirp"] - CHIRP) / about["chirp_sigma"]
        assert np.abs(deviations).max() < 3
        assert np.abs(group_delay(BAND, about["chirp"]) - group_delay(BAND)).max() < 0.03
        late.append(about["chirp_sigma"][0])
    assert late[0] < late[1] < 0.02


def test_a_decay_behind_the_rise_is_unbiased():
    """13.4 ps, the paper's lasing: Δn falls by 7 % a picosecond."""
    truth = partial(step, height=1e-2, decay=13.4)
    (time, delta_n, sigma, _), _ = resolved(scan(truth, **NOISE))
    late = (time > ZERO + 0.4) & (time < DELAY[-1] + 1)
    assert np.abs(delta_n[late] / truth(time[late]) - 1).max() < 0.01
    assert np.abs((delta_n - truth(time)) / sigma)[late].max() < 4


def pulls(seeds, known, drift, delay):
    """Errors over sigma (3, n scans) within 0.1 ps of a step, to 1 ps, and beyond: rms of each."""
    noise, squares = NOISE | {"drift": drift}, []
    for seed in seeds:
        (time, delta_n, sigma, _), _ = resolved(scan(delay=delay, known=known, seed=seed, **noise))
        pull, since = (delta_n - step(time)) / sigma, np.abs(time - ZERO)
        bands = (since < 0.1, (since >= 0.1) & (since < 1), since >= 1)
        squares.append([np.mean(pull[band] ** 2) for band in bands])
        assert np.all(sigma[time > ZERO + 0.5] < 1e-4), "1 % of the step"
    return np.sqrt(np.mean(squares, axis=0))


@pytest.mark.parametrize("known", [True, False], ids=["calibrated", "from the scan"])
@pytest.mark.parametrize("drift", slow_except([0.03], [0.0, 0.03]))
def test_sigma_is_the_scatter(known, drift):
    """At the rise, next to it, and beyond."""
    near, next_to, beyond = pulls(range(3), known, drift, np.arange(-4.0, 5.0, 0.5))
    assert 0.6 < near < 1.3
    assert 0.6 < next_to < 1.3
    assert 0.7 < beyond < 1.3


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False], ids=["calibrated", "from the scan"])
@pytest.mark.parametrize("drift", [0.0, 0.03])
def test_sigma_is_the_scatter_of_many_scans(known, drift):
    rms = pulls(range(15), known, drift, DELAY)
    assert np.all(rms > 0.7)
    assert np.all(rms < 1.5)


def test_sigma_is_the_scatter_where_delays_are_sparse():
    """Behind the rise a few delays must say how bent the decay is, as well as what it is."""
    delays = np.concatenate(
        [np.arange(-4, 5, 0.25), 5 + 4 * np.arange(1.0, 8), 33 + 9 * np.arange(1.0, 8)]
    )
    truth, at, errors = partial(step, decay=60.0), np.arange(8.0, 90.0, 4.0), []
    for seed in range(4):
        (time, delta_n, sigma, _), _ = resolved(scan(truth, delays, seed=seed, **NOISE))
        error = np.interp(at, time, delta_n - truth(time))
        errors.append(error / np.interp(at, time, sigma))
    assert 0.7 < np.sqrt(np.mean(np.square(errors))) < 1.35


def test_faces_that_reflect_otherwise_while_there_are_carriers_change_nothing():
    """d ln r / dφ of CsPbBr3 before air is 0.04: 2 Δn/(n² − 1) in 4πLΔn/λ."""
    (time, delta_n, _, _), _ = resolved(scan(gain=0.04, **NOISE))
    plateau = (time > ZERO + 0.3) & (time < DELAY[-1])
    assert np.abs(delta_n[plateau] / 1e-2 - 1).max() < 0.01


def test_a_swept_source_is_distinguished_from_a_pulse():
    """Each pixel samples Δn(τ + t_c) at its own instant, as a swept source does."""
    late = group_delay(WAVELENGTH)
    for known in (True, False):
        raw = PulsedPlate(step, delay=DELAY, chirp=late, frames=60, **NOISE).dataset(3)
        (time, delta_n, _, _), result = resolved(raw if known else without_chirp(raw))
        early, middle, done = crossings(time, delta_n, 1e-2)
        assert done - early < 0.2
        assert abs(middle - ZERO) < 0.02
        assert result["chirp_resolved_delay"].attrs["light"] == "swept"


def test_uneven_delays_repeats_and_gaps(tmp_path):
    """A gap longer than the pulse is a time without result; both its sides are right."""
    truth = partial(step, height=1e-2, decay=60)
    rng = np.random.default_rng(4)
    near = np.sort(rng.uniform(-5, 8, 50))
    delay = rng.permutation(np.concatenate([near, near[:5], [30.0, 31.0, 32.0, 60.0]]))
    (time, delta_n, sigma, _), result = resolved(scan(truth, delay, **NOISE))
    early, middle, late = crossings(time, delta_n, 1e-2)
    assert late - early < 0.25
    assert abs(middle - ZERO) < 0.02
    assert np.abs((delta_n - truth(time)) / sigma)[time > 1].max() < 5
    everything = result["chirp_resolved_delay"].values
    gaps = everything[np.isnan(result["chirp_resolved_delta_n"].values)]
    assert len(gaps) == 2
    assert near.max() + 2 < gaps[0] < 28
    assert 34 < gaps[1] < 58
    assert not ((time > near.max() + 3) & (time < 27)).any(), "a gap has no result"
    assert np.all(np.diff(everything) > 0)
    write_reduced(result, tmp_path / "reduced.h5")
    xr.testing.assert_equal(read_reduced(tmp_path / "reduced.h5"), result)


def test_the_resolution_grows_where_little_is_known():
    """Behind the rise nothing calls for a fine time, so neighbours are averaged."""
    (time, _, _, resolution), _ = resolved(scan(**NOISE))
    assert np.nanmedian(resolution[(time > 3) & (time < 6)]) > 0.5
    assert np.interp(ZERO, time, resolution) < 0.1


@pytest.mark.parametrize(
    ("delay", "height", "reason"),
    [
        (np.arange(5.0, 20.0, 1.0), 1e-2, "no rise"),
        (np.arange(-4.0, 4.0, 0.5), 0.0, "no rise"),
        (np.array([-2.0, 0.0, 2.0, 4.0]), 1e-2, "8 or more delays"),
    ],
    ids=["behind the rise", "no pump", "few delays"],
)
def test_without_chirp_and_rise_there_is_a_note_and_no_result(delay, height, reason, tmp_path):
    result = reduce_complete(scan(lambda t: step(t, height), delay, known=False, **NOISE))
    assert reason in result.attrs["chirp_resolved_note"]
    assert "\n" not in result.attrs["chirp_resolved_note"]
    assert not [name for name in result if str(name).startswith("chirp_resolved")]
    write_reduced(result, tmp_path / "reduced.h5")
    assert read_reduced(tmp_path / "reduced.h5").attrs["chirp_resolved_note"]


def test_a_scan_of_more_than_the_delay_has_no_time_resolved_result():
    raw = scan(delay=np.array([-1.0, 1.0, -1.0, 1.0]))
    raw = raw.assign(x=("point", np.array([0.0, 0.0, 1.0, 1.0])))
    note = reduce_complete(raw).attrs["chirp_resolved_note"]
    assert note.startswith("x changed besides the delay")


@pytest.mark.parametrize(
    "late",
    [
        np.zeros(50),
        np.full(50, 3e5),
        np.linspace(-1e7, 1e7, 50),
        np.tile([-2.5, 2.5], 25),
    ],
    ids=["none", "far off", "endless", "zigzag"],
)
def test_a_senseless_chirp_calibration_gives_numbers_or_a_note(late):
    """Never an exception, an endless calculation, or anything but finite numbers outside gaps."""
    raw = scan(delay=np.arange(-3.0, 4.0, 1.0))
    raw.attrs["chirp_wavelength"], raw.attrs["chirp_delay"] = np.linspace(925, 1125, 50), late
    result = reduce_complete(raw)
    assert np.isfinite(result["delta_n"].values).all()
    if "chirp_resolved_note" not in result.attrs:
        delta_n = result["chirp_resolved_delta_n"].values
        given = np.isfinite(delta_n)
        assert given.any()
        assert np.isfinite(result["chirp_resolved_delta_n_sigma"].values[given]).all()
        assert (result["chirp_resolved_delta_n_sigma"].values[given] > 0).all()


def test_points_without_signal_are_left_out():
    """Dead frames in some points, one point all dark: the others still give the step."""
    raw = scan(**NOISE)
    raw["frames"][10] = raw["dark"].values.astype(np.uint32)
    raw["frames"][25] = 2**18 - 1
    (time, delta_n, _, _), _ = resolved(raw)
    early, middle, late = crossings(time, delta_n, 1e-2)
    assert late - early < 0.3
    assert abs(middle - ZERO) < 0.05


def test_delays_that_stand_alone():
    """Ten delays 50 ps apart: one short stretch of times for each, on either side of gaps."""
    (time, delta_n, sigma, _), result = resolved(
        scan(lambda t: step(t, decay=500), np.arange(-100.0, 400.0, 50.0), **NOISE)
    )
    assert np.isnan(result["chirp_resolved_delta_n"].values).sum() == 9
    late = time > 10
    assert np.abs((delta_n - step(time, decay=500)) / sigma)[late].max() < 5


def test_the_command_says_what_became_of_the_chirp(tmp_path):
    """Chirp and its uncertainty where it is the scan's own; why not, where there is none."""
    chirped, short = tmp_path / "chirped.h5", tmp_path / "short.h5"
    write_raw(scan(known=False, **NOISE), chirped)
    write_raw(scan(delay=np.arange(5.0, 20.0, 1.0), known=False, **NOISE), short)
    ocm = partial(CliRunner().invoke, app)
    chirp = json.loads(ocm(["reduce", str(chirped), "--json"]).stdout)["chirp"]
    assert chirp["source"] == "this scan"
    assert chirp["resolution"] < 0.2
    assert (np.abs(np.subtract(chirp["chirp"], CHIRP)) < 4 * np.array(chirp["chirp_sigma"])).all()
    assert "chirp of this scan, ps/(100 rad/ps)^k" in ocm(["reduce", str(chirped)]).stdout
    lines = ocm(["reduce", str(short)]).stdout.splitlines()
    (reason,) = [line for line in lines if "against time without the chirp: " in line]
    assert "no rise" in reason
