"""The probe's part of the spectrometer: which pixels carry the fringe, and its normalisation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PROBE_BAND = (925.0, 1125.0)
"""Band of the probe's supercontinuum in nm (stated in the paper)."""

CENTRE_WAVELENGTH = sum(PROBE_BAND) / 2
"""Wavelength in nm at which `delta_phi` is given: the band's centre."""

_MIN_LIGHT = 0.05  # of the brightest pixel: less adds nothing but stray light
_MIN_PIXELS = 20
_MAX_TURN = 0.15  # rad of fringe phase in a bin: costs 0.1 % of the visibility
_MAX_WIDTH = 3  # pixels in a bin, 2.2 nm: little more than the slit blurs
_AT_ONCE = 16  # bins that the processor takes: what is left over takes as long as all the rest


class Bins(NamedTuple):
    """N lit pixels in B bins, for compiled code.

    Attributes
    ----------
    pixel : (N,) array
        Indices of the pixels.
    edge : (B + 1,) array
        Where the bins begin in them.
    dark, light : (B,) array
        Counts of the dark frame, and of the reference without it.
    gain : float
        electrons/count.
    fixed : (B,) array
        Variance in counts² that no light adds: of read noise and of rounding to whole counts.
    """

    pixel: NDArray[np.int64]
    edge: NDArray[np.int64]
    dark: Floats
    light: Floats
    gain: float
    fixed: Floats


def in_band(wavelength: Floats) -> NDArray[np.bool_]:
    """Which wavelengths (K,) in nm are of the probe's band."""
    return (wavelength >= PROBE_BAND[0]) & (wavelength <= PROBE_BAND[1])


def lit_pixels(wavelength: Floats, light: Floats) -> NDArray[np.bool_]:
    """Which pixels (K,) of the probe's band have light, in counts above the dark ones."""
    band = in_band(wavelength)
    return band & (light > _MIN_LIGHT * np.max(light, where=band, initial=0.0))


class ProbeBand:
    """The lit pixels of the probe's band, B bins of them.

    Up to three neighbouring pixels are added where the fringe is slow: the slit blurs nearly as
    much, and a third of the samples cost half the time.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; counts; counts, dark not subtracted.
    longest_path : float
        Largest optical path difference that can occur, um.
    gain, read_noise : float
        electrons/count, electrons.

    Attributes
    ----------
    bins : Bins
    wavelength : (B,) array
        Mean wavelength of the bins' light, nm.
    ripple : (B,) array
        d ln L/dk of the light L, um/rad.
    spread : (B,) array
        Variance of the bins' k, (rad/um)².

    Raises
    ------
    ValueError
        The reference has no light in the probe's band.
    """

    def __init__(
        self,
        wavelength: Floats,
        dark: Floats,
        reference: Floats,
        longest_path: float,
        gain: float,
        read_noise: float,
    ) -> None:
        light = reference - dark
        lit = lit_pixels(wavelength, light)
        if np.count_nonzero(lit) < _MIN_PIXELS:
            raise ValueError(
                f"reference: fewer than {_MIN_PIXELS} pixels with light between {PROBE_BAND[0]:g} "
                f"and {PROBE_BAND[1]:g} nm; record it again with the probe's shutter open"
            )
        k = 2e3 * np.pi / wavelength
        turn = longest_path * np.abs(np.diff(k[in_band(wavelength)])).max()
        self._index = np.flatnonzero(lit)
        width = np.clip(_MAX_TURN / turn, 1, _MAX_WIDTH)
        count = int(np.ceil(len(self._index) / width / _AT_ONCE)) * _AT_ONCE
        count = min(count, len(self._index))
        edge = np.arange(count + 1) * len(self._index) // count
        if wavelength[0] > wavelength[-1]:  # the same bins, whichever end the pixels begin at
            edge = len(self._index) - edge[::-1]
        self._starts = edge[:-1]
        light_of_bins = self._binned(light)
        self.bins = Bins(
            self._index,
            edge,
            self._binned(dark),
            light_of_bins,
            float(gain),
            self._binned(np.full(len(light), (read_noise / gain) ** 2 + 1 / 12)),
        )
        mean = self._binned(k * light) / light_of_bins
        self.wavelength: Floats = 2e3 * np.pi / mean
        around = k.copy()
        around[self._index] -= np.repeat(mean, np.diff(edge))
        self.spread: Floats = self._binned(around**2 * light) / light_of_bins
        sizes = np.diff(self.bins.edge)
        brightness = np.log(light_of_bins / sizes)
        self.ripple: Floats = np.gradient(brightness, self._binned(k) / sizes)

    def _binned(self, values: Floats) -> Floats:
        """Sum what belongs to pixels (K,) over bins (B,)."""
        return np.add.reduceat(values[self._index], self._starts)

    def normalise(self, spectrum: Floats) -> tuple[Floats, Floats]:
        """Bring a spectrum (K,), in counts, to units of the reference.

        Returns it (B,) and its inverse variance (B,), were it one frame, from shot and read noise.
        """
        bins = self.bins
        signal = self._binned(spectrum) - bins.dark
        variance = np.maximum(signal, 0.0) / bins.gain + bins.fixed
        return signal / bins.light, bins.light**2 / variance
