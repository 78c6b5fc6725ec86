"""Delay scans of a swept source: each wavelength samples the phase at its own time."""

import numpy as np

from analysis.chirp.linear_model import DelayScan
from analysis.fringe.model import Fringe, FringeModel
from analysis.point.results import PointSpectra

WAVELENGTH = np.linspace(930.0, 1120.0, 64)  # nm
LIGHT = np.exp(-(((WAVELENGTH - 1025) / 90) ** 4))
PATH = 6.2  # um
C = 299792.458  # nm/ps
CHIRP = np.array([1.3, 0.06])  # ps/(100 rad/ps)^k


def group_delay(wavelength=WAVELENGTH, chirp=CHIRP):
    """Time at which a wavelength (nm) passes the sample, ps after 1025 nm."""
    x = 2 * np.pi * C * (1 / wavelength - 1 / 1025) / 100
    return sum(c * x ** (k + 1) for k, c in enumerate(chirp))


def swept_scan(phase, delay, rng=None, noise=1e-3, phases=None):
    """Scan of a phase change `phase(t)` (rad) at scan delays (ps).

    `noise` is the standard deviation of a bin of the differential spectrum; without `rng` there is
    none in the data. `phases` are those of the fringe, one a point.
    """
    model = FringeModel(WAVELENGTH, 1025.0, PATH, 0.5)
    turns = np.linspace(0.0, 5.0, len(delay)) if phases is None else phases
    spectra = []
    for tau, turn in zip(delay, turns, strict=True):
        parameters = np.array([1.0, 0.0, 0.0, 0.9 * np.cos(turn), 0.9 * np.sin(turn), PATH, 0.02])
        fringe = Fringe(parameters, np.eye(7) * 1e-10)
        off = model.derivatives(fringe)[0]
        difference = model.derivatives(fringe, phase(tau + group_delay()))[0] - off
        if rng is not None:
            difference = difference + noise * rng.standard_normal(len(off))
        weight = np.full(len(off), noise**-2)
        spectra.append(PointSpectra(fringe, off, difference, weight, weight, drift_sigma=1e-4))
    return DelayScan(
        model=model,
        wavelength=WAVELENGTH,
        light=LIGHT,
        spectra=spectra,
        delay=np.asarray(delay, float),
        drift_sigma=np.full(len(delay), 1e-4),
        resolution=0.2,
    )
