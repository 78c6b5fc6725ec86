"""Time grid of the inversion, and compiled sums over its nodes.

The phase φ(t) of a delay scan is represented by its values φ_k at the nodes t_k of a grid. Between
the nodes e^{iφ} is interpolated linearly:

    e^{iφ(t)} = Σ_k e^{iφ_k} h_k(t),

with hat functions h_k, which are 1 at their own node and 0 at all others; the first and the last
one continue as constants. A hat function is a difference of slopes of ramps, so the response of the
probe to it follows from its response to one ramp (`hat_responses`).

The grid has a fine spacing near the rise and follows the spacing of the delays elsewhere. Times
that no wavelength of any point samples are gaps.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import cosines_and_sines
from analysis.numerics.jit import compiled
from ocm_ophyd.errors import DataError

__all__ = ["FINE_SPACING", "TimeGrid", "hat_responses", "time_grid", "transmission"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

FINE_SPACING = 0.05
"""Spacing of the nodes near the rise, ps: half of the time √D = 0.1 ps that a single wavelength of
a 5 ps pulse resolves (`analysis.chirp.pulse_response`)."""

_SPACING = (0.1, 1.0)
"""Finest and coarsest spacing of the nodes elsewhere, ps. Between them it is half the spacing of
the delays, so that two nodes describe what two delays can distinguish."""

_RISE_MARGIN = 1.0
"""Fine nodes continue by this time beyond half of the chirp on either side of the rise, ps: an
allowance for the error of the rise's position in the whole-band phase."""

_LONGEST_HALF_CHIRP = 10.0
"""Largest half of a chirp that fine nodes cover, ps: four times that of the paper's 5 ps pulse."""

_GAP = 0.3
"""Longest time without a sample that is not a gap, ps: three times √D."""

_MAX_NODES = 1500
"""Approximate largest number of nodes, which bounds the spacing from below: the cost of a matrix
grows with the third power of it."""

_MAX_STRETCHES = 500
"""Largest number of stretches between gaps: each adds a few nodes beyond `_MAX_NODES`."""


class TimeGrid(NamedTuple):
    """Nodes at which the phase is determined.

    Attributes
    ----------
    nodes : (T,) array
        Increasing times, ps.
    gaps : (G,) array of int
        Indices of the nodes that are the first ones after a gap.
    """

    nodes: Floats
    gaps: NDArray[np.intp]


def time_grid(delay: Floats, group_delay: Floats, phase: Floats) -> TimeGrid:
    """Return the time grid of a delay scan.

    Parameters
    ----------
    delay : (n,) array
        Increasing scan delays, ps, two or more.
    group_delay : (B,) array
        Time at which the wavelength of each bin passes the sample, ps.
    phase : (n,) array
        Whole-band phase at each delay, rad: its steepest change locates the rise.

    Raises
    ------
    DataError
        The delays are so sparse that there are too many gaps.
    """
    first, last = float(group_delay.min()), float(group_delay.max())
    if last - first < 2 * FINE_SPACING:  # without a chirp, too, a pulse takes some time to pass
        middle = (first + last) / 2
        first, last = middle - FINE_SPACING, middle + FINE_SPACING
    # The whole-band phase takes the duration of the chirp to rise: largest change within that time.
    half = (last - first) / 2
    change = np.interp(delay + half, delay, phase) - np.interp(delay - half, delay, phase)
    rise = delay[int(np.argmax(np.abs(change)))] + (first + last) / 2
    fine_range = min(half, _LONGEST_HALF_CHIRP) + _RISE_MARGIN
    stretches = _sampled_stretches(delay + first, delay + last)
    widest = sum(high - low for low, high in stretches) / _MAX_NODES
    spacing = np.diff(delay, prepend=2 * delay[0] - delay[1])
    parts = []
    for low, high in stretches:
        # A fine mesh is cut wherever the integral of 1/spacing has increased by one.
        count = min(2 * (high - low) / FINE_SPACING, 4.0 * _MAX_NODES)
        mesh = np.linspace(low, high, int(count) + 3)
        wanted = np.clip(np.interp(mesh, delay, spacing) / 2, *_SPACING)
        near = np.abs(mesh - rise) < fine_range
        wanted = np.where(near, FINE_SPACING, np.maximum(wanted, widest))
        increments = np.diff(mesh) * (1 / wanted[1:] + 1 / wanted[:-1]) / 2
        integral = np.concatenate([[0.0], np.cumsum(increments)])
        cuts = np.linspace(0, integral[-1], int(integral[-1]) + 2)
        parts.append(np.interp(cuts, integral, mesh))
    return TimeGrid(np.concatenate(parts), np.cumsum([len(part) for part in parts])[:-1])


