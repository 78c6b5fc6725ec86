"""The spectra of a point: what is fixed during a run, and their normalisation, compiled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import Grid, cosines_and_sines
from analysis.numerics.jit import compiled
from analysis.probe_band import Bins

Floats = NDArray[np.float64]

LOST = 0.2
"""Share of a frame's light; more missing or too much is no laser's noise."""


_BLOCKS = 6  # so few that neighbouring ones differ, in half a second at a table's frequencies


class Setup(NamedTuple):
    """What is fixed during a run.

    Attributes
    ----------
    bins : Bins
    grid : Grid
    exposure, saturation : float
        s, counts.
    chirped : bool
        Whether the probe's colours are known to pass at different times, in which the pump's effect
        may change: no one phase step then makes S_on exactly.
    """

    bins: Bins
    grid: Grid
    exposure: float
    saturation: float
    chirped: bool


@compiled
def energy_weights(weights: Floats, opened: Floats, energy: Floats) -> None:
    """Fill in weights[0] of S_off, the mean less what the pump adds to it, ō ΔS.

    Both (2, F) are those of frames whose relative excess of energy (F,) is known; frames without
    light get none.
    """
    count = len(opened)
    pumped = opened.mean()
    for f in range(count):
        weights[0, f] = (1 / count - pumped * weights[1, f]) / (1 + energy[f])
        weights[1, f] /= 1 + energy[f]
        if abs(energy[f]) > LOST:
            weights[0, f] = weights[1, f] = 0.0


@compiled
def normalise(
    counts: Floats,
    weights: Floats,
    open_mean: float,
    alive: Floats,
    setup: Setup,
    levels: Floats,
    weight: Floats,
) -> None:
    """Bring S_off and ΔS, counts (2, K), to units of the reference.

    Fills in both (2, B), and the inverse variances (3, B) in one frame of the pump-off, the pump-on
    and the mean spectrum, from shot and read noise.
    """
    dark_off, dark_difference = weights[0].sum(), weights[1].sum()
    for i in range(len(setup.bins.light)):
        off = -dark_off * setup.bins.dark[i]
        difference = -dark_difference * setup.bins.dark[i]
        begin, end = setup.bins.edge[i], setup.bins.edge[i + 1]
        for j in range(begin, end):
            off += counts[0, setup.bins.pixel[j]]
            difference += counts[1, setup.bins.pixel[j]]
        light = setup.bins.light[i]
        levels[0, i], levels[1, i] = off / light, difference / light
        for a, share in enumerate((0.0, 1.0, open_mean)):
            shot = max(off + share * difference, 0.0) / setup.bins.gain
            weight[a, i] = alive[i] * light**2 / (shot + setup.bins.fixed[i])


@compiled
def steady(
    levels: Floats,
    ways: Floats,
    moved: Floats,
    contrast: float,
    opened: Floats,
    weights: Floats,
) -> None:
    """Take out of S_off and ΔS (2, B) what phases and tilts of the frames have added to them.

    The frames (F,) went in with `weights` (2, F); of the others see `displacement`.
    """
    cosines, sines = np.empty((2, len(opened)))
    cosines_and_sines(moved[0], cosines, sines)
    added = np.zeros((2, 2, 3))  # to which of both, by frames with the pump off or on, which way
    for f in range(len(opened)):
        sine, cosine = sines[f] / contrast, (1 - cosines[f]) / contrast
        for state in range(2):
            on = weights[state, f] * opened[f]
            off = weights[state, f] - on
            added[state, 0, 0] += off * sine
            added[state, 0, 1] += off * cosine
            added[state, 0, 2] += off * moved[2, f]
            added[state, 1, 0] += on * sine
            added[state, 1, 1] += on * cosine
            added[state, 1, 2] += on * moved[2, f]
    for state in range(2):
        for on in range(2):
            for way in range(3):
                part = added[state, on, way]
                for i in range(levels.shape[1]):
                    levels[state, i] -= part * ways[on, 1 + way, i]


@compiled
def variance_of_mean(values: Floats) -> float:
    """Variance of the mean of values (F,) whose neighbours may be alike, by the means of blocks."""
    size = max(len(values) // _BLOCKS, 1)
    count, mean, square = 0, 0.0, 0.0
    for begin in range(0, len(values) - size + 1, size):
        block = values[begin : begin + size].mean()
        count, mean, square = count + 1, mean + block, square + block * block
    return (square - mean * mean / count) / (count - 1) / count
