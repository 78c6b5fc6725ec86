"""Reduction speed in frames/s, as a ratio to a plain numpy normalise-window-FFT chain.

Run as ``python benchmarks/bench_reduction.py``; the ratio is of one run, the two timed in turn.
"""

import time

import numpy as np

from analysis.reduction import Reducer

FRAMES, PIXELS = 120, 1044  # a second of frames of the spectrometer
REPEATS = 300


def acquisition():
    """Return one point of a 1.5 um plate with shot noise, and a reducer for it."""
    rng = np.random.default_rng(1)
    wavelength = np.linspace(400, 1150, PIXELS)
    light = 60e3 * np.exp(-(((wavelength - 1025) / 88) ** 6))
    pump_open = np.tile([0.2, 1.0, 1.0, 0.8, 0.0, 0.0], FRAMES // 6)
    path = 2 * 2.07 * 1.5 + 2 * 1.5 * 5e-3 * pump_open[:, np.newaxis]
    phase = 2e3 * np.pi / wavelength * path
    counts = rng.poisson(4 * light * (1 + 0.9 * np.cos(phase))) / 4 + 1500
    dark = np.full(PIXELS, 1500.0)
    reducer = Reducer(
        wavelength,
        dark,
        light + dark,
        thickness=1.5,
        refractive_index=2.006,
        gain=4.0,
        read_noise=10.0,
        chopper_frequency=20.0,
        material="CsPbBr3",
    )
    return reducer, counts.astype(np.uint32), np.arange(FRAMES) / 120, pump_open


def plain_chain(frames, dark, reference, band, window):
    """Phase of the Fourier peak of every frame, (F,): what the reduction is compared with."""
    light = reference[band] - dark[band]
    spectra = (frames[:, band].astype(np.float64) - dark[band]) / light
    transform = np.fft.rfft(spectra * window, axis=1)
    peak = 1 + np.argmax(np.abs(transform[:, 1:]), axis=1)
    return np.angle(transform[np.arange(len(frames)), peak])


def compare():
    """Time both in turn; returns frames/s of the reduction and of the plain chain."""
    reducer, frames, frame_time, pump_open = acquisition()
    band = reducer.band.pixels
    window = np.hanning(band.stop - band.start)
    dark, reference = np.full(PIXELS, 1500.0), np.full(PIXELS, 60e3)
    jobs = (
        lambda: reducer.point(frames, frame_time, pump_open),
        lambda: plain_chain(frames, dark, reference, band, window),
    )
    for job in jobs:
        job()  # compiles, fills caches
    taken = np.empty((REPEATS, 2))
    for row in taken:
        for i, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            row[i] = time.perf_counter() - start
    return FRAMES / np.median(taken, axis=0)


if __name__ == "__main__":
    reduction, plain = compare()
    print(f"reduction   {reduction:10.0f} frames/s, with fluorescence and sigma")  # noqa: T201
    print(f"plain chain {plain:10.0f} frames/s")  # noqa: T201
    print(f"ratio       {reduction / plain:10.2f} (target: at least 3)")  # noqa: T201
