"""A carrier cloud as the probe sees it, with the derivatives that a fit needs.

The cloud is created Gaussian, spreads and decays on a plate that carriers do not leave (Eq. 4 with
the Auger term of Eq. 3), and a Gaussian probe sees it blurred. Derivatives are carried along with
the density: each step of the splitting maps them exactly as it maps the density.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analysis.diffusion.solver import GAUSS, Axis, reaction

__all__ = [
    "AMPLITUDE",
    "CM2_S",
    "WAIST",
    "A",
    "B",
    "C",
    "CloudModel",
    "D",
    "Kind",
    "Scene",
    "Stimulated",
    "X",
    "Y",
]

Floats = NDArray[np.float64]
Kind = Literal["linear", "quadratic"]

STEP, GROWTH = 10.0, 0.25
"""Longest step of the splitting: ps, or share of the time since the pump. Halving both moves the
microlaser's density by less than 1e-5 of its peak."""
CM2_S = 1e-4
"""um²/ps in one cm²/s."""

D, AMPLITUDE, X, Y, WAIST, C, A, B = range(8)
"""Parameters: cm²/s, peak density, um, um, um, and rates in 1/ps; the stimulated emission at its
nodes, in 1/ps, follows. Densities have the user's unit."""


@dataclass(frozen=True)
class Scene:
    """What is looked at and how.

    Attributes
    ----------
    time, spread : (T,) arrays
        ps after the pump, in any order, and the standard deviation of the instants in each.
    x, y : (X,), (Y,) arrays
        Probe positions, um from the plate's centre.
    size : tuple of float
        Sides of the plate, um.
    probe_waist : float
        1/e² radius, um.
    """

    time: Floats
    spread: Floats
    x: Floats
    y: Floats
    size: tuple[float, float]
    probe_waist: float


@dataclass(frozen=True)
class Stimulated:
    """How stimulated emission enters.

    Attributes
    ----------
    kind : {"linear", "quadratic"}
        It removes k(t) N (Eq. 3) or k(t) N² (Eq. 4).
    nodes : (J,) array
        ps, increasing: k(t) is linear between them, zero at the pump and at `last`.
    first, last : float
        ps, the first and the last frame. `AMPLITUDE` leaves out what the linear rates take until
        the first, which the frames cannot tell from the density before.
    """

    kind: Kind
    nodes: Floats
    first: float
    last: float

    def hats(self, time: Floats) -> Floats:
        """Functions (J, ...) of time, each 1 at one node and 0 at the others: k = Σ k_j hat_j."""
        knots = np.array([0.0, *self.nodes, self.last])
        hats = np.eye(len(knots))[1:-1]
        rows = [np.interp(time, knots, hat) for hat in hats]
        return np.array(rows).reshape(-1, *time.shape)


