"""The estimate of points from their frames, compiled whole, so that every core can have its own.

1. The frames are demodulated against their open fractions: S_off and ΔS (`frames`), with weights
   that suit drift and white noise of like size.
2. Fringe and phase step are fitted to these spectra (`fringe_solver`).
3. With that fringe every frame is seen through six functionals, which say by what phase, energy and
   tilt it is away from the mean (`displacement`).
4. The phases tell drift from white noise and give the pump's effect its best weights (`lockin`).
5. What earlier points say of the fringe's shape corrects the effect (`fringe_memory`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.compiled import compiled, compiled_within
from analysis.displacement import directions, displace
from analysis.frames import demodulate
from analysis.fringe_memory import Memory, remembered
from analysis.fringe_solver import (
    BOTH,
    ON,
    PARAMETERS,
    STATIC,
    derivatives,
    fit,
    fit_fringe,
    unpumped,
)
from analysis.fringe_step import fit_step
from analysis.linear import dot
from analysis.lockin import RATIOS, least_variance, lock_in, modulated
from analysis.outliers import LOST, odd_bins, pixel_stands_out
from analysis.slips import slipped
from analysis.spectra import Setup, normalise, off_weights

Floats = NDArray[np.float64]

_UNKNOWN_DRIFT = np.array([1.0])  # as large as the white noise, from frame to frame
_EXPLAINED = 1.5  # χ² a bin
_UNEXPLAINED = 1e-5  # of χ²: 0.3 % of ΔS
_LARGE = 0.3  # rad: beyond, pulse energy in S_off mixes with the effect; a second look knows it
_ALIKE = 0.3  # rad: beyond, S_off and S_on are different fringes


class Estimates(NamedTuple):
    """What is found of P points with F frames each; the first axis of all is the point.

    Attributes
    ----------
    found : (P,) bool array
        Whether the frames were modulated and show a fringe. Nothing else means anything where they
        do not.
    suspect : (P,) bool array
        Whether pixels or frames are unlike the rest.
    numbers : (P, 7) array
        Δ, rad; its variance, were the fringe's shape known; the least variance that shot and read
        noise allow; what of the variance is drift, and what is other noise than the detector's (the
        source's); the variance that the shape's uncertainty adds, and of that what its priors do,
        which make the same error in all points. The last two are `remember`'s.
    parameters : (P, 13) array
        Of the fringe and the step, see `fringe_solver`.
    covariance : (P, 7, 7) array
        Of the fringe's.
    link : (P, 7) array
        Covariances of Δ with these.
    contrast : (P,) array
        Of the mean fringe over that of a frame, which does not drift.
    share : (P, B) array
        How much each bin counts in Δ.
    spectra : (P, 4, B) array
        S_off, ΔS, and their inverse variances; P is 0 where nobody needs them.
    sums : (P, 2, K) array
        S_off and ΔS of all pixels in counts.
    moved : (P, 5, F) array
        See `displacements`.
    """

    found: NDArray[np.bool_]
    suspect: NDArray[np.bool_]
    numbers: Floats
    parameters: Floats
    covariance: Floats
    link: Floats
    contrast: Floats
    share: Floats
    spectra: Floats
    sums: Floats
    moved: Floats


def empty(points: int, frames: int, pixels: int, bins: int, spectra: bool) -> Estimates:
    """Room for the estimates of points, with their spectra or without."""

    def numbers(*shape: int) -> Floats:
        return np.full(shape, np.nan)

    return Estimates(
        *(np.zeros(points, bool), np.zeros(points, bool)),
        *(
            numbers(points, 7),
            numbers(points, PARAMETERS),
            numbers(points, STATIC, STATIC),
            numbers(points, STATIC),
            numbers(points),
            numbers(points, bins),
        ),
        *(numbers(points * spectra, 4, bins), numbers(points, 2, pixels)),
        numbers(points, 5, frames),
    )


class _Fit(NamedTuple):
    """What a point's spectra say.

    Attributes
    ----------
    p : (13,) array
        Parameters of fringe and step.
    covariance : (7, 7) array
        Of the fringe's.
    off : (B,) array
        S_off of these.
    seen : (2, B) array
        S_off and S_on to compare frames with: as measured where they are much the same, as fitted
        where not.
    by_off, by_on : (13, B) array
        Derivatives of S_off and S_on.
    share : (B,) array
        How much a bin's own phase change counts in Δ.
    link : (7,) array
        Covariances of Δ with the fringe's parameters.
    extra : float
        What not to know contrast, slope and frequency adds to the variance of Δ.
    """

    p: Floats
    covariance: Floats
    off: Floats
    seen: Floats
    by_off: Floats
    by_on: Floats
    share: Floats
    link: Floats
    extra: float


@compiled
def estimate(
    frames: NDArray[np.uint32],
    frame_time: Floats,
    pump_open: Floats,
    alive: Floats,
    setup: Setup,
    out: Estimates,
    points: tuple[int, int],
) -> None:
    """Fill in the estimates of the points from `points[0]` to `points[1]`.

    Parameters
    ----------
    frames : (P, F, K) array
    frame_time, pump_open : (P, F) array
        s; open fraction.
    alive : (B,) array
        1; or 0 for bins to be left out.
    setup : Setup
    out : Estimates
    points : tuple of int
    """
    count, bins, pixels = pump_open.shape[1], len(alive), frames.shape[2]
    weights, counts = np.empty((2, count)), np.empty((2, pixels))
    levels, weight, ways = np.empty((2, bins)), np.empty((3, bins)), np.empty((2, 5, bins))
    for point in range(points[0], points[1]):
        time, opened, sums = frame_time[point], pump_open[point], out.sums[point]
        if not modulated(opened):
            continue
        open_mean = opened.mean()
        lock_in(
            *(np.zeros(count), opened, time, np.ones(count), setup.exposure),
            *(_UNKNOWN_DRIFT, weights[1]),
        )
        moved = out.moved[point]
        moved[:] = 0.0
        for _ in range(2):
            off_weights(weights, opened)
            for f in range(count):
                weights[0, f] /= 1 + moved[1, f]
                weights[1, f] /= 1 + moved[1, f]
            high = demodulate(frames[point], weights, sums)
            normalise(sums, weights, open_mean, alive, setup, levels, weight)
            found = _fitted(levels, weight, weights, setup)
            off, on = found.seen[0], found.seen[1]
            ways[0] = directions(unpumped(found.p), found.by_off, off, setup.grid.axes)
            ways[0, 4] = 0.0  # where the pump is off, it has no effect
            ways[1] = directions(found.p, found.by_on, on, setup.grid.axes)
            displace(frames[point], opened, found.p[STATIC], ways, weight, setup, moved)
            more, variance, shot, source = lock_in(
                *(moved[0], moved[3], time, moved[4], setup.exposure, RATIOS, weights[1])
            )
            weights[1] /= dot(weights[1], opened)
            if not abs(found.p[STATIC]) > _LARGE:
                break
        out.suspect[point] = (
            high.max() >= setup.saturation
            or np.abs(moved[1]).max() > LOST
            or odd_bins(levels[0] - found.off, count * weight[0], alive).any()
            or pixel_stands_out(high, sums, ways, moved, alive, setup)
            or slipped(moved, time, opened, found.p[STATIC])
        )

        found.p[STATIC] += more
        numbers, limit = out.numbers[point], least_variance(moved[3], moved[4])
        numbers[0], numbers[1] = found.p[STATIC], max(variance, limit) + found.extra
        numbers[2], numbers[3] = limit, max(variance - shot - source, 0.0)
        numbers[4], numbers[5], numbers[6] = source, 0.0, 0.0
        out.contrast[point] = np.hypot(np.cos(moved[0]).mean(), np.sin(moved[0]).mean())
        out.parameters[point], out.covariance[point] = found.p, found.covariance
        out.link[point] = found.link
        out.share[point] = found.share
        out.found[point] = np.isfinite(numbers.sum())
        if len(out.spectra) == 0:
            continue
        # The same weights for the spectra, now that every frame's energy is known.
        off_weights(weights, opened)
        for f in range(count):
            weights[0, f] /= 1 + moved[1, f]
            weights[1, f] /= 1 + moved[1, f]
        demodulate(frames[point], weights, counts)
        normalise(counts, weights, open_mean, alive, setup, levels, weight)
        spectra = out.spectra[point]
        spectra[0], spectra[1] = levels[0], levels[1]
        spectra[2] = weight[0] / dot(weights[0], weights[0])
        spectra[3] = weight[2] / dot(weights[1], weights[1])


@compiled_within
def _fitted(levels: Floats, weight: Floats, weights: Floats, setup: Setup) -> _Fit:
    """Fringe and step of normalised spectra S_off and ΔS (2, B); see `normalise`."""
    grid, bins = setup.grid, levels.shape[1]
    off_power, power = dot(weights[0], weights[0]), dot(weights[1], weights[1])
    p, covariance = fit_fringe(grid, levels[0], weight[0] / off_power)
    step_weight = weight[2] / power
    chosen, step_covariance, alone, misfit = fit_step(
        p, grid, levels[1], step_weight, setup.chirped
    )
    seen = np.empty((2, bins))
    seen[0], seen[1] = levels[0], levels[0] + levels[1]
    alike = 1.0
    enough = max(_EXPLAINED * bins, _UNEXPLAINED * dot(levels[1] * levels[1], step_weight))
    together = not setup.chirped and misfit < enough
    if together:
        # Then S_on knows the fringe as well as S_off does.
        data, both = np.empty((2, bins)), np.empty((2, bins))
        data[0], data[1] = levels[0], levels[0] + levels[1]
        both[0] = weight[0] / off_power
        both[1] = weight[1] / (off_power + 2 * dot(weights[0], weights[1]) + power)
        every = np.arange(STATIC + len(chosen))
        every[STATIC:] = chosen
        covariance, _ = fit(p, every, BOTH, grid, data, both)
        # What the model misses in both spectra alike is not in their difference; which has more of
        # the noise of S_off than S_on has, where the two are different fringes.
        alike = np.exp(-((p[STATIC] / _ALIKE) ** 2))
        off, _ = derivatives(unpumped(p), grid.axes)
        for i in range(bins):
            seen[0, i] += (1 - alike) * (off[i] - levels[0, i])
            data[1, i] -= alike * (levels[0, i] - off[i])
        both[1] = step_weight
        step_covariance, _ = fit(p, chosen, ON, grid, data, both)
    off, by_off = derivatives(unpumped(p), grid.axes)
    on, by_on = derivatives(p, grid.axes)
    if together:
        for i in range(bins):
            seen[1, i] += (1 - alike) * (on[i] - seen[1, i])
    functional = np.zeros(bins)
    for a in range(len(chosen)):
        functional += step_covariance[0, a] * by_on[chosen[a]] * step_weight
    by_fringe, link = np.empty(STATIC), np.empty(STATIC)
    for a in range(STATIC):
        by_fringe[a] = dot(functional, by_off[a]) - dot(functional, by_on[a])
    for a in range(STATIC):
        link[a] = covariance[STATIC, a] if together else dot(covariance[a], by_fringe)
    fringe = covariance[:STATIC, :STATIC].copy()
    extra = max(step_covariance[0, 0] - alone, 0.0)
    return _Fit(p, fringe, off, seen, by_off, by_on, functional * by_on[7], link, extra)


@compiled
def remember(out: Estimates, setup: Setup, memory: Memory) -> None:
    """Correct points, in their order, by what those before them say of the fringe's shape."""
    for point in range(len(out.found)):
        if out.found[point]:
            numbers = out.numbers[point]
            correction, numbers[5], numbers[6] = remembered(
                out.parameters[point],
                out.covariance[point],
                out.link[point],
                out.contrast[point],
                setup.grid.prior,
                memory,
            )
            numbers[0] += correction
