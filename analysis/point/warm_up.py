"""The estimator's compilation, before somebody waits for it in the middle of a scan."""

import logging
from functools import cache

import numpy as np

from analysis.numerics.jit import is_kept
from analysis.point.pipeline import estimate
from analysis.point.reducer import Reducer

__all__ = ["warm_up"]

_FRAMES, _PIXELS = 12, 300

log = logging.getLogger(__name__)


@cache
def warm_up() -> None:
    """Compile what reduces points, or load it where that was done since the installation.

    Takes a minute at first, when it says so, and half a second in later processes.
    """
    if not is_kept(estimate):
        log.warning("compiling the estimator, once after an installation: about a minute")
    wavelength = np.linspace(900, 1150, _PIXELS)
    opened = np.tile([0.0, 0.5, 1.0, 1.0, 0.5, 0.0], _FRAMES // 6)
    phase = 2e3 * np.pi / wavelength * 2 * 2.0 * 1.5 + 0.1 * opened[:, np.newaxis]
    frames = np.rint(1e4 * (1 + 0.5 * np.cos(phase))).astype(np.uint32)
    reducer = Reducer(
        *(wavelength, np.zeros(_PIXELS), np.full(_PIXELS, 1e4)),
        thickness=1.5,
        refractive_index=2.0,
        gain=4.0,
        read_noise=10.0,
    )
    times = np.arange(_FRAMES) / 120
    reducer.points_and_spectra(frames[np.newaxis], times[np.newaxis], opened[np.newaxis])
