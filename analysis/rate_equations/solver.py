"""Eq. 3 on a round cloud in a rectangular plate, with derivatives by all parameters, compiled.

The plasma depends on the distance r from the pump's axis alone; the photon mode fills the plate, so
the photons see the mean over it, <N>::

    dN/dt = D ∇²N − A N − B N² − C N³ − g m N           g = Γ v_g G
    dm/dt = −γ m + g <N> m + β B <N²>                   m = n_ph / Γ,  γ = v_g γ of the paper

Units: ps, um, cm⁻³. Parameters are in the order A, B, C, D, γ, g, β, initial density.
"""

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analysis.rate_equations.plate_average import Disc

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

A, B, C, D, LOSS, GAIN, COUPLING, INITIAL = range(8)
_ROWS = 9
"""Rows of every table: the value and its derivatives by the eight parameters."""
_MATHS = {"contract", "reassoc", "nsz"}
"""Liberties in floating point that keep infinities and NaN, which wild parameters may give."""

STEP = 0.125
"""ps: the first step; later ones are this times a power of two."""
GROWTH = 0.06
"""Longest step as a share of the time since the pump."""


@lru_cache(maxsize=8)
def steps(horizon: float, first: float = STEP) -> tuple[Floats, Integers]:
    """Return times (T + 1,), ps, from 0 to `horizon` or just beyond, and the steps' levels (T,)."""
    times, levels = [0.0], []
    while times[-1] < horizon:
        levels.append(int(np.log2(max(1.0, GROWTH / STEP * times[-1]))))
        times.append(times[-1] + first * 2.0 ** levels[-1])
    return np.array(times), np.array(levels, np.int64)


def interpolation(times: Floats, at: Floats) -> Floats:
    """(P, T) matrix that interpolates with cubics through the four nearest of `times`."""
    first = np.clip(np.searchsorted(times, at) - 2, 0, len(times) - 4)
    chosen = first[:, np.newaxis] + np.arange(4)
    nodes = times[chosen]
    matrix = np.zeros((len(at), len(times)))
    for i in range(4):
        others = np.delete(nodes, i, axis=1)
        ratios = (at[:, np.newaxis] - others) / (nodes[:, i : i + 1] - others)
        matrix[np.arange(len(at)), chosen[:, i]] = ratios.prod(axis=1)
    return matrix


