"""Damaged, reordered and hostile files: refused in one line, or reduced to the right numbers.

The files are written with h5py alone, from the format's table, as a program of others would.
"""

import os
import re
import subprocess
import sys
import time
import warnings
import zlib
from contextlib import contextmanager
from functools import partial

import h5py
import numpy as np
import pytest
from handmade import Plate
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

from analysis.layout import NUMBERS, STRINGS, VARIABLES
from analysis.raw import RawFileError, open_raw, write_raw
from analysis.reduction import reduce_scan
from ocm_ophyd.cli import app

POINTS, FRAMES = 3, 18  # three chopper periods a point
SCAN = (
    Plate(np.array([1e-3, 5e-3, -2e-3]), frames=FRAMES, path_difference=14.0, shot_noise=True)
    .dataset()
    .assign(delay=("point", [-1.0, 0.0, 4.0]))
    .assign_attrs(
        chirp_wavelength=np.array([925.0, 1025, 1125]),
        chirp_delay=np.array([-2.4, 0, 2.6]),
        shape=np.array([POINTS]),
        axes="delay",
    )
    .isel(wavelength=slice(80, None))
)
PIXELS = SCAN.sizes["wavelength"]

ENTRIES = {**VARIABLES, **NUMBERS, **STRINGS}
PATHS = {name: entry.path for name, entry in ENTRIES.items()}
NUMERIC = sorted(
    PATHS[name] for name in (*VARIABLES, *NUMBERS) if name in SCAN or name in SCAN.attrs
)
FRAME_PATH, TIME, OPEN = (PATHS[name] for name in ("frames", "frame_time", "pump_open"))
WAVELENGTH, SHAPE, DEFINITION = PATHS["wavelength"], PATHS["shape"], "/entry/definition"

few = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
many = settings(few, max_examples=50)


def contents(chirp=True):
    """Everything that a good file holds, by path; the chirp's calibration is optional."""
    held = {PATHS[name]: SCAN[name].values for name in VARIABLES}
    held |= {PATHS[name]: SCAN.attrs[name] for name in SCAN.attrs if name in PATHS}
    if not chirp:
        del held[PATHS["chirp_wavelength"]], held[PATHS["chirp_delay"]]
    return held | {DEFINITION: "ocm_raw"}


def write(path, held, attributes=None):
    """Write a file anew; a callable makes its object itself, with the file and the path."""
    marks = {(DEFINITION, "version"): "1", (SHAPE, "axes"): "delay"} | (attributes or {})
    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        for place, value in held.items():
            if callable(value):
                value(file, place)
            else:
                file[place] = value
        for (place, name), value in marks.items():
            if value is not None and isinstance(file.get(place), h5py.Dataset | h5py.Group):
                file[place].attrs[name] = value
    return path


def reduced(path):
    """Reduce a file; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_raw(path) as dataset:
            return reduce_scan(dataset)


def refusal(path):
    """The line with which a file is refused; empty where it is reduced to numbers."""
    started = time.monotonic()
    try:
        result = reduced(path)
    except RawFileError as error:
        message = str(error)
        assert "\n" not in message
        assert "/entry" in message or str(path) in message
        assert len(message) < 600
        return message
    finally:
        assert time.monotonic() - started < 20
    assert result["frames_used"].dtype.kind == "i"
    for name in ("delta_n", "delta_n_sigma", "delta_phi", "delta_phi_sigma"):
        unusable = ~np.isfinite(result[name].values)
        assert np.isnan(result[name].values[unusable]).all()
    no_number = np.isnan(result["delta_n"].values)
    assert (result["frames_used"].values[no_number] == 0).all()
    return ""


def same(result, expected, points=slice(None), rtol=1e-9):
    for name in ("delta_n", "delta_n_sigma", "delta_phi", "carrier_density", "delay", "fluence"):
        np.testing.assert_allclose(
            result[name].values, expected[name].values[points], rtol=rtol, err_msg=name
        )


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return write(tmp_path_factory.mktemp("good") / "good.h5", contents())


@pytest.fixture(scope="module")
def right(good):
    """What a good file is reduced to: near the truth, so that equality with it says something."""
    result = reduced(good)
    error = result["delta_n"].values - [1e-3, 5e-3, -2e-3]
    assert (np.abs(error) < 5 * result["delta_n_sigma"].values).all()
    return result


def creating(**keywords):
    """Make a dataset whose storage or type h5py would not choose by itself."""
    return lambda file, place: file.create_dataset(place, **keywords)


def linking(link):
    return lambda file, place: file.__setitem__(place, link)


def grouping(file, place):
    file.create_group(place)


def virtual(file, place):
    """A dataset of another file's data: without that file HDF5 hands out zeros."""
    layout = h5py.VirtualLayout(shape=(POINTS, FRAMES), dtype="f8")
    layout[:] = h5py.VirtualSource("absent.h5", "times", shape=(POINTS, FRAMES))
    file.create_virtual_dataset(place, layout)


