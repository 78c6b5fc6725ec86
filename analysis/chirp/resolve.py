"""Phase against time from a delay scan with a chirped probe.

Each wavelength of the chirped probe samples the sample at its own time, the scan delay τ plus the
group delay t_c(λ). A phase fitted to a whole spectrum is therefore an average over the 5 ps of the
pulse. Here all spectra of a delay scan together determine one function of time, φ(t), on a grid
finer than the delays, with an averaging kernel for each of its values.

Two models of the light are fitted, a coherent chirped pulse and a swept source, and the better fit
is kept (`analysis.chirp.pulse_response`). Without a calibration the group delay is determined from
the rise in the scan itself: `analysis.chirp.time_zero` gives the start, and the inversion refines
it. The equations are in docs/explanation/chirp-inversion.md.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from analysis.chirp.group_delay import chirp_delay, detuning
from analysis.chirp.inversion import GaussNewton, Inversion
from analysis.chirp.linear_model import DelayScan
from analysis.chirp.time_grid import FINE_SPACING, TimeGrid, time_grid
from analysis.chirp.time_zero import estimate_chirp
from ocm_ophyd.errors import DataError

__all__ = ["ChirpResolved", "averaging_time", "resolve_chirp"]

Floats = NDArray[np.float64]

_MIN_DELAYS = 3
"""Smallest number of different delays with a result."""

_MAX_CHIRP = 100.0
"""Largest difference of group delays in the band, ps: twenty times that of the paper's pulse."""

_CHIRP_SHAPE_SIGMA = 1.5e-3
"""Standard deviation of the model's error in t_c that differs from wavelength to wavelength, ps.
The errors of simulated rises require it (`pulls` in tests/analysis/chirp/test_resolve.py)."""

_STEPS = (3, 1, 1, None)
"""Gauss–Newton steps in each round; None stands for as many as are needed. After a round a clearly
worse model of the light is dropped."""

_CLEARLY_WORSE = 3.0
"""Ratio of χ² from which a model of the light is dropped."""

_UNEXPLAINED = (
    "no phase against time explains the spectra of this scan: check its fringes (visibility, "
    "delta_phi) and its chirp calibration"
)


@dataclass(frozen=True)
class ChirpResolved:
    """Phase change against time.

    Attributes
    ----------
    time : (T,) array
        ps, on the scale of the scan's delays. A gap is represented by one time in its middle.
    delta_phi, delta_phi_sigma : (T,) array
        Phase change at the band's centre and its standard deviation, rad; NaN in gaps.
    resolution : (T,) array
        Time in which a step would rise from 10 to 90 %, ps; NaN where the data do not determine it.
    coherent : bool
        True where the light is a chirped pulse, False where it is a swept source.
    chirp, chirp_sigma : (C,) array
        Coefficients of the group delay and their standard deviations, ps/(100 rad/ps)^k
        (`analysis.chirp.group_delay`), where they are from the scan; otherwise empty.
    """

    time: Floats
    delta_phi: Floats
    delta_phi_sigma: Floats
    resolution: Floats
    coherent: bool
    chirp: Floats
    chirp_sigma: Floats


def resolve_chirp(scan: DelayScan, delta_phi: Floats, group_delay: Floats | None) -> ChirpResolved:
    """Determine the phase change against time from all points of a delay scan.

    Parameters
    ----------
    scan : DelayScan
        P points on B bins; points with numbers that are not finite are left out.
    delta_phi : (P,) array
        Whole-band phase changes to start from, rad.
    group_delay : (B,) array or None
        Calibrated time at which the wavelength of each bin passes the sample, ps: later is
        positive. None where the chirp is to be determined from the scan.

    Raises
    ------
    DataError
        Too few delays, or too many that are far apart; no calibration of the chirp and no rise to
        determine it from; a calibration that is not finite; spectra that no phase explains. The
        message says what would help.
    """
    scan, delta_phi = _usable(scan, delta_phi)
    if len(np.unique(scan.delay)) < _MIN_DELAYS:
        raise DataError(
            f"the time-resolved result needs {_MIN_DELAYS} or more delays with a result each: "
            "scan more delays"
        )
    chirp = np.empty(0)
    if group_delay is None:
        chirp = estimate_chirp(scan)
        group_delay = chirp_delay(scan.wavelength, chirp)
    elif not np.isfinite(group_delay).all():
        raise DataError("chirp_delay: not a finite number at every wavelength; calibrate it again")
    span = float(np.ptp(group_delay))
    if span > _MAX_CHIRP:
        raise DataError(
            f"chirp_delay: the wavelengths pass within {span:.3g} ps, more than {_MAX_CHIRP:g}; "
            "give it in ps, or calibrate it again"
        )
    delay, whole = _whole_band(scan.delay, delta_phi, span)
    grid = time_grid(delay, group_delay, whole)
    start = np.interp(grid.nodes, delay, whole)
    # More threads of BLAS make matrices of a few hundred rows slower.
    with np.errstate(all="ignore"), threadpool_limits(1):
        try:
            fits = [
                GaussNewton(scan, grid.nodes, start, group_delay, chirp, coherent)
                for coherent in (True, False)
            ]
            best = _best(fits)
            result = best.result()
        except np.linalg.LinAlgError:
            raise DataError(_UNEXPLAINED) from None
    if not np.isfinite([*result.phase, *np.diag(result.covariance)]).all():
        raise DataError(_UNEXPLAINED)
    own_time = float(np.sqrt(span / (100 * np.ptp(detuning(scan.wavelength)))))  # √D
    return _with_gaps(grid, result, best.coherent, max(own_time, FINE_SPACING))


