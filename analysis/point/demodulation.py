"""Weighted sums over the frames of a point, and over the pixels of its frames, compiled.

Counts are converted to 32-bit floats, which hold 24 bits exactly and of which a processor handles
eight or sixteen at a time; sums over many frames continue in 64 bits. Many processors convert
signed integers by one instruction and unsigned ones by eight, so counts must be below 2³¹. The
first pass waits for memory and reads the frames in the order in which they are stored. A second of
frames fits into a core's cache, so that later passes do not wait.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Counts = NDArray[np.uint32]

LARGEST_COUNT = 2**31 - 1
"""Largest count that the conversion handles; a pixel at this count is saturated."""

_FRAMES_IN_32_BITS = 64
"""Frames that are added up in 32 bits before the sum is moved to 64 bits: rounding then stays below
a hundredth of the shot noise. Test: tests/analysis/point/test_demodulation.py."""


class FrameWeights(NamedTuple):
    """Weights of F frames in the two sums: S_off = Σ off·frame, ΔS = Σ difference·frame.

    Attributes
    ----------
    off, difference : (F,) array
    """

    off: Floats
    difference: Floats


class SpectrumPair(NamedTuple):
    """Pump-off spectrum S_off and difference ΔS = S_on − S_off.

    Attributes
    ----------
    off, difference : (K,) array
        Of all pixels in counts, or of bins in units of the reference.
    """

    off: Floats
    difference: Floats


class Extremes(NamedTuple):
    """Extreme counts of a point.

    Attributes
    ----------
    largest : int
        Largest count of all pixels.
    high, low : (K,) array
        Largest and least count of each pixel in the probe's band.
    """

    largest: np.uint32
    high: Counts
    low: Counts


@compiled
def demodulate(
    frames: Counts, weights: FrameWeights, sums: SpectrumPair, band: tuple[int, int]
) -> Extremes:
    """Fill in the two weighted sums over frames, and return the extreme counts.

    Parameters
    ----------
    frames : (F, K) array
        Counts.
    weights : FrameWeights
    sums : SpectrumPair
        To be filled in: (K,) arrays, counts, dark not subtracted.
    band : tuple of int
        First pixel of the probe's band, and the pixel after its last one.
    """
    pixels, (begin, end) = frames.shape[1], band
    off_weight = weights.off.astype(np.float32)
    difference_weight = weights.difference.astype(np.float32)
    off, difference = np.zeros(pixels, np.float32), np.zeros(pixels, np.float32)
    high, low = np.zeros(pixels, np.uint32), np.full(pixels, LARGEST_COUNT, np.uint32)
    highest, lowest = high[begin:end], low[begin:end]
    for k in range(pixels):
        sums.off[k] = sums.difference[k] = 0.0
    top = np.uint32(0)
    for f in range(len(frames)):
        frame, in_off, in_difference = frames[f], off_weight[f], difference_weight[f]
        for k in range(pixels):
            count = np.float32(np.int32(frame[k]))
            off[k] += in_off * count
            difference[k] += in_difference * count
            top = max(top, frame[k])
        lit = frame[begin:end]
        for k in range(len(lit)):
            highest[k] = max(highest[k], lit[k])
            lowest[k] = min(lowest[k], lit[k])
        if (f + 1) % _FRAMES_IN_32_BITS == 0 or f + 1 == len(frames):
            for k in range(pixels):
                sums.off[k] += off[k]
                sums.difference[k] += difference[k]
                off[k] = difference[k] = 0.0
    return Extremes(top, high, low)


@compiled
def project(
    one: Counts, other: Counts, matrix: Singles, columns: tuple[int, int], out: Floats
) -> None:
    """Fill in the products of three functionals and two frames.

    Parameters
    ----------
    one, other : (N,) array
        Counts of two frames; two at a time share the loading of the functionals.
    matrix : (3, N) array
        Functionals.
    columns : tuple of int
        Indices of the two frames in `out`.
    out : (3, F) array
        To be filled in, two columns of it.
    """
    x0 = x1 = x2 = y0 = y1 = y2 = np.float32(0.0)
    for k in range(len(one)):
        count = np.float32(np.int32(one[k]))
        other_count = np.float32(np.int32(other[k]))
        x0 += matrix[0, k] * count
        x1 += matrix[1, k] * count
        x2 += matrix[2, k] * count
        y0 += matrix[0, k] * other_count
        y1 += matrix[1, k] * other_count
        y2 += matrix[2, k] * other_count
    first, second = columns
    out[0, first], out[1, first], out[2, first] = x0, x1, x2
    out[0, second], out[1, second], out[2, second] = y0, y1, y2