def solve(
    initial: Floats,
    horizon: Floats,
    rates: Floats,
    profile: Floats,
    plate: Disc,
    first_step: float = STEP,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Follow clouds of one shape to their horizons.

    Strang splitting, second order, extrapolated from steps and half steps to fourth order.

    Parameters
    ----------
    initial, horizon : (K,) arrays
        Scale of the initial density, cm⁻³, and how long each is followed, ps.
    rates : (7,) array
        A, B, C, D, γ, g, β.
    profile : (n,) array
        Initial density of a cloud of scale 1 at the nodes.
    plate : Disc
        Where.

    Returns
    -------
    times : (T + 1,) array
        ps.
    density : (K, T + 1, 9) array
        What the probe sees, cm⁻³, and its derivatives by the eight parameters. Beyond the second
        node after a horizon the values are 0.
    photons : (K, T + 1) array
        m, cm⁻³.
    light : (K, 2, 9) array
        ∫ B <N²> dt and ∫ γ m dt up to the horizon, cm⁻³, and their derivatives.
    """
    times, level = steps(float(np.max(horizon)), first_step)
    # one node beyond the horizon, for the cubic through it
    last = np.minimum(np.searchsorted(times, horizon) + 1, len(times) - 1)
    results = []
    for parts in (1, 2):
        variance = rates[D] * first_step * 2.0 ** np.arange(level.max() + 1) / parts
        fading = np.exp(variance[:, np.newaxis] * plate.decay)
        # Transposed, so that the compiled loops run along memory; the last one is ∇² itself.
        matrices = np.concatenate([fading, plate.decay[np.newaxis]])[:, np.newaxis, :] * plate.modes
        operators = np.ascontiguousarray((matrices @ plate.inverse).swapaxes(1, 2))
        shape = (profile, plate.area, plate.sight, operators)
        results.append(_follow(initial, last, np.diff(times), level, parts, rates, *shape))
    coarse, fine = results
    density, photons, light = ((4 * f - c) / 3 for c, f in zip(coarse, fine, strict=True))
    return times, density, photons, light


@njit(cache=True)
def _follow(
    initial: Floats,
    last: Integers,
    duration: Floats,
    level: Integers,
    parts: int,
    rates: Floats,
    profile: Floats,
    area: Floats,
    sight: Floats,
    operators: Floats,
) -> tuple[Floats, Floats, Floats]:
    density = np.zeros((len(initial), len(level) + 1, _ROWS))
    photons = np.zeros((len(initial), len(level) + 1))
    light = np.zeros((len(initial), 2, _ROWS))
    for k in range(len(initial)):
        _follow_one(
            initial[k] * profile,
            profile,
            duration[: last[k]],
            level,
            parts,
            rates,
            area,
            sight,
            operators,
            density[k],
            photons[k],
            light[k],
        )
    return density, photons, light


@njit(cache=True, fastmath=_MATHS)
def _follow_one(
    initial: Floats,
    by_initial: Floats,
    duration: Floats,
    level: Integers,
    parts: int,
    rates: Floats,
    area: Floats,
    sight: Floats,
    operators: Floats,
    density: Floats,
    photons: Floats,
    light: Floats,
) -> None:
    n = len(initial)
    plasma, spare = np.zeros((_ROWS, n)), np.zeros((_ROWS, n))
    mode, mean, square = np.zeros(_ROWS), np.zeros(_ROWS), np.zeros(_ROWS)
    for i in range(n):
        plasma[0, i] = initial[i]
        plasma[1 + INITIAL, i] = by_initial[i]
    _moments(plasma, area, mean, square)
    for t in range(len(duration) + 1):
        for r in range(_ROWS):
            for i in range(n):
                density[t, r] += plasma[r, i] * sight[i]
        photons[t] = mode[0]
        if t == len(duration):
            break
        step = duration[t] / parts
        for _ in range(parts):
            _shine(square, rates, step / 2, light)
            _amplify(mode, mean, square, rates, step / 2, light)
            _collide(plasma, rates[C], step / 2)
            _recombine(plasma, mode, rates, step / 2)
            _apply(operators[level[t]], plasma, spare, _ROWS)
            plasma, spare = spare, plasma
            _apply(operators[-1], plasma, spare, 1)  # ∂/∂D of e^{D t ∇²} brings down t ∇²
            for i in range(n):
                plasma[1 + D, i] += step * spare[0, i]
            _recombine(plasma, mode, rates, step / 2)
            _collide(plasma, rates[C], step / 2)
            _moments(plasma, area, mean, square)
            _amplify(mode, mean, square, rates, step / 2, light)
            _shine(square, rates, step / 2, light)


@njit(cache=True, fastmath=_MATHS)
def _apply(operator: Floats, rows: Floats, result: Floats, count: int) -> None:
    """Fill the first `count` rows of `result` with a transposed matrix times those of `rows`."""
    n = rows.shape[1]
    for r in range(count):
        for i in range(n):
            result[r, i] = 0.0
        for j in range(n):
            value = rows[r, j]
            for i in range(n):
                result[r, i] += value * operator[j, i]


@njit(cache=True, fastmath=_MATHS)
def _moments(plasma: Floats, area: Floats, mean: Floats, square: Floats) -> None:
    """Fill <N> and <N²> and their derivatives."""
    for r in range(_ROWS):
        first, second = 0.0, 0.0
        for i in range(len(area)):
            share = area[i] * plasma[r, i]
            first += share
            second += share * plasma[0, i]
        mean[r] = first
        square[r] = second if r == 0 else 2 * second


@njit(cache=True, fastmath=_MATHS)
def _shine(square: Floats, rates: Floats, step: float, light: Floats) -> None:
    """Count half a trapezium of the spontaneous emission."""
    for r in range(_ROWS):
        light[0, r] += step * rates[B] * square[r]
    light[0, 1 + B] += step * square[0]


@njit(cache=True, fastmath=_MATHS)
def _growth(x: float) -> tuple[float, float]:
    """(e^x − 1)/x and its derivative."""
    if abs(x) < 0.02:
        return (
            1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))),
            0.5 + x * (1 / 3 + x * (1 / 8 + x * (1 / 30 + x / 144))),
        )
    first = np.expm1(x) / x
    return first, (np.exp(x) - first) / x


@njit(cache=True, fastmath=_MATHS)
def _build_up(x: float, first: float, slope: float) -> tuple[float, float]:
    """((e^x − 1)/x − 1)/x and its derivative, from `first` and `slope` of `_growth`."""
    if abs(x) < 0.05:
        return (
            0.5 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x / 720))),
            1 / 6 + x * (1 / 12 + x * (1 / 40 + x * (1 / 180 + x / 1008))),
        )
    second = (first - 1) / x
    return second, (slope - second) / x


@njit(cache=True, fastmath=_MATHS)
def _amplify(
    mode: Floats, mean: Floats, square: Floats, rates: Floats, step: float, light: Floats
) -> None:
    """Photons in a frozen plasma, and how many leave: both exact, the equation is linear."""
    source = rates[COUPLING] * rates[B]
    x = (rates[GAIN] * mean[0] - rates[LOSS]) * step
    factor = np.exp(x)
    first, slope = _growth(x)
    second, bend = _build_up(x, first, slope)
    born, left = step * step * second, step * first  # time integral per source, per photon
    by_rate = step * step * (slope * mode[0] + step * bend * source * square[0])
    total = left * mode[0] + born * source * square[0]
    light[1, 0] += rates[LOSS] * total
    for r in range(1, _ROWS):
        by_row = left * mode[r] + born * source * square[r] + by_rate * rates[GAIN] * mean[r]
        light[1, r] += rates[LOSS] * by_row
    light[1, 1 + GAIN] += rates[LOSS] * by_rate * mean[0]
    light[1, 1 + LOSS] += total - rates[LOSS] * by_rate
    light[1, 1 + B] += rates[LOSS] * born * rates[COUPLING] * square[0]
    light[1, 1 + COUPLING] += rates[LOSS] * born * rates[B] * square[0]
    by_growth = step * (factor * mode[0] + slope * step * source * square[0])
    for r in range(1, _ROWS):
        mode[r] = factor * mode[r] + by_growth * rates[GAIN] * mean[r]
        mode[r] += step * first * source * square[r]
    mode[1 + GAIN] += by_growth * mean[0]
    mode[1 + LOSS] -= by_growth
    mode[1 + B] += step * first * rates[COUPLING] * square[0]
    mode[1 + COUPLING] += step * first * rates[B] * square[0]
    mode[0] = factor * mode[0] + step * first * source * square[0]


@njit(cache=True, fastmath=_MATHS)
def _collide(plasma: Floats, auger: float, step: float) -> None:
    """Exact step of N' = −C N³."""
    for i in range(plasma.shape[1]):
        density = plasma[0, i]
        factor = 1 / np.sqrt(1 + 2 * auger * step * density * density)
        cube = factor * factor * factor
        for r in range(1, _ROWS):
            plasma[r, i] *= cube
        plasma[1 + C, i] -= step * cube * density * density * density
        plasma[0, i] = factor * density


@njit(cache=True, fastmath=_MATHS)
def _recombine(plasma: Floats, mode: Floats, rates: Floats, step: float) -> None:
    """Exact step of N' = −a N − B N² under frozen photons, a = A + g m (Bernoulli's equation)."""
    loss = rates[A] + rates[GAIN] * mode[0]
    factor = np.exp(-loss * step)
    first, slope = _growth(-loss * step)
    window, by_window = step * first, -step * step * slope
    for i in range(plasma.shape[1]):
        density = plasma[0, i]
        ratio = 1 / (1 + rates[B] * window * density)
        after = factor * ratio * density
        by_pair = -after * ratio * density
        by_loss = -step * after + by_pair * rates[B] * by_window
        for r in range(1, _ROWS):
            plasma[r, i] = factor * ratio * ratio * plasma[r, i] + by_loss * rates[GAIN] * mode[r]
        plasma[1 + A, i] += by_loss
        plasma[1 + B, i] += by_pair * window
        plasma[1 + GAIN, i] += by_loss * mode[0]
        plasma[0, i] = after
