"""Files damaged on purpose, and what is no file of ours at all: refused in one line."""

import os
import re
import subprocess
import sys
import zlib
from contextlib import contextmanager
from functools import partial

import h5py
import numpy as np
import pytest
from raw_files import (
    DEFINITION,
    FRAME_PATH,
    FRAMES,
    PATHS,
    PIXELS,
    POINTS,
    SCAN,
    SHAPE,
    contents,
    creating,
    linking,
    of,
    refusal,
    write,
)
from typer.testing import CliRunner

from analysis.io.raw_file import read_raw
from analysis.io.schema import RawFileError
from ocm_ophyd.cli import app


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
    "exposure in ms": ("exposure", 8.0, "are both in s"),
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
        (SHAPE, "axes", "wavelength", "must name 1 of delay, x, y, fluence"),
        (SHAPE, "axes", "delay x", "must name 1 of"),
        (SHAPE, "axes", None, "must name 1 of"),
        (PATHS["delay"], "units", "fs", "is in fs, must be in ps"),
        (PATHS["thickness"], "units", b"nm", "is in nm, must be in um"),
        (PATHS["fluence"], "units", "µJ/cm²", "must be in mJ/cm"),
        (PATHS["frame_time"], "units", "ms", "is in ms, must be in s"),
        (PATHS["gain"], "units", "counts/electron", "must be in electrons/count"),
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


# What is no file, or not for us


@pytest.mark.timeout(20)
def test_what_is_no_file_is_refused_at_once(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # opened, it would wait for a writer
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path, "/dev/zero"):
        with pytest.raises(RawFileError, match="directory, pipe or device"):
            read_raw(path)
    for path in (tmp_path / "absent.h5", tmp_path / "a" / "b.h5"):
        with pytest.raises(RawFileError, match="no such file"):
            read_raw(path)
    (tmp_path / "empty.h5").touch()
    for path in (tmp_path / "empty.h5", "nul\0", "x" * 5000):
        with pytest.raises(RawFileError, match=r"no such file|not an HDF5 file"):
            read_raw(path)


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


def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    path = write(tmp_path / "secret.h5", contents())
    path.chmod(0)
    with as_nobody(), pytest.raises(RawFileError, match="no permission"):
        read_raw(path)


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
