"""Odd files that are as good as any: reduced to the right numbers."""

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_files import (
    DEFINITION,
    FRAME_PATH,
    FRAMES,
    PATHS,
    PIXELS,
    POINTS,
    SCAN,
    SHAPE,
    TIME,
    contents,
    creating,
    few,
    linking,
    of,
    outcome,
    reduced,
    refusal,
    same,
    write,
)

from analysis.io.schema import VARIABLES


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The same without a chirp."""
    return reduced(write(tmp_path_factory.mktemp("swept") / "swept.h5", contents(chirp=False)))


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """What a good file is reduced to: near the truth, so that equality with it says something."""
    result = reduced(write(tmp_path_factory.mktemp("right") / "right.h5", contents()))
    error = result["delta_n"].values - [1e-3, 5e-3, -2e-3]
    assert (np.abs(error) < 5 * result["delta_n_sigma"].values).all()
    return result


# What other programs write that means the same.

ACCEPTED = {
    "one number in a list": {"gain": np.array([4.0]), "thickness": np.array([[1.5]])},
    "integers for numbers": {"gain": 4, "read_noise": np.int8(10), "delay": np.array([-1, 0, 4])},
    "big-endian": {
        "frames": of("frames", lambda v: v.astype(">u4")),
        "dark": of("dark", lambda v: v.astype(">f8")),
    },
    "small counts": {"frames": of("frames", lambda v: np.minimum(v, 2**17).astype("i8"))},
    "longer floats": {"reference": of("reference", np.longdouble)},
    "fixed strings": {"geometry": np.bytes_("reference-mirror"), "material": np.bytes_("CsPbBr3 ")},
    "strings in lists": {"geometry": [b"reference-mirror"], "sample_name": ["plate"]},
    "names of other tongues": {"sample_name": b"Pl\xe4ttchen"},
    "chunks": {
        "frames": creating(
            data=SCAN["frames"].values, chunks=(2, 5, 50), compression="lzf", maxshape=(None,) * 3
        ),
        "pump_open": creating(data=SCAN["pump_open"].values, compression="gzip", fletcher32=True),
    },
    "chirp from the red": {
        "chirp_wavelength": np.array([1125.0, 1025, 925]),
        "chirp_delay": np.array([2.6, 0, -2.4]),
    },
    "grid of doubles": {"shape": np.array([3.0])},
}


@pytest.mark.parametrize("instead", ACCEPTED.values(), ids=ACCEPTED)
def test_other_ways_to_write_the_same_are_read_the_same(tmp_path, right, instead):
    held = contents() | {PATHS[name]: value for name, value in instead.items()}
    same(reduced(write(tmp_path / "other.h5", held)), right, rtol=1e-12)


def test_what_the_format_does_not_name_changes_nothing(tmp_path, right):
    extra = {
        "/entry/notes": "hello",
        "/entry/instrument/spectrometer/flags": np.array([True]),
        "/other/frames": np.full((2, 2), np.nan),
        "/entry/scan/temperature": linking(h5py.ExternalLink("absent.h5", "/t")),
    }
    marks = {
        (DEFINITION, "version"): np.int64(1),
        (SHAPE, "axes"): ["delay"],
        (FRAME_PATH, "units"): 3.5,
        (TIME, "units"): h5py.Empty("f8"),
        (PATHS["x"], "units"): "micron",
        (PATHS["y"], "units"): "µm",
        (PATHS["fluence"], "units"): "mJ/cm**2",
        ("/entry", "owner"): np.arange(5),
        ("/", "default"): np.bytes_("entry"),
    }
    same(reduced(write(tmp_path / "other.h5", contents() | extra, marks)), right, rtol=1e-12)


def test_falling_wavelengths_give_the_same_numbers(tmp_path, right):
    held = contents()
    for name in ("wavelength", "dark", "reference", "frames"):
        held[PATHS[name]] = held[PATHS[name]][..., ::-1]
    result = reduced(write(tmp_path / "falling.h5", held))
    same(result, right, rtol=1e-4)  # sigma is summed in float32, from the other end
    np.testing.assert_allclose(
        result["differential_spectrum"].values[:, ::-1],
        right["differential_spectrum"].values,
        atol=1e-6,
    )


@few
@given(st.permutations(range(POINTS)))
def test_the_order_of_points_is_only_an_order(tmp_path, right, order):
    held = contents()
    for name, entry in VARIABLES.items():
        if entry.dims[0] == "point":
            held[PATHS[name]] = held[PATHS[name]][list(order)]
    same(reduced(write(tmp_path / "points.h5", held)), right, points=list(order), rtol=1e-9)


@few
@given(st.integers(0, POINTS - 1), st.permutations(range(FRAMES)))
def test_frames_in_disorder_give_no_other_number(tmp_path, right, point, order):
    held = contents()
    for name in ("frames", "frame_time", "pump_open"):
        values = np.array(held[PATHS[name]])
        values[point] = values[point][list(order)]
        held[PATHS[name]] = values
    path = write(tmp_path / "frames.h5", held)
    message, result = outcome(path)
    if message:
        assert f"{TIME}: must increase" in message
    else:
        same(result, right)


@few
@given(st.data())
def test_frames_of_any_counts_are_reduced_or_left_out(tmp_path, swept, data):
    frames = np.array(SCAN["frames"].values)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        point = data.draw(st.integers(0, POINTS - 1))
        some = rng.random((FRAMES, 1)) < data.draw(st.sampled_from([0.1, 0.5, 1.0]))
        pixels = rng.random((1, PIXELS)) < data.draw(st.sampled_from([0.01, 0.3, 1.0]))
        value = data.draw(st.sampled_from([0, 1, 1500, 2**18 - 2, 2**18 - 1, 2**31, 2**32 - 1]))
        frames[point][some & pixels] = value
    held = contents(chirp=False) | {FRAME_PATH: frames}
    path = write(tmp_path / "counts.h5", held)
    message, found = outcome(path)
    assert message == ""
    away = np.abs(found["delta_n"] - swept["delta_n"]).values
    sigma = np.hypot(found["delta_n_sigma"], swept["delta_n_sigma"]).values
    assert (np.isnan(away) | (away < 6 * sigma)).all()


def test_a_point_of_one_frame_again_and_again_is_no_perfect_measurement(tmp_path):
    """A detector that hangs repeats its last frame: its sigma is not a fraction of the others'."""
    frames = np.array(SCAN["frames"].values)
    frames[0] = frames[0, 0]
    result = reduced(write(tmp_path / "stuck.h5", contents() | {FRAME_PATH: frames}))
    stuck, *others = result["delta_n_sigma"].values
    assert np.isnan(stuck) or stuck > 0.3 * min(others)


def test_a_dark_point_does_not_stop_a_chirped_scan(tmp_path):
    frames = np.array(SCAN["frames"].values)
    frames[0] = 0
    assert refusal(write(tmp_path / "dark.h5", contents() | {FRAME_PATH: frames})) == ""


def test_a_dead_pixel_of_a_detector_without_read_noise_is_no_division_by_zero(tmp_path):
    frames = np.array(SCAN["frames"].values)
    frames[:, :, np.abs(SCAN["wavelength"].values - 1025).argmin()] = 0
    held = contents() | {FRAME_PATH: frames, PATHS["read_noise"]: 0.0}
    assert refusal(write(tmp_path / "dead.h5", held)) == ""
