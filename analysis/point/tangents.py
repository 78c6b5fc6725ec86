"""Derivatives of a frame's spectrum by its phase, energy, tilt and pump effect, compiled.

They are rows of an array (2, 5, B): pump state, kind of derivative, bins. The indices of both axes
are the constants below. To second order a frame in one pump state shows

    (1 + energy) [S + sin θ ∂S/∂θ + (1 − cos θ) ∂²S/∂θ² + tilt ∂S/∂t].
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.fringe.solver import Axes
from analysis.numerics.jit import compiled

Floats = NDArray[np.float64]

CLOSED, OPEN = 0, 1
"""Pump states: first axis of the tangents."""

SPECTRUM, BY_PHASE, BY_PHASE_TWICE, BY_TILT, BY_PUMP = 0, 1, 2, 3, 4
"""Second axis of the tangents: the spectrum itself (its derivative by the energy); its first and
second derivatives by a drift of the path, rad; its derivative by a tilt, relative at the band's
edges; and its derivative by the pump's phase Δ, rad."""

KINDS = 5
"""Length of the second axis."""

NUISANCES = (BY_PHASE, SPECTRUM, BY_TILT)
"""Tangents of the nuisance parameters of a frame: phase, energy, tilt."""


@compiled
def fill_tangents(p: Floats, table: Floats, spectrum: Floats, axes: Axes, tangents: Floats) -> None:
    """Fill in the tangents of a spectrum in one pump state.

    Parameters
    ----------
    p : (13,) array
        Parameters of the spectrum's model.
    table : (13, B) array
        Derivatives of the model, see `analysis.fringe.solver.derivatives`.
    spectrum : (B,) array
        In units of the reference.
    axes : Axes
    tangents : (5, B) array
    """
    cos, sin = p[par.COSINE], p[par.SINE]
    for i in range(len(spectrum)):
        ratio = 1 + axes.offset[i]  # a path's drift turns short wavelengths by more
        by_cos, by_sin = table[par.COSINE, i], table[par.SINE, i]
        tangents[SPECTRUM, i] = spectrum[i]
        tangents[BY_PHASE, i] = ratio * (cos * by_sin - sin * by_cos)
        tangents[BY_PHASE_TWICE, i] = -ratio * ratio * (cos * by_cos + sin * by_sin)
        tangents[BY_TILT, i] = axes.tilt[i] * spectrum[i]
        tangents[BY_PUMP, i] = table[par.DELTA_PHI, i]


@compiled
def mix(
    tangents: Floats, closed: Floats, opened: Floats, share: float, mixed: Floats, weight: Floats
) -> None:
    """Fill in tangents and weights of a frame that the chopper opens for a share of its exposure.

    Parameters
    ----------
    tangents : (2, 5, B) array
    closed, opened : (B,) array
        Inverse variances of a frame with the pump off, and with the pump on.
    share : float
        Open fraction.
    mixed : (5, B) array
        To be filled in: tangents.
    weight : (B,) array
        To be filled in: inverse variances; bins that are left out stay as they are.
    """
    for i in range(len(weight)):
        if closed[i] * opened[i] > 0:
            weight[i] = 1 / ((1 - share) / closed[i] + share / opened[i])
    for kind in range(KINDS):
        for i in range(len(weight)):
            mixed[kind, i] = (1 - share) * tangents[CLOSED, kind, i] + share * tangents[
                OPEN, kind, i
            ]
