"""Density of a carrier cloud averaged over a Gaussian probe, with its derivatives by parameters.

The cloud is Gaussian when it is created. It diffuses and decays on a rectangular plate without flux
through the edges (Eq. 4 of the paper with the Auger term of Eq. 3)::

    dN/dt = D ∇²N − A N − B N² − C N³ − k(t) N^m        m = 1 (Eq. 3) or 2 (Eq. 4)

with the rate k(t) of stimulated emission, piecewise linear in time. Each step of a Strang splitting
(half a reaction, diffusion, half a reaction) maps the derivatives exactly as it maps the density.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from analysis.diffusion.solver import GAUSS, Axis, reaction

__all__ = [
    "AMPLITUDE",
    "CM2_S",
    "SHARED",
    "WAIST",
    "A",
    "B",
    "C",
    "CloudModel",
    "D",
    "Kind",
    "ScanGeometry",
    "Stimulated",
    "X",
    "Y",
]

Floats = NDArray[np.float64]
Kind = Literal["linear", "quadratic"]

LONGEST_STEP = 10.0
"""Longest step of the splitting up to 40 ps after the pump, ps."""

RELATIVE_STEP = 0.25
"""Longest step of the splitting later, as a fraction of the time since the pump. Half of both
limits changes the microlaser's density by less than 1e-5 of its peak
(tests/analysis/diffusion/test_cloud_model.py)."""

CELLS_PER_PROBE_WAIST = 2
"""Least number of cells of the grid in one probe waist: the sum over the cells then is the integral
over the probe to 1e-4 of the peak (tests/analysis/diffusion/test_cloud_model.py)."""

CM2_S = 1e-4
"""One cm²/s in um²/ps."""

D, AMPLITUDE, X, Y, WAIST, C, A, B = range(8)
"""Indices of the parameters: diffusion coefficient (cm²/s), peak density (in any unit n), centre
(um), 1/e² radius (um), and the rates C (1/(ps n²)), A (1/ps) and B (1/(ps n)). The rates of
stimulated emission at its nodes, in 1/ps or 1/(ps n), follow. A, B and these are the rates that
`reaction` takes; they stand together at the end."""

SHARED = 8
"""Number of the parameters before the rates of stimulated emission."""


@dataclass(frozen=True)
class ScanGeometry:
    """Times and probe positions of a scan over delay and place, and the sample's dimensions.

    Attributes
    ----------
    time : (T,) array
        Mean time at which each frame samples the plasma, ps after the pump, in any order.
    x : (X,) array
        Probe positions along x, um from the centre of the plate.
    size : tuple of float
        Sides of the plate along x and y, um.
    probe_waist : float
        1/e² radius of the probe, um.
    y : (Y,) array
        Probe positions along y, um from the centre; by default one, in the middle.
    spread : (T,) array or float
        Standard deviation of the sampling times of each frame, ps.
    """

    time: ArrayLike
    x: ArrayLike
    size: tuple[float, float]
    probe_waist: float
    y: ArrayLike = (0.0,)
    spread: ArrayLike = 0.0

    def frames(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the geometry of the chosen frames alone; `chosen` is a (T,) array of bool."""
        time = np.asarray(self.time, np.float64)
        spread = np.broadcast_to(np.asarray(self.spread, np.float64), time.shape)
        return replace(self, time=time[chosen], spread=spread[chosen])


@dataclass(frozen=True)
class Stimulated:
    """Form of the stimulated emission in the diffusion equation.

    Attributes
    ----------
    kind : {"linear", "quadratic"}
        Whether it removes k(t) N (Eq. 3) or k(t) N² (Eq. 4).
    nodes : (J,) array
        Times between which k(t) is linear, ps, increasing; it is zero at the pump and at `last`.
    first, last : float
        Times of the first and the last frame, ps. The parameter `AMPLITUDE` is the peak density
        without the losses of the linear rates before `first`, because the frames cannot
        distinguish these losses from a smaller initial density.
    """

    kind: Kind
    nodes: Floats
    first: float
    last: float

    def hats(self, time: Floats) -> Floats:
        """Return functions (J, ...) of time with k = Σ k_j hat_j, each 1 at one node only.

        Parameters
        ----------
        time : array
            Of any shape, ps.
        """
        knots = np.array([0.0, *self.nodes, self.last])
        hats = np.eye(len(knots))[1:-1]
        rows = [np.interp(time, knots, hat) for hat in hats]
        return np.array(rows).reshape(-1, *time.shape)


