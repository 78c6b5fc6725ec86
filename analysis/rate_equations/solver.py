"""Solver of the rate equations (Eq. 3) for a round cloud on a rectangular plate, with derivatives.

The density N depends on the distance r from the axis of the pump alone. The photon mode fills the
plate, so that the photon density depends on the mean <N> over the plate::

    dN/dt = D ∇²N − A N − B N² − C N³ − g m N           g = Γ v_g G
    dm/dt = −γ m + g <N> m + β B <N²>                   m = n_ph / Γ,  γ = v_g γ of the paper

A Strang splitting of second order alternates photons, Auger recombination, the other losses and
diffusion, each solved exactly while the others rest. Extrapolation from steps and half steps gives
fourth order. Every part maps the derivatives exactly as it maps the values.

Tables have one row for a value and one for its derivative by each parameter: the seven constants in
the order of `Rates`, and the scale of the initial density. Units are ps, um and cm^-3.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analysis.rate_equations.plate_average import PlateNodes

__all__ = ["BY_INITIAL", "VALUE", "Clouds", "Rates", "interpolation", "solve", "steps"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Rates(NamedTuple):
    """Constants of the rate equations, in ps, um and cm^-3.

    Attributes
    ----------
    trapping : float
        A, 1/ps.
    radiative : float
        B, cm³/ps.
    auger : float
        C, cm⁶/ps.
    diffusion : float
        D, um²/ps.
    photon_loss : float
        γ (v_g γ of the paper), 1/ps.
    gain : float
        g = Γ v_g G, cm³/ps.
    coupling : float
        β.
    """

    trapping: float
    radiative: float
    auger: float
    diffusion: float
    photon_loss: float
    gain: float
    coupling: float


_RECORD = np.dtype([(name, np.float64) for name in Rates._fields])
"""Form in which the compiled functions take `Rates`."""

VALUE, BY_A, BY_B, BY_C, BY_D, BY_LOSS, BY_GAIN, BY_COUPLING, BY_INITIAL = range(9)
"""Rows of a table: a value, and its derivatives by the constants and by the initial scale."""

ROWS = 9
"""Number of rows of a table."""

_MATHS = {"contract", "reassoc", "nsz"}
"""Permitted changes of floating-point operations. Infinities and NaN stay as they are, because
parameters far from the minimum can produce them."""

STEP = 0.125
"""First step of time, ps; later ones are this times a power of two. The error of the density of a
lasing plate is below 1e-5 of its peak (tests/analysis/rate_equations/test_solver.py)."""

GROWTH = 0.06
"""Longest step of time as a fraction of the time since the pump; with `STEP`, see there."""


class Clouds(NamedTuple):
    """Solutions for K clouds of one shape.

    Attributes
    ----------
    times : (T + 1,) array
        ps after the pump.
    density : (K, T + 1, 9) array
        Mean density over the probe, cm^-3, as a table. Beyond the second time after the horizon of
        a cloud the values are 0.
    photons : (K, T + 1) array
        m, cm^-3.
    light : (K, 2, 9) array
        ∫ B <N²> dt and ∫ γ m dt up to the horizon, cm^-3, as tables.
    """

    times: Floats
    density: Floats
    photons: Floats
    light: Floats


class _Profile(NamedTuple):
    """Cloud and plate at the n nodes.

    Attributes
    ----------
    shape : (n,) array
        Initial density of a cloud of scale 1.
    area, probe : (n,) arrays
        Weights of the means over plate and probe.
    operators : (L + 1, n, n) array
        Transposed matrices exp(D t ∇²) for each exponent of the step, and ∇² (um⁻²) as the last.
    """

    shape: Floats
    area: Floats
    probe: Floats
    operators: Floats


class _Grid(NamedTuple):
    """Steps of time.

    Attributes
    ----------
    duration : (T,) array
        ps.
    exponent : (T,) array of int
        Power of two of each step in units of the first.
    parts : int
        Number of equal parts into which each step is divided.
    """

    duration: Floats
    exponent: Integers
    parts: int


class _Tables(NamedTuple):
    """Results of one cloud, filled in place.

    Attributes
    ----------
    density : (T + 1, 9) array
        Mean over the probe, cm^-3.
    photons : (T + 1,) array
        m, cm^-3.
    light : (2, 9) array
        Spontaneous emission and photons out of the mode, integrated over time, cm^-3.
    """

    density: Floats
    photons: Floats
    light: Floats


@lru_cache(maxsize=8)
def steps(horizon: float, first: float = STEP) -> tuple[Floats, Integers]:
    """Return the times of a solution and the lengths of its steps.

    Parameters
    ----------
    horizon : float
        Time that the last step reaches or passes, ps.
    first : float
        First step, ps.

    Returns
    -------
    times : (T + 1,) array
        From 0, ps.
    exponents : (T,) array of int
        Each step is `first` times two to this power.
    """
    times, exponents = [0.0], []
    while times[-1] < horizon:
        exponents.append(int(np.log2(max(1.0, GROWTH / STEP * times[-1]))))
        times.append(times[-1] + first * 2.0 ** exponents[-1])
    return np.array(times), np.array(exponents, np.int64)


def interpolation(times: Floats, at: Floats) -> Floats:
    """Return the matrix (P, T) that interpolates by cubics through the four nearest times.

    Parameters
    ----------
    times : (T,) array
        Of the values, ps, increasing.
    at : (P,) array
        Where they are interpolated, ps.
    """
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
    rates: Rates,
    profile: Floats,
    plate: PlateNodes,
    first_step: float = STEP,
) -> Clouds:
    """Solve the rate equations for clouds of one shape, each up to its horizon.

    Parameters
    ----------
    initial : (K,) array
        Scale of each initial density, cm^-3.
    horizon : (K,) array
        Time up to which each is solved, ps.
    rates : Rates
        Constants.
    profile : (n,) array
        Initial density of a cloud of scale 1 at the nodes.
    plate : PlateNodes
        Nodes.
    first_step : float
        ps.
    """
    times, exponent = steps(float(np.max(horizon)), first_step)
    # one time beyond the horizon, for the cubic through it
    last = np.minimum(np.searchsorted(times, horizon) + 1, len(times) - 1)
    record: Any = np.array(tuple(rates), _RECORD)[()]
    results = []
    for parts in (1, 2):
        variance = rates.diffusion * first_step * 2.0 ** np.arange(exponent.max() + 1) / parts
        factors = np.concatenate([np.exp(variance[:, np.newaxis] * plate.decay), [plate.decay]])
        operators = (factors[:, np.newaxis, :] * plate.modes) @ plate.inverse
        nodes = _Profile(
            shape=profile,
            area=plate.area,
            probe=plate.probe,
            # transposed, so that the compiled loops run along memory
            operators=np.ascontiguousarray(operators.swapaxes(1, 2)),
        )
        grid = _Grid(duration=np.diff(times), exponent=exponent, parts=parts)
        results.append(_solve_all(initial, last, grid, record, nodes))
    coarse, fine = results
    density, photons, light = ((4 * f - c) / 3 for c, f in zip(coarse, fine, strict=True))
    return Clouds(times=times, density=density, photons=photons, light=light)


@njit(cache=True)
def _solve_all(
    initial: Floats, last: Integers, grid: _Grid, rates: Rates, nodes: _Profile
) -> tuple[Floats, Floats, Floats]:
    """Solve all clouds; `last` (K,) is the number of steps of each."""
    count = len(initial)
    density = np.zeros((count, len(grid.duration) + 1, ROWS))
    photons = np.zeros((count, len(grid.duration) + 1))
    light = np.zeros((count, 2, ROWS))
    for k in range(count):
        tables = _Tables(density[k], photons[k], light[k])
        _solve_one(initial[k], last[k], grid, rates, nodes, tables)
    return density, photons, light


@njit(cache=True, fastmath=_MATHS)
def _solve_one(
    initial: float, last: int, grid: _Grid, rates: Rates, nodes: _Profile, tables: _Tables
) -> None:
    """Solve one cloud for the first `last` steps, and fill its tables."""
    n = len(nodes.shape)
    plasma, spare = np.zeros((ROWS, n)), np.zeros((ROWS, n))
    mode, mean, square = np.zeros(ROWS), np.zeros(ROWS), np.zeros(ROWS)
    for i in range(n):
        plasma[VALUE, i] = initial * nodes.shape[i]
        plasma[BY_INITIAL, i] = nodes.shape[i]
    _moments(plasma, nodes.area, mean, square)
    for t in range(last + 1):
        for r in range(ROWS):
            for i in range(n):
                tables.density[t, r] += plasma[r, i] * nodes.probe[i]
        tables.photons[t] = mode[VALUE]
        if t == last:
            break
        step = grid.duration[t] / grid.parts
        for _ in range(grid.parts):
            _emit(square, rates, step / 2, tables.light)
            _amplify(mode, mean, square, rates, step / 2, tables.light)
            _collide(plasma, rates.auger, step / 2)
            _recombine(plasma, mode, rates, step / 2)
            _apply(nodes.operators[grid.exponent[t]], plasma, spare, ROWS)
            plasma, spare = spare, plasma
            _apply(nodes.operators[-1], plasma, spare, 1)  # ∂/∂D of e^{D t ∇²} is t ∇² e^{D t ∇²}
            for i in range(n):
                plasma[BY_D, i] += step * spare[VALUE, i]
            _recombine(plasma, mode, rates, step / 2)
            _collide(plasma, rates.auger, step / 2)
            _moments(plasma, nodes.area, mean, square)
            _amplify(mode, mean, square, rates, step / 2, tables.light)
            _emit(square, rates, step / 2, tables.light)


@njit(cache=True, fastmath=_MATHS)
def _apply(operator: Floats, rows: Floats, result: Floats, count: int) -> None:
    """Multiply the first `count` rows by a transposed matrix, into those of `result`."""
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
    """Fill the tables of <N> and <N²>, (9,), from that of N, (9, n)."""
    for r in range(ROWS):
        first, second = 0.0, 0.0
        for i in range(len(area)):
            share = area[i] * plasma[r, i]
            first += share
            second += share * plasma[VALUE, i]
        mean[r] = first
        square[r] = second if r == VALUE else 2 * second


@njit(cache=True, fastmath=_MATHS)
def _emit(square: Floats, rates: Rates, step: float, light: Floats) -> None:
    """Add half a trapezium of the spontaneous emission to the table of light."""
    for r in range(ROWS):
        light[0, r] += step * rates.radiative * square[r]
    light[0, BY_B] += step * square[VALUE]


@njit(cache=True, fastmath=_MATHS)
def _growth(x: float) -> tuple[float, float]:
    """Return (e^x − 1)/x and its derivative."""
    if abs(x) < 0.02:
        return (
            1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5))),
            0.5 + x * (1 / 3 + x * (1 / 8 + x * (1 / 30 + x / 144))),
        )
    value = np.expm1(x) / x
    return value, (np.exp(x) - value) / x


@njit(cache=True, fastmath=_MATHS)
def _integrated_growth(x: float, growth: float, slope: float) -> tuple[float, float]:
    """Return ((e^x − 1)/x − 1)/x and its derivative, from the values of `_growth`."""
    if abs(x) < 0.05:
        return (
            0.5 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x / 720))),
            1 / 6 + x * (1 / 12 + x * (1 / 40 + x * (1 / 180 + x / 1008))),
        )
    value = (growth - 1) / x
    return value, (slope - value) / x


@njit(cache=True, fastmath=_MATHS)
def _amplify(
    mode: Floats, mean: Floats, square: Floats, rates: Rates, step: float, light: Floats
) -> None:
    """Advance the photons in a constant plasma, and add those that leave the mode to the light.

    Both are exact, because the equation is then linear. With x = (g <N> − γ) t and the functions of
    `_growth` and `_integrated_growth`, m(t) = e^x m + t growth β B <N²>.

    Parameters
    ----------
    mode, mean, square : (9,) arrays
        Tables of m, <N> and <N²>.
    rates : Rates
        Constants.
    step : float
        t, ps.
    light : (2, 9) array
        Tables of the light.
    """
    source = rates.coupling * rates.radiative
    x = (rates.gain * mean[VALUE] - rates.photon_loss) * step
    factor = np.exp(x)
    growth, slope = _growth(x)
    integrated, curvature = _integrated_growth(x, growth, slope)
    # integrals over time: per source, per photon, and their derivative by the net gain
    per_source, per_photon = step * step * integrated, step * growth
    by_rate = step * step * (slope * mode[VALUE] + step * curvature * source * square[VALUE])
    total = per_photon * mode[VALUE] + per_source * source * square[VALUE]
    light[1, VALUE] += rates.photon_loss * total
    for r in range(1, ROWS):
        by_row = per_photon * mode[r] + per_source * source * square[r]
        by_row += by_rate * rates.gain * mean[r]
        light[1, r] += rates.photon_loss * by_row
    light[1, BY_GAIN] += rates.photon_loss * by_rate * mean[VALUE]
    light[1, BY_LOSS] += total - rates.photon_loss * by_rate
    light[1, BY_B] += rates.photon_loss * per_source * rates.coupling * square[VALUE]
    light[1, BY_COUPLING] += rates.photon_loss * per_source * rates.radiative * square[VALUE]
    by_growth = step * (factor * mode[VALUE] + slope * step * source * square[VALUE])
    for r in range(1, ROWS):
        mode[r] = factor * mode[r] + by_growth * rates.gain * mean[r]
        mode[r] += step * growth * source * square[r]
    mode[BY_GAIN] += by_growth * mean[VALUE]
    mode[BY_LOSS] -= by_growth
    mode[BY_B] += step * growth * rates.coupling * square[VALUE]
    mode[BY_COUPLING] += step * growth * rates.radiative * square[VALUE]
    mode[VALUE] = factor * mode[VALUE] + step * growth * source * square[VALUE]


@njit(cache=True, fastmath=_MATHS)
def _collide(plasma: Floats, auger: float, step: float) -> None:
    """Advance N' = −C N³ exactly: N → N / √(1 + 2 C t N²)."""
    for i in range(plasma.shape[1]):
        density = plasma[VALUE, i]
        factor = 1 / np.sqrt(1 + 2 * auger * step * density * density)
        cube = factor * factor * factor
        for r in range(1, ROWS):
            plasma[r, i] *= cube
        plasma[BY_C, i] -= step * cube * density * density * density
        plasma[VALUE, i] = factor * density


@njit(cache=True, fastmath=_MATHS)
def _recombine(plasma: Floats, mode: Floats, rates: Rates, step: float) -> None:
    """Advance N' = −a N − B N² exactly at constant photons, a = A + g m (Bernoulli's equation)."""
    loss = rates.trapping + rates.gain * mode[VALUE]
    factor = np.exp(-loss * step)
    growth, slope = _growth(-loss * step)
    window, by_window = step * growth, -step * step * slope
    for i in range(plasma.shape[1]):
        density = plasma[VALUE, i]
        ratio = 1 / (1 + rates.radiative * window * density)
        after = factor * ratio * density
        by_pair = -after * ratio * density
        by_loss = -step * after + by_pair * rates.radiative * by_window
        for r in range(1, ROWS):
            plasma[r, i] = factor * ratio * ratio * plasma[r, i] + by_loss * rates.gain * mode[r]
        plasma[BY_A, i] += by_loss
        plasma[BY_B, i] += by_pair * window
        plasma[BY_GAIN, i] += by_loss * mode[VALUE]
        plasma[VALUE, i] = after
