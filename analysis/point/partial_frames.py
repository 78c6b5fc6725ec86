"""What partly open frames say of the pump's effect by themselves, compiled.

A frame that the chopper opens for a part o of its exposure is the mixture (1 − o) S_off + o S_on of
two fringes, which has less contrast the further they are apart. This does not ask where the path
is, so where drift hides the effect from frame to frame, and the effect is large, most of what a
point knows of it stands here. What the path walks between the two parts of the exposure remains:
for a walk of rate Q their means are apart by a variance Q τ/3, wherever the pump's edge is. What
shakes a table may have less at such high frequencies: how much is left is asked of the frames.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import derivatives, unpumped
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import dot, inverse
from analysis.point.frame_phases import MOVES, directions, mixture, sets
from analysis.point.normalisation import Setup
from analysis.probe_band import Bins

Floats = NDArray[np.float64]

_SETS = 8  # of functionals at least
_FAINT = 10.0  # times the least variance of a frame's phase: the pump puts out its fringe
_CURVED = 0.05  # of the effect: what is not linear in it
_SHARES = np.array([0.0, 0.03, 0.1, 0.3, 1.0])  # of a walk, within exposures
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
    rate: float,
    locked: Floats,
) -> tuple[float, float, float, float]:
    """Effect that partly open frames show beside that of `p`.

    Parameters
    ----------
    frames : (F, K) array
    opened : (F,) array
        Open fractions.
    p : (13,) array
        Parameters of `fringe_solver`.
    levels : (2, B) array
        S_off and ΔS, drift and tilt taken out. What they took of the effect is put back in them.
    weight : (3, B) array
        Inverse variances in one frame: closed, open, and mean.
    weights : (2, F) array
        With which S_off and ΔS were made of the frames.
    setup : Setup
    moved : (6, F) array
        See `displacements`.
    rate : float
        Of the path's walk, rad²/s.
    locked : (F,) array
        Weights of the frames' phases in the lock-in's estimate.

    Returns
    -------
    effect, least, variance, common : float
        rad; its variance by shot and read noise, by all that makes frames scatter, and covariance
        with the lock-in's. The variance is infinite where no frame tells.
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
    said, left, apart, counted = np.zeros((4, count))
    along = np.zeros((2, count))
    faint, walked = _FAINT * moved[4].min(), rate * setup.exposure
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
            along[state, f] = cosine * look[1]
            left[f] += cosine * look[1] * (taken[0, state] + on * taken[1, state])
        apart[f] = on * along[1, f]
    share, scatter = _weights(said, left, apart, walked / 3, counted)
    if not share >= 0:
        return 0.0, np.inf, np.inf, 0.0
    effect, by_path = dot(counted, said), counted * apart
    follows = opened + moved[5]  # how much a frame's phase is that of its pump-on part
    for order in range(2):  # S_off and ΔS have what is left of both parts' as well
        seen = counted * opened if order else counted
        by_path -= dot(seen, along[1]) * weights[order] * opened * (1 - follows)
        by_path += dot(seen, along[0]) * weights[order] * (1 - opened) * follows
    for order in range(2):
        for state in range(2):
            for i in range(bins):
                levels[order, i] += effect * taken[order, state] * ways[state, 1, i]
    least = _noise(counted, chosen, functionals, opened, weights, weight[2])
    variance = scatter * (least + share * walked / 3 * dot(by_path, by_path))
    common = share * walked * _common(by_path, opened, moved[5], locked)
    return effect, least, variance + (_CURVED * effect) ** 2, common


@compiled
def _weights(
    said: Floats, left: Floats, apart: Floats, walk: float, weights: Floats
) -> tuple[float, float]:
    """Fill in weights (F,), for which Σ weights·said is the effect and Σ weights·left is 1.

    `said` has a variance of 1 + share·walk·apart². Returned are this share, averaged with the
    probability that `said` gives to each of a few, and by what times more it scatters.
    """
    odds, scatter, tell = np.empty(len(_SHARES)), np.empty(len(_SHARES)), (left != 0).sum()
    counted = np.zeros((len(_SHARES), len(left)))
    for j in range(len(_SHARES)):
        own = 1 + apart**2 * walk * _SHARES[j]
        counted[j] = left / own
        power = dot(left, counted[j])
        counted[j] /= power
        effect, scatter[j], volume = dot(counted[j], said), 0.0, np.log(power)
        for f in range(len(left)):
            if left[f] != 0:
                scatter[j] += (said[f] - left[f] * effect) ** 2 / own[f]
                volume += np.log(own[f])
        odds[j] = -(volume + scatter[j]) / 2
    odds = np.exp(odds - odds.max())
    odds /= odds.sum()
    for f in range(len(left)):
        weights[f] = dot(odds, counted[:, f])
    return dot(odds, _SHARES), max(dot(odds, scatter) / max(tell - 1, 1), 1.0)


@compiled
def _common(apart: Floats, opened: Floats, uneven: Floats, locked: Floats) -> float:
    """Covariance of Σ apart·δ and Σ locked·(θ + uneven·δ) for a walk of 1 rad an exposure.

    δ = θ_on − θ_off, see `lockin`.

    A frame whose pump goes on at 1 − o of its exposure has ½ in common with every later one, and
    (1 + o)/6 with its own mean; one whose pump goes off has −½ and −(2 − o)/6.
    """
    total = later = 0.0
    for f in range(len(opened) - 1, -1, -1):
        before, after = opened[max(f - 1, 0)], opened[min(f + 1, len(opened) - 1)]
        own = 1 + opened[f] if after > before else 2 - opened[f]
        total += apart[f] * (after - before) * (later / 2 + locked[f] * own / 6)
        total += apart[f] * locked[f] * uneven[f] / 3
        later += locked[f]
    return total


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
