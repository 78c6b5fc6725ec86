"""Separate the narrow laser lines of a fluence sweep from the broad luminescence.

The faintest points give a first shape of the luminescence band; where any point exceeds it sharply
there are lines, as wide as the resolution. The pixels outside the lines, of all points together,
give the mean shape of the band, the exponential of a polynomial; each point has its own level,
slope and curvature. The lines are what the other pixels hold above the band.

The noise comes from the data: without light from the scatter of the unlit pixels, and with light
its variance grows in proportion to the counts, by as much as the pixels scatter about the band.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import widening
from analysis.lasing.emission import Emission
from ocm_ophyd.errors import DataError

__all__ = ["LineIntensity", "separate_line"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RESOLUTION = 1.5
"""Resolution of the spectrometer, nm (paper): nothing is narrower."""

_UNLIT = (600.0, 850.0)
"""Wavelengths between the luminescence and the probe, nm: noise alone."""

_STANDS_OUT = 5.0
"""Standard deviations by which a pixel stands out of the band: a chance of 3e-7 each."""

_ORDER = 4
"""Order of the polynomial that is the logarithm of the mean luminescence band."""

_BENDS = 3
"""Coefficients by which the band of one point differs: level, slope, curvature."""


@dataclass(frozen=True)
class LineIntensity:
    """Laser lines and luminescence of P points, counts summed over the band.

    Attributes
    ----------
    line, line_sigma : (P,) array
        Intensity of the narrow lines. NaN where a pixel is saturated.
    broad, broad_sigma : (P,) array
        Intensity of the band, amplified spontaneous emission included, also beneath the lines and
        the pump.
    total_sigma : (P,) array
        Standard deviation of their sum, which does not depend on how the light is divided.
    region : tuple of float
        Wavelengths between which narrow lines stand out at some fluence, nm.
    """

    line: Floats
    line_sigma: Floats
    broad: Floats
    broad_sigma: Floats
    total_sigma: Floats
    region: tuple[float, float]


def separate_line(
    fluorescence: ArrayLike, wavelength: ArrayLike, emission: Emission
) -> LineIntensity:
    """Return the intensities of the narrow laser lines and of the broad luminescence.

    Parameters
    ----------
    fluorescence : (P, K) array
        Counts, pump on minus pump off; saturated pixels are NaN.
    wavelength : (K,) array
        nm; 600–850 nm must be in it.
    emission : Emission
        The band, and the pump line that is omitted.

    Raises
    ------
    DataError
        Fewer than four usable points, no unlit pixels, no line that stands out anywhere, or no
        luminescence beside the lines.
    """
    counts, nm = np.asarray(fluorescence, np.float64), np.asarray(wavelength, np.float64)
    unlit = (nm > _UNLIT[0]) & (nm < _UNLIT[1])
    if np.count_nonzero(unlit) < 10:
        raise DataError("the noise of the fluorescence is read from 600 to 850 nm: keep the range")
    low, high = emission.band
    band = (nm >= low) & (nm <= high)
    x = nm[band]
    scaled = (2 * x - low - high) / (high - low)
    usable = np.isfinite(counts[:, band]).all(axis=1)
    if np.count_nonzero(usable) < 4:
        raise DataError("fewer than four fluorescence spectra without saturated pixels")
    s = counts[usable][:, band]
    floor = np.nanstd(counts[usable][:, unlit], axis=1, keepdims=True)
    # the resolution widens the pump line beyond the half width that holds nearly all of it
    lit = np.abs(x - emission.pump_line[0]) > emission.pump_line[1] + _RESOLUTION
    smooth, line = _without_lines(s, x, scaled, floor, lit)
    outside = lit & ~line
    if np.count_nonzero(outside) < _ORDER + _BENDS:
        raise DataError("the whole band is full of lines: no luminescence to compare with")

    smooth, noise, basis, covariance = _luminescence(s, scaled, floor, outside, smooth)
    rest = ((s - smooth) / noise)[:, outside]
    scale = widening(float(np.sum(rest**2)) / (rest.size - _BENDS * len(s)))
    per_count = (noise**2 - floor**2) / smooth
    shot = floor**2 + per_count * np.maximum(s, 0)
    beneath, whole = basis[:, line].sum(axis=1), basis.sum(axis=1)

    def of_all_points(values: Floats) -> Floats:
        """Return values of the usable points in an array of all, NaN elsewhere."""
        every = np.full(len(counts), np.nan)
        every[usable] = values
        return every

    in_lines = shot[:, line].sum(axis=1)

    def error(variance: Floats) -> Floats:
        return of_all_points(scale * np.sqrt(variance))

    return LineIntensity(
        line=of_all_points((s - smooth)[:, line].sum(axis=1)),
        line_sigma=error(in_lines + beneath @ covariance @ beneath),
        broad=of_all_points(smooth.sum(axis=1)),
        broad_sigma=error(whole @ covariance @ whole),
        total_sigma=error(in_lines + (whole - beneath) @ covariance @ (whole - beneath)),
        region=(float(x[line][0]), float(x[line][-1])),
    )


def _luminescence(
    s: Floats, scaled: Floats, floor: Floats, outside: Bools, smooth: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Fit the luminescence band to the pixels outside the lines.

    Parameters
    ----------
    s : (P, K) array
        Counts.
    scaled : (K,) array
        Wavelengths of the band as −1 to 1.
    floor : (P, 1) array
        Noise without light, counts.
    outside : (K,) array of bool
        Pixels without lines and without the pump.
    smooth : (P, K) array
        First estimate of the band, counts.

    Returns
    -------
    (P, K) array
        The band, counts.
    (P, K) array
        Its noise, counts.
    (B, K) array
        Functions whose sum the band of a point is.
    (P, B, B) array
        Covariance of their coefficients.

    Raises
    ------
    DataError
        The band has no shape outside the lines.
    """
    for _ in range(2):  # the second time with the noise about the points' own bands
        noise = floor * np.sqrt(1 + _excess(s - smooth, smooth, floor, outside) * smooth)
        shape = _band_shape(s.sum(axis=0), np.sqrt((noise**2).sum(axis=0)), scaled, outside)
        if not np.isfinite(shape @ shape):
            raise DataError(
                "the luminescence cannot be distinguished from the lines: extend the sweep below "
                "the lasing threshold"
            )
        basis = shape * scaled ** np.arange(_BENDS)[:, np.newaxis]
        design = basis[:, outside] / noise[:, np.newaxis, outside]
        covariance = np.linalg.inv(design @ design.swapaxes(1, 2))
        measured = (s / noise)[:, outside, np.newaxis]
        smooth = (covariance @ design @ measured)[..., 0] @ basis
    return smooth, noise, basis, covariance.astype(np.float64)


