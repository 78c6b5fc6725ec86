"""Fringes from the model's equation in plain numpy, and frames of them, to test kernels with."""

import numpy as np
from handmade import open_fraction

from analysis.fringe.model import FringeModel
from analysis.fringe.parameters import PARAMETERS
from analysis.point.normalisation import Setup
from analysis.probe_band import ProbeBand

WAVELENGTH = np.linspace(925.5, 1124.5, 144)  # nm
CENTRE, PATH = 1025.0, 20.0  # nm, um: 4 fringes in the band
GAIN, READ_NOISE, DARK, LIGHT = 4.0, 10.0, 1500.0, 3e4
FRINGE = np.array([1.02, 0.01, -0.001, 0.4, -0.3, 20.3, 0.02])
PUMP = np.array([0.02, 1e-3, -2e-3, 3e-3, 2e-3, 1e-4])
SLOT, EXPOSURE = 1 / 120, 8e-3  # s


def parameters(fringe=FRINGE, pump=PUMP):
    """All 13 parameters of the model."""
    p = np.concatenate([fringe, pump])
    assert len(p) == PARAMETERS
    return p


def model():
    """A model without dispersion and blur, in a light with a ripple."""
    ripple = 0.1 * np.cos(WAVELENGTH / 7)
    return FringeModel(WAVELENGTH, CENTRE, PATH, path_range=3.0, ripple=ripple)


def spectrum(p, drift=0.0):
    """Normalised spectrum by the equation of `analysis.fringe.model`; `drift` in rad."""
    g0, g1, g2, a, b, z, r, delta, h0, h1, c, d, f = p
    k, k_centre = 2e3 * np.pi / WAVELENGTH, 2e3 * np.pi / CENTRE
    q, rho = k - k_centre, k / k_centre
    kappa = (CENTRE - WAVELENGTH) / (np.ptp(WAVELENGTH) / 2)
    slope = 0.1 * np.cos(WAVELENGTH / 7) * np.ptp(k) / 2
    psi = z * q * (1 + r * (rho - 1)) + delta * rho + d * q + drift * rho
    envelope = g0 + g1 * kappa + g2 * kappa**2
    fringe = a * np.cos(psi) - b * np.sin(psi)
    return (1 + h0 + h1 * kappa) * (1 + f * slope) * envelope * (1 + (1 + c) * fringe)


def tilt():
    """κ of the pixels."""
    return (CENTRE - WAVELENGTH) / (np.ptp(WAVELENGTH) / 2)


def setup(chirped=False):
    """Constants of a run in which each pixel is a bin, and its light is flat."""
    pixels = len(WAVELENGTH)
    band = ProbeBand(
        WAVELENGTH,
        np.full(pixels, DARK),
        np.full(pixels, DARK + LIGHT),
        longest_path=1e3,
        gain=GAIN,
        read_noise=READ_NOISE,
    )
    assert len(band.bins.light) == pixels
    return Setup(band.bins, model().grid, EXPOSURE, 2.0**31 - 1, chirped)


def times(count):
    """Times of frames, s, and their open fractions: six frames in a period of the chopper."""
    start = np.arange(count) * SLOT
    return start, open_fraction(start, 0.13, EXPOSURE)


def frames(p, opened, phase=0.0, energy=0.0, tilts=0.0):
    """Counts (F, K) of frames, exact; phase, energy and tilt are numbers or (F,) arrays."""
    off = np.concatenate([p[:7], np.zeros(6)])
    phase, energy, tilts = (
        np.broadcast_to(values, opened.shape) for values in (phase, energy, tilts)
    )
    rows = []
    for o, theta, e, t in zip(opened, phase, energy, tilts, strict=True):
        mixed = (1 - o) * spectrum(off, theta) + o * spectrum(p, theta)
        rows.append(DARK + LIGHT * (1 + e) * mixed * (1 + t * tilt()))
    return np.array(rows)


def rounded(counts, rng=None):
    """Whole counts, with shot and read noise if there is a random generator."""
    if rng is not None:
        variance = np.maximum(counts - DARK, 0) / GAIN + (READ_NOISE / GAIN) ** 2
        counts = counts + np.sqrt(variance) * rng.standard_normal(counts.shape)
    return np.rint(counts).astype(np.uint32)
