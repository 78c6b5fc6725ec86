"""The published reduction, for comparison.

Methods B (4) of the paper: "The spectrum is normalized to an interference-free spectrum, and the
Fourier phase is extracted. Then the changes in the amplitude of the Fourier phase at the chopper
frequency are determined." The details that the paper does not state are the usual ones here. The
spectrum is resampled to equal steps of the wavenumber, its mean is subtracted, and it is multiplied
by a Hann window before the Fourier transform, which is padded with zeros. The peak is the highest
one apart from zero in the transform of a point's mean spectrum. The amplitude at the chopper's
frequency is divided by that of the open fractions. The phase is converted to Δn at the middle of
the window.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.probe_band import PROBE_BAND

PADDING = 16  # length of the padded spectrum over that of the band


@dataclass(frozen=True)
class Baseline:
    """Result of the published reduction.

    Attributes
    ----------
    delta_n : (P,) array
        Of every point, RIU.
    phase : (P, F) array
        Fringe phase of every frame, rad.
    """

    delta_n: np.ndarray
    phase: np.ndarray


def reduce_as_published(dataset: xr.Dataset) -> Baseline:
    """Reduce a raw dataset (`analysis.io.schema`) as the paper does."""
    wavelength = dataset["wavelength"].values
    first, last = np.searchsorted(wavelength, PROBE_BAND)
    band = slice(first, last)
    k = 2e3 * np.pi / wavelength[band]
    even = np.linspace(k[-1], k[0], len(k))  # increasing
    dark, reference = (dataset[name].values[band] for name in ("dark", "reference"))
    taper = np.hanning(len(k))
    # (B, B) matrix of the linear interpolation, the same for every frame
    resample = np.stack([np.interp(even, k[::-1], unit[::-1]) for unit in np.eye(len(k))])
    delta_n, phases = [], []
    scale = 1 / (even.mean() * 2 * dataset.attrs["thickness"])  # the window's middle, 1015 nm
    for i in range(dataset.sizes["point"]):
        times, opened = (dataset[name].values[i] for name in ("frame_time", "pump_open"))
        normal = (dataset["frames"][i].values[:, band] - dark) / (reference - dark)
        mean = normal.mean(axis=0) @ resample
        bins = PADDING * len(k)
        amplitude = np.abs(np.fft.rfft((mean - mean.mean()) * taper, bins))[: bins // 4]
        # Resampling, mean, window and transform are linear: one bin of it is one vector.
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
    """Return the bin of the fringe: the highest local maximum apart from zero."""
    inner = np.flatnonzero((amplitude[1:-1] > amplitude[:-2]) & (amplitude[1:-1] >= amplitude[2:]))
    return int(1 + inner[np.argmax(amplitude[1 + inner])])
