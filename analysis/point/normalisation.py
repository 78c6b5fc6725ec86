"""Normalised spectra of a point and their weights, compiled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import Grid
from analysis.numerics.jit import compiled
from analysis.point.demodulation import FrameWeights, SpectrumPair
from analysis.probe_band import Bins

Floats = NDArray[np.float64]

MAX_ENERGY_EXCESS = 0.2
"""Relative deviation of a frame's pulse energy above which the frame counts as lost or damaged: no
laser is so noisy. Test: tests/analysis/point/test_repair.py (frames that lost their light)."""

_BLOCKS = 6
"""Blocks of frames whose means give the variance of a mean: so few that neighbouring blocks are
independent in half a second, at the frequencies at which an optical table moves."""


class Setup(NamedTuple):
    """Constants of a run that the compiled estimator needs.

    Attributes
    ----------
    bins : Bins
    grid : Grid
    exposure : float
        Of a frame, s.
    saturation : float
        Count at which a pixel is saturated.
    chirped : bool
        Whether the probe's colours are known to pass at different times, in which the pump's effect
        may change: no one phase step then makes S_on exactly.
    """

    bins: Bins
    grid: Grid
    exposure: float
    saturation: float
    chirped: bool


class Demodulated(NamedTuple):
    """Normalised spectra of a point on B bins, with weights.

    Attributes
    ----------
    spectra : SpectrumPair
        S_off and ΔS (B,) in units of the reference.
    closed_weight, open_weight, mean_weight : (B,) array
        Inverse variances, from shot and read noise, of a single frame with the pump off, with the
        pump on, and with the mean of both; 0 where a bin is left out.
    frame_weights : FrameWeights
        Weights of the frames in the spectra.
    """

    spectra: SpectrumPair
    closed_weight: Floats
    open_weight: Floats
    mean_weight: Floats
    frame_weights: FrameWeights


@compiled
def energy_weights(difference: Floats, pump_open: Floats, energy: Floats) -> FrameWeights:
    """Return the weights of frames in S_off and ΔS, corrected for their pulse energies.

    S_off is the mean frame less the pump's part in it, ō ΔS. A frame without light gets no weight.

    Parameters
    ----------
    difference : (F,) array
        Weights in ΔS of frames of equal energy.
    pump_open : (F,) array
        Open fractions.
    energy : (F,) array
        Relative excess of the pulse energy.
    """
    count, mean = len(pump_open), 0.0
    for f in range(count):
        mean += pump_open[f]
    mean /= count
    weights = FrameWeights(np.zeros(count), np.zeros(count))
    for f in range(count):
        if not abs(energy[f]) > MAX_ENERGY_EXCESS:
            weights.off[f] = (1 / count - mean * difference[f]) / (1 + energy[f])
            weights.difference[f] = difference[f] / (1 + energy[f])
    return weights


@compiled
def normalise(
    counts: SpectrumPair, weights: FrameWeights, open_mean: float, alive: Floats, setup: Setup
) -> Demodulated:
    """Divide binned spectra by the reference, and compute their weights.

    Parameters
    ----------
    counts : SpectrumPair
        (K,) arrays, counts, dark not subtracted.
    weights : FrameWeights
        Weights of the frames in `counts`.
    open_mean : float
        Mean open fraction.
    alive : (B,) array
        1, or 0 for bins to be left out.
    setup : Setup
    """
    dark_off = dark_difference = 0.0
    for f in range(len(weights.off)):
        dark_off += weights.off[f]
        dark_difference += weights.difference[f]
    size = len(alive)
    spectra = SpectrumPair(np.empty(size), np.empty(size))
    closed, opened, mean = np.empty(size), np.empty(size), np.empty(size)
    bins = setup.bins
    for i in range(size):
        off, difference = -dark_off * bins.dark[i], -dark_difference * bins.dark[i]
        for j in range(bins.edge[i], bins.edge[i + 1]):
            off += counts.off[bins.pixel[j]]
            difference += counts.difference[bins.pixel[j]]
        light = bins.light[i]
        spectra.off[i], spectra.difference[i] = off / light, difference / light
        information = alive[i] * light**2
        closed[i] = information / (max(off, 0.0) / bins.gain + bins.fixed[i])
        opened[i] = information / (max(off + difference, 0.0) / bins.gain + bins.fixed[i])
        shot = max(off + open_mean * difference, 0.0) / bins.gain
        mean[i] = information / (shot + bins.fixed[i])
    return Demodulated(spectra, closed, opened, mean, weights)


@compiled
def variance_of_mean(values: Floats) -> float:
    """Return the variance of the mean of values (F,) with correlated neighbours, by block means."""
    size = max(len(values) // _BLOCKS, 1)
    count, mean, square = 0, 0.0, 0.0
    for begin in range(0, len(values) - size + 1, size):
        block = 0.0
        for i in range(begin, begin + size):
            block += values[i]
        block /= size
        count, mean, square = count + 1, mean + block, square + block * block
    return (square - mean * mean / count) / (count - 1) / count
