"""The spectra of a point: what is fixed during a run, and their normalisation, compiled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.band import Bins
from analysis.compiled import compiled
from analysis.fringe_solver import Grid

Floats = NDArray[np.float64]


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
def off_weights(weights: Floats, opened: Floats) -> None:
    """Fill in weights[0] of S_off: the mean, less what the pump adds to it, ō ΔS."""
    count = len(opened)
    pumped = opened.mean()
    for f in range(count):
        weights[0, f] = 1 / count - pumped * weights[1, f]


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
