"""Passes over the frames of a point, compiled: sums over frames, and sums over pixels.

Counts are taken as 32-bit floats, which hold 24 bits of them exactly, sixteen at a time; sums over
many frames are carried on in 64 bits. A second of frames fits a core's cache, so that only the
first pass waits for memory.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Frame = NDArray[np.uint32]
Frames = NDArray[np.uint32]

_AT_ONCE = 8  # frames added up in registers
_IN_32_BITS = 64  # frames added up in 32 bits, a multiple of these


@compiled
def demodulate(frames: Frames, weights: Floats, sums: Floats) -> Singles:
    """Fill in the two sums (2, K) over frames with `weights` (2, F).

    Returns the largest count of each pixel (K,).
    """
    pixels = frames.shape[1]
    weight = weights.astype(np.float32)
    one, other = np.zeros(pixels, np.float32), np.zeros(pixels, np.float32)
    high = np.zeros(pixels, np.float32)
    sums[:] = 0.0
    for begin in range(0, len(frames), _AT_ONCE):
        block = frames[begin : begin + _AT_ONCE]
        if len(block) == _AT_ONCE:
            for k in range(pixels):
                a, b, most = one[k], other[k], high[k]
                for f in range(_AT_ONCE):
                    count = np.float32(block[f, k])
                    a += weight[0, begin + f] * count
                    b += weight[1, begin + f] * count
                    most = max(most, count)
                one[k], other[k], high[k] = a, b, most
        else:
            for f in range(len(block)):
                for k in range(pixels):
                    count = np.float32(block[f, k])
                    one[k] += weight[0, begin + f] * count
                    other[k] += weight[1, begin + f] * count
                    high[k] = max(high[k], count)
        end = begin + _AT_ONCE
        if end % _IN_32_BITS == 0 or end >= len(frames):
            for k in range(pixels):
                sums[0, k] += one[k]
                sums[1, k] += other[k]
                one[k] = other[k] = 0.0
    return high


@compiled
def project(
    one: Frame, other: Frame, matrix: Singles, columns: tuple[int, int], out: Floats
) -> None:
    """Fill in two columns of (3, n): products of (3, N) and parts of two frames (N,)."""
    x0 = x1 = x2 = y0 = y1 = y2 = np.float32(0.0)
    for k in range(len(one)):
        count, count_too = np.float32(one[k]), np.float32(other[k])
        x0 += matrix[0, k] * count
        x1 += matrix[1, k] * count
        x2 += matrix[2, k] * count
        y0 += matrix[0, k] * count_too
        y1 += matrix[1, k] * count_too
        y2 += matrix[2, k] * count_too
    first, second = columns
    out[0, first], out[1, first], out[2, first] = x0, x1, x2
    out[0, second], out[1, second], out[2, second] = y0, y1, y2
