"""Speed and memory of the reduction, each relative to a minimal version of the same work.

Run as ``python -m benchmarks.speed.bench_reduction``. It prints one table. Every ratio is of two
jobs that were timed in turn in one run, on all cores that the process may use. It is the median
over the turns, with quartiles, because other work of the machine disturbs single ones. Published
figures of another program are below, for orientation.

- plain chain: numpy in float64 on the probe band of every frame: dark and reference, resampling to
  equal steps in wavenumber, Hann window, FFT, phase of the peak. No ΔS, no fit, no sigma.
- matrix product: the frames times a float32 matrix of six columns, on as many threads. These are
  the functionals of phase, energy and tilt with the pump off and on that the estimator computes of
  every frame. It neither demodulates nor fits nor checks. One version converts the camera's uint32
  counts to float32, as the reduction has to; in the other the frames are float32 beforehand.
- reading: all frames of the same HDF5 file through h5py, which decompresses them (gzip and shuffle,
  one chunk for each point), and nothing else. One file is a line of positions. The other is a delay
  scan across a rise, which is inverted after its points are reduced (`analysis.chirp.resolve`); the
  inversion takes as long for points of any number of frames. Its time is the difference between the
  scan and the same frames reduced as a line of positions.
- first reduction: a process without compiled code on disk; later ones load it.
- memory: peak resident set of a process that reduces a file, for several numbers of points.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # points are distributed over threads here

import h5py
import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table
from scipy.special import ndtr

from analysis.chirp.group_delay import chirp_delay, detuning
from analysis.io.raw_file import write_raw
from analysis.point.reducer import Reducer
from analysis.probe_band import PROBE_BAND
from analysis.reduction.missing_metadata import open_raw
from analysis.reduction.scan import reduce_scan

FRAMES, PIXELS = 120, 1044  # a point is a second of frames of the spectrometer
WAVELENGTH = np.linspace(400, 1150, PIXELS)  # nm
IN_MEMORY, ON_DISK = 240, 200  # points; 120 MB of frames, more than a processor's cache holds
DELAY = np.concatenate([np.linspace(-5, 20, 76), np.geomspace(20, 500, 25)[1:]])  # ps
DELTA_N, RISE = 5e-3, 0.1  # RIU; ps, of the step in the delay scan
CHIRP = [5 / np.ptp(detuning(PROBE_BAND))]  # ps/(100 rad/ps): 5 ps over the band
MEMORY = (100, FRAMES), (400, FRAMES), (100, 24), (400, 24), (1600, 24)  # points, frames each
COLUMNS = 6
TURN = 0.2  # s, shortest time of a turn: an idle core is slow at first
CORES = len(os.sched_getaffinity(0))

ESTIMATOR = (
    "Δn with σ: demodulation, fringe, phase, energy and tilt of every frame, whitening of drift, "
    "outliers of pixels and frames, slips of the chopper"
)
PLAIN = "dark, reference, resampling, window, FFT, phase of the peak: no demodulation, no σ"
OF_COUNTS = "uint32 counts to float32, then six sums over the pixels of a frame: no fit, no check"
OF_FLOATS = "the six sums alone: frames are float32 beforehand"
IMAGES = (
    "images of structure: resampling, dispersion, window, FFT, logarithm of the amplitude; no "
    "phase, no demodulation, no σ"
)

OCTPROZ = {
    "GeForce GTX 1080 Ti (version 1.0)": 4.8e6,
    "GeForce GTX 1080 (version 1.8)": 3.4e6,
    "Quadro K620, office computer (version 1.0)": 3.0e5,
    "Jetson Nano (version 1.8)": 1.8e5,
}
"""Spectra of 1024 samples in a second on graphics processors, without 3D view, as stated in
performance.md and performance/v180/performance_v180.md of github.com/spectralcode/OCTproZ. Its
authors publish no figure for a CPU."""

PEAK = """
import sys
from pathlib import Path
from analysis.reduction.missing_metadata import open_raw
from analysis.reduction.scan import reduce_scan
with open_raw(sys.argv[1]) as raw:
    reduce_scan(raw)
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def positions(points, per_point=FRAMES):
    """Return a raw dataset of a line of positions."""
    raw = acquisition(np.full((points, PIXELS), DELTA_N), per_point)
    return raw.assign(x=("point", np.arange(points, dtype=float)))


