"""The probe's part of the spectrometer: which pixels carry the fringe, and its normalisation."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PROBE_BAND = (925.0, 1125.0)
"""Band of the probe's supercontinuum in nm (stated in the paper)."""

CENTRE_WAVELENGTH = sum(PROBE_BAND) / 2
"""Wavelength in nm at which `delta_phi` is given: the band's centre."""

_ROUNDING = 1 / 12  # counts², which a pixel without light or read noise has as well
_MIN_LIGHT = 0.05  # of the brightest pixel: less adds nothing but stray light
_MIN_PIXELS = 20
_MAX_TURN = 0.1  # rad of fringe phase in a bin: costs 0.04 % of the visibility
_MAX_WIDTH = 3  # pixels in a bin, 2.2 nm: little more than the slit blurs


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
        self._gain, self._read_noise = gain, read_noise

        def binned(values: Floats) -> Floats:
            return np.add.reduceat(values[self._index], self._starts)

        self._dark, self._light = binned(dark), binned(light)
        self.wavelength: Floats = 2e3 * np.pi * self._light / binned(k * light)
        middle = binned(k) / self._sizes
        self.ripple: Floats = np.gradient(np.log(self._light / self._sizes), middle)

    def normalise(
        self, off: Floats, difference: Floats, mean_open: float
    ) -> tuple[Floats, Floats, Floats]:
        """Bring S_off and ΔS (K,), in counts, to units of the reference.

        Returns both (B,) and their inverse variance (B,) in one frame, from shot and read noise at
        the light of a mean frame, S_off + `mean_open` ΔS.
        """
        return _normalise(
            *(off, difference, mean_open, self._index, self._starts, self._dark, self._light),
            *(self._gain, self._read_noise),
        )

    def per_count(self, functional: Floats) -> Floats:
        """Turn a functional (B,) of normalised spectra into one of the counts of `pixels`."""
        result = np.zeros(self.pixels.stop - self.pixels.start)
        result[self._index - self.pixels.start] = np.repeat(functional / self._light, self._sizes)
        return result


@njit(cache=True)
def _normalise(
    off: Floats,
    difference: Floats,
    mean_open: float,
    index: NDArray[np.int64],
    starts: NDArray[np.int64],
    dark: Floats,
    light: Floats,
    gain: float,
    read_noise: float,
) -> tuple[Floats, Floats, Floats]:
    normal_off, normal_difference, weight = np.empty((3, len(starts)))
    for i in range(len(starts)):
        end = starts[i + 1] if i + 1 < len(starts) else len(index)
        off_sum, difference_sum = -dark[i], 0.0
        for j in index[starts[i] : end]:
            off_sum += off[j]
            difference_sum += difference[j]
        signal = max(off_sum + mean_open * difference_sum, 0.0)
        variance = signal / gain + (end - starts[i]) * ((read_noise / gain) ** 2 + _ROUNDING)
        normal_off[i] = off_sum / light[i]
        normal_difference[i] = difference_sum / light[i]
        weight[i] = light[i] ** 2 / variance
    return normal_off, normal_difference, weight
