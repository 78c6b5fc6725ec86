"""Solver of the diffusion equation with recombination (Eq. 4 of the paper) on a line or a plate.

::

    dN/dt = D ∇²N − a(t) N − q(t) N²

A Strang splitting alternates two parts that are each solved exactly. Diffusion is the matrix
exponential of the second-difference Laplacian, one matrix for each axis: it conserves the carriers
and never makes a density negative, at any step. The reaction is Bernoulli's equation with the
solution N → e N / (1 + w N), e = exp(−∫a dt) and w = ∫ q exp(−∫a) dt, whatever a(t) and q(t) are.
The error of the splitting is of second order in the step of time and zero without q; that of the
second differences is of second order in the width of the cells. Units are ps, um and cm^-3 (1 cm²/s
is 1e-4 um²/ps); any consistent ones can be used.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct, dst

from ocm_ophyd.errors import DataError

__all__ = ["GAUSS", "Axis", "reaction", "solve_diffusion"]

Floats = NDArray[np.float64]
Rate = float | Callable[[Floats], ArrayLike]
Boundary = Literal["no-flux", "absorbing", "free"]

STEP = 5.0
"""Longest step of the splitting, ps: the error of the microlaser's density is then below 1e-5 of
its peak (tests/analysis/diffusion/test_solver.py)."""

FREE_REACH = 6.0
"""Distance by which a free grid is continued on every side, in lengths √(2 D t): of the carriers at
its edge, 1e-9 diffuse further."""

_nodes, _weights = (np.asarray(v, np.float64) for v in np.polynomial.legendre.leggauss(5))
GAUSS: Floats = (1 + _nodes) / 2
"""Gauss–Legendre nodes on (0, 1), at which the rates of an interval of time are evaluated."""
WEIGHTS: Floats = _weights / 2
"""Weights of the nodes."""
_ORDERS = np.arange(1, len(GAUSS) + 1)
_INTEGRALS = GAUSS[:, np.newaxis] ** _ORDERS / _ORDERS
PARTIAL: Floats = np.asarray(_INTEGRALS @ np.linalg.inv(np.vander(GAUSS, increasing=True)))
"""(5, 5) matrix of the integrals from 0 to each node of the polynomial through the nodes'
values."""


class Modes(NamedTuple):
    """Eigenvectors and eigenvalues of the Laplacian of a row of cells.

    Attributes
    ----------
    vectors : (modes, cells) array
        Orthonormal rows.
    decay : (modes,) array
        Negative eigenvalues, um⁻².
    """

    vectors: Floats
    decay: Floats


class Axis:
    """Row of cells and the modes of its second-difference Laplacian.

    Parameters
    ----------
    cells : int
        Number of cells. The boundaries are the outer faces of the row.
    spacing : float
        Width of a cell, um.
    absorbing : bool
        Whether N = 0 on the boundaries; otherwise no carriers pass them.

    Attributes
    ----------
    modes : Modes
        Of the Laplacian.
    laplacian : (cells, cells) array
        um⁻².
    """

    def __init__(self, cells: int, spacing: float, *, absorbing: bool = False) -> None:
        transform, first = (dst, 1) if absorbing else (dct, 0)
        vectors = transform(np.eye(cells), type=2, norm="ortho", axis=0)
        order = np.arange(first, first + cells)
        decay = (2 / spacing * np.sin(np.pi * order / (2 * cells))) ** 2
        self.modes = Modes(vectors, decay)
        self.laplacian: Floats = vectors.T @ (-decay[:, np.newaxis] * vectors)

    def propagator(self, variance: float) -> Floats:
        """Return the matrix (cells, cells) of diffusion over `variance` = D t, um²."""
        return _propagator(self.modes, variance)


@njit(cache=True)
def _propagator(modes: Modes, variance: float) -> Floats:
    """Return exp(variance ∇²) of one axis, (cells, cells)."""
    decayed = np.exp(-variance * modes.decay).reshape(-1, 1) * modes.vectors
    return np.dot(modes.vectors.T, decayed)


@lru_cache(maxsize=16)
def _axis(cells: int, spacing: float, absorbing: bool) -> Axis:
    return Axis(cells, spacing, absorbing=absorbing)


@njit(cache=True)
def reaction(
    duration: Floats, rates: Floats, linear: Floats, quadratic: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Compute the factors of N → e N / (1 + w N) over intervals of time, and their derivatives.

    Parameters
    ----------
    duration : (S,) array
        Of the intervals, ps.
    rates : (R,) array
        Coefficients of a(t) and q(t) in the bases.
    linear, quadratic : (S, 5, R) arrays
        Bases at the nodes `GAUSS` of each interval: a = linear @ rates, q = quadratic @ rates.

    Returns
    -------
    e, w : (S,) arrays
        Survival, and depletion in cm³.
    by_e, by_w : (S, R) arrays
        Derivatives of e and w by the rates.
    """
    intervals, nodes, count = linear.shape
    e, w = np.ones(intervals), np.zeros(intervals)
    by_e, by_w = np.zeros((intervals, count)), np.zeros((intervals, count))
    until = np.empty(count)
    for s in range(intervals):
        for i in range(nodes):
            lost = pairs = 0.0
            for r in range(count):
                until[r] = 0.0
                for j in range(nodes):
                    until[r] += duration[s] * PARTIAL[i, j] * linear[s, j, r]
                lost += until[r] * rates[r]
                pairs += quadratic[s, i, r] * rates[r]
                by_e[s, r] -= duration[s] * WEIGHTS[i] * linear[s, i, r]
            surviving = duration[s] * WEIGHTS[i] * np.exp(-lost)
            w[s] += surviving * pairs
            for r in range(count):
                by_w[s, r] += surviving * (quadratic[s, i, r] - pairs * until[r])
        total = 0.0
        for r in range(count):
            total += by_e[s, r] * rates[r]
        e[s] = np.exp(total)
        for r in range(count):
            by_e[s, r] *= e[s]
    return e, w, by_e, by_w


