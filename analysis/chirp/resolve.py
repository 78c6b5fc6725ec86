"""Δφ against time with the probe's chirp undone.

The probe is chirped: the pixel at λ looks at the sample at its own time, the scan delay plus
t_c(λ). A phase fitted to a whole spectrum therefore averages over the 5 ps of the pulse. Here all
spectra of a delay scan together give one function of time (`time_inversion`), on a grid finer than
the delays, with what each of its values averages over.

Both a coherent chirped pulse and colours that merely follow one another are tried, and the one that
fits better is kept. Without a calibration, t_c(λ) comes from the rise in the scan itself.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from analysis.chirp.chirp_estimate import estimate_chirp
from analysis.chirp.group_delay import chirp_delay, detuning
from analysis.chirp.inversion import Inversion, Search
from analysis.chirp.linear_model import Scan

__all__ = ["ChirpResolved", "Scan", "chirp_resolved"]

Floats = NDArray[np.float64]

_FINE = 0.05  # ps, near the rise: half of √D
_NEAR = 1.0  # ps beyond half the chirp on either side of the whole-band rise
_LONGEST = 10.0  # ps of half a chirp, of which a rise is looked for
_WIDEST = 100.0  # ps for all colours to pass: twenty times the paper's pulse
_COARSE = (0.1, 1.0)  # ps, elsewhere, where it is half of the delays' own spacing
_DELAY_SIGMA = 1.5e-3  # ps of t_c, from colour to colour: what errors at simulated rises ask for
_GAP = 0.3  # ps without any colour of any point: more than the light's own time
_MOST = 1500  # nodes of the grid: what a matrix of them costs
_STRETCHES = 500  # of time, where delays stand alone: each takes a few nodes more
_LEAST_POINTS = 3
_TURNS = (3, 1, 1, None)  # steps of both models of the light, after which one may be left out
_CLEARLY = 3.0  # ratio of χ² per degree of freedom
_HOPELESS = (
    "no phase against time explains the spectra of this scan: look at its fringes (visibility, "
    "delta_phi) and its chirp calibration"
)


@dataclass(frozen=True)
class ChirpResolved:
    """Phase change against time.

    Attributes
    ----------
    time : (T,) array
        ps, on the scale of the scan's delays. In the middle of a gap stands a time without result.
    delta_phi, delta_phi_sigma : (T,) array
        rad at the band's centre; NaN in gaps.
    resolution : (T,) array
        ps from 10 to 90 % of what a step would look like there; NaN where nothing resolves one.
    coherent : bool
        Whether the light is a chirped pulse (see `time_response`) or colours that follow one
        another.
    chirp, chirp_sigma : (C,) array
        ps/(100 rad/ps)^k where found from the scan (see `analysis.chirp.group_delay.chirp_delay`).
    """

    time: Floats
    delta_phi: Floats
    delta_phi_sigma: Floats
    resolution: Floats
    coherent: bool
    chirp: Floats
    chirp_sigma: Floats


def chirp_resolved(scan: Scan, delta_phi: Floats, pixel_delay: Floats | None) -> ChirpResolved:
    """Phase change against time from all points of a delay scan.

    Parameters
    ----------
    scan : Scan
        Of P points on B bins; points with anything but finite numbers are left out.
    delta_phi : (P,) array
        Whole-band results, rad: to start from.
    pixel_delay : (B,) array or None
        When each bin's wavelength passes the sample, ps: later is positive. None where it is not
        known.

    Raises
    ------
    ValueError
        Too few delays, or too many far apart; no chirp and no rise to find it from; a delay of the
        colours that is not finite; spectra that no phase explains. The message says what would
        help.
    """
    scan, delta_phi = _usable(scan, delta_phi)
    if len(np.unique(scan.delay)) < _LEAST_POINTS:
        raise ValueError(
            f"the time-resolved result needs {_LEAST_POINTS} or more delays with a result each: "
            "scan more delays"
        )
    chirp = np.empty(0)
    if pixel_delay is None:
        chirp = estimate_chirp(scan)
        pixel_delay = chirp_delay(scan.wavelength, chirp)
    elif not np.isfinite(pixel_delay).all():
        raise ValueError("chirp_delay: not a finite number at every wavelength; calibrate it again")
    if np.ptp(pixel_delay) > _WIDEST:
        raise ValueError(
            f"chirp_delay: the colours pass within {np.ptp(pixel_delay):.3g} ps, more than "
            f"{_WIDEST:g}; give it in ps, or calibrate it again"
        )
    time, whole = _whole_band(scan.delay, delta_phi, float(np.ptp(pixel_delay)))
    grid, linked = _grid(time, pixel_delay, whole)
    start = np.interp(grid, time, whole)
    # Threads of BLAS cost more than they bring for matrices of a few hundred rows.
    with np.errstate(all="ignore"), threadpool_limits(1):
        best = _best(
            [Search(scan, grid, start, pixel_delay, chirp, coherent) for coherent in (True, False)]
        )
        result = best.result()
    if not _is_finite(result):
        raise ValueError(_HOPELESS)
    own_time = np.sqrt(np.ptp(pixel_delay) / (100 * np.ptp(detuning(scan.wavelength))))  # √D
    return _with_gaps(grid, linked, best.coherent, result, max(own_time, _FINE))


def _best(searches: list[Search]) -> Search:
    """Search on, in turns, with those that do not fit clearly worse than another.

    Raises
    ------
    ValueError
        None gets anywhere.
    """
    for steps in _TURNS:
        going = []
        for search in searches:
            with suppress(np.linalg.LinAlgError):
                search.advance(steps)
                if np.isfinite(search.misfit):
                    going.append(search)
        least = min((search.misfit for search in going), default=np.inf)
        searches = [search for search in going if search.misfit <= _CLEARLY * least]
    if not searches:
        raise ValueError(_HOPELESS)
    return min(searches, key=lambda search: search.misfit)


def _is_finite(result: Inversion) -> bool:
    variance = np.diag(result.covariance)
    return bool(np.isfinite(result.phase).all() and np.isfinite(variance).all())


def _usable(scan: Scan, delta_phi: Floats) -> tuple[Scan, Floats]:
    """Leave out points that say nothing."""
    good = np.isfinite(scan.delay) & np.isfinite(scan.drift) & np.isfinite(delta_phi)
    for i, point in enumerate(scan.spectra):
        numbers = (point.difference, point.fringe.parameters, point.fringe.covariance)
        good[i] &= all(np.isfinite(values).all() for values in numbers)
        good[i] &= bool(np.all(point.difference_weight >= 0) and point.difference_weight.any())
        good[i] &= bool(np.isfinite(point.difference_weight).all())
    kept = np.flatnonzero(good)
    spectra = [scan.spectra[int(i)] for i in kept]
    left = replace(scan, spectra=spectra, delay=scan.delay[kept], drift=scan.drift[kept])
    return left, delta_phi[kept]


def _whole_band(delay: Floats, delta_phi: Floats, span: float) -> tuple[Floats, Floats]:
    """Find the delays (n,), increasing, and whole-band phases (n,) to start from.

    Each is the median of the points within a chirp's `span` around it: while the colours pass a
    large rise, the phase that fits them all may be a turn off.
    """
    time = np.unique(delay)
    near = [delta_phi[np.abs(delay - at) <= span / 2] for at in time]
    return time, np.array([np.median(phases) for phases in near])


def _grid(time: Floats, pixel_delay: Floats, phase: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Find times (T,) in ps, and which intervals between them (T - 1,) are no gaps.

    Fine near the steepest place of the whole-band `phase` (n,) at the delays `time` (n,), elsewhere
    as the delays ask for.
    """
    first, last = float(pixel_delay.min()), float(pixel_delay.max())
    if last - first < 2 * _FINE:  # hardly a chirp: a delay is still no point in time
        first, last = (first + last) / 2 - _FINE, (first + last) / 2 + _FINE
    # A rise takes the whole-band phase as long as the chirp: the largest change within that time.
    span = last - first
    after, before = (np.interp(time + half, time, phase) for half in (span / 2, -span / 2))
    rise = time[int(np.argmax(np.abs(after - before)))] + (first + last) / 2
    near = min(span / 2, _LONGEST) + _NEAR
    ends = [[time[0] + first, time[0] + last]]
    for at in time[1:]:
        if at + first > ends[-1][1] + _GAP:
            ends.append([at + first, at + last])
        else:
            ends[-1][1] = at + last
    longest = sum(high - low for low, high in ends) / _MOST
    if len(ends) > _STRETCHES:
        raise ValueError(
            f"{len(ends)} stretches of time with gaps between them are more than {_STRETCHES}: "
            "reduce the scan in parts"
        )
    spacing = np.diff(time, prepend=2 * time[0] - time[1])
    parts = []
    for low, high in ends:
        # A mesh of the spacing wanted is cut where its density has gone up by one.
        count = min(2 * (high - low) / _FINE, 4.0 * _MOST)
        fine = np.linspace(low, high, int(count) + 3)
        wanted = np.clip(np.interp(fine, time, spacing) / 2, *_COARSE)
        wanted = np.where(np.abs(fine - rise) < near, _FINE, np.maximum(wanted, longest))
        steps = np.diff(fine) * (1 / wanted[1:] + 1 / wanted[:-1]) / 2
        passed = np.concatenate([[0.0], np.cumsum(steps)])
        parts.append(np.interp(np.linspace(0, passed[-1], int(passed[-1]) + 2), passed, fine))
    linked = np.ones(sum(len(part) for part in parts) - 1, np.bool_)
    linked[np.cumsum([len(part) for part in parts])[:-1] - 1] = False
    return np.concatenate(parts), linked