def unknown_filter(file, place):
    """Chunks that only a filter of number 511 could decode: reserved for tests, nobody has it."""
    frames = contents()[place]
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_chunk(frames.shape)
    layout.set_filter(511, h5py.h5z.FLAG_OPTIONAL)  # as an obligatory one it could not be written
    dataset = file.create_dataset(place, shape=frames.shape, dtype=frames.dtype, dcpl=layout)
    dataset.id.write_direct_chunk((0, 0, 0), frames.tobytes())


def half_written(file, place):
    frames = contents()[place]
    made = file.create_dataset(place, frames.shape, frames.dtype, chunks=(1, *frames.shape[1:]))
    made[:-1] = frames[:-1]


def changed(name, index, value):
    values = np.array(contents()[PATHS[name]])
    values[index] = value
    return values


def of(name, change):
    return change(np.array(contents()[PATHS[name]]))


HUGE = (10**9, FRAMES, PIXELS)

REFUSED = {
    "complex dark": ("dark", of("dark", lambda v: v + 0j), "real numbers, not complex"),
    "true or false": ("pump_open", of("pump_open", lambda v: v > 0.5), "real numbers, not bool"),
    "words": ("delay", ["-1", "0", "4"], "real numbers"),
    "a number in words": ("gain", "4.0", "real numbers"),
    "compound": ("x", np.zeros(POINTS, [("a", "f8")]), "real numbers"),
    "float frames": ("frames", of("frames", lambda v: v.astype(float)), "integers, not float64"),
    "negative counts": ("frames", of("frames", lambda v: v.astype("i4") - 40_000), "counts from -"),
    "counts beyond uint32": (
        "frames",
        of("frames", lambda v: v.astype("i8") + 2**32),
        "between 0 and 4294967295",
    ),
    "no points": ("frames", np.zeros((0, FRAMES, PIXELS), "u4"), "along point|empty"),
    "nothing": ("thickness", h5py.Empty("f8"), "is empty"),
    "dark of one number": ("dark", 1500.0, "0 dimensions, needs 1"),
    "delays of another scan": ("delay", np.zeros(POINTS + 1), "4 along point"),
    "a wavelength twice": ("wavelength", changed("wavelength", 9, SCAN.wavelength[8]), "rise"),
    "wavelengths in um": ("wavelength", of("wavelength", lambda v: v / 1e3), "no pixel between"),
    "no light": ("reference", SCAN["dark"].values + 0.5, "nowhere brighter than the dark"),
    "wavelengths below 0": ("wavelength", of("wavelength", lambda v: v - 2000), "positive"),
    "frames in disorder": ("frame_time", of("frame_time", lambda v: v[:, ::-1]), "increase"),
    "a frame twice": ("frame_time", changed("frame_time", (1, 4), SCAN.frame_time[1, 3]), "increa"),
    "open more than all": ("pump_open", changed("pump_open", (1, 4), 1.01), "between 0 and 1"),
    "chopper parked open": ("pump_open", np.ones((POINTS, FRAMES)), "never modulated"),
    "chopper parked halfway": ("pump_open", np.full((POINTS, FRAMES), 0.5), "never modulated"),
    "dark beyond counts": ("dark", np.full(PIXELS, 1e11), "beyond"),
    **{
        f"{name} is {value:g}": (name, value, "must be positive")
        for name in ("gain", "exposure", "thickness", "refractive_index", "chopper_frequency")
        for value in (0.0, -1.5)
    },
    "noise below 0": ("read_noise", -10.0, "negative"),
    "thickness in nm": ("thickness", 1500.0, "finer than the pixels"),
    "unknown geometry": ("geometry", "sideways", "must be common-path or reference-mirror"),
    "numbered geometry": ("geometry", 1, "one text"),
    "two samples": ("sample_name", ["a", "b"], "one text"),
    "chirp in fs": ("chirp_delay", np.array([-2400.0, 0, 2600]), "is it in ps"),
    "half a chirp": ("chirp_delay", None, "one of them is missing"),
    "chirps of two lengths": ("chirp_delay", np.zeros(4), "as many values"),
    "chirp of one number": ("chirp_delay", 0.5, "must be a list"),
    "chirp of half the band": ("chirp_wavelength", np.array([925.0, 950, 1000]), "not cover"),
    "chirp with a wavelength twice": ("chirp_wavelength", np.array([925.0, 925, 1125]), "twice"),
    "grid of other points": ("shape", np.array([4]), "does not hold 3 points"),
    "grid of negative sides": ("shape", np.array([-1, -3]), "one to three numbers"),
    "grid of fractions": ("shape", np.array([1.5, 2.0]), "one to three numbers"),
    "grid that wraps around": ("shape", np.array([2**62, 4, 3]), "not hold|beyond"),
    "grid of four axes": ("shape", np.array([1, 1, 1, 3]), "one to three numbers"),
    "a group for a dataset": ("dark", grouping, "is no dataset"),
    "a type for a dataset": ("dark", np.dtype("f8"), "is no dataset"),
    "link in the file": ("dark", linking(h5py.SoftLink(PATHS["reference"])), "is a link"),
    "link in a circle": ("dark", linking(h5py.SoftLink(PATHS["dark"])), "is a link"),
    "link out of the file": ("dark", linking(h5py.ExternalLink("/dev/stdin", "/dark")), "a link"),
    "data of other files": (
        "dark",
        creating(shape=PIXELS, dtype="f8", external=[("/dev/zero", 0, 8 * PIXELS)]),
        "elsewhere",
    ),
    "virtual": ("frame_time", virtual, "elsewhere"),
    "filter that nobody has": ("frames", unknown_filter, "cannot be read"),
    "lists never written": (
        "y",
        creating(shape=POINTS, dtype=h5py.vlen_dtype("f8")),
        "never written",
    ),
    "never written": ("dark", creating(shape=PIXELS, dtype="f8"), "never written"),
    "half written": ("frames", half_written, "not to its end"),
    "a petabyte, they say": ("frames", creating(shape=HUGE, dtype="u4", chunks=(1, 9, 9)), "writ"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("name", "value", "reason"), REFUSED.values(), ids=REFUSED)
def test_bad_contents_are_named(tmp_path, name, value, reason):
    held = contents() | {PATHS[name]: value}
    if value is None:
        del held[PATHS[name]]
    message = refusal(write(tmp_path / "bad.h5", held))
    assert re.search(reason, message), message
    assert name.split("_")[0] in message or "along point" in message


@pytest.mark.parametrize(
    ("place", "attribute", "value", "reason"),
    [
        (DEFINITION, "version", "2", "version is 2"),
        (DEFINITION, "version", None, "version is missing"),
        (DEFINITION, "version", h5py.Empty("S1"), "version is"),
        (SHAPE, "axes", "wavelength", "must name 1 of delay, y, x, fluence"),
        (SHAPE, "axes", "delay x", "must name 1 of"),
        (SHAPE, "axes", None, "must name 1 of"),
        (PATHS["delay"], "units", "fs", "is in fs, must be in ps"),
        (PATHS["thickness"], "units", b"nm", "is in nm, must be in um"),
        (PATHS["fluence"], "units", "µJ/cm²", "must be in mJ/cm"),
        (PATHS["frame_time"], "units", "ms", "is in ms, must be in s"),
    ],
)
def test_bad_attributes_are_named(tmp_path, place, attribute, value, reason):
    message = refusal(write(tmp_path / "bad.h5", contents(), {(place, attribute): value}))
    assert reason in message
    assert place in message


def test_a_dataset_for_a_group_is_named(tmp_path):
    held = contents()
    for path in [path for path in held if path.startswith("/entry/scan/")]:
        del held[path]
    message = refusal(write(tmp_path / "bad.h5", held | {"/entry/scan": 1.0}))
    assert "/entry/scan is no group" in message


@pytest.mark.timeout(60)
def test_two_gigabytes_of_zeros_in_a_small_file_are_not_read(tmp_path):
    bomb = write(tmp_path / "bomb.h5", contents() | {PATHS["chirp_delay"]: partial(_bomb, 2**28)})
    assert bomb.stat().st_size < 2**20
    assert f"{PATHS['chirp_delay']}: (268435456,) values are too many" in refusal(bomb)


def _bomb(length, file, place):
    """Zeros that are packed a thousandfold, and then once more."""
    chunk = 2**25
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_chunk((chunk,))
    layout.set_deflate(1)
    layout.set_deflate(1)
    dataset = file.create_dataset(place, (length,), "f8", dcpl=layout)
    packed = zlib.compress(zlib.compress(bytes(8 * chunk), 1), 1)
    for start in range(0, length, chunk):
        dataset.id.write_direct_chunk((start,), packed)


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
        result["fluorescence"].values[:, ::-1], right["fluorescence"].values, atol=1e-6
    )


