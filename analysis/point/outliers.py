"""Cheap checks of a point for odd pixels and frames, compiled.

A point that fails one is suspect: `analysis.point.repair` then examines it thoroughly.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.numerics.jit import compiled
from analysis.numerics.moments import largest_magnitude
from analysis.point.demodulation import Extremes, SpectrumPair
from analysis.point.frame_phases import FramePhases
from analysis.point.normalisation import Setup
from analysis.point.tangents import BY_PHASE, BY_PHASE_TWICE, CLOSED, OPEN

Floats = NDArray[np.float64]
Counts = NDArray[np.uint32]

OUTLIER_SIGMAS = 8.0
"""Standard deviations from its expected value beyond which a sample is odd: no false alarm among
the 1e10 samples of a night."""

_SAME_PIXELS = 4
"""Lit pixels with one largest count, above which a converter may end there: hardly by chance."""

_SAME_NEIGHBOURS = 3
"""The same for pixels side by side."""

_STUCK_SIGMAS = 0.01
"""Distance of a pixel's largest count from its mean, in standard deviations of its noise, below
which it is stuck. The largest of a few frames lies above one."""

_ODD_BIN = 0.01
"""Residual of a single bin, relative to the light, below which it does not matter: it changes Δ by
some parts in 10 000."""


@compiled
def odd_bins(residual: Floats, weight: Floats, alive: Floats) -> NDArray[np.bool_]:
    """Return which bins of a fit differ from their neighbours, because a pixel glows or is dead.

    A bin must differ from its nearest neighbours and, in the same direction, from the next ones:
    the neighbours of an odd bin do not.

    Parameters
    ----------
    residual, weight : (B,) array
        Residuals in units of the reference, and their inverse variances.
    alive : (B,) array
        1, or 0 for bins that are left out.

    Returns
    -------
    (B,) array of bool
    """
    odd = np.zeros(len(residual), np.bool_)
    for i in range(2, len(residual) - 2):
        near = residual[i] - (residual[i - 1] + residual[i + 1]) / 2
        next_ones = residual[i] - (residual[i - 2] + residual[i + 2]) / 2
        away = min(near * near, next_ones * next_ones) if near * next_ones > 0 else 0.0
        living = alive[i - 2] * alive[i - 1] * alive[i] * alive[i + 1] * alive[i + 2] > 0
        odd[i] = living & (away > _ODD_BIN**2) & (away * weight[i] > OUTLIER_SIGMAS**2)
    return odd


@compiled
def repeats(frames: Counts, pixels: NDArray[np.int64]) -> bool:
    """Return whether a frame of (F, K) equals the one before in all `pixels` (N,)."""
    for f in range(1, len(frames)):
        k = 0
        while k < len(pixels) and frames[f, pixels[k]] == frames[f - 1, pixels[k]]:
            k += 1
        if k == len(pixels):
            return True
    return False


@compiled
def ceiling(high: Counts, setup: Setup) -> float:
    """Return the count at which the camera may saturate: one that several lit pixels share.

    `high` (K,) holds the largest counts of all pixels; the largest of these is returned if several
    pixels share it, else infinity.
    """
    top = count = run = longest = 0.0
    for k in setup.bins.pixel:
        if high[k] > top:
            top, count, run, longest = high[k], 0.0, 0.0, 0.0
        run = run + 1 if high[k] == top else 0.0
        count += high[k] == top
        longest = max(longest, run)
    return top if count >= _SAME_PIXELS and (longest >= _SAME_NEIGHBOURS or _full(top)) else np.inf


@compiled
def _full(count: float) -> bool:
    """Return whether a count is 2ⁿ − 1, where a converter ends."""
    bits = np.log2(count + 1)
    return bits == np.rint(bits)


def ends_at(top: float, counts: Counts) -> bool:
    """Return whether the camera saturates at the largest count of its lit pixels.

    A converter ends at 2ⁿ − 1. For any other count the spectrum must break off in some frame:
    neighbours share the count, and beside them it falls faster than a smooth crest that rounding
    makes flat.

    Parameters
    ----------
    top : float
        The largest count.
    counts : (F, N) array
        Frames, lit pixels only.
    """
    return _full(top) or any(_is_cut(frame == top, frame) for frame in counts)


def _is_cut(high: NDArray[np.bool_], counts: Counts) -> bool:
    """Return whether neighbours with the largest count of a frame (N,) are cut off there."""
    if np.count_nonzero(high) < _SAME_NEIGHBOURS:
        return False
    ends = np.flatnonzero(np.diff(high, prepend=False, append=False)).reshape(-1, 2)
    for begin, end in ends[ends[:, 1] - ends[:, 0] >= _SAME_NEIGHBOURS]:
        beside = [float(counts[k]) for k in (begin - 2, end + 1) if 0 <= k < len(counts)]
        size, drop = end - begin, float(counts[begin]) - max(beside, default=0.0)
        # Rounding makes n pixels of a parabola equal if it falls by a count within n/2 of them.
        if drop > 2 + 8 * (size + 2) / size**2:
            return True
    return False


@compiled
def has_odd_pixel(
    extremes: Extremes,
    sums: SpectrumPair,
    tangents: Floats,
    phases: FramePhases,
    open_mean: float,
    alive: Floats,
    setup: Setup,
) -> bool:
    """Return whether a pixel's extreme counts exceed what drift, energy, tilt and noise explain.

    Or whether a pixel's largest count is its mean, so that it is stuck.

    Parameters
    ----------
    extremes : Extremes
    sums : SpectrumPair
        S_off and ΔS of all pixels (K,) in counts.
    tangents : (2, 5, B) array
    phases : FramePhases
    open_mean : float
        Mean open fraction.
    alive : (B,) array
        1, or 0 for bins that are left out.
    setup : Setup
    """
    bins, high, low = setup.bins, extremes.high, extremes.low
    phase = largest_magnitude(phases.phase)
    pulse = largest_magnitude(phases.energy) + largest_magnitude(phases.tilt)
    for i in range(len(alive)):
        if alive[i] == 0:
            continue
        size = bins.edge[i + 1] - bins.edge[i]
        swing = max(abs(tangents[CLOSED, BY_PHASE, i]), abs(tangents[OPEN, BY_PHASE, i]))
        bend = max(abs(tangents[CLOSED, BY_PHASE_TWICE, i]), abs(tangents[OPEN, BY_PHASE_TWICE, i]))
        dark, light, fixed = bins.dark[i] / size, bins.light[i] / size, bins.fixed[i] / size
        by_drift = 1.2 * light * phase * (swing + bend * phase)
        for j in range(bins.edge[i], bins.edge[i + 1]):
            k = bins.pixel[j]
            closed, opened = sums.off[k], sums.off[k] + sums.difference[k]
            level = max(max(closed, opened) - dark, 0.0)
            variance = level / bins.gain + fixed
            mean = sums.off[k] + open_mean * sums.difference[k]
            away = max(high[k] - max(closed, opened), min(closed, opened) - low[k])
            above, over = away - by_drift - level * pulse, high[k] - mean
            if above > 0 and above * above > OUTLIER_SIGMAS**2 * variance:
                return True
            if over < 0 or over * over < _STUCK_SIGMAS**2 * variance:
                return True
    return False
