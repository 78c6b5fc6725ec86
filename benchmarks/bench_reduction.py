"""Speed and memory of the reduction, each as a ratio to a bare version of the same work.

Run as ``python -m benchmarks.bench_reduction``. One table; every ratio is of two things that were
timed in turn in one run, on all cores that the process may use: the median over the turns, with
the quartiles, as others may use the machine. Another program's published figures stand below them,
for orientation.

- plain chain: numpy in float64 on every frame's probe band: dark and reference, resampling to equal
  steps in wavenumber, Hann window, FFT, phase of the peak. No ΔS, no fit, no sigma.
- matrix product: the frames, converted to float32, times a matrix of six columns, the functionals
  of phase, energy and tilt with the pump off and on that the estimator takes of every frame, on as
  many threads. It neither demodulates nor fits nor checks anything.
- reading: all frames of the same HDF5 file through h5py, which decompresses them (gzip and
  shuffle, a chunk a point), and nothing else. The file is a line of positions; a delay scan is
  inverted besides, once its points are reduced (`analysis.chirp`), which takes as long for points
  of any number of frames: its time is a line of its own.
- first reduction: a process that finds nothing compiled; later ones load what it has compiled.
- memory: peak resident set of a process that reduces a file, for two numbers of points.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # the threads are made here, for points

import h5py
import numpy as np
import xarray as xr
from rich.console import Console
from rich.table import Table

from analysis.raw import open_raw, write_raw
from analysis.reduction import Reducer, reduce_scan

FRAMES, PIXELS = 120, 1044  # a point is a second of frames of the spectrometer
IN_MEMORY, ON_DISK = 240, 200  # points; 120 MB of frames, more than a processor's cache holds
COLUMNS = 6
TURN = 0.2  # s: a core that was idle takes a while to get up to speed
CORES = len(os.sched_getaffinity(0))

ESTIMATOR = (
    "Δn with σ: demodulation, fringe, phase, energy and tilt of every frame, drift whitened; odd "
    "pixels, frames and slips found"
)
PLAIN = "dark, reference, resampling, window, FFT, phase of the peak: no demodulation, no σ"
PRODUCT = "six sums over the pixels of every frame: no fit, no check"
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
"""Spectra of 1024 samples a second on graphics processors, without 3D view: as its authors state in
performance.md and performance/v180/performance_v180.md of github.com/spectralcode/OCTproZ. They
publish no figure of a CPU."""

PEAK = """
import sys
from pathlib import Path
from analysis.raw import open_raw
from analysis.reduction import reduce_scan
with open_raw(sys.argv[1]) as raw:
    reduce_scan(raw)
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def acquisition(points, along="x"):
    """Raw dataset of a 1.5 um plate with shot noise and drift, a scan along one coordinate."""
    rng = np.random.default_rng(1)
    wavelength = np.linspace(400, 1150, PIXELS)
    light = 60e3 * np.exp(-(((wavelength - 1025) / 88) ** 6))
    opened = np.tile([0.2, 1.0, 1.0, 0.8, 0.0, 0.0], FRAMES // 6)
    dark = np.full(PIXELS, 1500.0)
    frames = np.empty((points, FRAMES, PIXELS), np.uint32)
    for point in frames:
        drift = np.cumsum(rng.normal(0, 2e-3, FRAMES)) + rng.uniform(0, 2 * np.pi)
        phase = 2e3 * np.pi / wavelength * 2 * 2.07 * 1.5 + drift[:, np.newaxis]
        pumped = phase + 2e3 * np.pi / wavelength * 2 * 1.5 * 5e-3
        o = opened[:, np.newaxis]
        fringes = 1 + 0.9 * ((1 - o) * np.cos(phase) + o * np.cos(pumped))
        electrons = rng.normal(4 * light * fringes, np.sqrt(4 * light * fringes + 100))
        point[:] = np.rint(electrons / 4 + 1500)
    zero = ("point", np.zeros(points))
    start = np.arange(points * FRAMES).reshape(points, FRAMES) / 120
    return xr.Dataset(
        {
            "frames": (("point", "frame", "wavelength"), frames),
            "frame_time": (("point", "frame"), start),
            "pump_open": (("point", "frame"), np.broadcast_to(opened, (points, FRAMES))),
            "dark": ("wavelength", dark),
            "reference": ("wavelength", light + dark),
            **dict.fromkeys(("delay", "x", "y", "fluence"), zero),
            along: ("point", np.arange(points, dtype=float)),
        },
        coords={"wavelength": wavelength},
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
    """Phase of the Fourier peak of every frame (F, K)."""
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
    """Seconds (repeats, n) of each job, done in turn; short ones over and over, as in a night."""
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
    """Seconds of reduction, plain chain and matrix product, each several times (3, n)."""
    raw = acquisition(IN_MEMORY)
    reducer = Reducer.from_dataset(raw)
    frames, times, opens = (raw[name].values for name in ("frames", "frame_time", "pump_open"))
    matrix = np.random.default_rng(2).random((PIXELS, COLUMNS)).astype(np.float32)
    shares = np.array_split(frames, CORES)
    pool = ThreadPoolExecutor(CORES)

    def product(share):
        for point in share:
            point.astype(np.float32) @ matrix

    jobs = (
        lambda: reducer.points(frames, times, opens),
        lambda: [plain_chain(point, raw) for point in frames],
        lambda: list(pool.map(product, shares)),
    )
    return timed(*jobs, repeats=25).T


def from_disk(directory):
    """Seconds of a file's reduction, of reading it, and of a delay scan's reduction (3, n)."""
    path, delays = (Path(directory) / f"{along}.h5" for along in ("x", "delay"))
    for each in (path, delays):
        write_raw(acquisition(ON_DISK, each.stem), each)

    def reduction(file=path):
        with open_raw(file) as raw:
            reduce_scan(raw)

    def reading():
        with h5py.File(path) as file:
            frames = file["/entry/instrument/spectrometer/frames"]
            for i in range(len(frames)):
                frames[i]

    return timed(reduction, reading, lambda: reduction(delays), repeats=7).T


def first_reduction(directory):
    """Seconds of a process that compiles and reduces two points, and of the next one."""
    path = Path(directory) / "first.h5"
    write_raw(acquisition(2), path)
    command = [sys.executable, "-c", PEAK, str(path)]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(Path(directory) / "compiled")}
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        taken.append(time.perf_counter() - start)
    return taken


def peak_memory(directory, points):
    """Peak resident set in MB of a process that reduces a file of so many points."""
    path = Path(directory) / f"{points}.h5"
    write_raw(acquisition(points), path)
    command = [sys.executable, "-c", PEAK, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    """Measure, and print the table and what does not fit in it."""
    reduction, plain, product = in_memory()
    with tempfile.TemporaryDirectory() as directory:
        disk, reading, scan = from_disk(directory)
        first, second = first_reduction(directory)
        few, many = (peak_memory(directory, points) for points in (100, 400))

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
    row("matrix product, in memory", IN_MEMORY, product, PRODUCT, reduction, ">= 0.6")
    row("this project, from disk", ON_DISK, disk, "the same, and reads")
    row("reading alone, from disk", ON_DISK, reading, "decompression", disk, ">= 0.7")
    for hardware, speed in OCTPROZ.items():
        table.add_row(f"OCTproZ, {hardware}", f"{speed:.2g}", "as published", "", IMAGES)
    console = Console(width=120)
    console.print(table)
    console.print(
        f"delay scan of {ON_DISK} points: its inversion takes {np.median(scan - disk):.2f} s more\n"
        f"first reduction {first:.0f} s, the next {second:.1f} s, of two points, imports included\n"
        f"peak memory: {few:.0f} MB for 100 points (50 MB of frames), {many:.0f} MB for 400 (200)",
        highlight=False,
    )


if __name__ == "__main__":
    main()
