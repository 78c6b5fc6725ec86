"""The paper's Eq. 4: carriers that diffuse, decay and recombine in pairs, on a line or a plate.

::

    dN/dt = D ∇²N − a(t) N − q(t) N²

Strang splitting of two parts that are each exact. Diffusion is the matrix exponential of the
second-difference Laplacian, one small matrix for each axis: it neither creates nor loses carriers
nor makes them negative, at any step. The reaction is Bernoulli's equation, N → e N / (1 + w N)
with e = exp(−∫a) and w = ∫q exp(−∫a), whatever a(t) and q(t) are. What is left is the error of the
splitting, second order in time and zero without q, and that of the second differences, second order
in space. Units are the project's (ps, um, cm⁻³; 1 cm²/s is 1e-4 um²/ps); any consistent ones do.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct, dst

__all__ = ["GAUSS", "Axis", "reaction", "solve_diffusion"]

Floats = NDArray[np.float64]
Rate = float | Callable[[Floats], ArrayLike]
Boundary = Literal["no-flux", "absorbing", "free"]

STEP = 5.0
"""ps: longest step of the splitting."""

_nodes, _weights = (np.asarray(v, np.float64) for v in np.polynomial.legendre.leggauss(5))
GAUSS: Floats = (1 + _nodes) / 2
"""Nodes on (0, 1) at which a span of time asks for its rates."""
WEIGHTS: Floats = _weights / 2
_ORDERS = np.arange(1, len(GAUSS) + 1)
_INTEGRALS = GAUSS[:, np.newaxis] ** _ORDERS / _ORDERS
PARTIAL: Floats = np.asarray(_INTEGRALS @ np.linalg.inv(np.vander(GAUSS, increasing=True)))
"""(5, 5): integrals from 0 to each node of the polynomial through the values at the nodes."""


class Axis:
    """A row of cells, with the modes of its Laplacian.

    Parameters
    ----------
    cells, spacing
        Their number, and the width of each in um. Boundaries are the outer faces of the row.
    absorbing
        Whether N = 0 on the boundaries; otherwise nothing passes them.
    """

    def __init__(self, cells: int, spacing: float, *, absorbing: bool = False) -> None:
        transform, first = (dst, 1) if absorbing else (dct, 0)
        self.modes: Floats = transform(np.eye(cells), type=2, norm="ortho", axis=0)
        order = np.arange(first, first + cells)
        self.decay: Floats = (2 / spacing * np.sin(np.pi * order / (2 * cells))) ** 2
        self.laplacian: Floats = self.modes.T @ (-self.decay[:, np.newaxis] * self.modes)

    def spread(self, variance: float) -> Floats:
        """Matrix (cells, cells) of diffusion over `variance` = D t, um²."""
        return _spread(self.modes, self.decay, variance)


@njit(cache=True)
def _spread(modes: Floats, decay: Floats, variance: float) -> Floats:
    faded = np.exp(-variance * decay).reshape(-1, 1) * modes
    return np.dot(modes.T, faded)


@lru_cache(maxsize=16)
def _axis(cells: int, spacing: float, absorbing: bool) -> Axis:
    return Axis(cells, spacing, absorbing=absorbing)


@njit(cache=True)
def reaction(
    duration: Floats, rates: Floats, linear: Floats, quadratic: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Factors e and w of N → e N / (1 + w N) over spans of time, and their derivatives.

    Parameters
    ----------
    duration : (S,) array
        Of the spans, ps.
    rates : (R,) array
        What a(t) and q(t) are linear combinations of.
    linear, quadratic : (S, 5, R) arrays
        Their bases at the nodes `GAUSS` of each span: a = linear @ rates, q = quadratic @ rates.

    Returns
    -------
    e, w : (S,) arrays
        Survival, and depletion in cm³.
    by_e, by_w : (S, R) arrays
        Derivatives by the rates.
    """
    spans, nodes, count = linear.shape
    e, w = np.ones(spans), np.zeros(spans)
    by_e, by_w = np.zeros((spans, count)), np.zeros((spans, count))
    until = np.empty(count)
    for s in range(spans):
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
        Density in the cells at ``times[0]``, cm⁻³, not negative.
    spacing
        Width of the cells along each axis, um.
    times : (T,) array
        When the density is wanted, ps, increasing.
    diffusion
        D, um²/ps.
    linear, quadratic
        a in 1/ps and q in cm³/ps: numbers, or functions of an array of times that are smooth
        within a step.
    boundary
        At the outer faces of the outer cells: nothing passes ("no-flux"), N = 0 ("absorbing"), or
        there is none ("free"). In free space the initial density is zero outside the array; the
        grid is continued on every side by six times the length √(2 D t) that carriers spread, so
        that 1e-9 of them would meet its end, and cut again at the end.
    step
        Longest step of the splitting, ps; its error falls as the square.

    Returns
    -------
    (T, X) or (T, X, Y) array
        Density, cm⁻³.

    Raises
    ------
    ValueError
        Times that do not increase, a negative density or diffusion, or more than two axes.
    """
    density, times = np.array(initial, np.float64), np.asarray(times, np.float64)
    if density.ndim not in {1, 2}:
        raise ValueError(f"initial has {density.ndim} axes: only a line or a plate can be solved")
    gaps = np.diff(times)
    if not (gaps > 0).all():
        raise ValueError("times must increase")
    if not (density.min() >= 0 and density.max() < np.inf and 0 <= diffusion < np.inf):
        raise ValueError("initial and diffusion must be finite and not negative")
    widths = spacing if isinstance(spacing, tuple) else (spacing,) * density.ndim
    inside: tuple[slice, ...] = (slice(None),) * density.ndim
    if boundary == "free":
        reach = 6 * np.sqrt(2 * diffusion * (times[-1] - times[0]))
        pad = [int(np.ceil(reach / width)) for width in widths]
        inside = tuple(slice(p, p + n) for p, n in zip(pad, density.shape, strict=True))
        density = np.pad(density, [(p, p) for p in pad])
    axes = [
        _axis(n, width, boundary == "absorbing")
        for n, width in zip(density.shape, widths, strict=True)
    ]
    axes.append(_axis(1, 1.0, False))  # across a line there is one cell, within which all is even
    counts = np.ceil(gaps / step - 1e-9).astype(int)
    halves = np.repeat(gaps / counts / 2, 2 * counts)
    starts = times[0] + np.cumsum(halves) - halves
    moments = starts[:, np.newaxis] + halves[:, np.newaxis] * GAUSS
    rates = (_rate(rate, moments) for rate in (linear, quadratic))
    e, w, _, _ = reaction(halves, np.ones(1), *rates)
    result = _march(
        density.reshape(len(density), -1),
        axes[0].modes,
        axes[0].decay,
        axes[1].modes,
        axes[1].decay,
        diffusion * gaps / counts,
        counts,
        e,
        w,
    )
    return result.reshape(-1, *density.shape)[:, *inside]


@njit(cache=True)
def _march(
    density: Floats,
    x_modes: Floats,
    x_decay: Floats,
    y_modes: Floats,
    y_decay: Floats,
    variances: Floats,
    counts: NDArray[np.int64],
    e: Floats,
    w: Floats,
) -> Floats:
    """Density (1 + T, X, Y), now and after each of T times `counts` steps of D t = `variances`.

    A step is half the reaction, diffusion, half the reaction; e and w are of the halves, of which
    two that follow each other, e = e1 e2 and w = w1 + e1 w2, are taken at once.
    """
    result = np.empty((len(counts) + 1, *density.shape))
    result[0] = density
    left, right = x_modes, y_modes
    k = 0
    for t in range(len(counts)):
        if t == 0 or variances[t] != variances[t - 1]:
            left = _spread(x_modes, x_decay, variances[t])
            right = _spread(y_modes, y_decay, variances[t])
        share, depletion = e[k], w[k]
        for step in range(counts[t]):
            density = np.dot(np.dot(left, share * density / (1 + depletion * density)), right)
            share, depletion = e[k + 1], w[k + 1]
            k += 2
            if step + 1 < counts[t]:
                share, depletion = share * e[k], depletion + share * w[k]
        density = share * density / (1 + depletion * density)
        result[t + 1] = density
    return result


def _rate(rate: Rate, times: Floats) -> Floats:
    """Values (S, 5, 1) of a rate at the nodes of the spans."""
    values = np.empty((*times.shape, 1))
    values[..., 0] = rate(times) if callable(rate) else rate
    return values