def delay_scan():
    """Return a raw dataset of a step, sampled by a swept source, with its chirp calibration."""
    step = DELTA_N * ndtr((DELAY[:, np.newaxis] + chirp_delay(WAVELENGTH, CHIRP)) / RISE)
    known = np.linspace(*PROBE_BAND, 41)
    chirp = {"chirp_wavelength": known, "chirp_delay": chirp_delay(known, CHIRP)}
    return acquisition(step).assign(delay=("point", DELAY)).assign_attrs(chirp)


def acquisition(delta_n, per_point=FRAMES):
    """Return a raw dataset of a 1.5 um plate with shot noise and drift, for Δn (P, K)."""
    rng = np.random.default_rng(1)
    k = 2e3 * np.pi / WAVELENGTH
    light = 60e3 * np.exp(-(((WAVELENGTH - 1025) / 88) ** 6))
    opened = np.tile([0.2, 1.0, 1.0, 0.8, 0.0, 0.0], per_point // 6)
    dark = np.full(PIXELS, 1500.0)
    frames = np.empty((len(delta_n), per_point, PIXELS), np.uint32)
    for point, change in zip(frames, delta_n, strict=True):
        drift = np.cumsum(rng.normal(0, 2e-3, per_point)) + rng.uniform(0, 2 * np.pi)
        phase = k * 2 * 2.07 * 1.5 + drift[:, np.newaxis]
        pumped = phase + k * 2 * 1.5 * change
        o = opened[:, np.newaxis]
        fringes = 1 + 0.9 * ((1 - o) * np.cos(phase) + o * np.cos(pumped))
        electrons = rng.normal(4 * light * fringes, np.sqrt(4 * light * fringes + 100))
        point[:] = np.rint(electrons / 4 + 1500)
    zero = ("point", np.zeros(len(frames)))
    start = np.arange(frames[..., 0].size).reshape(-1, per_point) / 120
    return xr.Dataset(
        {
            "frames": (("point", "frame", "wavelength"), frames),
            "frame_time": (("point", "frame"), start),
            "pump_open": (("point", "frame"), np.broadcast_to(opened, start.shape)),
            "dark": ("wavelength", dark),
            "reference": ("wavelength", light + dark),
            **dict.fromkeys(("delay", "x", "y", "fluence"), zero),
        },
        coords={"wavelength": WAVELENGTH},
        attrs={
            "exposure": 8e-3,
            "gain": 4.0,
            "read_noise": 10.0,
            "chopper_frequency": 20.0,
            "geometry": "common-path",
            "sample_name": "plate",
            "material": "CsPbBr3",
            "thickness": 1.5,
            "refractive_index": 2.006,
        },
    )


def plain_chain(frames, raw):
    """Return the phase (F,) of the Fourier peak of every frame (F, K), rad."""
    wavelength = raw["wavelength"].values
    band = np.flatnonzero((wavelength > 925) & (wavelength < 1125))
    dark, light = raw["dark"].values[band], (raw["reference"] - raw["dark"]).values[band]
    k = 2e3 * np.pi / wavelength[band][::-1]
    even = np.linspace(k[0], k[-1], len(k))
    left = np.clip(np.searchsorted(k, even, side="right") - 1, 0, len(k) - 2)
    part = (even - k[left]) / (k[left + 1] - k[left])
    spectra = ((frames[:, band].astype(np.float64) - dark) / light)[:, ::-1]
    resampled = spectra[:, left] * (1 - part) + spectra[:, left + 1] * part
    transform = np.fft.rfft(resampled * np.hanning(len(k)), axis=1)
    peak = 1 + np.argmax(np.abs(transform[:, 1:]), axis=1)
    return np.angle(transform[np.arange(len(frames)), peak])


def timed(*jobs, repeats):
    """Return the time (repeats, n), s, of each of n jobs in turn; short ones run repeatedly."""
    for job in jobs:
        job()  # compiles, fills caches
    taken = np.empty((repeats, len(jobs)))
    for row in taken:
        for i, job in enumerate(jobs):
            times, start, now = 0, time.perf_counter(), -np.inf
            while now < start + TURN:
                job()
                times, now = times + 1, time.perf_counter()
            row[i] = (now - start) / times
    return taken


def in_memory():
    """Return the times (4, n), s, of reduction, plain chain and both matrix products."""
    raw = positions(IN_MEMORY)
    reducer = Reducer.from_dataset(raw)
    frames, times, opens = (raw[name].values for name in ("frames", "frame_time", "pump_open"))
    matrix = np.random.default_rng(2).random((PIXELS, COLUMNS)).astype(np.float32)
    counts = np.array_split(frames, CORES)
    floats = [share.astype(np.float32) for share in counts]
    pool = ThreadPoolExecutor(CORES)

    def product(share):
        for point in share:
            point.astype(np.float32, copy=False) @ matrix

    jobs = (
        lambda: reducer.points(frames, times, opens),
        lambda: [plain_chain(point, raw) for point in frames],
        lambda: list(pool.map(product, counts)),
        lambda: list(pool.map(product, floats)),
    )
    return timed(*jobs, repeats=25).T


def from_disk(directory):
    """Return the times (5, n), s, of jobs that read from disk.

    They are: reducing and reading a line of positions; reducing a delay scan; reducing its frames
    as a line of positions; reading the delay scan.
    """
    scan = delay_scan()
    as_line = scan.assign(delay=scan["x"], x=scan["delay"])
    paths = [Path(directory) / f"{name}.h5" for name in ("line", "scan", "scan_as_line")]
    for raw, path in zip((positions(ON_DISK), scan, as_line), paths, strict=True):
        write_raw(raw, path)

    def reduction(path):
        with open_raw(path) as raw:
            return reduce_scan(raw)

    def reading(path):
        with h5py.File(path) as file:
            frames = file["/entry/instrument/spectrometer/frames"]
            for i in range(len(frames)):
                frames[i]

    line, delays, same = paths
    assert "chirp_resolved_delay" in reduction(delays)
    jobs = (
        lambda: reduction(line),
        lambda: reading(line),
        lambda: reduction(delays),
        lambda: reduction(same),
        lambda: reading(delays),
    )
    return timed(*jobs, repeats=7).T


def first_reduction(directory):
    """Return the times, s, of a process that compiles and reduces two points, and of the next."""
    path = Path(directory) / "first.h5"
    write_raw(positions(2), path)
    command = [sys.executable, "-c", PEAK, str(path)]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(directory) / "compiled")}
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        taken.append(time.perf_counter() - start)
    return taken