def _with_gaps(
    grid: Floats, linked: NDArray[np.bool_], coherent: bool, result: Inversion, blur: float
) -> ChirpResolved:
    gaps = np.flatnonzero(~linked) + 1
    middle = (grid[gaps - 1] + grid[gaps]) / 2
    sigma = np.sqrt(np.maximum(np.diag(result.covariance), 0.0))
    found = _at_nodes(grid, result.phase)
    sigma = np.hypot(sigma, _DELAY_SIGMA * _steepness(grid, found, blur))
    columns = (found, sigma, _resolution(grid, result.kernel))
    phase, sigma, width = (np.insert(column, gaps, np.nan) for column in columns)
    return ChirpResolved(
        time=np.insert(grid, gaps, middle),
        delta_phi=phase,
        delta_phi_sigma=sigma,
        resolution=width,
        coherent=coherent,
        chirp=result.chirp,
        chirp_sigma=result.chirp_sigma,
    )


def _at_nodes(grid: Floats, phase: Floats) -> Floats:
    """Phase (T,) itself at the nodes, of what straight lines between `phase` (T,) are nearest to.

    Least squares puts the nodes of a polygon beside the curve, by h²/12 of its second derivative:
    3 % of a step of 0.1 ps.
    """
    h = np.diff(grid)
    found = phase.copy()
    found[1:-1] += np.diff(np.diff(phase) / h) * (h[1:] + h[:-1]) / 24
    return found