def solve_diffusion(
    initial: ArrayLike,
    spacing: float | tuple[float, float],
    times: ArrayLike,
    *,
    diffusion: float,
    linear: Rate = 0.0,
    quadratic: Rate = 0.0,
    boundary: Boundary = "no-flux",
    step: float = STEP,
) -> Floats:
    """Solve Eq. 4 on a line or a plate.

    Parameters
    ----------
    initial : (X,) or (X, Y) array
        Density in the cells at ``times[0]``, cm^-3, not negative.
    spacing : float or tuple of float
        Width of the cells along each axis, um.
    times : (T,) array
        Times of the result, ps, increasing.
    diffusion : float
        D, um²/ps.
    linear, quadratic : float or callable
        a in 1/ps and q in cm³/ps: numbers, or functions of an array of times that are smooth
        within a step.
    boundary : {"no-flux", "absorbing", "free"}
        At the outer faces of the outer cells: no carriers pass ("no-flux"), N = 0 ("absorbing"),
        or there is no boundary ("free"). In free space the initial density is zero outside the
        array; the grid is continued by `FREE_REACH` on every side and cut again at the end.
    step : float
        Longest step of the splitting, ps; its error decreases as the square.

    Returns
    -------
    (T, X) or (T, X, Y) array
        Density, cm^-3.

    Raises
    ------
    DataError
        Times that do not increase, a negative density or diffusion, or more than two axes.
    """
    density, times = np.array(initial, np.float64), np.asarray(times, np.float64)
    gaps = np.diff(times)
    _check_input(density, gaps, diffusion)
    widths = spacing if isinstance(spacing, tuple) else (spacing,) * density.ndim
    inside: tuple[slice, ...] = (slice(None),) * density.ndim
    if boundary == "free":
        reach = FREE_REACH * np.sqrt(2 * diffusion * (times[-1] - times[0]))
        pad = [int(np.ceil(reach / width)) for width in widths]
        inside = tuple(slice(p, p + n) for p, n in zip(pad, density.shape, strict=True))
        density = np.pad(density, [(p, p) for p in pad])
    axes = [
        _axis(n, width, boundary == "absorbing")
        for n, width in zip(density.shape, widths, strict=True)
    ]
    axes.append(_axis(1, 1.0, False))  # a line has one cell across
    counts = np.ceil(gaps / step - 1e-9).astype(int)
    halves = np.repeat(gaps / counts / 2, 2 * counts)
    starts = times[0] + np.cumsum(halves) - halves
    nodes = starts[:, np.newaxis] + halves[:, np.newaxis] * GAUSS
    rates = (_rate(rate, nodes) for rate in (linear, quadratic))
    e, w, _, _ = reaction(halves, np.ones(1), *rates)
    result = _march(
        density.reshape(len(density), -1),
        axes[0].modes,
        axes[1].modes,
        diffusion * gaps / counts,
        counts,
        e,
        w,
    )
    return result.reshape(-1, *density.shape)[:, *inside]


def _check_input(density: Floats, gaps: Floats, diffusion: float) -> None:
    """Raise DataError where Eq. 4 has no solution for this input; `gaps` are between the times."""
    if density.ndim not in {1, 2}:
        raise DataError(f"initial has {density.ndim} axes: only a line or a plate can be solved")
    if not (gaps > 0).all():
        raise DataError("times must increase")
    if not (density.min() >= 0 and density.max() < np.inf and 0 <= diffusion < np.inf):
        raise DataError("initial and diffusion must be finite and not negative")


@njit(cache=True)
def _march(
    density: Floats,
    x_modes: Modes,
    y_modes: Modes,
    variances: Floats,
    counts: NDArray[np.int64],
    e: Floats,
    w: Floats,
) -> Floats:
    """Compute the density at all times, (1 + T, X, Y).

    A step is half a reaction, diffusion, half a reaction. Two half reactions that follow each other
    are applied as one, with e = e1 e2 and w = w1 + e1 w2.

    Parameters
    ----------
    density : (X, Y) array
        At the first time, cm^-3.
    x_modes, y_modes : Modes
        Of the axes.
    variances : (T,) array
        D times the step in each interval between two times, um².
    counts : (T,) array of int
        Number of steps in each interval.
    e, w : (2 Σ counts,) arrays
        Factors of the half reactions, 1 and cm³.
    """
    result = np.empty((len(counts) + 1, *density.shape))
    result[0] = density
    along_x = _propagator(x_modes, variances[0]) if len(counts) else x_modes.vectors
    along_y = _propagator(y_modes, variances[0]) if len(counts) else y_modes.vectors
    k = 0
    for t in range(len(counts)):
        if t > 0 and variances[t] != variances[t - 1]:
            along_x = _propagator(x_modes, variances[t])
            along_y = _propagator(y_modes, variances[t])
        survival, depletion = e[k], w[k]
        for step in range(counts[t]):
            reacted = survival * density / (1 + depletion * density)
            density = np.dot(np.dot(along_x, reacted), along_y)
            survival, depletion = e[k + 1], w[k + 1]
            k += 2
            if step + 1 < counts[t]:
                survival, depletion = survival * e[k], depletion + survival * w[k]
        density = survival * density / (1 + depletion * density)
        result[t + 1] = density
    return result


def _rate(rate: Rate, times: Floats) -> Floats:
    """Return the values (S, 5, 1) of a rate at the nodes (S, 5) of the half steps, ps."""
    values = np.empty((*times.shape, 1))
    values[..., 0] = rate(times) if callable(rate) else rate
    return values