# Properties


@few
@given(st.data())
def test_a_number_that_is_none_is_refused_wherever_it_is(tmp_path, data):
    path = data.draw(st.sampled_from([p for p in NUMERIC if p not in (FRAME_PATH, SHAPE)]))
    held = contents()
    values = np.array(held[path], float)
    place = data.draw(st.integers(0, values.size - 1))
    values.flat[place] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    message = refusal(write(tmp_path / "nan.h5", held | {path: values}))
    assert f"{path}: holds values that are not finite" in message


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
    message = refusal(path)
    if message:
        assert f"{TIME}: must increase" in message
    else:
        same(reduced(path), right)


HOSTILE_NUMBERS = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.complex_numbers(),
    st.booleans(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=90),
    st.binary(max_size=9).map(np.bytes_),
    hnp.arrays(st.sampled_from(["f8", "i2", "u8", "?"]), hnp.array_shapes(max_dims=3, max_side=3)),
    st.just(h5py.Empty("f4")),
)


@many
@given(st.sampled_from(sorted({*PATHS.values(), DEFINITION})), HOSTILE_NUMBERS)
def test_anything_in_any_place_is_refused_or_reduced(tmp_path, path, value):
    refusal(write(tmp_path / "hostile.h5", contents() | {path: value}))


@many
@given(st.data())
def test_arrays_of_any_numbers_are_refused_or_reduced(tmp_path, data):
    """Of the right shape, so that they come as far as the reduction."""
    held = contents(chirp=False)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    places = st.sampled_from([path for path in NUMERIC if path in held])
    for path in data.draw(st.lists(places, min_size=1, max_size=3, unique=True)):
        good = np.asarray(held[path])
        kind = data.draw(st.sampled_from(["zero", "constant", "random", "scaled", "shuffled"]))
        size = 10.0 ** data.draw(st.integers(-20, 20))
        new = {
            "zero": np.zeros(good.shape),
            "constant": np.full(good.shape, size),
            "random": size * rng.normal(size=good.shape),
            "scaled": good * size,
            "shuffled": rng.permutation(good.ravel()).reshape(good.shape),
        }[kind]
        if path == FRAME_PATH:
            new = np.clip(np.abs(new), 0, 2**32 - 1).astype(np.uint32)
        held[path] = new
    refusal(write(tmp_path / "hostile.h5", held))