class CloudModel:
    """Density that the probe samples, as a function of the parameters.

    Parameters
    ----------
    geometry : ScanGeometry
        Times and positions.
    stimulated : Stimulated
        Form of the stimulated emission.
    """

    def __init__(self, geometry: ScanGeometry, stimulated: Stimulated) -> None:
        time = np.asarray(geometry.time, np.float64)
        spread = np.broadcast_to(np.asarray(geometry.spread, np.float64), time.shape)
        # The mean over two times is exact to the third moment of the sampling times.
        instants = np.concatenate([time - spread, time + spread])
        events, self._event = np.unique(np.maximum(instants, 0.0), return_inverse=True)
        self._grids = [_Grid(side, geometry.probe_waist) for side in geometry.size]
        x, y = np.asarray(geometry.x, np.float64), np.asarray(geometry.y, np.float64)
        self._probe_x = self._grids[0].probe_weights(x, geometry.probe_waist)
        self._probe_y = self._grids[1].probe_weights(y, geometry.probe_waist)
        edges = _step_edges(np.union1d(events, [0.0, *stimulated.nodes, stimulated.last]))
        self._is_event = np.isin(edges, events)
        self._steps = np.diff(edges)
        self._halves = np.repeat(self._steps / 2, 2)
        self._linear, self._quadratic = _rate_bases(edges, self._halves, stimulated)
        self._before = _losses_before_first(stimulated)

    def __call__(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Compute the density and its derivatives.

        Parameters
        ----------
        parameters : (P,) array
            In the order of the indices `D` to `B`, then the rates of stimulated emission.

        Returns
        -------
        density : (T, Y, X) array
            Mean over the probe, in the unit of the peak density.
        derivatives : (P, T, Y, X) array
            By the parameters.
        """
        e, w, by_e, by_w = reaction(self._halves, parameters[A:], self._linear, self._quadratic)
        by_e, by_w = (np.pad(table, [(0, 0), (A, 0)]) for table in (by_e, by_w))
        by_c = np.eye(1, len(parameters), C)[0]
        across, along = (grid.axis for grid in self._grids)
        state = self._created(parameters)
        samples = [self._sample(state)] if self._is_event[0] else []
        for k, h in enumerate(self._steps):
            first, second = 2 * k, 2 * k + 1
            _react(state, e[first], w[first], by_e[first], by_w[first])
            _auger(state, parameters[C] * h / 2, by_c * h / 2)
            variance = parameters[D] * CM2_S * h
            state = across.propagator(variance) @ state @ along.propagator(variance)
            curvature = across.laplacian @ state[0] + state[0] @ along.laplacian
            state[1 + D] += CM2_S * h * curvature
            _auger(state, parameters[C] * h / 2, by_c * h / 2)
            _react(state, e[second], w[second], by_e[second], by_w[second])
            if self._is_event[k + 1]:
                samples.append(self._sample(state))
        early, late = np.split(np.array(samples)[self._event], 2)
        table = ((early + late) / 2).swapaxes(0, 1)
        return table[0], table[1:]

    def _sample(self, state: Floats) -> Floats:
        """Return the mean over the probe, (1 + P, Y, X), of a state (1 + P, cells x, cells y)."""
        return np.asarray((self._probe_x @ state @ self._probe_y.T).swapaxes(1, 2))

    def _created(self, parameters: Floats) -> Floats:
        """Return the density right after the pump and its derivatives: (1 + P, cells, cells)."""
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
    """Cells along one side of the plate, at least `CELLS_PER_PROBE_WAIST` in one probe waist."""

    def __init__(self, side: float, probe_waist: float) -> None:
        cells = max(int(np.ceil(CELLS_PER_PROBE_WAIST * side / probe_waist - 1e-9)), 1)
        width = side / cells
        self.centres = np.linspace(-(side - width) / 2, (side - width) / 2, cells)
        self.axis = Axis(cells, width)

    def probe_weights(self, position: Floats, probe_waist: float) -> Floats:
        """Return weights (positions, cells): the share of the probe's light in each cell.

        Parameters
        ----------
        position : (positions,) array
            Of the probe, um. Light beyond the plate does not count.
        probe_waist : float
            1/e² radius, um.
        """
        light = np.exp(-2 * ((position[:, np.newaxis] - self.centres) / probe_waist) ** 2)
        return np.asarray(light / light.sum(axis=1, keepdims=True))


def _step_edges(stops: Floats) -> Floats:
    """Return the edges of the splitting's steps, ps, among them all `stops`, ps, increasing."""
    edges = []
    for start, stop in pairwise(stops):
        longest = max(LONGEST_STEP, RELATIVE_STEP * start)
        edges.append(np.linspace(start, stop, int(np.ceil((stop - start) / longest)), False))
    return np.append(np.concatenate(edges), stops[-1])


def _rate_bases(edges: Floats, halves: Floats, stimulated: Stimulated) -> tuple[Floats, Floats]:
    """Return the bases of the linear and the quadratic rate that `reaction` takes.

    Parameters
    ----------
    edges : (S + 1,) array
        Of the steps, ps.
    halves : (2 S,) array
        Durations of the half steps, ps.
    stimulated : Stimulated
        Its rates follow A and B.

    Returns
    -------
    linear, quadratic : (2 S, 5, 2 + J) arrays
        At the Gauss nodes of each half step.
    """
    begin = np.column_stack([edges[:-1], edges[:-1] + halves[::2]]).reshape(-1, 1)
    times = begin + halves[:, np.newaxis] * GAUSS
    k = stimulated.hats(times)
    zero, one = np.zeros((1, *times.shape)), np.ones((1, *times.shape))
    linear, quadratic = (k, 0 * k) if stimulated.kind == "linear" else (0 * k, k)
    return (
        np.moveaxis(np.concatenate([one, zero, linear]), 0, -1),
        np.moveaxis(np.concatenate([zero, one, quadratic]), 0, -1),
    )


def _losses_before_first(stimulated: Stimulated) -> Floats:
    """Return (2 + J,) times, ps, whose product with the rates is ∫ a dt until the first frame."""
    nodes = stimulated.nodes[stimulated.nodes < stimulated.first]
    times = np.append(0.0, np.union1d(nodes, stimulated.first))
    integrals = np.trapezoid(stimulated.hats(times), times) * (stimulated.kind == "linear")
    return np.array([stimulated.first, 0.0, *integrals])


@njit(cache=True)
def _react(state: Floats, e: float, w: float, by_e: Floats, by_w: Floats) -> None:
    """Apply N → e N / (1 + w N) (see `reaction`), in place.

    Parameters
    ----------
    state : (1 + P, cells x, cells y) array
        Density, and its derivatives by P parameters.
    e, w : float
        Survival, and depletion in the inverse unit of the density.
    by_e, by_w : (P,) arrays
        Derivatives of e and w by the parameters.
    """
    _, columns, rows = state.shape
    depleted, slope = np.empty(rows), np.empty(rows)
    for i in range(columns):
        for j in range(rows):
            slope[j] = 1 / (1 + w * state[0, i, j])
            depleted[j] = slope[j] * state[0, i, j]
            state[0, i, j] = e * depleted[j]
            slope[j] *= e * slope[j]
        for p in range(len(by_e)):
            for j in range(rows):
                source = (by_e[p] - e * by_w[p] * depleted[j]) * depleted[j]
                state[p + 1, i, j] = slope[j] * state[p + 1, i, j] + source


@njit(cache=True)
def _auger(state: Floats, v: float, by_v: Floats) -> None:
    """Apply N → N / √(1 + 2 v N²), the solution of dN/dt = −C N³ with v = C t, in place.

    Parameters
    ----------
    state : (1 + P, cells x, cells y) array
        Density, and its derivatives by P parameters.
    v : float
        In the inverse square of the unit of the density.
    by_v : (P,) array
        Derivatives of v by the parameters.
    """
    _, columns, rows = state.shape
    cube, slope = np.empty(rows), np.empty(rows)
    for i in range(columns):
        for j in range(rows):
            slope[j] = 1 / np.sqrt(1 + 2 * v * state[0, i, j] * state[0, i, j])
            state[0, i, j] *= slope[j]
            cube[j] = state[0, i, j] ** 3
            slope[j] = slope[j] ** 3
        for p in range(len(by_v)):
            for j in range(rows):
                state[p + 1, i, j] = slope[j] * state[p + 1, i, j] - cube[j] * by_v[p]
