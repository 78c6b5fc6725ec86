"""The path difference of a fringe that nobody has noted, from the spectra themselves."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.band import ProbeBand

Floats = NDArray[np.float64]

_FRAMES = 64  # more would find nothing else
_FINE = 8  # steps of the search in a period of the band
_SMOOTH = 3  # order of what envelope and pulse make, of which a fringe must stand clear
_PERIODS = 2.0  # over the band: fewer are not told from the envelope


def path_of_fringe(
    wavelength: ArrayLike, dark: ArrayLike, reference: ArrayLike, frames: NDArray[np.uint32]
) -> float | None:
    """Optical path difference in um at which spectra oscillate most.

    A sum of the periodograms of single frames, which drift and pump cannot blur, up to a fringe of
    four pixels.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; mean dark frame and interference-free spectrum (dark not subtracted), counts.
    frames : (F, K) array

    Returns
    -------
    float or None
        Positive; None where the fringe has too few periods to tell.

    Raises
    ------
    ValueError
        The reference has no light in the probe's band.
    """
    colours, dark, light = (np.asarray(v, np.float64) for v in (wavelength, dark, reference))
    band = ProbeBand(colours, dark, light, longest_path=np.inf, gain=1.0, read_noise=0.0)
    k = 2e3 * np.pi / band.wavelength
    span, step = np.ptp(k), np.abs(np.diff(k)).max()
    paths = np.arange(2 * np.pi * _PERIODS / span, np.pi / (2 * step), 2 * np.pi / (_FINE * span))
    # As much light as the band's edges have, its slow parts are not a fringe's.
    weight = band.bins.light
    x = 2 * (k - k.mean()) / span
    smooth = np.linalg.qr(np.vander(x, _SMOOTH + 1) * weight[:, np.newaxis])[0]
    power = np.zeros(len(paths))
    waves = np.exp(-1j * np.multiply.outer(paths, k))
    for frame in frames[:: max(len(frames) // _FRAMES, 1)]:
        spectrum, _ = band.normalise(frame)
        rest = spectrum * weight
        rest -= smooth @ (smooth.T @ rest)
        power += np.abs(waves @ (rest * np.hanning(len(k)))) ** 2
    best = int(np.argmax(power))
    return float(paths[best]) if best > 0 else None
