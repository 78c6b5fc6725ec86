"""Pixels and frames that are not what their point says they should be: found, mended or left out.

The estimator notices cheaply that something stands out (`Estimates.suspect`), which is rare; what
follows here is thorough. A pixel is compared with its own frame as the point's fringe, drift,
energy and tilt make it. One sample that is off is replaced by what it should be (a cosmic ray), a
pixel that is off often or all the time is left out with its bin (a hot or flickering one). A frame
that lacks its light or shows an earlier one once more is left out (lost in transfer), and so are
periods in which the chopper was not where the open fractions say. Each finding spoils the means
that the next is judged by, so that point is estimated again after each.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import STATIC, derivatives, unpumped
from analysis.point.chopper_slips import frames_that_fit
from analysis.point.frame_phases import directions
from analysis.point.normalisation import LOST, Setup
from analysis.point.outliers import OUTLIER, ceiling, ends_at, odd_bins
from analysis.point.pipeline import Estimates, empty, estimate

Floats = NDArray[np.float64]

_ROUNDS = 12
_NOISY = 2.0  # standard deviations from lowest to highest: a few frames have more
_DARK = 0.1  # of the light that a point's frames have: no phase of a fringe leaves so little
_BROKEN = 6  # odd samples of like size in a frame: no cosmic ray hits more pixels
_ALIKE = 1e-3  # of open fractions: the chopper's phase is the same
_OFTEN = 0.05  # of the frames: no cosmic ray comes back
_SOUND = 2 / 3  # of bins and frames: with fewer, what others are judged by is odd itself
_MAD = 1.4826  # standard deviations in a median absolute deviation


@dataclass
class Health:
    """What was done to the frames of a point.

    Attributes
    ----------
    rows : (n,) array
        Frames that count.
    blind : (K,) bool array
        Pixels that were saturated in one of these.
    saturated, rejected, slipped : int
        Frames left out because a pixel of the band was saturated; because they lacked their light
        or were others once more; because the chopper had slipped.
    repaired, masked : int
        Pixels of single frames that were replaced; pixels that were left out throughout.
    """

    rows: NDArray[np.int64]
    blind: NDArray[np.bool_]
    saturated: int = 0
    rejected: int = 0
    slipped: int = 0
    repaired: int = 0
    masked: int = 0


def mend(
    frames: NDArray[np.uint32], frame_time: Floats, pump_open: Floats, setup: Setup
) -> tuple[Estimates, Health]:
    """Estimate a suspect point, frames (F, K), from what is sound of it."""
    patient = _Patient(frames.copy(), frame_time, pump_open, setup)
    for _ in range(_ROUNDS):
        patient.estimate()
        if not patient.out.found[0] or not patient.treat():
            break
    else:
        patient.estimate()
    if not patient.sound:
        patient.out.found[0] = False
    return patient.out, patient.health


class _Patient:
    """A point under treatment."""

    def __init__(
        self, frames: NDArray[np.uint32], frame_time: Floats, pump_open: Floats, setup: Setup
    ) -> None:
        self._frames, self._time, self._opened, self._setup = frames, frame_time, pump_open, setup
        bins = setup.bins
        self._bin = np.repeat(np.arange(len(bins.light)), np.diff(bins.edge))
        self._alive = np.ones(len(bins.light))
        self._mended = np.zeros((len(frames), len(self._bin)), bool)
        self._broken = 0
        count, pixels = frames.shape
        self.health = Health(np.arange(count), np.zeros(pixels, bool))
        self._leave_out_saturated()
        self._leave_out_dark()
        self._leave_out_repeated()
        self._leave_out_stuck()

    @property
    def sound(self) -> bool:
        """Whether most bins and frames are as they should be: else none can be believed."""
        broken = self._broken / max(len(self._frames), 1)
        return bool(self._alive.mean() > _SOUND and broken < 1 - _SOUND)

    def _leave_out_saturated(self) -> None:
        """Frames with a saturated pixel; but a lone pixel that is so mostly is a hot one."""
        highest = self._frames.max(axis=0)
        lit = self._frames[:, self._setup.bins.pixel]
        end, top = self._setup.saturation, ceiling(highest, self._setup)
        if top < end and highest.max() <= top and ends_at(top, lit):
            end = top
        saturated = lit >= end
        mostly = saturated.mean(axis=0) > 0.5
        neighbours = np.convolve(mostly, [1, 1, 0, 1, 1], "same")
        self._mask(np.flatnonzero(mostly & (neighbours < 2)))
        usable = ~saturated[:, self._alive[self._bin] > 0].any(axis=1)
        self.health.rows = np.flatnonzero(usable)
        self.health.saturated = int(np.count_nonzero(~usable))
        most = np.max(self._frames[usable], axis=0, initial=0)
        self.health.blind = np.asarray(most >= end)

    def _leave_out_stuck(self) -> None:
        """Pixels that stand still among others that have their noise."""
        bins, size = self._setup.bins, np.diff(self._setup.bins.edge)
        noise = np.sqrt((bins.light / bins.gain + bins.fixed) / size)[self._bin]
        swing = np.ptp(self._frames[:, bins.pixel], axis=0)
        if len(self._frames) and np.median(swing / noise) > _NOISY:
            self._mask(np.flatnonzero((swing == 0) & (self._alive[self._bin] > 0)))

    def _leave_out_dark(self) -> None:
        """Frames with hardly any light would spoil the fringe that others are judged by."""
        rows, bins = self.health.rows, self._setup.bins
        light = self._frames[np.ix_(rows, bins.pixel)].sum(axis=1) - bins.dark.sum()
        dark = light < _DARK * np.median(light) if len(rows) else np.zeros(0, bool)
        self._reject(dark)

    def _leave_out_repeated(self) -> None:
        """Frames that are earlier ones once more.

        Of computed frames without noise most are, but at the same phase of the chopper.
        """
        lit = self._frames[np.ix_(self.health.rows, self._setup.bins.pixel)]
        _, first, which = np.unique(lit, axis=0, return_index=True, return_inverse=True)
        again = np.ones(len(lit), bool)
        again[first] = False
        opened = self._opened[self.health.rows]
        shifted = np.abs(opened - opened[first[which.ravel()]]) > _ALIKE
        if 2 * len(first) > len(lit) or shifted.any():
            self._reject(again)

    def _reject(self, frames: NDArray[np.bool_]) -> None:
        """Leave out frames (n,) of those that count."""
        self.health.rows = self.health.rows[~frames]
        self.health.rejected += int(np.count_nonzero(frames))

    def _mask(self, pixels: NDArray[np.int64]) -> None:
        self._alive[self._bin[pixels]] = 0.0
        self.health.masked += len(pixels)

    def estimate(self) -> None:
        """Estimate the point as it is now."""
        rows = self.health.rows
        self.out = empty(1, len(rows), self._frames.shape[1], len(self._alive), spectra=True)
        data = (values[rows][np.newaxis] for values in (self._frames, self._time, self._opened))
        estimate(*data, self._alive, self._setup, self.out, (0, 1))

    def treat(self) -> bool:
        """Mend or leave out what stands out; returns whether anything did."""
        energy = self.out.moved[0, 1]
        scatter = _MAD * np.median(np.abs(energy - np.median(energy)))
        lost = np.abs(energy - np.median(energy)) > max(LOST, OUTLIER * scatter)
        if lost.any():
            self._broken += int(np.count_nonzero(lost))
            self._reject(lost)
            return True
        return self._treat_samples() or self._treat_bins() or self._treat_slips()

    def _treat_samples(self) -> bool:
        """Mend samples far from what they should be, the farthest of a frame first.

        They have moved what the others are judged by; so all that were ever mended are mended
        again by what is known now.
        """
        pixel, rows = self._setup.bins.pixel, self.health.rows
        seen = self._frames[np.ix_(rows, pixel)].astype(np.float64)
        expected, sigma = self._expected()
        away = (seen - expected) / sigma
        usable = self._alive[self._bin] > 0
        suspects = (np.abs(away) > OUTLIER / 2).any(axis=0) | self._mended[rows].any(axis=0)
        for column in np.flatnonzero(suspects & usable):
            away[:, column] = _without_baseline(away[:, column], self._opened[rows])
        own = np.maximum(_MAD * np.median(np.abs(away), axis=0), 1.0)
        limit = np.maximum(OUTLIER * own, 0.5 * np.abs(away[:, usable]).max(axis=1)[:, np.newaxis])
        odd = (np.abs(away) > limit) & suspects & usable
        broken = odd.sum(axis=1) > _BROKEN
        if broken.any():
            self._broken += int(np.count_nonzero(broken))
            self._reject(broken)
            return True
        often = (own > 3.0) | (odd.sum(axis=0) > max(2, _OFTEN * len(rows)))
        often &= suspects & usable
        if often.any():
            self._mask(np.flatnonzero(often))
            return True
        fresh = odd & ~self._mended[rows]
        self._mended[rows] |= odd
        wanted = np.nan_to_num(seen - away * sigma)  # of pixels left out, which are of no account
        mended = np.rint(np.clip(wanted, 0, self._setup.saturation)).astype(np.uint32)
        at = np.nonzero(self._mended[rows])
        self._frames[rows[at[0]], pixel[at[1]]] = mended[at]
        self.health.repaired = int(np.count_nonzero(self._mended))
        return bool(fresh.any())

    def _treat_bins(self) -> bool:
        """Pixels with constant light of their own."""
        off, _, weight, _ = self.out.spectra[0]
        model, _ = derivatives(unpumped(self.out.parameters[0]), self._setup.grid.axes)
        odd = odd_bins(off - model, weight, self._alive)
        self._alive[odd] = 0.0
        self.health.masked += int(np.count_nonzero(odd))
        return bool(odd.any())

    def _treat_slips(self) -> bool:
        """Periods without the modulation that they should have."""
        rows = self.health.rows
        fits = frames_that_fit(
            *(self.out.moved[0], self._time[rows], self._opened[rows]),
            float(self.out.parameters[0, STATIC]),
        )
        self.health.rows = rows[fits]
        self.health.slipped += int(np.count_nonzero(~fits))
        return not fits.all()

    def _expected(self) -> tuple[Floats, Floats]:
        """Return the counts (n, N) that lit pixels should have in their frames, and their noise."""
        bins, axes = self._setup.bins, self._setup.grid.axes
        opened = self._opened[self.health.rows, np.newaxis]
        size = np.diff(bins.edge)[self._bin]
        every = bins.dark, bins.light, bins.fixed
        dark, light, fixed = (values[self._bin] / size for values in every)
        phase, energy, tilt = self.out.moved[0, :3, :, np.newaxis]
        contrast = np.abs(np.exp(1j * phase).mean())
        turned = np.zeros((len(phase), len(size)))
        p, spectrum = self.out.parameters[0], np.zeros(axes.shape[1])
        for share, state in ((1 - opened, unpumped(p)), (opened, p)):
            ways = directions(state, derivatives(state, axes)[1], spectrum, axes)[:, self._bin]
            turned += share * ways[1] * np.sin(phase) / contrast
            turned -= share * ways[2] * (np.cos(phase) / contrast - 1)
        sums = self.out.sums[0][:, bins.pixel]
        mean = sums[0] + opened * sums[1] - dark
        expected = (1 + energy) * (mean * (1 + tilt * axes[1, self._bin]) + light * turned)
        sigma = np.sqrt(np.maximum(mean, 0) / bins.gain + fixed)
        return expected + dark, sigma


def _without_baseline(away: Floats, opened: Floats) -> Floats:
    """Residuals (n,) of one pixel without what the odd ones among them did to its mean spectra.

    The line in the open fraction with the least sum of absolute values, by reweighting.
    """
    design = np.column_stack([np.ones_like(opened), opened])
    rest = away - np.median(away)
    for _ in range(20):
        weight = design / np.maximum(np.abs(rest), 1.0)[:, np.newaxis]
        # A pseudoinverse, as all frames that are left may have one open fraction.
        rest = away - design @ (np.linalg.pinv(weight.T @ design) @ (weight.T @ away))
    return rest