def _steepness(grid: Floats, phase: Floats, blur: float) -> Floats:
    """Slope (T,) of a phase, rad/ps: root mean square over exp(-|t| / `blur`)."""
    slope = np.gradient(phase, grid)
    near = np.exp(-np.abs(grid[:, np.newaxis] - grid) / blur) * np.gradient(grid)
    steep: Floats = np.sqrt(near @ slope**2 / near.sum(axis=1))
    return steep


def _resolution(grid: Floats, kernel: Floats) -> Floats:
    """Time (T,) in ps in which a row of the averaging kernel gathers 10 to 90 % of its weight.

    That is how fast a step would rise there. Nodes are as wide as their neighbours are apart, and
    the levels are looked for on either side of the row's own node.
    """
    total = kernel.sum(axis=1)
    result = np.full(len(grid), np.nan)
    edges = np.concatenate([grid[:1], (grid[1:] + grid[:-1]) / 2, grid[-1:]])
    for t in np.flatnonzero(total > 0.5):
        gathered = np.concatenate([[0.0], np.cumsum(kernel[t]) / total[t]])
        before, after = np.flatnonzero(gathered <= 0.1), np.flatnonzero(gathered >= 0.9)
        early, late = before[before <= t], after[after > t]
        if len(early) and len(late):
            low, high = int(early[-1]), int(late[0])
            left = np.interp(0.1, gathered[low : low + 2], edges[low : low + 2])
            right = np.interp(0.9, gathered[high - 1 : high + 1], edges[high - 1 : high + 1])
            result[t] = right - left
    return result
