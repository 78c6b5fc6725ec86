"""The spectrometer: frames, files and what can go wrong, over Channel Access."""

import time

import h5py
import hdf5plugin  # noqa: F401 - registers the compression
import numpy as np
import pytest
from ca_client import Client
from processes import running_ioc

SLOT, EXPOSURE = 1 / 120, 8e-3  # s
PIXELS = 1044
DETECTOR = "/entry/instrument/spectrometer"


@pytest.fixture
def names():
    """File names that no test has used."""
    return iter(f"run-{time.time_ns()}-{number}" for number in range(9))


def open_file(client, name, frames):
    client.put("Spec:Capture", 0)
    client.put("Spec:NumFrames", frames)
    client.put("Spec:FilePath", "2024/05")
    client.put("Spec:FileName", name)
    client.put("Spec:Capture", 1)
    path = client.text("Spec:FullFileName_RBV")
    assert client.get("Spec:Capture_RBV") == 1
    return path


def take(client):
    client.put("Spec:Acquire", 1)
    assert status(client) == "Idle", client.text("Spec:Message_RBV")


def status(client):
    return ("Idle", "Acquiring", "Failed", "Aborted")[client.get("Spec:Status_RBV")]


def test_constants_are_those_of_the_qe_pro(fast):
    wavelength = fast.array("Spec:Wavelength_RBV")
    assert wavelength.shape == (PIXELS,)
    assert (wavelength[0], wavelength[-1]) == pytest.approx((400, 1150), abs=1)
    assert np.all(np.diff(wavelength) > 0)
    assert fast.get("Spec:ExposureTime_RBV") == EXPOSURE
    assert fast.get("Spec:FrameInterval_RBV") == pytest.approx(SLOT)
    assert fast.get("Spec:SaturationCounts_RBV") <= 2**18 - 1


def test_a_run_is_one_file_with_a_row_for_every_point(fast, names):
    path = open_file(fast, next(names), 60)
    fast.put("Shutter:Pump:Open", 1)
    for point in range(3):
        assert fast.get("Spec:PointCounter_RBV") == point
        take(fast)
    fast.put("Shutter:Pump:Open", 0)
    take(fast)
    fast.put("Spec:Capture", 0)
    assert path.startswith(str(fast.ioc.raw_dir / "2024" / "05"))
    with h5py.File(path) as file:
        assert file["entry"].attrs["NX_class"] == "NXentry"
        assert file.attrs["default"] == "entry"
        detector = file[DETECTOR]
        frames, times, opened = (detector[key][()] for key in ("frames", "frame_time", "pump_open"))
        assert detector["frames"].attrs["units"] == "counts"
        assert detector["exposure"][()] == EXPOSURE
        assert detector["gain"][()] == fast.get("Spec:Gain_RBV")
        assert detector["read_noise"][()] == fast.get("Spec:ReadNoise_RBV")
        np.testing.assert_array_equal(detector["wavelength"], fast.array("Spec:Wavelength_RBV"))
    assert (frames.shape, frames.dtype) == ((4, 60, PIXELS), np.uint32)
    assert times.shape == opened.shape == (4, 60)
    # one clock: the sensor's grid of exposures, from point to point as well
    np.testing.assert_allclose(times / SLOT, np.round(times / SLOT), atol=1e-4)
    np.testing.assert_array_equal(np.round(np.diff(times) / SLOT), 1)
    assert np.all(times[1:, 0] > times[:-1, -1])
    # 20 Hz against 120 Hz: six frames a period, always the same ones, half of the time open
    np.testing.assert_allclose(opened[:3, 6:], opened[:3, :-6], atol=0.1)
    assert opened[:3].mean() == pytest.approx(0.5, abs=(SLOT - EXPOSURE) / SLOT + 0.02)
    assert np.all((opened >= 0) & (opened <= 1))
    assert not opened[3].any()  # the shutter was closed
    np.testing.assert_allclose(
        fast.array("Spec:MeanSpectrum_RBV"), frames[-1].mean(axis=0), rtol=1e-12
    )
    assert fast.get("Spec:MaxCounts_RBV") == frames[-1].max()


