"""The laser's narrow lines, taken out of the broad luminescence of a fluence sweep."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import widening
from analysis.lasing.fluence_response import FLUORESCENCE_BAND, PUMP_LINE

__all__ = ["LineIntensity", "separate_line"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_RESOLUTION = 1.5  # nm, the spectrometer's (paper): nothing is narrower
_UNLIT = (600.0, 850.0)  # nm, between the luminescence and the probe: noise alone
_STANDS_OUT = 5.0  # sigmas of one pixel; a chance of 3e-7 each
_ORDER = 4  # of the polynomial that is the logarithm of the mean luminescence band
_BENDS = 3  # coefficients by which the band of one point differs: level, slope, curvature


@dataclass(frozen=True)
class LineIntensity:
    """Laser lines and luminescence of P points, counts summed over the band.

    Attributes
    ----------
    line, line_sigma : (P,) array
        What is narrow. NaN where a pixel is saturated.
    broad, broad_sigma : (P,) array
        What is broad, amplified spontaneous emission included, also beneath the lines and the pump.
    total_sigma : (P,) array
        Of their sum: what is taken for the one instead of the other does not change it.
    region : tuple of float
        Wavelengths between which narrow lines stand out at some fluence, nm.
    """

    line: Floats
    line_sigma: Floats
    broad: Floats
    broad_sigma: Floats
    total_sigma: Floats
    region: tuple[float, float]


def separate_line(fluorescence: ArrayLike, wavelength: ArrayLike) -> LineIntensity:
    """Separate narrow laser lines from the broad luminescence.

    The faintest points give the band's first shape; where any point exceeds it
    sharply there are lines, within the resolution. What is left of all points gives the band's
    mean shape, a smooth curve, and each point its level, slope and curvature. The lines are what
    the pixels hold above it, wherever they are.

    The noise is read from the data: without light from the scatter of the unlit pixels, and with
    light it grows in proportion to the counts, by as much as the pixels scatter about the band.

    Parameters
    ----------
    fluorescence : (P, K) array
        Counts, pump on minus pump off; saturated pixels are NaN.
    wavelength : (K,) array
        nm; 600–850 nm must be in it.

    Raises
    ------
    ValueError
        Fewer than four usable points, no unlit pixels, no line that stands out anywhere, or no
        luminescence beside the lines.
    """
    counts, nm = np.asarray(fluorescence, np.float64), np.asarray(wavelength, np.float64)
    unlit = (nm > _UNLIT[0]) & (nm < _UNLIT[1])
    if np.count_nonzero(unlit) < 10:
        raise ValueError("the noise of the fluorescence is read from 600 to 850 nm: keep the range")
    band = (nm >= FLUORESCENCE_BAND[0]) & (nm <= FLUORESCENCE_BAND[1])
    x = nm[band]
    usable = np.isfinite(counts[:, band]).all(axis=1)
    if np.count_nonzero(usable) < 4:
        raise ValueError("fewer than four fluorescence spectra without saturated pixels")
    s = counts[usable][:, band]
    floor = np.nanstd(counts[usable][:, unlit], axis=1, keepdims=True)
    # the resolution widens the pump line beyond the half width that holds nearly all of it
    lit = np.abs(x - PUMP_LINE[0]) > PUMP_LINE[1] + _RESOLUTION
    smooth, line = _without_lines(s, x, floor, lit)
    outside = lit & ~line
    if np.count_nonzero(outside) < _ORDER + _BENDS:
        raise ValueError("the whole band is full of lines: no luminescence to compare with")

    for _ in range(2):  # the second time with the noise about the points' own bands
        noise = floor * np.sqrt(1 + _excess(s - smooth, smooth, floor, outside) * smooth)
        shape = _band_shape(s.sum(axis=0), np.sqrt((noise**2).sum(axis=0)), x, outside)
        if not np.isfinite(shape @ shape):
            raise ValueError(
                "the luminescence cannot be told from the lines: extend the sweep below the lasing "
                "threshold"
            )
        basis = shape * _scaled(x) ** np.arange(_BENDS)[:, np.newaxis]
        design = basis[:, outside] / noise[:, np.newaxis, outside]
        covariance = np.linalg.inv(design @ design.swapaxes(1, 2))
        measured = (s / noise)[:, outside, np.newaxis]
        smooth = (covariance @ design @ measured)[..., 0] @ basis
    rest = ((s - smooth) / noise)[:, outside]
    scale = widening(float(np.sum(rest**2)) / (rest.size - _BENDS * len(s)))
    per_count = (noise**2 - floor**2) / smooth
    shot = floor**2 + per_count * np.maximum(s, 0)
    beneath, whole = basis[:, line].sum(axis=1), basis.sum(axis=1)

    def spread(values: Floats) -> Floats:
        """Put the values of the usable points where they belong."""
        every = np.full(len(counts), np.nan)
        every[usable] = values
        return every

    in_lines = shot[:, line].sum(axis=1)

    def error(variance: Floats) -> Floats:
        return spread(scale * np.sqrt(variance))

    return LineIntensity(
        line=spread((s - smooth)[:, line].sum(axis=1)),
        line_sigma=error(in_lines + beneath @ covariance @ beneath),
        broad=spread(smooth.sum(axis=1)),
        broad_sigma=error(whole @ covariance @ whole),
        total_sigma=error(in_lines + (whole - beneath) @ covariance @ (whole - beneath)),
        region=(float(x[line][0]), float(x[line][-1])),
    )


def _scaled(x: Floats) -> Floats:
    """Wavelengths of the band as −1 to 1."""
    low, high = FLUORESCENCE_BAND
    return (2 * x - low - high) / (high - low)


def _band_shape(spectrum: Floats, noise: Floats, x: Floats, pixels: Bools) -> Floats:
    """Smooth positive curve through the given pixels of a spectrum, so that it sums as they do."""
    clear = pixels & (spectrum > _STANDS_OUT * noise)
    powers = np.vander(_scaled(x), _ORDER + 1)
    weight = (spectrum / noise)[clear]
    fit = np.linalg.lstsq(powers[clear] * weight[:, np.newaxis], np.log(spectrum[clear]) * weight)
    return np.asarray(np.exp(powers @ fit[0]))


def _excess(rest: Floats, smooth: Floats, floor: Floats, pixels: Bools) -> float:
    """Variance per count, in units of the unlit variance; by the median, so lines do not matter."""
    square = (rest / floor)[:, pixels] ** 2 / 0.455  # median of χ² with one degree of freedom
    return max(float(np.median((square - 1) / np.maximum(smooth[:, pixels], 1.0))), 0.0)


def _without_lines(s: Floats, x: Floats, floor: Floats, lit: Bools) -> tuple[Floats, Bools]:
    """Luminescence (P, K) by the faintest points' shape, and where lines stand out of it."""
    faint = np.argsort(s[:, lit].sum(axis=1))[: max(3, len(s) // 6)]
    noise = np.sqrt((floor[faint] ** 2 + 0.01 * np.maximum(s[faint], 0)).sum(axis=0))
    shape = _band_shape(s[faint].sum(axis=0), noise, x, lit)
    bright = lit & (shape > 0.1 * shape.max())
    smooth = np.median(s[:, bright] / shape[bright], axis=1)[:, np.newaxis] * shape
    noise = floor * np.sqrt(1 + _excess(s - smooth, smooth, floor, bright) * smooth)
    sharp = x[((s - smooth) > _STANDS_OUT * noise).any(axis=0) & lit]
    if not sharp.size:
        raise ValueError(
            "no narrow line stands out at any fluence: extend the sweep above the lasing threshold"
        )
    near = np.abs(x[:, np.newaxis] - sharp).min(axis=1) <= _RESOLUTION
    return smooth, near & lit