def _sampled_stretches(start: Floats, end: Floats) -> list[tuple[float, float]]:
    """Return the stretches of time, ps, that intervals from `start` to `end` (n,) cover.

    Raises
    ------
    DataError
        There are more than `_MAX_STRETCHES`.
    """
    stretches = [(float(start[0]), float(end[0]))]
    for low, high in zip(start[1:].tolist(), end[1:].tolist(), strict=True):
        if low > stretches[-1][1] + _GAP:
            stretches.append((low, high))
        else:
            stretches[-1] = stretches[-1][0], high
    if len(stretches) > _MAX_STRETCHES:
        raise DataError(
            f"the delays leave {len(stretches)} stretches of time with gaps between them, more "
            f"than {_MAX_STRETCHES}: reduce the scan in parts"
        )
    return stretches


@compiled
def hat_responses(
    time: Floats,
    nodes: Floats,
    start: float,
    step: float,
    ramp: Complexes,
    slope: Complexes,
    constant: float,
) -> Complexes:
    """Return the responses (B, n) of bins to the hat functions of n nodes.

    Between tabulated values the response to a ramp is a cubic Hermite polynomial; beyond the last
    one it is a straight line, before the first one a constant.

    Parameters
    ----------
    time : (B,) array
        Time at which each bin samples the phase, ps.
    nodes : (n,) array
        Increasing times, ps.
    start, step : float
        First time of the table and its spacing, ps, counted from the beginning of the ramp.
    ramp, slope : (B, N) array
        Response of each bin to a ramp of slope 1/ps, and its derivative.
    constant : float
        Response to a constant 1.
    """
    bins, count = len(time), len(nodes)
    last = ramp.shape[1] - 1
    result = np.empty((bins, count), np.complex128)
    for b in range(bins):
        previous, incoming = 0j, constant + 0j
        for k in range(count):
            place = (time[b] - nodes[k] - start) / step
            if place < 0:
                value = ramp[b, 0]
            elif place >= last:
                value = ramp[b, last] + slope[b, last] * ((place - last) * step)
            else:
                i = int(place)
                u = place - i
                v = 1 - u
                value = v * v * ((1 + 2 * u) * ramp[b, i] + u * step * slope[b, i])
                value += u * u * ((1 + 2 * v) * ramp[b, i + 1] - v * step * slope[b, i + 1])
            if k > 0:
                outgoing = (previous - value) / (nodes[k] - nodes[k - 1])
                result[b, k - 1] = incoming - outgoing
                incoming = outgoing
            previous = value
        result[b, count - 1] = incoming
    return result


@compiled
def transmission(
    weights: Complexes,
    phase: Floats,
    phase_scale: Floats,
    gain: float,
    fringe: Complexes,
    intensity: Floats,
    by_phase: Floats,
) -> tuple[Complexes, Complexes]:
    """Return the transmission U (B,) of the bins, and its derivative (B,) by `gain`.

    U = Σ_k weights_k exp{(i phase_scale + gain) φ_k} is the factor by which the pumped sample
    multiplies the signal beam's field.

    Parameters
    ----------
    weights : (B, n) array
        Responses to the hat functions of n nodes.
    phase : (n,) array
        φ at the nodes, rad.
    phase_scale : (B,) array
        Phase of each bin over that at the band's centre.
    gain : float
        d ln|U| / dφ, 1/rad.
    fringe, intensity : (B,) array
        Z and M in the spectrum Re[U Z] + M |U|²/2, in units of the reference.
    by_phase : (B, n) array
        Is filled with the derivatives of that spectrum by the nodes' φ, 1/rad.
    """
    bins, count = weights.shape
    total, by_gain = np.empty(bins, np.complex128), np.empty(bins, np.complex128)
    growth = np.exp(gain * phase)
    angle, cos, sin = np.empty(count), np.empty(count), np.empty(count)
    for b in range(bins):
        for k in range(count):
            angle[k] = phase_scale[b] * phase[k]
        cosines_and_sines(angle, cos, sin)
        real, imaginary, gain_real, gain_imaginary = 0.0, 0.0, 0.0, 0.0
        for k in range(count):
            w = weights[b, k]
            x = (w.real * cos[k] - w.imag * sin[k]) * growth[k]
            y = (w.real * sin[k] + w.imag * cos[k]) * growth[k]
            cos[k], sin[k] = x, y
            real += x
            imaginary += y
            gain_real += x * phase[k]
            gain_imaginary += y * phase[k]
        total[b] = complex(real, imaginary)
        by_gain[b] = complex(gain_real, gain_imaginary)
        by_field = fringe[b] + intensity[b] * total[b].conjugate()
        factor = complex(gain, phase_scale[b]) * by_field
        for k in range(count):
            by_phase[b, k] = factor.real * cos[k] - factor.imag * sin[k]
    return total, by_gain