def test_a_file_can_be_read_while_it_grows(fast, names):
    path = open_file(fast, next(names), 30)
    with h5py.File(path, swmr=True) as file:
        tables = [file[f"{DETECTOR}/{key}"] for key in ("frames", "frame_time", "pump_open")]
        assert tables[0].shape == (0, 30, PIXELS)
        for point in range(2):
            take(fast)
            for table in tables:
                table.refresh()
                assert len(table) == point + 1
            assert tables[0][point].any(axis=1).all()
    fast.put("Spec:Capture", 0)


def test_files_are_compressed(fast, names):
    path = open_file(fast, next(names), 120)
    take(fast)
    fast.put("Spec:Capture", 0)
    with h5py.File(path) as file:
        frames = file[f"{DETECTOR}/frames"]
        assert frames.id.get_storage_size() < 0.6 * frames.nbytes


def test_a_file_is_never_overwritten(fast, names):
    name = next(names)
    path = open_file(fast, name, 6)
    take(fast)
    fast.put("Spec:Capture", 0)
    assert "never overwritten: choose another FileName" in fast.refusal("Spec:Capture", 1)
    assert status(fast) == "Failed"
    assert "never overwritten" in fast.text("Spec:Message_RBV")
    assert fast.get("Spec:Capture_RBV") == 0
    with h5py.File(path) as file:
        assert len(file[f"{DETECTOR}/frames"]) == 1


def test_a_point_can_be_taken_again(fast, names):
    path = open_file(fast, next(names), 6)
    take(fast)
    take(fast)
    assert fast.get("Spec:NextPoint") == 2
    assert "at most 2" in fast.refusal("Spec:NextPoint", 3)
    fast.put("Spec:NextPoint", 1)
    take(fast)
    assert fast.get("Spec:NextPoint") == 2
    assert fast.get("Spec:PointCounter_RBV") == 2
    fast.put("Spec:Capture", 0)
    with h5py.File(path) as file:
        times = file[f"{DETECTOR}/frame_time"][()]
    assert times.shape == (2, 6)
    assert times[1, 0] - times[0, -1] > 6 * SLOT  # the second try


@pytest.mark.parametrize("path", ["/etc", "../elsewhere", "a/../../.."])
def test_files_stay_below_the_raw_directory(fast, path):
    assert "must lie below" in fast.refusal("Spec:FilePath", path)


def test_an_absolute_path_below_the_raw_directory_is_fine(fast):
    fast.put("Spec:FilePath", str(fast.ioc.raw_dir / "sub"))


@pytest.mark.parametrize("name", ["a/b", "../b", "/x"])
def test_file_names_are_plain(fast, name):
    assert "plain name" in fast.refusal("Spec:FileName", name)


def test_the_number_of_frames_is_fixed_while_a_file_is_open(fast, names):
    open_file(fast, next(names), 6)
    assert "fixed while a file is open" in fast.refusal("Spec:NumFrames", 12)
    assert fast.get("Spec:NumFrames") == 6
    assert "write 0 to Capture first" in fast.refusal("Spec:Capture", 1)
    fast.put("Spec:Capture", 0)


def test_without_a_file_the_live_spectrum_moves(slow):
    slow.put("Spec:NumFrames", 120)
    spectra, counters = slow.watch("Spec:MeanSpectrum_RBV"), slow.watch("Spec:FrameCounter_RBV")
    spectra.clear()
    take(slow)
    slow.until(lambda: counters[-1] == 120)
    assert len(spectra) >= 3
    assert counters[-4:] == [30, 60, 90, 120]


