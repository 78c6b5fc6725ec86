"""Raw files: what comes back, and what is refused."""

import h5py
import numpy as np
import pytest
from handmade import Plate

from analysis.io.raw_file import read_raw, write_raw
from analysis.io.schema import RawFileError
from analysis.io.validation import validate

SPECTROMETER = "/entry/instrument/spectrometer"


@pytest.fixture
def scan():
    """A 2 x 2 map with everything optional."""
    plate = Plate(delta_n=np.full(4, 1e-3), frames=12, path_difference=14.0)
    chirp = {
        "chirp_wavelength": np.array([925.0, 1025, 1125]),
        "chirp_delay": np.array([-2.4, 0, 2.6]),
    }
    return plate.dataset().assign_attrs(
        shape=np.array([2, 2]), axes="y x", saturation=200_000, **chirp
    )


@pytest.fixture
def raw_file(scan, tmp_path):
    path = tmp_path / "scan.h5"
    write_raw(scan, path)
    return path


def test_what_was_written_comes_back(scan, raw_file):
    with read_raw(raw_file) as back:
        for name in scan.variables:
            np.testing.assert_array_equal(back[name].values, scan[name].values, err_msg=name)
        for name, value in scan.attrs.items():
            np.testing.assert_array_equal(back.attrs[name], value, err_msg=name)
        assert back["frames"].dtype == np.uint32


def test_a_point_is_read_when_it_is_asked_for(raw_file):
    with read_raw(raw_file) as back:
        lazy = back["frames"]
    with pytest.raises(RawFileError, match="closed"):  # so they had not been read before
        lazy[0].load()


def test_the_file_is_the_documented_one(raw_file):
    """Another reader, that knows only the format's table, finds everything."""
    with h5py.File(raw_file) as file:
        assert file.attrs["default"] == "entry"
        assert file["entry"].attrs["NX_class"] == "NXentry"
        assert file["/entry/definition"].asstr()[()] == "ocm_raw"
        assert file["/entry/definition"].attrs["version"] == "1"
        assert file[f"{SPECTROMETER}/frames"].dtype == np.uint32
        assert file[f"{SPECTROMETER}/frames"].compression
        assert file[f"{SPECTROMETER}/frame_time"].attrs["units"] == "s"
        assert file["/entry/instrument/interferometer/path_difference"][()] == 14.0
        assert list(file["/entry/scan/shape"]) == [2, 2]
        assert file["/entry/scan/shape"].attrs["axes"] == "y x"


def test_nothing_is_overwritten(scan, raw_file):
    before = raw_file.read_bytes()
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_raw(scan, raw_file)
    assert raw_file.read_bytes() == before


REQUIRED = [
    *(f"{SPECTROMETER}/{name}" for name in ("frames", "frame_time", "pump_open", "wavelength")),
    *(f"{SPECTROMETER}/{name}" for name in ("dark", "reference", "exposure", "gain", "read_noise")),
    "/entry/instrument/chopper/frequency",
    "/entry/instrument/interferometer/geometry",
    *(f"/entry/sample/{name}" for name in ("name", "material", "thickness", "refractive_index")),
    *(f"/entry/scan/{name}" for name in ("delay", "x", "y", "fluence")),
    "/entry/definition",
]


@pytest.mark.parametrize("path", REQUIRED)
def test_a_missing_dataset_is_named(raw_file, path):
    with h5py.File(raw_file, "a") as file:
        del file[path]
    with pytest.raises(RawFileError, match=f"{path}: missing"):
        read_raw(raw_file)


def _replace(path, change):
    def damage(file):
        values = change(file[path][()])
        attributes = dict(file[path].attrs)
        del file[path]
        file[path] = values
        file[path].attrs.update(attributes)

    return path, damage


def _with(index, value):
    def change(values):
        values = np.array(values)
        values[index] = value
        return values

    return change


def _version_2(file):
    file["/entry/definition"].attrs["version"] = "2"


