"""Repair of points with odd pixels or frames: samples are replaced, pixels and frames left out.

The pipeline marks a point as suspect by cheap checks (`Estimates.suspect`), which rarely happens;
the checks here are thorough. A pixel is compared with its own frame as the point's fringe, drift,
energy and tilt predict it. A single odd sample is replaced by its expected value (a cosmic ray). A
pixel that is odd often or always is left out with its bin (a hot or flickering pixel). A frame
without its light, or equal to an earlier one, is left out (lost in transfer), and so are periods in
which the chopper was not where the open fractions say. Each of these disturbs the means with which
the others are compared, so that the point is estimated anew after each.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import derivatives, unpumped
from analysis.point.chopper_slips import frames_in_step
from analysis.point.estimates import Estimates, FrameTally
from analysis.point.frame_phases import FramePhases
from analysis.point.normalisation import MAX_ENERGY_EXCESS, Setup
from analysis.point.outliers import OUTLIER_SIGMAS, ceiling, ends_at, odd_bins
from analysis.point.pipeline import estimate
from analysis.point.tangents import BY_PHASE, BY_PHASE_TWICE, KINDS, fill_tangents

Floats = NDArray[np.float64]

_MAX_ROUNDS = 12
"""Rounds of repair and estimate: more than the number of different defects in any test."""

_MIN_SWING = 2.0
"""Median range of the pixels' counts over the frames, in standard deviations of their noise, from
which a pixel without any variation counts as stuck. A few frames have more."""

_DARK_FRAME = 0.1
"""Light of a frame, relative to the median of its point, below which it counts as lost: no phase of
a fringe leaves so little."""

_MAX_ODD_SAMPLES = 6
"""Odd samples of a frame above which it is left out as a whole: no cosmic ray hits more pixels."""

_OPEN_TOLERANCE = 1e-3
"""Difference of open fractions up to which the chopper's phase is the same."""

_MAX_HIT_SHARE = 0.05
"""Share of the frames in which a pixel is odd, above which it is left out: cosmic rays do not hit
one pixel again and again."""

_MIN_SOUND = 2 / 3
"""Share of bins and frames that must be sound for a point to have a result: with fewer, the means
that others are compared with are odd themselves."""

_FLICKER = 3.0
"""Scatter of a pixel, in standard deviations of its noise, above which it is left out."""

_MAD_TO_SIGMA = 1.4826
"""Standard deviation of Gaussian numbers, relative to their median absolute deviation."""


def repair(
    frames: NDArray[np.uint32], frame_time: Floats, pump_open: Floats, setup: Setup
) -> Estimates:
    """Estimate a suspect point from what is sound of it.

    Parameters
    ----------
    frames : (F, K) array
        Counts.
    frame_time, pump_open : (F,) array
        s; open fractions.
    setup : Setup

    Returns
    -------
    Estimates
        Of this one point, with its tally; the differential counts of saturated pixels are NaN.
    """
    point = _DamagedPoint(frames.copy(), frame_time, pump_open, setup)
    for _ in range(_MAX_ROUNDS):
        point.estimate()
        if not point.out.valid[0] or not point.treat():
            break
    else:
        point.estimate()
    return point.result()