def test_abort_ends_an_acquisition_and_drops_its_point(slow, names):
    path = open_file(slow, next(names), 2400)
    point = slow.start("Spec:Acquire", 1)
    slow.until(lambda: status(slow) == "Acquiring")
    assert "busy" in slow.refusal("Spec:Acquire", 1)
    assert "busy" in slow.refusal("Spec:Capture", 0)
    start = time.perf_counter()
    slow.put("Spec:Abort", 1)
    assert time.perf_counter() - start < 0.5  # a block of frames
    point.result(1)
    assert status(slow) == "Aborted"
    assert slow.get("Spec:Acquire") == 0
    assert slow.get("Spec:PointCounter_RBV") == 0
    slow.put("Spec:Capture", 0)
    slow.put("Spec:NumFrames", 6)
    with h5py.File(path) as file:
        assert len(file[f"{DETECTOR}/frames"]) == 0
    take(slow)


def test_saturated_pixels_are_counted(fast):
    fast.put("Spec:NumFrames", 12)
    fast.put("Picker:Divider", 1400)
    fast.put("Sample:x", 0.02)
    take(fast)
    assert fast.get("Spec:SaturatedPixels_RBV") == 0
    fast.put("Picker:Divider", 350)
    fast.put("Sample:x", 0.0)
    take(fast)
    saturated = fast.get("Spec:SaturatedPixels_RBV")
    assert fast.get("Spec:MaxCounts_RBV") == fast.get("Spec:SaturationCounts_RBV")
    assert 0 < saturated < 12 * PIXELS
    fast.put("Picker:Divider", 1400)


def test_a_point_takes_its_exposures_and_little_more(slow):
    slow.put("Spec:NumFrames", 120)
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        take(slow)
        durations.append(time.perf_counter() - start)
    exposing = 119 * SLOT + EXPOSURE
    # the grid of exposures runs freely: up to one slot passes before the first
    assert exposing - 1e-3 < min(durations) < 1.03 * exposing + SLOT


def test_frame_times_run_at_the_time_scale(slow, fast, names):
    def rate(client):
        """Simulated seconds a wall-clock second, over a pause of 0.4 s."""
        path = open_file(client, next(names), 6)
        take(client)
        before = time.perf_counter()
        time.sleep(0.4)
        elapsed = time.perf_counter() - before
        take(client)
        client.put("Spec:Capture", 0)
        with h5py.File(path) as file:
            first, second = file[f"{DETECTOR}/frame_time"][:, 0]
        return (second - first) / elapsed

    assert slow.get("IOC:TimeScale_RBV") == 1
    assert fast.get("IOC:TimeScale_RBV") == 50
    assert rate(fast) / rate(slow) == pytest.approx(50, rel=0.25)


def test_a_directory_that_cannot_be_written_is_named_and_the_server_lives_on(tmp_path):
    # not even root writes to /sys
    with running_ioc(tmp_path, raw_dir="/sys/ocm") as ioc, Client(ioc) as client:
        client.put("Spec:FileName", "run")
        assert "/sys/ocm is read-only: make it writable" in client.refusal("Spec:Capture", 1)
        assert status(client) == "Failed"
        assert "/sys/ocm is read-only" in client.text("Spec:Message_RBV")
        assert client.get("Spec:Capture_RBV") == 0
        client.put("Spec:NumFrames", 6)
        take(client)


def test_a_disk_that_fills_up_costs_only_the_point_that_did_not_fit(tmp_path, monkeypatch):
    # a limit on file sizes fails in the middle of a write, as a full disk does; it would end a
    # measurement of coverage as well, and the process with it
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    with running_ioc(tmp_path, before=limit) as ioc, Client(ioc) as client:
        path = open_file(client, "run", 120)
        written = 0
        for _ in range(20):
            client.put("Spec:Acquire", 1)
            if status(client) != "Idle":
                break
            written += 1
        assert status(client) == "Failed"
        assert "free some space" in client.text("Spec:Message_RBV")
        assert client.get("Spec:Capture_RBV") == 0
        assert written > 1
        with h5py.File(path, swmr=True) as file:
            frames = file[f"{DETECTOR}/frames"]
            assert len(frames) >= written
            assert frames[written - 1].any(axis=1).all()
        take(client)  # live view
        client.put("Spec:FileName", "smaller")
        client.put("Spec:NumFrames", 6)
        client.put("Spec:Capture", 1)
        take(client)
        client.put("Spec:Capture", 0)