@few
@given(st.data())
def test_frames_of_any_counts_are_reduced_or_counted(tmp_path, data):
    frames = np.array(SCAN["frames"].values)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for _ in range(data.draw(st.integers(1, 4))):
        point = data.draw(st.integers(0, POINTS - 1))
        some = rng.random((FRAMES, 1)) < data.draw(st.sampled_from([0.1, 0.5, 1.0]))
        pixels = rng.random((1, PIXELS)) < data.draw(st.sampled_from([0.01, 0.3, 1.0]))
        value = data.draw(st.sampled_from([0, 1, 1500, 2**18 - 2, 2**18 - 1, 2**31, 2**32 - 1]))
        frames[point][some & pixels] = value
    held = contents(chirp=False) | {FRAME_PATH: frames}
    assert refusal(write(tmp_path / "counts.h5", held)) == ""


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


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A file as this project writes it."""
    path = tmp_path_factory.mktemp("own") / "own.h5"
    write_raw(SCAN, path)
    return path


@few
@given(st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(tmp_path, good, part):
    raw = good.read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(raw[: int(part * len(raw))])
    assert str(cut) in refusal(cut)


@many
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_fell_over_in_our_own_file_changes_no_number(tmp_path, own, place, bit):
    """Everything in it that counts has a checksum."""
    raw = bytearray(own.read_bytes())
    raw[int(place * len(raw))] ^= 1 << bit
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(raw)
    if not refusal(damaged):
        same(reduced(damaged), reduced(own), rtol=0)


@few
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89HDF\r\n\x1a\n", b"\0" * 512]))
def test_bytes_that_are_no_file_are_refused(tmp_path, noise, start):
    path = tmp_path / "noise.h5"
    path.write_bytes(start + noise)
    assert "not an HDF5 file" in refusal(path)


# What is no file, or not for us


@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opened, it would wait for a writer
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path, "/dev/zero"):
        with pytest.raises(RawFileError, match="directory, pipe or device"):
            open_raw(path)
    for path in (tmp_path / "absent.h5", tmp_path / "a" / "b.h5"):
        with pytest.raises(RawFileError, match="no such file"):
            open_raw(path)
    (tmp_path / "empty.h5").touch()
    for path in (tmp_path / "empty.h5", "nul\0", "x" * 5000):
        with pytest.raises(RawFileError, match=r"no such file|not an HDF5 file"):
            open_raw(path)


@contextmanager
def as_nobody():
    """Be a user without rights where we are root, whom no permission stops."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_file_that_may_not_be_read_is_refused(tmp_path, good):
    path = tmp_path / "secret.h5"
    path.write_bytes(good.read_bytes())
    path.chmod(0)
    with as_nobody(), pytest.raises(RawFileError, match="no permission"):
        open_raw(path)