class CloudModel:
    """Density in a scene, as a function of the parameters."""

    def __init__(self, scene: Scene, stimulated: Stimulated) -> None:
        # The mean of two instants is exact to the third moment of the distribution in time.
        instants = np.concatenate([scene.time - scene.spread, scene.time + scene.spread])
        events, self._event = np.unique(np.maximum(instants, 0.0), return_inverse=True)
        self._grids = [_Grid(side, scene.probe_waist) for side in scene.size]
        self._seen_x = self._grids[0].seen(scene.x, scene.probe_waist)
        self._seen_y = self._grids[1].seen(scene.y, scene.probe_waist)
        edges = _steps(np.union1d(events, [0.0, *stimulated.nodes, stimulated.last]))
        self._is_event = np.isin(edges, events)
        self._steps = np.diff(edges)
        self._halves = np.repeat(self._steps / 2, 2)
        begin = np.column_stack([edges[:-1], edges[:-1] + self._steps / 2]).reshape(-1, 1)
        moments = begin + self._halves[:, np.newaxis] * GAUSS
        k = stimulated.hats(moments)
        zero, one = np.zeros((1, *moments.shape)), np.ones((1, *moments.shape))
        by_n, by_pairs = (k, 0 * k) if stimulated.kind == "linear" else (0 * k, k)
        self._linear = np.moveaxis(np.concatenate([one, zero, by_n]), 0, -1)
        self._quadratic = np.moveaxis(np.concatenate([zero, one, by_pairs]), 0, -1)
        early = np.union1d(stimulated.nodes[stimulated.nodes < stimulated.first], stimulated.first)
        early = np.append(0.0, early)
        before = np.trapezoid(stimulated.hats(early), early) * (stimulated.kind == "linear")
        self._before = np.array([stimulated.first, 0.0, *before])

    def __call__(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Density (T, Y, X) and its derivatives (P, T, Y, X)."""
        e, w, by_e, by_w = reaction(self._halves, parameters[A:], self._linear, self._quadratic)
        by_e, by_w = (np.pad(table, [(0, 0), (A, 0)]) for table in (by_e, by_w))
        by_c = np.eye(1, len(parameters), C)[0]
        across, along = (grid.axis for grid in self._grids)
        state = self._created(parameters)
        seen = [self._see(state)] if self._is_event[0] else []
        for k, h in enumerate(self._steps):
            first, second = 2 * k, 2 * k + 1
            _react(state, e[first], w[first], by_e[first], by_w[first])
            _auger(state, parameters[C] * h / 2, by_c * h / 2)
            variance = parameters[D] * CM2_S * h
            state = across.spread(variance) @ state @ along.spread(variance)
            curvature = across.laplacian @ state[0] + state[0] @ along.laplacian
            state[1 + D] += CM2_S * h * curvature
            _auger(state, parameters[C] * h / 2, by_c * h / 2)
            _react(state, e[second], w[second], by_e[second], by_w[second])
            if self._is_event[k + 1]:
                seen.append(self._see(state))
        early, late = np.split(np.array(seen)[self._event], 2)
        table = ((early + late) / 2).swapaxes(0, 1)
        return table[0], table[1:]

    def _see(self, state: Floats) -> Floats:
        """Return what the probe sees of a state (1 + P, X, Y): (1 + P, Y, X) at its positions."""
        return np.asarray((self._seen_x @ state @ self._seen_y.T).swapaxes(1, 2))

    def _created(self, parameters: Floats) -> Floats:
        """Density right after the pump, and its derivatives: (1 + P, X, Y)."""
        amplitude, x, y, waist = parameters[[AMPLITUDE, X, Y, WAIST]]
        dx = self._grids[0].centres[:, np.newaxis] - x
        dy = self._grids[1].centres - y
        shape = np.exp(-2 * (dx**2 + dy**2) / waist**2)
        state: Floats = np.zeros((1 + len(parameters), *shape.shape))
        state[1 + AMPLITUDE] = shape * np.exp(self._before @ parameters[A:])
        state[0] = amplitude * state[1 + AMPLITUDE]
        state[1 + A :] = self._before[:, np.newaxis, np.newaxis] * state[0]
        state[1 + X] = 4 * dx / waist**2 * state[0]
        state[1 + Y] = 4 * dy / waist**2 * state[0]
        state[1 + WAIST] = 4 * (dx**2 + dy**2) / waist**3 * state[0]
        return state


class _Grid:
    """Cells along one side of the plate, half a probe's waist wide at most."""

    def __init__(self, side: float, probe_waist: float) -> None:
        cells = max(int(np.ceil(2 * side / probe_waist - 1e-9)), 1)
        width = side / cells
        self.centres = np.linspace(-(side - width) / 2, (side - width) / 2, cells)
        self.axis = Axis(cells, width)

    def seen(self, at: Floats, probe_waist: float) -> Floats:
        """Weights (positions, cells) of the cells: the probe's light that falls on the plate."""
        light = np.exp(-2 * ((at[:, np.newaxis] - self.centres) / probe_waist) ** 2)
        return np.asarray(light / light.sum(axis=1, keepdims=True))


def _steps(stops: Floats) -> Floats:
    """Edges of steps from the first stop to the last, all stops among them."""
    edges = [
        np.linspace(start, stop, int(np.ceil((stop - start) / max(STEP, GROWTH * start))), False)
        for start, stop in pairwise(stops)
    ]
    return np.append(np.concatenate(edges), stops[-1])


@njit(cache=True)
def _react(state: Floats, e: float, w: float, by_e: Floats, by_w: Floats) -> None:
    """Take a span of the reaction, in place.

    `state` (1 + P, X, Y) is the density and its derivatives by P parameters; by_e and by_w (P,)
    are those of e and w.
    """
    _, columns, rows = state.shape
    paired, share = np.empty(rows), np.empty(rows)
    for i in range(columns):
        for j in range(rows):
            share[j] = 1 / (1 + w * state[0, i, j])
            paired[j] = share[j] * state[0, i, j]
            state[0, i, j] = e * paired[j]
            share[j] *= e * share[j]
        for p in range(len(by_e)):
            for j in range(rows):
                source = (by_e[p] - e * by_w[p] * paired[j]) * paired[j]
                state[p + 1, i, j] = share[j] * state[p + 1, i, j] + source


@njit(cache=True)
def _auger(state: Floats, v: float, by_v: Floats) -> None:
    """Take a span of dN/dt = −C N³, N → N / √(1 + 2 v N²) with v = C t, in place, as `_react`."""
    _, columns, rows = state.shape
    cube, share = np.empty(rows), np.empty(rows)
    for i in range(columns):
        for j in range(rows):
            share[j] = 1 / np.sqrt(1 + 2 * v * state[0, i, j] * state[0, i, j])
            state[0, i, j] *= share[j]
            cube[j] = state[0, i, j] ** 3
            share[j] = share[j] ** 3
        for p in range(len(by_v)):
            for j in range(rows):
                state[p + 1, i, j] = share[j] * state[p + 1, i, j] - cube[j] * by_v[p]
