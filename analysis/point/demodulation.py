"""Passes over the frames of a point, compiled: sums over frames, and sums over pixels.

Counts are taken as 32-bit floats, which hold 24 bits of them exactly, eight or sixteen at a time;
sums over many frames are carried on in 64 bits. Many processors turn signed numbers into floats by
one instruction and unsigned ones by eight, so counts are less than 2³¹ here. The first pass waits
for memory, and goes through the frames as they lie there: several at a time would spare sums being
loaded and stored, but take longer. A second of frames fits a core's cache, so that later passes do
not wait.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Frame = NDArray[np.uint32]
Frames = NDArray[np.uint32]

LARGEST = 2**31 - 1
"""Largest count that is taken for what it is."""

_IN_32_BITS = 64  # frames added up in 32 bits


@compiled
def demodulate(
    frames: Frames, weights: Floats, sums: Floats, band: tuple[int, int]
) -> tuple[np.uint32, Frame, Frame]:
    """Fill in the two sums (2, K) over frames with `weights` (2, F).

    Returns the largest count of all, and the largest and the least one of each pixel (K,) in the
    `band`, from its first pixel to that after its last.
    """
    pixels, (begin, end) = frames.shape[1], band
    singles = weights.astype(np.float32)
    one, other = np.zeros(pixels, np.float32), np.zeros(pixels, np.float32)
    high, low = np.zeros(pixels, np.uint32), np.full(pixels, LARGEST, np.uint32)
    highest, lowest = high[begin:end], low[begin:end]
    sums[:], top = 0.0, np.uint32(0)
    for f in range(len(frames)):
        frame, weight, other_weight = frames[f], singles[0, f], singles[1, f]
        for k in range(pixels):
            count = np.float32(np.int32(frame[k]))
            one[k] += weight * count
            other[k] += other_weight * count
            top = max(top, frame[k])
        lit = frame[begin:end]
        for k in range(len(lit)):
            highest[k] = max(highest[k], lit[k])
            lowest[k] = min(lowest[k], lit[k])
        if (f + 1) % _IN_32_BITS == 0 or f + 1 == len(frames):
            for k in range(pixels):
                sums[0, k] += one[k]
                sums[1, k] += other[k]
                one[k] = other[k] = 0.0
    return top, high, low


@compiled
def project(
    one: Frame, other: Frame, matrix: Singles, columns: tuple[int, int], out: Floats
) -> None:
    """Fill in two columns of (3, n): products of (3, N) and parts of two frames (N,)."""
    x0 = x1 = x2 = y0 = y1 = y2 = np.float32(0.0)
    for k in range(len(one)):
        count = np.float32(np.int32(one[k]))
        count_too = np.float32(np.int32(other[k]))
        x0 += matrix[0, k] * count
        x1 += matrix[1, k] * count
        x2 += matrix[2, k] * count
        y0 += matrix[0, k] * count_too
        y1 += matrix[1, k] * count_too
        y2 += matrix[2, k] * count_too
    first, second = columns
    out[0, first], out[1, first], out[2, first] = x0, x1, x2
    out[0, second], out[1, second], out[2, second] = y0, y1, y2