# The command


def _bad_files(folder):
    write(folder / "words.h5", contents() | {PATHS["delay"]: ["a", "b", "c"]})
    write(folder / "link.h5", contents() | {PATHS["dark"]: linking(h5py.SoftLink("/nowhere"))})
    write(folder / "filter.h5", contents() | {FRAME_PATH: unknown_filter})
    write(
        folder / "negative.h5", contents() | {FRAME_PATH: SCAN["frames"].values.astype("i8") - 9**6}
    )
    (folder / "torn.h5").write_bytes(write(folder / "whole.h5", contents()).read_bytes()[:5000])
    return sorted(set(folder.glob("*.h5")) - {folder / "whole.h5"})


def test_the_command_ends_in_one_line(tmp_path):
    for path in _bad_files(tmp_path):
        out = tmp_path / "out.nc"
        done = CliRunner().invoke(app, ["reduce", str(path), "-o", str(out)])
        assert isinstance(done.exception, SystemExit), (path, done.exception)
        assert done.exit_code == 1
        assert done.stderr.startswith("ocm: ")
        assert done.stderr.count("\n") == 1
        assert not out.exists()


def test_the_command_shows_no_traceback_to_the_shell(tmp_path):
    path = write(tmp_path / "bad.h5", contents() | {PATHS["dark"]: grouping})
    command = [sys.executable, "-c", "from ocm_ophyd.cli import app; app()", "reduce", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"ocm: {path}: {PATHS['dark']}: is no dataset\n"
