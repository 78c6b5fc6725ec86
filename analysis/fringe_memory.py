"""What the earlier points of a run say of the fringe's shape, compiled.

A point of a large effect knows the pump's phase no better than the shape of the fringe: the bend of
its envelope, visibility, path and the path's bend. Unlike the interferometer's phase and the
light's energy and tilt, the shape is the sample's and the same in the next point; so each leaves
what its spectra say of it, and is corrected by what
the points before it have left. What the priors say counts once.

Only earlier points count, so that a point's number is final as soon as it is measured. Old ones
fade, and where a point is unlike those before it, the probe looks at another place: it starts anew.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled, compiled_within
from analysis.fringe_solver import STATIC
from analysis.linear import dot, inverse

Floats = NDArray[np.float64]

_FADES = 1 / 60  # a point: the variance of what is remembered is at least that of 120 points
_UNLIKE = 60.0  # χ² of four numbers, which a steady sample does not reach in a night
_SHAPE = 4


class Memory(NamedTuple):
    """Of the shape u = (g2, V, z, r), and the reference of its numbers.

    Attributes
    ----------
    information : (4, 4) array
        Inverse covariance of what the points said, without priors.
    said : (4,) array
        Information times u − `about`.
    about : (4,) array
        Of the first point.
    """

    information: Floats
    said: Floats
    about: Floats


def nothing() -> Memory:
    """No point yet."""
    return Memory(np.zeros((_SHAPE, _SHAPE)), np.zeros(_SHAPE), np.zeros(_SHAPE))


@compiled
def shape_of(p: Floats, blurred: float) -> tuple[Floats, Floats]:
    """Shape (4,) of a fringe that drift within the point has `blurred`, and its derivatives (4, 7).

    `p` are the parameters of `fringe_solver`.
    """
    shape, table = np.zeros(_SHAPE), np.zeros((_SHAPE, STATIC))
    visibility = np.sqrt(p[3] * p[3] + p[4] * p[4])
    shape[0], shape[1], shape[2], shape[3] = p[2], visibility / blurred, p[5], p[6]
    table[0, 2] = table[2, 5] = table[3, 6] = 1.0
    table[1, 3], table[1, 4] = p[3] / visibility / blurred, p[4] / visibility / blurred
    return shape, table


@compiled_within
def remembered(
    p: Floats, covariance: Floats, link: Floats, blurred: float, prior: Floats, memory: Memory
) -> tuple[float, float, float]:
    """Correct the pump's phase of a point by what is remembered, and remember the point.

    Parameters
    ----------
    p : (13,) array
    covariance : (7, 7) array
        Of the fringe's parameters.
    link : (7,) array
        Covariances of Δ with them.
    blurred : float
        See `shape_of`.
    prior : (13,) array
        Inverse variances that are in `covariance` already.
    memory : Memory
        Changed.

    Returns
    -------
    correction : float
        To add to Δ, rad.
    variance, common : float
        What the shape's uncertainty adds to the variance of Δ, and the priors' part in it.
    """
    shape, table = shape_of(p, blurred)
    spread, linked = np.zeros((_SHAPE, _SHAPE)), np.zeros(_SHAPE)
    for a in range(_SHAPE):
        linked[a] = dot(table[a], link)
        for b in range(_SHAPE):
            for i in range(STATIC):
                spread[a, b] += table[a, i] * dot(covariance[i], table[b])
    own = _scaled_inverse(spread)
    before = np.zeros(_SHAPE)
    before[0], before[2], before[3] = prior[2], prior[5], prior[6]

    if memory.information[1, 1] > 0 and _unlike(shape, spread, before, memory):
        memory.information[:] = 0.0
    if memory.information[1, 1] == 0:
        memory.said[:] = 0.0
        memory.about[:] = shape
    away = memory.about - shape

    total = _scaled_inverse(own + memory.information)
    slope, pull = np.zeros(_SHAPE), memory.said.copy()
    for a in range(_SHAPE):
        slope[a] = dot(own[a], linked)
        pull[a] += dot(memory.information[a], away)
    correction = variance = common = 0.0
    for a in range(_SHAPE):
        reach = dot(total[a], slope)  # covariance of Δ with the shape, now
        correction += reach * pull[a]
        variance += reach * slope[a]
        common += reach * reach * before[a]
    for a in range(_SHAPE):
        own[a, a] -= before[a]
    for a in range(_SHAPE):
        memory.said[a] = (1 - _FADES) * memory.said[a] - dot(own[a], away)
        for b in range(_SHAPE):
            memory.information[a, b] = (1 - _FADES) * memory.information[a, b] + own[a, b]
    return correction, variance, common


@compiled_within
def _unlike(shape: Floats, spread: Floats, before: Floats, memory: Memory) -> bool:
    """Whether a shape (4,) with its covariance is not the one that is remembered."""
    other = memory.information.copy()
    for a in range(_SHAPE):
        other[a, a] += before[a]
    other = _scaled_inverse(other)
    away = shape - memory.about
    for a in range(_SHAPE):
        away[a] -= dot(other[a], memory.said)
    both, size = _scaled_inverse(spread + other), 0.0
    for a in range(_SHAPE):
        size += away[a] * dot(both[a], away)
    return not size < _UNLIKE


@compiled
def _scaled_inverse(matrix: Floats) -> Floats:
    """Inverse of a positive definite matrix whose rows may have any units."""
    scale, scaled = np.empty(len(matrix)), np.empty_like(matrix)
    for a in range(len(matrix)):
        scale[a] = 1 / np.sqrt(matrix[a, a])
    for a in range(len(matrix)):
        for b in range(len(matrix)):
            scaled[a, b] = matrix[a, b] * scale[a] * scale[b]
    result = inverse(scaled)
    for a in range(len(matrix)):
        for b in range(len(matrix)):
            result[a, b] *= scale[a] * scale[b]
    return result
