"""What stands out among the frames of a point, noticed at little cost, compiled."""

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled, compiled_within
from analysis.spectra import Setup

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

OUTLIER = 8.0
"""Standard deviations from what a pixel of a frame should show: no false alarm in a night."""

_SAME = 4  # pixels
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
def ceiling(high: Singles, setup: Setup) -> float:
    """Count that several lit pixels share as their largest, and that fills all of its bits.

    That is where the camera ends; infinite where there is no such count.
    """
    top, count = 0.0, 0
    for k in setup.bins.pixel:
        if high[k] > top:
            top, count = high[k], 0
        count += high[k] == top
    bits = np.log2(top + 1)
    return top if count >= _SAME and bits == np.rint(bits) else np.inf


@compiled_within
def pixel_stands_out(
    high: Singles,
    sums: Floats,
    ways: Floats,
    moved: Floats,
    open_mean: float,
    alive: Floats,
    setup: Setup,
) -> bool:
    """Whether any pixel's largest count is beyond what drift, energy, tilt and noise can make.

    Or is its mean, so that it is stuck.
    """
    phase = np.abs(moved[0]).max()
    pulse = np.abs(moved[1]).max() + np.abs(moved[2]).max()
    for i in range(len(alive)):
        if alive[i] == 0:
            continue
        size = setup.bins.edge[i + 1] - setup.bins.edge[i]
        swing = max(abs(ways[0, 1, i]), abs(ways[1, 1, i]))
        bend = max(abs(ways[0, 2, i]), abs(ways[1, 2, i]))
        dark, light = setup.bins.dark[i] / size, setup.bins.light[i] / size
        for j in range(setup.bins.edge[i], setup.bins.edge[i + 1]):
            k = setup.bins.pixel[j]
            one, other = sums[0, k], sums[0, k] + sums[1, k]
            level = max(max(one, other) - dark, 0.0)
            noise = np.sqrt(level / setup.bins.gain + setup.bins.fixed[i] / size)
            margin = 1.2 * light * (swing * phase + bend * phase * phase) + level * pulse
            margin += OUTLIER * noise
            mean = sums[0, k] + open_mean * sums[1, k]
            if high[k] > max(one, other) + margin or high[k] < mean + _STILL * noise:
                return True
    return False
