"""The probe's part of the spectrometer: which pixels carry the fringe, and its normalisation."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PROBE_BAND = (925.0, 1125.0)
"""Band of the probe's supercontinuum in nm (stated in the paper)."""

CENTRE_WAVELENGTH = sum(PROBE_BAND) / 2
"""Wavelength in nm at which `delta_phi` is given: the band's centre."""

_MIN_LIGHT = 0.05  # of the brightest pixel: less adds nothing but stray light
_MIN_PIXELS = 20
_MAX_TURN = 0.1  # rad of fringe phase in a bin: costs 0.04 % of the visibility
_MAX_WIDTH = 2  # pixels in a bin: the slit blurs as much


class ProbeBand:
    """The lit pixels of the probe's band, B bins of them.

    Two neighbouring pixels are added where the fringe is slow: the slit blurs as much, and half the
    samples cost half the time.

    Parameters
    ----------
    wavelength, dark, reference : (K,) array
        nm; counts; counts, dark not subtracted.
    longest_path : float
        Largest optical path difference that can occur, um.

    Raises
    ------
    ValueError
        The reference has no light in the probe's band.
    """

    def __init__(
        self, wavelength: Floats, dark: Floats, reference: Floats, longest_path: float
    ) -> None:
        light = reference - dark
        inside = (wavelength >= PROBE_BAND[0]) & (wavelength <= PROBE_BAND[1])
        lit = inside & (light > _MIN_LIGHT * np.max(light, where=inside, initial=0.0))
        if np.count_nonzero(lit) < _MIN_PIXELS:
            raise ValueError(
                f"reference: fewer than {_MIN_PIXELS} pixels with light between {PROBE_BAND[0]:g} "
                f"and {PROBE_BAND[1]:g} nm; record it again with the probe's shutter open"
            )
        k = 2e3 * np.pi / wavelength
        turn = longest_path * np.abs(np.diff(k[inside])).max()
        self._index = np.flatnonzero(lit)
        self._starts = np.arange(0, len(self._index), int(np.clip(_MAX_TURN / turn, 1, _MAX_WIDTH)))
        self._sizes = np.diff(self._starts, append=len(self._index))
        self.pixels = slice(int(self._index[0]), int(self._index[-1]) + 1)
        self._dark = self.bin(dark)
        self._light = self.bin(light)
        self.wavelength: Floats = 2e3 * np.pi * self._light / self.bin(k * light)

    def bin(self, counts: Floats) -> Floats:
        """Sum of the lit pixels of a spectrum (K,) in each bin, (B,)."""
        return np.add.reduceat(counts[self._index], self._starts)

    def normalise(self, counts: Floats) -> Floats:
        """Binned spectrum (B,) over the reference's, both without dark counts."""
        return (counts - self._dark) / self._light

    def normalise_difference(self, counts: Floats) -> Floats:
        """Binned difference of two spectra (B,), in which dark counts cancel, over the reference's."""
        return counts / self._light

    def weight(self, counts: Floats, gain: float, read_noise: float) -> Floats:
        """Inverse variance (B,) of one frame's normalised spectrum, from shot and read noise.

        `counts` (B,) are binned, `gain` is in electrons/count and `read_noise` in electrons.
        """
        signal = np.maximum(counts - self._dark, 0.0)
        return self._light**2 / (signal / gain + self._sizes * (read_noise / gain) ** 2)

    def per_count(self, functional: Floats) -> Floats:
        """Turn a functional (B,) of normalised spectra into one of the counts of `pixels`."""
        result = np.zeros(self.pixels.stop - self.pixels.start)
        result[self._index - self.pixels.start] = np.repeat(functional / self._light, self._sizes)
        return result
