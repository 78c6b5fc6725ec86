"""The pixels of the spectrometer that carry the probe's fringe, and their normalisation."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ocm_ophyd.errors import DataError

__all__ = [
    "CENTRE_WAVELENGTH",
    "PROBE_BAND",
    "Bins",
    "ProbeBand",
    "in_band",
    "lit_pixels",
]

Floats = NDArray[np.float64]

PROBE_BAND = (925.0, 1125.0)
"""Band of the probe's supercontinuum in nm (stated in the paper)."""

CENTRE_WAVELENGTH = sum(PROBE_BAND) / 2
"""Wavelength in nm at which `delta_phi` is given: the band's centre."""

_MIN_LIGHT = 0.05
"""Least light of a pixel that is used, relative to the brightest pixel: fainter pixels contribute
stray light rather than fringes."""

_MIN_PIXELS = 20
"""Fewest lit pixels from which the parameters of a fringe can be determined."""

_MAX_TURN = 0.15
"""Largest change of the fringe's phase within a bin, rad: it costs 0.1 % of the visibility."""

_MAX_WIDTH = 3
"""Most pixels in a bin: 2.2 nm, little more than the width of the slit."""

_LANES = 16
"""Numbers that the processor adds at once; the number of bins is a multiple of it, because a
remainder takes as long as 16 bins."""


class Bins(NamedTuple):
    """Bins of neighbouring lit pixels (N pixels in B bins), for compiled code.

    Attributes
    ----------
    pixel : (N,) array
        Indices of the pixels.
    edge : (B + 1,) array
        Index in `pixel` of the first pixel of every bin, and N.
    dark, light : (B,) array
        Counts of the dark frame, and of the reference minus the dark frame.
    gain : float
        electrons/count.
    fixed : (B,) array
        Variance in counts² without light: of read noise and of rounding to whole counts.
    """

    pixel: NDArray[np.int64]
    edge: NDArray[np.int64]
    dark: Floats
    light: Floats
    gain: float
    fixed: Floats


def in_band(wavelength: Floats) -> NDArray[np.bool_]:
    """Return which wavelengths (K,) in nm are in the probe's band."""
    return (wavelength >= PROBE_BAND[0]) & (wavelength <= PROBE_BAND[1])


def lit_pixels(wavelength: Floats, light: Floats) -> NDArray[np.bool_]:
    """Return which pixels (K,) of the probe's band are lit.

    Parameters
    ----------
    wavelength : (K,) array
        nm.
    light : (K,) array
        Counts of the reference minus the dark frame.
    """
    band = in_band(wavelength)
    return band & (light > _MIN_LIGHT * np.max(light, where=band, initial=0.0))


class ProbeBand:
    """The lit pixels of the probe's band in B bins.

    Up to three neighbouring pixels are added where the fringe varies slowly: the slit blurs nearly
    as much, and the time of the reduction is halved.

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
    DataError
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
            raise DataError(
                f"reference: fewer than {_MIN_PIXELS} pixels with light between {PROBE_BAND[0]:g} "
                f"and {PROBE_BAND[1]:g} nm; record it again with the probe's shutter open"
            )
        k = 2e3 * np.pi / wavelength
        turn = longest_path * np.abs(np.diff(k[in_band(wavelength)])).max()
        self._index = np.flatnonzero(lit)
        width = np.clip(_MAX_TURN / turn, 1, _MAX_WIDTH)
        count = int(np.ceil(len(self._index) / width / _LANES)) * _LANES
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
        """Return the sums over bins (B,) of values of pixels (K,)."""
        return np.add.reduceat(values[self._index], self._starts)

    def normalise(self, spectrum: Floats) -> tuple[Floats, Floats]:
        """Return a spectrum relative to the reference, and its inverse variance.

        Parameters
        ----------
        spectrum : (K,) array
            Counts of one frame.

        Returns
        -------
        (B,) array
            The spectrum in units of the reference.
        (B,) array
            Inverse variance of one frame, from shot and read noise.
        """
        bins = self.bins
        signal = self._binned(spectrum) - bins.dark
        variance = np.maximum(signal, 0.0) / bins.gain + bins.fixed
        return signal / bins.light, bins.light**2 / variance