def _best(fits: list[GaussNewton]) -> GaussNewton:
    """Return the converged fit with the smallest χ².

    Raises
    ------
    DataError
        No fit has a finite χ².
    """
    for steps in _STEPS:
        finite = []
        for fit in fits:
            with suppress(np.linalg.LinAlgError):
                fit.iterate(steps)
                if np.isfinite(fit.chi2):
                    finite.append(fit)
        least = min((fit.chi2 for fit in finite), default=np.inf)
        fits = [fit for fit in finite if fit.chi2 <= _CLEARLY_WORSE * least]
    if not fits:
        raise DataError(_UNEXPLAINED)
    return min(fits, key=lambda fit: fit.chi2)


def _usable(scan: DelayScan, delta_phi: Floats) -> tuple[DelayScan, Floats]:
    """Return the points, and their phases, whose numbers are finite and whose weights are valid."""
    good = np.isfinite(scan.delay) & np.isfinite(scan.drift_sigma) & np.isfinite(delta_phi)
    for i, point in enumerate(scan.spectra):
        weight = point.difference_weight
        numbers = (point.difference, point.fringe.parameters, point.fringe.covariance, weight)
        good[i] &= all(np.isfinite(values).all() for values in numbers)
        good[i] &= bool(np.all(weight >= 0) and weight.any())
    kept = np.flatnonzero(good)
    usable = replace(
        scan,
        spectra=[scan.spectra[int(i)] for i in kept],
        delay=scan.delay[kept],
        drift_sigma=scan.drift_sigma[kept],
    )
    return usable, delta_phi[kept]


def _whole_band(delay: Floats, delta_phi: Floats, span: float) -> tuple[Floats, Floats]:
    """Return increasing delays (n,), ps, and smoothed whole-band phases (n,), rad, to start from.

    Each phase is the median over the points within a chirp's duration `span` (ps): while a large
    rise passes through the band, the whole-band fit may be wrong by a full period.
    """
    time = np.unique(delay)
    near = [delta_phi[np.abs(delay - at) <= span / 2] for at in time]
    return time, np.array([np.median(phases) for phases in near])


def _with_gaps(grid: TimeGrid, result: Inversion, coherent: bool, blur: float) -> ChirpResolved:
    """Return the result with the model's error in its sigma and with NaN in gaps.

    Parameters
    ----------
    grid : TimeGrid
    result : Inversion
    coherent : bool
        Whether the light is a chirped pulse.
    blur : float
        Time within which a neighbouring slope contributes to the model's error, ps.
    """
    nodes, gaps = grid.nodes, grid.gaps
    middle = (nodes[gaps - 1] + nodes[gaps]) / 2
    sigma = np.sqrt(np.maximum(np.diag(result.covariance), 0.0))
    phase = _node_values(nodes, result.phase)
    sigma = np.hypot(sigma, _CHIRP_SHAPE_SIGMA * _rms_slope(nodes, phase, blur))
    resolution = averaging_time(nodes, result.averaging_kernel)
    return ChirpResolved(
        time=np.insert(nodes, gaps, middle),
        delta_phi=np.insert(phase, gaps, np.nan),
        delta_phi_sigma=np.insert(sigma, gaps, np.nan),
        resolution=np.insert(resolution, gaps, np.nan),
        coherent=coherent,
        chirp=result.chirp,
        chirp_sigma=result.chirp_sigma,
    )


def _node_values(nodes: Floats, phase: Floats) -> Floats:
    """Return the values (T,) at the nodes of the curve that a fitted polygon approximates.

    The least-squares polygon through a curve has its corners beside the curve, by h²/12 of the
    second derivative for a spacing h: 3 % of the height of a step of 0.1 ps.

    Parameters
    ----------
    nodes, phase : (T,) array
        ps; corners of the polygon, rad.
    """
    h = np.diff(nodes)
    values = phase.copy()
    values[1:-1] += np.diff(np.diff(phase) / h) * (h[1:] + h[:-1]) / 24
    return values


def _rms_slope(nodes: Floats, phase: Floats, blur: float) -> Floats:
    """Return the root mean square slope (T,) of a phase, rad/ps, with the weight exp(−|t|/blur).

    Parameters
    ----------
    nodes, phase : (T,) array
        ps, rad.
    blur : float
        ps.
    """
    slope = np.gradient(phase, nodes)
    near = np.exp(-np.abs(nodes[:, np.newaxis] - nodes) / blur) * np.gradient(nodes)
    result: Floats = np.sqrt(near @ slope**2 / near.sum(axis=1))
    return result


def averaging_time(nodes: Floats, kernel: Floats) -> Floats:
    """Return the time (T,), ps, in which each averaging kernel accumulates 10 to 90 % of its sum.

    A step in the true phase would rise within this time. A node stands for the interval between
    the middles to its neighbours. The two ends are taken on either side of the kernel's own node;
    the time is NaN where there is none, or where half of the kernel's sum is prior.

    Parameters
    ----------
    nodes : (T,) array
        Increasing times, ps.
    kernel : (T, T) array
        Row t is the averaging kernel of node t.
    """
    total = kernel.sum(axis=1)
    result = np.full(len(nodes), np.nan)
    edges = np.concatenate([nodes[:1], (nodes[1:] + nodes[:-1]) / 2, nodes[-1:]])
    for t in np.flatnonzero(total > 0.5):
        cumulative = np.concatenate([[0.0], np.cumsum(kernel[t]) / total[t]])
        before, after = np.flatnonzero(cumulative <= 0.1), np.flatnonzero(cumulative >= 0.9)
        early, late = before[before <= t], after[after > t]
        if len(early) and len(late):
            low, high = int(early[-1]), int(late[0])
            begin = np.interp(0.1, cumulative[low : low + 2], edges[low : low + 2])
            end = np.interp(0.9, cumulative[high - 1 : high + 1], edges[high - 1 : high + 1])
            result[t] = end - begin
    return result
