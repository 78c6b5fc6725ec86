"""What stands out among the frames of a point, noticed at little cost, compiled."""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled, compiled_within
from analysis.point.normalisation import Setup

Floats = NDArray[np.float64]
Counts = NDArray[np.uint32]

OUTLIER = 8.0
"""Standard deviations from what a pixel of a frame should show: no false alarm in a night."""

_SAME = 4  # lit pixels with one largest count: hardly by chance
_RUN = 3  # of these side by side
_STILL = 0.01  # of its noise, above which a pixel's largest count lies
_ODD_BIN = 0.01  # of the light: less in one bin moves the fringe by some parts in 10 000


@compiled
def odd_bins(residual: Floats, weight: Floats, alive: Floats) -> NDArray[np.bool_]:
    """Which bins (B,) of a fit stand out from their neighbours: a pixel glows, or is dead.

    From the nearest, and in the same direction from the next ones: from these the neighbours of an
    odd bin do not stand out.
    """
    odd = np.zeros(len(residual), np.bool_)
    for i in range(2, len(residual) - 2):
        near = residual[i] - (residual[i - 1] + residual[i + 1]) / 2
        next_ones = residual[i] - (residual[i - 2] + residual[i + 2]) / 2
        away = min(near * near, next_ones * next_ones) if near * next_ones > 0 else 0.0
        living = alive[i - 2] * alive[i - 1] * alive[i] * alive[i + 1] * alive[i + 2] > 0
        odd[i] = living & (away > _ODD_BIN**2) & (away * weight[i] > OUTLIER**2)
    return odd


@compiled
def repeats(frames: Counts, pixels: NDArray[np.int64]) -> bool:
    """Whether some frame of (F, K) is the one before once more, in all of `pixels`."""
    for f in range(1, len(frames)):
        k = 0
        while k < len(pixels) and frames[f, pixels[k]] == frames[f - 1, pixels[k]]:
            k += 1
        if k == len(pixels):
            return True
    return False


@compiled
def ceiling(high: Counts, setup: Setup) -> float:
    """Count that several lit pixels share as their largest: the camera may end there.

    Infinite where there is no such count.
    """
    top = count = run = longest = 0.0
    for k in setup.bins.pixel:
        if high[k] > top:
            top, count, run, longest = high[k], 0.0, 0.0, 0.0
        run = run + 1 if high[k] == top else 0.0
        count += high[k] == top
        longest = max(longest, run)
    return top if count >= _SAME and (longest >= _RUN or _full(top)) else np.inf


@compiled
def _full(count: float) -> bool:
    """Whether a count fills all of its bits."""
    bits = np.log2(count + 1)
    return bits == np.rint(bits)


def ends_at(top: float, counts: Counts) -> bool:
    """Whether the camera ends at the largest count of lit pixels (F, N).

    A converter ends at 2ⁿ − 1. At any other count the spectrum must break off in some frame:
    neighbours share the count, and beside them it falls as no smooth crest does that rounding makes
    flat there.
    """
    return _full(top) or any(_is_cut(frame == top, frame) for frame in counts)


def _is_cut(high: NDArray[np.bool_], counts: Counts) -> bool:
    """Whether neighbours that share the largest count (N,) of a frame are cut off there."""
    if np.count_nonzero(high) < _RUN:
        return False
    ends = np.flatnonzero(np.diff(high, prepend=False, append=False)).reshape(-1, 2)
    for begin, end in ends[ends[:, 1] - ends[:, 0] >= _RUN]:
        beside = [float(counts[k]) for k in (begin - 2, end + 1) if 0 <= k < len(counts)]
        size, drop = end - begin, float(counts[begin]) - max(beside, default=0.0)
        # Rounding makes n pixels of a parabola equal if it falls by a count within n/2 of them.
        if drop > 2 + 8 * (size + 2) / size**2:
            return True
    return False


@compiled_within
def pixel_stands_out(
    high: Counts,
    low: Counts,
    sums: Floats,
    ways: Floats,
    moved: Floats,
    open_mean: float,
    alive: Floats,
    setup: Setup,
) -> bool:
    """Whether a pixel's largest or least count is beyond what drift, energy, tilt and noise make.

    Or the largest is its mean, so that it is stuck.
    """
    phase = np.abs(moved[0]).max()
    pulse, per_count = np.abs(moved[1]).max() + np.abs(moved[2]).max(), 1 / setup.bins.gain
    for i in range(len(alive)):
        if alive[i] == 0:
            continue
        size = setup.bins.edge[i + 1] - setup.bins.edge[i]
        swing = max(abs(ways[0, 1, i]), abs(ways[1, 1, i]))
        bend = max(abs(ways[0, 2, i]), abs(ways[1, 2, i]))
        dark, light = setup.bins.dark[i] / size, setup.bins.light[i] / size
        fixed, moves = setup.bins.fixed[i] / size, 1.2 * light * phase * (swing + bend * phase)
        for j in range(setup.bins.edge[i], setup.bins.edge[i + 1]):
            k = setup.bins.pixel[j]
            one, other = sums[0, k], sums[0, k] + sums[1, k]
            level = max(max(one, other) - dark, 0.0)
            variance = level * per_count + fixed
            mean = sums[0, k] + open_mean * sums[1, k]
            away = max(high[k] - max(one, other), min(one, other) - low[k])
            above, over = away - moves - level * pulse, high[k] - mean
            if above > 0 and above * above > OUTLIER**2 * variance:
                return True
            if over < 0 or over * over < _STILL**2 * variance:
                return True
    return False