def peak_memory(directory, points, frames):
    """Return the peak resident set, MB, of a process that reduces points of so many frames."""
    path = Path(directory) / f"{points}_{frames}.h5"
    write_raw(positions(points, frames), path)
    command = [sys.executable, "-c", PEAK, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    """Measure, and print the table and the other numbers."""
    reduction, plain, of_counts, of_floats = in_memory()
    with tempfile.TemporaryDirectory() as directory:
        line, reading, scan, as_line, reading_scan = from_disk(directory)
        first, second = first_reduction(directory)
        peaks = [peak_memory(directory, *size) for size in MEMORY]

    table = Table("", "frames/s", "this project / it", "target", "computes", show_lines=True)

    def row(name, points, taken, computes, ours=None, target=""):
        ratio = ""
        if ours is not None:
            low, middle, high = np.quantile(taken / ours, (0.25, 0.5, 0.75))
            ratio = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        speed = points * FRAMES / np.median(taken)
        table.add_row(name, f"{speed:.2g}", ratio, target, computes)

    row("this project, in memory", IN_MEMORY, reduction, ESTIMATOR)
    row("plain numpy chain, in memory", IN_MEMORY, plain, PLAIN, reduction, ">= 8")
    row("matrix product of counts", IN_MEMORY, of_counts, OF_COUNTS, reduction, ">= 0.6")
    row("matrix product of float32", IN_MEMORY, of_floats, OF_FLOATS, reduction)
    row("this project, from disk", ON_DISK, line, "the same, with reading")
    row("reading alone, from disk", ON_DISK, reading, "decompression", line, ">= 0.7")
    row("this project, delay scan from disk", len(DELAY), scan, "with the inversion in time")
    row("reading alone, the same file", len(DELAY), reading_scan, "decompression", scan)
    for hardware, speed in OCTPROZ.items():
        table.add_row(f"OCTproZ, {hardware}", f"{speed:.2g}", "as published", "", IMAGES)
    console = Console(width=120)
    console.print(table)
    lines = [
        f"delay scan of {len(DELAY)} points: its inversion takes {np.median(scan - as_line):.2f} s",
        f"first reduction {first:.0f} s, the next {second:.1f} s, of two points, imports included",
    ]
    for (points, frames), peak in zip(MEMORY, peaks, strict=True):
        size = 4e-6 * points * frames * PIXELS
        lines.append(
            f"peak memory {peak:.0f} MB for {points} points of {frames} frames ({size:.0f} MB)"
        )
    console.print("\n".join(lines), highlight=False)


if __name__ == "__main__":
    main()
