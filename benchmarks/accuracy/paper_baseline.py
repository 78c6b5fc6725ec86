"""The published reduction, as the paper states it, to compare with.

Methods B (4) of the paper: "The spectrum is normalized to an interference-free spectrum, and the
Fourier phase is extracted. Then the changes in the amplitude of the Fourier phase at the chopper
frequency are determined." What it leaves open is chosen here as is usual: the spectrum is resampled
to equal steps of the wavenumber, its mean is taken off, and Hann's window is put on it before the
Fourier transform, which is padded with zeros; the peak is that of the mean of a point's spectra,
the highest beside zero; the amplitude at the chopper's frequency is divided by that of the open
fractions themselves; and the phase is turned into Δn at the middle of the window.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.probe_band import PROBE_BAND

PADDING = 16  # times the band's samples


@dataclass(frozen=True)
class Baseline:
    """Δn of every point, RIU, and the fringe phases of its frames, rad, (P,) and (P, F)."""

    delta_n: np.ndarray
    phase: np.ndarray


def reduce_as_published(dataset: xr.Dataset) -> Baseline:
    """Reduce a raw dataset (`analysis.io.schema`) as the paper does."""
    wavelength = dataset["wavelength"].values
    first, last = np.searchsorted(wavelength, PROBE_BAND)
    band = slice(first, last)
    k = 2e3 * np.pi / wavelength[band]
    even = np.linspace(k[-1], k[0], len(k))  # rising
    dark, reference = (dataset[name].values[band] for name in ("dark", "reference"))
    taper = np.hanning(len(k))
    # (B, B) linear interpolation: the same for every frame
    resample = np.stack([np.interp(even, k[::-1], unit[::-1]) for unit in np.eye(len(k))])
    delta_n, phases = [], []
    scale = 1 / (even.mean() * 2 * dataset.attrs["thickness"])  # the window's middle, 1015 nm
    for i in range(dataset.sizes["point"]):
        times, opened = (dataset[name].values[i] for name in ("frame_time", "pump_open"))
        normal = (dataset["frames"][i].values[:, band] - dark) / (reference - dark)
        mean = normal.mean(axis=0) @ resample
        bins = PADDING * len(k)
        amplitude = np.abs(np.fft.rfft((mean - mean.mean()) * taper, bins))[: bins // 4]
        # resampling, mean, window and transform are linear: at one bin, one vector for all frames
        one_bin = taper * np.exp(-2j * np.pi * _peak(amplitude) / bins * np.arange(len(k)))
        one_bin -= one_bin.mean()
        real, imaginary = (normal @ (resample @ part) for part in (one_bin.real, one_bin.imag))
        phase = np.unwrap(np.arctan2(imaginary, real))
        wave = np.exp(-2j * np.pi * dataset.attrs["chopper_frequency"] * times)
        light = np.sum((opened - opened.mean()) * wave)
        delta_n.append(np.real(np.sum((phase - phase.mean()) * wave) / light) * scale)
        phases.append(phase)
    return Baseline(np.array(delta_n), np.array(phases))


def _peak(amplitude: np.ndarray) -> int:
    """Bin of the fringe: the highest local maximum but zero's."""
    inner = np.flatnonzero((amplitude[1:-1] > amplitude[:-2]) & (amplitude[1:-1] >= amplitude[2:]))
    return int(1 + inner[np.argmax(amplitude[1 + inner])])