DAMAGES = {
    "frames of too few pixels": (
        *_replace(f"{SPECTROMETER}/frames", lambda v: v[..., 1:]),
        "where other datasets have",
    ),
    "too few times": (*_replace(f"{SPECTROMETER}/frame_time", lambda v: v[:, 1:]), "along frame"),
    "times in one row": (*_replace(f"{SPECTROMETER}/frame_time", np.ravel), "dimensions"),
    "delays of other points": (*_replace("/entry/scan/delay", lambda v: v[1:]), "along point"),
    "frames of fractions": (*_replace(f"{SPECTROMETER}/frames", lambda v: v + 0.5), "integers"),
    "nan in the delays": (*_replace("/entry/scan/delay", _with(1, np.nan)), "not finite"),
    "inf in the dark": (*_replace(f"{SPECTROMETER}/dark", _with(3, np.inf)), "not finite"),
    "nan in the gain": (*_replace(f"{SPECTROMETER}/gain", lambda _: np.nan), "not finite"),
    "open beyond 1": (*_replace(f"{SPECTROMETER}/pump_open", _with((0, 0), 1.2)), "0 and 1"),
    "open below 0": (*_replace(f"{SPECTROMETER}/pump_open", _with((0, 0), -0.1)), "0 and 1"),
    "chopper parked": (*_replace(f"{SPECTROMETER}/pump_open", np.ones_like), "never modulated"),
    "time standing still": (*_replace(f"{SPECTROMETER}/frame_time", np.zeros_like), "increase"),
    "wavelengths in disorder": (
        *_replace(f"{SPECTROMETER}/wavelength", _with(7, 1)),
        "rise or fall",
    ),
    "reference as dark": (*_replace(f"{SPECTROMETER}/reference", np.zeros_like), "brighter"),
    "no thickness": (*_replace("/entry/sample/thickness", lambda _: 0.0), "positive"),
    "a list for a number": (
        *_replace("/entry/sample/thickness", lambda _: [1.0, 2.0]),
        "one number",
    ),
    "text for a number": (*_replace("/entry/sample/thickness", lambda _: "thin"), "numbers"),
    "an unknown geometry": (
        *_replace("/entry/instrument/interferometer/geometry", lambda _: "sideways"),
        "common-path",
    ),
    "half a chirp": (
        *_replace("/entry/instrument/interferometer/chirp_delay", lambda v: v[1:]),
        "chirp",
    ),
    "a shape of other points": (*_replace("/entry/scan/shape", _with(0, 5)), "does not hold 4"),
    "another format": (*_replace("/entry/definition", lambda _: "NXxas"), "ocm_raw"),
    "a later version": ("/entry/definition", _version_2, "version is 2"),
}


@pytest.mark.parametrize(("path", "damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_bad_contents_are_refused_in_one_line_that_names_them(raw_file, path, damage, reason):
    with h5py.File(raw_file, "a") as file:
        damage(file)
    with pytest.raises(RawFileError, match=reason) as caught:
        read_raw(raw_file)
    message = str(caught.value)
    assert path.rsplit("/", 1)[0] in message or "along" in message
    assert "\n" not in message


def test_foreign_and_truncated_files_are_refused(raw_file, tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("delay, delta_n\n")
    with pytest.raises(RawFileError, match="not an HDF5 file"):
        read_raw(text)
    with pytest.raises(RawFileError, match="no such file"):
        read_raw(tmp_path / "absent.h5")
    cut = tmp_path / "cut.h5"
    cut.write_bytes(raw_file.read_bytes()[: raw_file.stat().st_size // 2])
    with pytest.raises(RawFileError, match="truncated"):
        read_raw(cut)


def test_frames_that_cannot_be_decompressed_are_named(raw_file):
    with h5py.File(raw_file) as file:
        chunk = file[f"{SPECTROMETER}/frames"].id.get_chunk_info(1)
    with raw_file.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(b"\0" * min(chunk.size, 4096))
    with read_raw(raw_file) as back, pytest.raises(RawFileError, match=r"frames.*damaged"):
        back["frames"][1].load()


def test_a_dataset_in_memory_is_checked_alike(scan, tmp_path):
    with pytest.raises(RawFileError, match="/entry/scan/fluence: missing"):
        validate(scan.drop_vars("fluence"))
    with pytest.raises(RawFileError, match="pump_open"):
        write_raw(scan.assign(pump_open=scan["pump_open"] * 0), tmp_path / "no.h5")
    assert not (tmp_path / "no.h5").exists()


def test_counts_that_uint32_cannot_hold_are_not_written(scan, tmp_path):
    for offset in (-(2**20), 2**32):
        wrapped = scan.assign(frames=scan["frames"].astype(np.int64) + offset)
        with pytest.raises(RawFileError, match=r"frames: holds counts from"):
            write_raw(wrapped, tmp_path / f"{offset}.h5")


def test_large_arrays_have_a_checksum(tmp_path):
    """Small ones are in headers, which have one: see the test of every bit of a file."""
    long = Plate(delta_n=np.full(50, 1e-3), frames=120).dataset().isel(wavelength=slice(200, 240))
    path = tmp_path / "long.h5"
    write_raw(long, path)
    with h5py.File(path) as file:
        chunk = file[f"{SPECTROMETER}/pump_open"].id.get_chunk_info(0)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset + 11)
        byte = file.read(1)[0]
        file.seek(chunk.byte_offset + 11)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(RawFileError, match=r"pump_open: cannot be read"):
        read_raw(path)