def _band_shape(spectrum: Floats, noise: Floats, scaled: Floats, pixels: Bools) -> Floats:
    """Return a smooth positive curve (K,) through the given pixels of a spectrum."""
    clear = pixels & (spectrum > _STANDS_OUT * noise)
    powers = np.vander(scaled, _ORDER + 1)
    weight = (spectrum / noise)[clear]
    fit = np.linalg.lstsq(powers[clear] * weight[:, np.newaxis], np.log(spectrum[clear]) * weight)
    return np.asarray(np.exp(powers @ fit[0]))


def _excess(rest: Floats, smooth: Floats, floor: Floats, pixels: Bools) -> float:
    """Return the variance per count over the unlit variance, by the median: lines do not matter."""
    square = (rest / floor)[:, pixels] ** 2 / 0.455  # median of χ² with one degree of freedom
    return max(float(np.median((square - 1) / np.maximum(smooth[:, pixels], 1.0))), 0.0)


def _without_lines(
    s: Floats, x: Floats, scaled: Floats, floor: Floats, lit: Bools
) -> tuple[Floats, Bools]:
    """Return the luminescence (P, K) by the faintest points' shape, and the pixels of lines."""
    faint = np.argsort(s[:, lit].sum(axis=1))[: max(3, len(s) // 6)]
    noise = np.sqrt((floor[faint] ** 2 + 0.01 * np.maximum(s[faint], 0)).sum(axis=0))
    shape = _band_shape(s[faint].sum(axis=0), noise, scaled, lit)
    bright = lit & (shape > 0.1 * shape.max())
    smooth = np.median(s[:, bright] / shape[bright], axis=1)[:, np.newaxis] * shape
    noise = floor * np.sqrt(1 + _excess(s - smooth, smooth, floor, bright) * smooth)
    sharp = x[((s - smooth) > _STANDS_OUT * noise).any(axis=0) & lit]
    if not sharp.size:
        raise DataError(
            "no narrow line stands out at any fluence: extend the sweep above the lasing threshold"
        )
    near = np.abs(x[:, np.newaxis] - sharp).min(axis=1) <= _RESOLUTION
    return smooth, near & lit
