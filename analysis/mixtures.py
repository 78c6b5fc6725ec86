"""What partly open frames say of the pump's effect by themselves, compiled.

A frame that the chopper opens for a part o of its exposure is the mixture (1 − o) S_off + o S_on of
two fringes, which has less contrast the further they are apart. This does not ask where the path
is, so where drift hides the effect from frame to frame, and the effect is large, most of what a
point knows of it stands here.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.band import Bins
from analysis.compiled import compiled, compiled_within
from analysis.displacement import MOVES, directions, mixture, sets
from analysis.fringe_solver import derivatives, unpumped
from analysis.linear import dot, inverse
from analysis.spectra import Setup

Floats = NDArray[np.float64]

_SETS = 8  # of functionals at least
_FAINT = 10.0  # times the least variance of a frame's phase: the pump puts out its fringe
_CURVED = 0.1  # of the effect: what is not linear in it
_TELLING = 0.05  # of what is known: less is not worth a look


@compiled
def telling(opened: Floats, delta: float, setup: Setup, moved: Floats, variance: float) -> bool:
    """Whether mixtures add much to an effect `delta` that is known with a `variance`.

    `moved` is that of `displacements`; a fringe of many periods is assumed.
    """
    known, axis = 0.0, setup.grid.axes[3]
    for colour in (0, len(axis) // 2, len(axis) - 1):
        sine, cosine = np.sin(delta * axis[colour]), np.cos(delta * axis[colour])
        for f in range(len(opened)):
            apart = opened[f] * (1 - opened[f])
            contrast = 1 - 2 * apart * (1 - cosine)
            known += (apart * sine / max(contrast, 1e-3)) ** 2 / moved[4, f] / 3
    return known * variance > _TELLING


@compiled_within
def by_mixture(
    frames: NDArray[np.uint32],
    opened: Floats,
    p: Floats,
    levels: Floats,
    weight: Floats,
    weights: Floats,
    setup: Setup,
    moved: Floats,
) -> tuple[float, float, float]:
    """Effect that partly open frames show beside that of `p`.

    Parameters
    ----------
    frames : (F, K) array
    opened : (F,) array
        Open fractions.
    p : (13,) array
        Parameters of `fringe_solver`.
    levels : (2, B) array
        S_off and ΔS, drift and tilt taken out.
    weight : (3, B) array
        Inverse variances in one frame: closed, open, and mean.
    weights : (2, F) array
        With which S_off and ΔS were made of the frames.
    setup : Setup
    moved : (5, F) array
        See `displacements`.

    Returns
    -------
    effect, variance, scatter : float
        rad; its variance by shot and read noise, and by what times more the frames scatter. The
        variance is infinite where no frame tells.
    """
    last = sets(_SETS, p[7])
    chosen = np.rint(opened * last).astype(np.int64)
    bins, count = levels.shape[1], len(opened)
    ways = np.empty((2, 5, bins))
    _, by_off = derivatives(unpumped(p), setup.grid.axes)
    ways[0] = directions(unpumped(p), by_off, levels[0], setup.grid.axes)
    ways[0, 4] = 0.0
    _, by_on = derivatives(p, setup.grid.axes)
    ways[1] = directions(p, by_on, levels[0] + levels[1], setup.grid.axes)
    functionals, responses = np.zeros((last + 1, bins)), np.zeros((last + 1, 2, 5))
    _functionals(ways, weight, chosen, functionals, responses)
    # A frame's phase that is taken out of S_off and ΔS takes its part of the effect with it.
    taken = np.zeros((2, 2))
    for f in range(count):
        for order in range(2):
            amount = weights[order, f] * moved[3, f]
            taken[order, 0] += amount * (1 - opened[f])
            taken[order, 1] += amount * opened[f]
    said, left, faint = np.zeros(count), np.zeros(count), _FAINT * moved[4].min()
    for f in range(count):
        if not 0 < chosen[f] < last or moved[4, f] > faint:
            continue
        on = opened[f]
        said[f] = _seen(frames[f], functionals[chosen[f]], setup.bins) / (1 + moved[1, f])
        sine, cosine = np.sin(moved[0, f]), np.cos(moved[0, f])
        for state in range(2):
            look = responses[chosen[f], state]
            expected = look[0] + moved[2, f] * look[3] + sine * look[1] + (1 - cosine) * look[2]
            said[f] -= (on if state else 1 - on) * expected
            left[f] += cosine * look[1] * (taken[0, state] + on * taken[1, state])
    power = dot(left, left)
    if not power > 0:
        return 0.0, np.inf, 1.0
    effect, scatter, tell = dot(left, said) / power, 0.0, 0
    for f in range(count):
        if left[f] != 0:
            scatter += (said[f] - left[f] * effect) ** 2
            tell += 1
    noise = _noise(left, chosen, functionals, opened, weights, weight[2]) / power**2
    return effect, noise + (_CURVED * effect) ** 2, max(scatter / max(tell - 1, 1), 1.0)


@compiled_within
def _functionals(
    ways: Floats,
    weight: Floats,
    chosen: NDArray[np.int64],
    functionals: Floats,
    responses: Floats,
) -> None:
    """Fill in the functionals (n, B) that frames have chosen, and what they say of `ways`."""
    mixed, mixed_weight = np.empty_like(ways[0]), np.zeros(ways.shape[2])
    for a in range(len(functionals)):
        if (chosen == a).any():
            mixture(ways, weight, a / (len(functionals) - 1), mixed, mixed_weight)
            _beside(mixed, mixed_weight, functionals[a])
            for state in range(2):
                for kind in range(5):
                    responses[a, state, kind] = dot(functionals[a], ways[state, kind])


@compiled
def _seen(frame: NDArray[np.uint32], functional: Floats, bins: Bins) -> float:
    """Apply a functional (B,) to a frame (K,), dark subtracted."""
    total = 0.0
    for i in range(len(functional)):
        level = -bins.dark[i]
        for j in range(bins.edge[i], bins.edge[i + 1]):
            level += frame[bins.pixel[j]]
        total += functional[i] * level / bins.light[i]
    return total


@compiled_within
def _noise(
    left: Floats,
    chosen: NDArray[np.int64],
    functionals: Floats,
    opened: Floats,
    weights: Floats,
    weight: Floats,
) -> float:
    """Variance of Σ left·said: each frame's own noise, and that of S_off and ΔS, made of all."""
    made, scaled = np.zeros((2, len(weight))), np.zeros(len(weight))
    for f in range(len(left)):
        made[0] += left[f] * functionals[chosen[f]]
        made[1] += left[f] * opened[f] * functionals[chosen[f]]
    own, crossed = np.zeros((2, 2)), np.zeros((2, len(functionals)))
    for order in range(2):
        for i in range(len(weight)):
            scaled[i] = made[order, i] / weight[i] if weight[i] > 0 else 0.0
        for other in range(2):
            own[order, other] = dot(scaled, made[other])
        for a in range(len(functionals)):
            crossed[order, a] = dot(scaled, functionals[a])
    total = 0.0
    for f in range(len(left)):
        total += left[f] ** 2
        for order in range(2):
            total -= 2 * left[f] * weights[order, f] * crossed[order, chosen[f]]
            for other in range(2):
                total += weights[order, f] * weights[other, f] * own[order, other]
    return total


@compiled
def _beside(ways: Floats, weight: Floats, functional: Floats) -> None:
    """Fill in the functional (B,) of the effect that phase, energy and tilt do not reach.

    Its noise is 1.
    """
    gram, crossed, rest = np.empty((3, 3)), np.empty(3), ways[4].copy()
    for a in range(3):
        weighted = ways[MOVES[a]] * weight
        crossed[a] = dot(weighted, ways[4])
        for b in range(3):
            gram[a, b] = dot(weighted, ways[MOVES[b]])
    gram[0, 0] += 1.0  # a fringe that the pump puts out shows no phase
    by = inverse(gram)
    for a in range(3):
        rest -= dot(by[a], crossed) * ways[MOVES[a]]
    size = np.sqrt(dot(rest * weight, rest))
    functional[:] = rest * weight / max(size, 1e-12)
