"""The estimate of points from their frames, compiled whole, so that every core can have its own.

1. The frames are demodulated against their open fractions: S_off and ΔS (`frames`), with weights
   that suit drift and white noise of like size.
2. Fringe and phase step are fitted to these spectra (`fringe_solver`).
3. With that fringe every frame is seen through three functionals, which say by what phase, energy
   and tilt it is away from the mean (`displacement`).
4. The phases tell drift from white noise and give the pump's effect its best weights (`lockin`).
5. Where drift is large, partly open frames are asked for what they know without it (`mixtures`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.shape_uncertainty import variance_by_shape
from analysis.fringe.solver import PARAMETERS, STATIC, unpumped
from analysis.numerics.jit import compiled
from analysis.numerics.small_linalg import dot
from analysis.point.chopper_slips import slipped
from analysis.point.demodulation import demodulate
from analysis.point.frame_phases import directions, displace
from analysis.point.lock_in import (
    RATIOS,
    least_variance,
    lock_in,
    modulated,
    uneven_walk,
    walk_power,
)
from analysis.point.normalisation import (
    LOST,
    Setup,
    energy_weights,
    normalise,
    steady,
    variance_of_mean,
)
from analysis.point.outliers import ceiling, odd_bins, pixel_stands_out, repeats
from analysis.point.partial_frames import by_mixture, telling
from analysis.point.spectrum_fit import Fitted, fit_again, look_first

Floats = NDArray[np.float64]

_UNKNOWN_DRIFT = np.array([1.0])  # as large as the white noise, from frame to frame
_LARGE = 0.3  # rad: an effect that partly open frames may know better than all others
_MIXED = 0.3  # σ² of an effect: pulse energy and effect mix; at more, a second look unmixes them
_UNEVEN = 0.03  # of a phase: it matters whether the path walks within exposures
_AGREES = 25.0  # χ² of two estimates of one number


class Estimates(NamedTuple):
    """What is found of P points with F frames each; the first axis of all is the point.

    Attributes
    ----------
    found : (P,) bool array
        Whether the frames were modulated and show a fringe. Nothing else means anything where they
        do not.
    suspect : (P,) bool array
        Whether pixels or frames are unlike the rest, or make an estimate impossible.
    numbers : (P, 8) array
        Δ, rad; its variance, were the fringe's shape known; the least variance that shot and read
        noise allow; what of the variance is drift, and what is other noise than the detector's (the
        source's); the variance that the shape's uncertainty adds; what of the variance all points
        share, as it comes from priors, the reference and the model; variance of the drift in
        `spectra`.
    parameters : (P, 13) array
        Of the fringe and the step, see `fringe_solver`.
    covariance : (P, 7, 7) array
        Of the fringe's.
    share : (P, B) array
        How much each bin counts in Δ.
    spectra : (P, 4, B) array
        S_off, ΔS, and their inverse variances; P is 0 where nobody needs them.
    sums : (P, 2, K) array
        S_off and ΔS of all pixels in counts.
    moved : (P, 6, F) array
        See `displacements`; of a point that was mended, as it was before.
    """

    found: NDArray[np.bool_]
    suspect: NDArray[np.bool_]
    numbers: Floats
    parameters: Floats
    covariance: Floats
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
            numbers(points, 8),
            numbers(points, PARAMETERS),
            numbers(points, STATIC, STATIC),
            numbers(points, bins),
        ),
        *(numbers(points * spectra, 4, bins), numbers(points, 2, pixels)),
        numbers(points, 6, frames),
    )


class Effect(NamedTuple):
    """An estimate of the pump's effect.

    Attributes
    ----------
    value, variance : float
        rad, beside an effect that is known.
    limit : float
        Least variance that shot and read noise allow.
    drift, source : float
        What of the variance is drift, and what is other noise than the detector's.
    """

    value: float
    variance: float
    limit: float
    drift: float
    source: float


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
    weights, used, counts = np.empty((2, count)), np.empty((2, count)), np.empty((2, pixels))
    levels, weight, ways = np.empty((2, bins)), np.empty((3, bins)), np.empty((2, 5, bins))
    band = setup.bins.pixel.min(), setup.bins.pixel.max() + 1
    for point in range(points[0], points[1]):
        time, opened, sums = frame_time[point], pump_open[point], out.sums[point]
        if not modulated(opened):
            continue
        open_mean = opened.mean()
        lock_in(
            *(np.zeros(count), opened, time, np.ones(count), np.zeros((2, count))),
            *(setup.exposure, _UNKNOWN_DRIFT, np.zeros(1), weights[1]),
        )
        moved = out.moved[point]
        moved[:] = 0.0
        for look in range(2):
            energy_weights(weights, opened, moved[1])
            # Fluorescence does not follow the probe's energy: `sums` are those of the first look.
            made = counts if look else sums
            top, high, low = demodulate(frames[point], weights, made, band)
            normalise(made, weights, open_mean, alive, setup, levels, weight)
            first = look_first(levels, weight, weights, setup)
            off, on = first.seen[0], first.seen[1]
            ways[0] = directions(unpumped(first.p), first.by_off, off, setup.grid.axes)
            ways[0, 4] = 0.0  # where the pump is off, it has no effect
            ways[1] = directions(first.p, first.by_on, on, setup.grid.axes)
            contrast = displace(frames[point], opened, first.p[STATIC], ways, weight, setup, moved)
            steady(levels, ways, moved, contrast, opened, weights)
            used[:] = weights
            swayed = variance_of_mean(moved[2])
            found = fit_again(first, levels, weight, weights, swayed, setup)
            locked, rate = _locked(moved, time, opened, setup, weights[1])
            weights[1] /= dot(weights[1], opened)
            mixed = found.p[STATIC] ** 2 * moved[1].var() > _MIXED * count * locked.variance
            if not (mixed or abs(found.p[STATIC]) > _LARGE):
                break
        out.suspect[point] = (
            top >= min(setup.saturation, ceiling(high, setup))
            or np.abs(moved[1]).max() > LOST
            or odd_bins(levels[0] - found.off, count * weight[0], alive).any()
            or pixel_stands_out(high, low, sums, ways, moved, open_mean, alive, setup)
            or slipped(moved, time, opened, found.p[STATIC])
            or repeats(frames[point], setup.bins.pixel)
        )

        effect = locked
        if telling(opened, found.p[STATIC], setup, moved, locked.variance):
            walking = weights[1] / dot(weights[1], moved[3])
            seen = by_mixture(
                frames[point], opened, found.p, levels, weight, used, setup, moved, rate, walking
            )
            beside = fit_again(first, levels, weight, used, swayed, setup).p[STATIC]
            beside -= found.p[STATIC]
            effect = _joined(locked, (beside, seen[1], seen[2], seen[3]))
        _tell(found, effect, locked.drift, setup, out, point)
        out.suspect[point] |= not out.found[point]
        if len(out.spectra) == 0:
            continue
        energy_weights(weights, opened, moved[1])
        demodulate(frames[point], weights, counts, band)
        normalise(counts, weights, open_mean, alive, setup, levels, weight)
        _keep(levels, weight, weights, out.spectra[point])


@compiled
def _locked(
    moved: Floats, time: Floats, opened: Floats, setup: Setup, weights: Floats
) -> tuple[Effect, float]:
    """Effect that the frames' phases show from frame to frame, and the rate of their walk, rad²/s.

    Fills in the phases' `weights` (F,).
    """
    walk, exposure = uneven_walk(moved[5], opened), setup.exposure
    ratios, within = RATIOS, np.ones(len(RATIOS))
    if np.abs(moved[5]).max() > _UNEVEN:
        ratios, within = np.append(RATIOS, RATIOS), np.append(within, 0 * within)
    value, variance, shot, source, share = lock_in(
        *(moved[0], moved[3], time, moved[4], walk, exposure, ratios, within, weights)
    )
    limit, drift = least_variance(moved[3], moved[4]), max(variance - shot - source, 0.0)
    rate = walk_power(weights, time, share * walk, exposure, drift)
    return Effect(value, max(variance, limit), limit, drift, source), rate


@compiled
def _tell(
    found: Fitted, effect: Effect, drift: float, setup: Setup, out: Estimates, point: int
) -> None:
    """Fill in what is found of a point."""
    numbers, p = out.numbers[point], out.parameters[point]
    p[:] = found.p
    p[STATIC] += effect.value
    numbers[0], numbers[1] = p[STATIC], effect.variance + found.extra
    numbers[2], numbers[3] = effect.limit, effect.drift
    numbers[5], numbers[6] = variance_by_shape(p, found.covariance, found.link, setup.grid.prior)
    numbers[5] += found.by_misfit
    numbers[6] = min(numbers[6] + found.by_tilt + found.by_misfit, numbers[1] + numbers[5])
    rest = numbers[1] + numbers[5] - effect.drift
    numbers[4], numbers[7] = min(effect.source + found.by_sway, rest), drift
    out.covariance[point], out.share[point] = found.covariance, found.share
    out.found[point] = np.isfinite(numbers.sum()) and numbers[1] > 0


@compiled
def _keep(levels: Floats, weight: Floats, weights: Floats, spectra: Floats) -> None:
    """Fill in S_off, ΔS and their inverse variances (4, B)."""
    spectra[:2] = levels
    spectra[2] = weight[0] / dot(weights[0], weights[0])
    spectra[3] = weight[2] / dot(weights[1], weights[1])


@compiled
def _joined(locked: Effect, mixed: tuple[float, float, float, float]) -> Effect:
    """Mean of the lock-in's estimate and of `by_mixture`'s, where they agree."""
    effect, least, variance, common = mixed
    if not np.isfinite(variance):
        return locked
    common = min(max(common, 0.0), locked.variance, variance)
    apart = locked.variance + variance - 2 * common
    if not (effect - locked.value) ** 2 < _AGREES * apart:
        return locked
    part = (locked.variance - common) / apart
    together = locked.variance - part**2 * apart
    limit, source = locked.limit * least / (least + locked.limit), locked.source * (1 - part) ** 2
    # What is above the limit is there because the path drifts: else nobody would ask for mixtures.
    drift = max(together - limit - source, 0.0)
    return Effect(locked.value + part * (effect - locked.value), together, limit, drift, source)