class _DamagedPoint:
    """A point in repair: its frames, the masks of bins and frames, and its present estimates."""

    def __init__(
        self, frames: NDArray[np.uint32], frame_time: Floats, pump_open: Floats, setup: Setup
    ) -> None:
        self._frames, self._time, self._opened, self._setup = frames, frame_time, pump_open, setup
        bins = setup.bins
        self._bin = np.repeat(np.arange(len(bins.light)), np.diff(bins.edge))
        self._alive = np.ones(len(bins.light))
        self._replaced = np.zeros((len(frames), len(self._bin)), bool)
        self._rows = np.arange(len(frames))  # of the frames that are used
        self._damaged_frames = 0
        self._saturated = self._rejected = self._slipped = self._masked = 0
        self._leave_out_saturated()
        self._leave_out_dark()
        self._leave_out_repeated()
        self._leave_out_stuck()

    def result(self) -> Estimates:
        """Return the present estimates, with the tally of the repair."""
        damaged = self._damaged_frames / max(len(self._frames), 1)
        if not (self._alive.mean() > _MIN_SOUND and damaged < 1 - _MIN_SOUND):
            self.out.valid[0] = False
        self.out.counts.difference[0, self._blind] = np.nan
        tally = FrameTally(
            used=np.array([len(self._rows)]),
            saturated=np.array([self._saturated]),
            rejected=np.array([self._rejected]),
            slipped=np.array([self._slipped]),
            repaired=np.array([np.count_nonzero(self._replaced)]),
            masked=np.array([self._masked]),
        )
        return self.out._replace(tally=tally)

    def _leave_out_saturated(self) -> None:
        """Leave out frames with a saturated pixel, and lone pixels that are so in most frames."""
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
        self._rows = np.flatnonzero(usable)
        self._saturated = int(np.count_nonzero(~usable))
        self._blind = np.max(self._frames[usable], axis=0, initial=0) >= end

    def _leave_out_stuck(self) -> None:
        """Leave out pixels without any variation among others that have their noise."""
        bins, size = self._setup.bins, np.diff(self._setup.bins.edge)
        noise = np.sqrt((bins.light / bins.gain + bins.fixed) / size)[self._bin]
        swing = np.ptp(self._frames[:, bins.pixel], axis=0)
        if len(self._frames) and np.median(swing / noise) > _MIN_SWING:
            self._mask(np.flatnonzero((swing == 0) & (self._alive[self._bin] > 0)))

    def _leave_out_dark(self) -> None:
        """Leave out frames with hardly any light: they would spoil the mean fringe."""
        rows, bins = self._rows, self._setup.bins
        light = self._frames[np.ix_(rows, bins.pixel)].sum(axis=1) - bins.dark.sum()
        dark = light < _DARK_FRAME * np.median(light) if len(rows) else np.zeros(0, bool)
        self._reject(dark)

    def _leave_out_repeated(self) -> None:
        """Leave out frames that are earlier ones again.

        Computed frames without noise repeat too, but at the same phase of the chopper.
        """
        lit = self._frames[np.ix_(self._rows, self._setup.bins.pixel)]
        _, first, which = np.unique(lit, axis=0, return_index=True, return_inverse=True)
        again = np.ones(len(lit), bool)
        again[first] = False
        opened = self._opened[self._rows]
        shifted = np.abs(opened - opened[first[which.ravel()]]) > _OPEN_TOLERANCE
        if 2 * len(first) > len(lit) or shifted.any():
            self._reject(again)

    def _reject(self, frames: NDArray[np.bool_]) -> None:
        """Leave out frames (n,) of those that are used."""
        self._rows = self._rows[~frames]
        self._rejected += int(np.count_nonzero(frames))

    def _mask(self, pixels: NDArray[np.int64]) -> None:
        """Leave out pixels, given by their indices among the lit ones, with their bins."""
        self._alive[self._bin[pixels]] = 0.0
        self._masked += len(pixels)

    def estimate(self) -> None:
        """Estimate the point in its present state."""
        rows, pixels = self._rows, self._frames.shape[1]
        self.out = Estimates.empty(1, len(rows), pixels, len(self._alive), spectra=True)
        data = (values[rows][np.newaxis] for values in (self._frames, self._time, self._opened))
        estimate(*data, self._alive, self._setup, self.out, (0, 1))

    @property
    def _phases(self) -> FramePhases:
        """Phases of the frames that are used, (n,) arrays."""
        return FramePhases._make(row[0] for row in self.out.phases)

    def treat(self) -> bool:
        """Replace or leave out what is odd; return whether anything was."""
        energy = self._phases.energy
        scatter = _MAD_TO_SIGMA * np.median(np.abs(energy - np.median(energy)))
        largest = max(MAX_ENERGY_EXCESS, OUTLIER_SIGMAS * scatter)
        lost = np.abs(energy - np.median(energy)) > largest
        if lost.any():
            self._damaged_frames += int(np.count_nonzero(lost))
            self._reject(lost)
            return True
        return self._treat_samples() or self._treat_bins() or self._treat_slips()

    def _treat_samples(self) -> bool:
        """Replace samples far from their expected values, the farthest of a frame first.

        Odd samples changed the means with which the others are compared; so all that were ever
        replaced are replaced again by their present expected values.
        """
        pixel, rows = self._setup.bins.pixel, self._rows
        counts = self._frames[np.ix_(rows, pixel)].astype(np.float64)
        expected, sigma = self._expected()
        away = (counts - expected) / sigma
        usable = self._alive[self._bin] > 0
        suspects = (np.abs(away) > OUTLIER_SIGMAS / 2).any(axis=0)
        suspects |= self._replaced[rows].any(axis=0)
        for column in np.flatnonzero(suspects & usable):
            away[:, column] = _without_baseline(away[:, column], self._opened[rows])
        own = np.maximum(_MAD_TO_SIGMA * np.median(np.abs(away), axis=0), 1.0)
        farthest = np.abs(away[:, usable]).max(axis=1)[:, np.newaxis]
        limit = np.maximum(OUTLIER_SIGMAS * own, 0.5 * farthest)
        odd = (np.abs(away) > limit) & suspects & usable
        damaged = odd.sum(axis=1) > _MAX_ODD_SAMPLES
        if damaged.any():
            self._damaged_frames += int(np.count_nonzero(damaged))
            self._reject(damaged)
            return True
        often = (own > _FLICKER) | (odd.sum(axis=0) > max(2, _MAX_HIT_SHARE * len(rows)))
        often &= suspects & usable
        if often.any():
            self._mask(np.flatnonzero(often))
            return True
        new = odd & ~self._replaced[rows]
        self._replaced[rows] |= odd
        wanted = np.nan_to_num(counts - away * sigma)  # NaN in pixels that are left out
        values = np.rint(np.clip(wanted, 0, self._setup.saturation)).astype(np.uint32)
        at = np.nonzero(self._replaced[rows])
        self._frames[rows[at[0]], pixel[at[1]]] = values[at]
        return bool(new.any())

    def _treat_bins(self) -> bool:
        """Leave out bins that glow or are dead in all frames."""
        off, weight = self.out.spectra.off[0], self.out.spectra.off_weight[0]
        model, _ = derivatives(unpumped(self.out.parameters[0]), self._setup.grid.axes)
        odd = odd_bins(off - model, weight, self._alive)
        self._alive[odd] = 0.0
        self._masked += int(np.count_nonzero(odd))
        return bool(odd.any())

    def _treat_slips(self) -> bool:
        """Leave out periods of the chopper that do not agree with their open fractions."""
        rows, delta = self._rows, float(self.out.delta_phi[0])
        fits = frames_in_step(self._phases, self._time[rows], self._opened[rows], delta)
        self._rows = rows[fits]
        self._slipped += int(np.count_nonzero(~fits))
        return not fits.all()

    def _expected(self) -> tuple[Floats, Floats]:
        """Return the expected counts of lit pixels in all frames (n, N), and their noise."""
        bins, axes = self._setup.bins, self._setup.grid.axes
        opened = self._opened[self._rows, np.newaxis]
        size = np.diff(bins.edge)[self._bin]
        every = bins.dark, bins.light, bins.fixed
        dark, light, fixed = (values[self._bin] / size for values in every)
        phases = self._phases
        phase, energy = phases.phase[:, np.newaxis], phases.energy[:, np.newaxis]
        tilt = phases.tilt[:, np.newaxis]
        contrast = np.abs(np.exp(1j * phase).mean())
        turned = np.zeros((len(phase), len(size)))
        p, spectrum = self.out.parameters[0], np.zeros(len(axes.tilt))
        for share, state in ((1 - opened, unpumped(p)), (opened, p)):
            tangents = np.empty((KINDS, len(spectrum)))
            fill_tangents(state, derivatives(state, axes)[1], spectrum, axes, tangents)
            tangents = tangents[:, self._bin]
            turned += share * tangents[BY_PHASE] * np.sin(phase) / contrast
            turned -= share * tangents[BY_PHASE_TWICE] * (np.cos(phase) / contrast - 1)
        counts = self.out.counts
        off, difference = counts.off[0, bins.pixel], counts.difference[0, bins.pixel]
        mean = off + opened * difference - dark
        expected = (1 + energy) * (mean * (1 + tilt * axes.tilt[self._bin]) + light * turned)
        sigma = np.sqrt(np.maximum(mean, 0) / bins.gain + fixed)
        return expected + dark, sigma


def _without_baseline(away: Floats, opened: Floats) -> Floats:
    """Return residuals (n,) of a pixel without the change of its mean spectra by its odd samples.

    The change is the line in the open fractions (n,) with the least sum of absolute residuals, by
    reweighting.
    """
    design = np.column_stack([np.ones_like(opened), opened])
    rest = away - np.median(away)
    for _ in range(20):
        weight = design / np.maximum(np.abs(rest), 1.0)[:, np.newaxis]
        # A pseudoinverse, as all frames that are left may have one open fraction.
        rest = away - design @ (np.linalg.pinv(weight.T @ design) @ (weight.T @ away))
    return rest
