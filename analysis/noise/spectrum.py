"""Noise of the microscope: spectrum of the fringe's phase, and sensitivity to Δn.

A record of frames without the pump, or with it while nothing is scanned, contains noise alone. The
phase of every frame (`analysis.noise.phase_record`) has a power spectral density. The lock-in
demodulates it in each chopper period,

    Δφ = Σ_f d_f φ_f,

with weights d_f that are the regression on 1, time and open fraction. The Allan deviation of the
series of Δφ, times λ/(4πL), is the sensitivity to Δn that an average over a time T has.

Two contributions are computed beside the measured ones. Shot and read noise, with pulse energy and
tilt unknown, set the limit σ_φ √(Σ d_f²) √(1/(f_c T)) at the chopper's frequency f_c. A random walk
of the phase at a rate w, which is estimated from the record, adds w √(Δt Σ s_f²) √(1/(f_c T)) with
the partial sums s_f of d_f and the frame interval Δt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import welch
from scipy.stats import chi2

from analysis.estimate import Estimate, not_determined
from analysis.io.schema import MODULATED
from analysis.noise.phase_record import FramePhases, frame_phases, virtual_chopper
from analysis.probe_band import CENTRE_WAVELENGTH
from ocm_ophyd.errors import DataError

Floats = NDArray[np.float64]

__all__ = ["Noise", "allan_deviation", "noise_spectrum", "period_differences", "random_walk_rate"]

_SEGMENT = 10.0
"""Length of the segments of the spectrum, s: resolves 0.15 Hz with Hann's window."""

_MAX_TIMES = 24
"""Largest number of averaging times."""

_PIECES = 10
"""Pieces of a record whose scatter gives the uncertainty of its estimates."""

_MIN_PERIODS = 4
"""Smallest number of chopper periods of a record."""

_MIN_FRAMES = 4
"""Smallest number of frames in a chopper period: three parameters are fitted to them."""

_ONE_SIGMA = (0.8413, 0.1587)
"""Quantiles at one standard deviation above and below the mean of a normal density."""


@dataclass(frozen=True)
class Noise:
    """Noise of a record of frames.

    Attributes
    ----------
    frequency : (n,) array
        Hz.
    density : (n,) array
        One-sided power spectral density of the phase at the band's centre, rad²/Hz.
    density_limit : float
        Power spectral density of shot and read noise, rad²/Hz.
    time : (m,) array
        Averaging times, s.
    delta_n_sigma : (m,) array
        Overlapping Allan deviation of Δn, RIU.
    interval : (2, m) array
        Lower and upper end of its 68 % interval, RIU.
    limit : (m,) array
        Allan deviation of Δn that shot and read noise alone would have, RIU.
    drift : (m,) array
        Allan deviation of Δn that the random walk of the phase alone would have, RIU.
    estimates : dict of Estimate
        `drift` (rate of the random walk, rad/√s), `pulse_energy` and `pulse_tilt` (relative, root
        mean square of a frame), `delta_n_sigma_period` and `delta_n_sigma_second` (RIU, averaged
        over a chopper period and over a second).
    """

    frequency: Floats
    density: Floats
    density_limit: float
    time: Floats
    delta_n_sigma: Floats
    interval: Floats
    limit: Floats
    drift: Floats
    estimates: dict[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        """Return the attributes by name, with lists in place of arrays."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }


class _Record(NamedTuple):
    """Frames of one point.

    Attributes
    ----------
    phases : FramePhases
    phase : (F,) array
        Phase of every frame without the mean effect of the pump, rad.
    differences : (N,) array
        Phase with the pump minus phase without it, rad, one for each chopper period.
    weights : (N, n) array
        Weights of the n frames of each period in its difference.
    """

    phases: FramePhases
    phase: Floats
    differences: Floats
    weights: Floats


def noise_spectrum(dataset: xr.Dataset) -> Noise:
    """Analyse the noise of a raw dataset, each point of which is a record of its own.

    A record without the pump is demodulated as if there were a chopper; from one with the pump its
    mean effect is subtracted.

    Parameters
    ----------
    dataset : xr.Dataset
        Raw dataset (`analysis.io.schema`).

    Raises
    ------
    DataError
        Frames that `analysis.noise.phase_record.frame_phases` refuses, or fewer than four chopper
        periods.

    Examples
    --------
    >>> from analysis import noise_spectrum, open_raw
    >>> with open_raw("sweep.h5") as raw:
    ...     noise = noise_spectrum(raw)
    >>> noise.estimates["drift"].unit
    'rad/√s'
    """
    frequency = float(dataset.attrs["chopper_frequency"])
    steps = np.diff(dataset["frame_time"].values, axis=1)
    interval = float(np.median(steps)) if steps.size else 0.0
    _require_periods(round(dataset["frame_time"].size * interval * frequency))
    records = [_record(dataset, i, frequency) for i in range(dataset.sizes["point"])]
    _require_periods(sum(len(record.differences) for record in records))

    phases = [record.phase for record in records]
    segment = min(len(phases[0]), round(_SEGMENT / interval))
    spectra = [welch(p, 1 / interval, nperseg=segment, detrend="linear") for p in phases]
    shot = float(np.sqrt(np.mean(np.square([record.phases.sigma for record in records]))))
    walk = random_walk_rate(phases, interval, round(1 / (frequency * interval)))
    rate = walk.value if walk.determined else 0.0
    time, deviation, ends = allan_deviation([r.differences for r in records], 1 / frequency)

    scale = CENTRE_WAVELENGTH * 1e-3 / (4 * np.pi * dataset.attrs["thickness"])  # Δφ = 4πLΔn/λ
    weight = np.concatenate([record.weights for record in records])
    averaged = scale / np.sqrt(time * frequency)
    partial_sums = np.cumsum(weight, axis=1)[:, :-1]  # Σ d φ = −Σ (partial sum) (step of φ)
    sensitivity, interval_68 = deviation * scale, ends * scale
    limit = averaged * shot * np.sqrt(np.sum(weight**2, axis=1).mean())
    drift = averaged * rate * np.sqrt(interval * np.sum(partial_sums**2, axis=1).mean())
    energy = np.concatenate([record.phases.energy for record in records])
    tilt = np.concatenate([record.phases.tilt for record in records])
    estimates = {
        "drift": walk,
        "pulse_energy": _scatter(energy, "rms of a frame, relative"),
        "pulse_tilt": _scatter(tilt, "rms of a frame, relative, at the band's end"),
    }
    for name, at in (("period", 1 / frequency), ("second", 1.0)):
        i = int(np.argmin(np.abs(time - at)))
        estimates[f"delta_n_sigma_{name}"] = Estimate(
            float(sensitivity[i]),
            float(np.ptp(interval_68[:, i]) / 2),
            "RIU",
            note=f"{time[i]:.3g} s; {sensitivity[i] / limit[i]:.2f} x limit",
        )
    return Noise(
        frequency=spectra[0][0][1:],
        density=np.mean([density for _, density in spectra], axis=0)[1:],
        density_limit=2 * shot**2 * interval,
        time=time,
        delta_n_sigma=sensitivity,
        interval=interval_68,
        limit=limit,
        drift=drift,
        estimates=estimates,
    )


def _require_periods(periods: int) -> None:
    """Refuse a record with too few chopper periods.

    Raises
    ------
    DataError
    """
    if periods < _MIN_PERIODS:
        raise DataError("the noise needs a record of four chopper periods or more")


def _record(dataset: xr.Dataset, i: int, frequency: float) -> _Record:
    """Fit and demodulate the frames of point `i`; `frequency` is that of the chopper, Hz."""
    times, opened = (dataset[name].values[i] for name in ("frame_time", "pump_open"))
    phases = frame_phases(dataset, dataset["frames"][i].values, times)
    if np.ptp(opened) < MODULATED:
        opened = virtual_chopper(times, float(dataset.attrs["exposure"]), frequency)
    differences, weights = period_differences(times, opened, phases.phase, frequency)
    effect = differences.mean() if len(differences) else 0.0
    return _Record(phases, phases.phase - effect * opened, differences, weights)


def period_differences(
    frame_time: Floats, pump_open: Floats, phase: Floats, frequency: float
) -> tuple[Floats, Floats]:
    """Demodulate every whole chopper period by itself.

    The phase is regressed on 1, time and open fraction, as in `analysis.point.lock_in`.

    Parameters
    ----------
    frame_time, pump_open, phase : (F,) array
        Start of the exposure, s; fraction of the exposure with the pump; rad.
    frequency : float
        Of the chopper, Hz.

    Returns
    -------
    differences : (N,) array
        Phase with the pump minus phase without it, rad, one for each period.
    weights : (N, n) array
        differences = Σ weights · phase over the n frames of a period.

    Raises
    ------
    DataError
        Fewer than four frames in a period.
    """
    frames = round(1 / (frequency * float(np.median(np.diff(frame_time)))))
    if frames < _MIN_FRAMES:
        msg = (
            f"{frames} frames in a chopper period do not distinguish drift from the effect of the "
            f"pump: take {_MIN_FRAMES} or more"
        )
        raise DataError(msg)
    first_harmonic = np.sum(pump_open * np.exp(2j * np.pi * frequency * frame_time))
    middle = np.angle(first_harmonic) / (2 * np.pi)
    period = np.floor(frequency * frame_time - middle + 0.5)
    _, first, count = np.unique(period, return_index=True, return_counts=True)
    whole = count == frames
    rows = first[whole][:, np.newaxis] + np.arange(frames)
    time = frame_time[rows] - frame_time[rows].mean(axis=1, keepdims=True)
    modulation = pump_open[rows] - pump_open[rows].mean(axis=1, keepdims=True)
    slope = np.sum(time * modulation, axis=1) / np.sum(time**2, axis=1)
    modulation -= slope[:, np.newaxis] * time
    weights = modulation / np.sum(modulation**2, axis=1, keepdims=True)
    return np.sum(weights * phase[rows], axis=1), weights


def allan_deviation(series: Sequence[Floats], interval: float) -> tuple[Floats, Floats, Floats]:
    """Return the overlapping Allan deviation of one or more records of the same quantity.

    Its square is half the mean square difference of two successive averages over m values, at every
    position where a pair of them fits. Equations and degrees of freedom, those of white noise:
    W. J. Riley, Handbook of Frequency Stability Analysis, NIST Special Publication 1065 (2008),
    5.2.4 and table 5.

    Parameters
    ----------
    series : sequence of (N,) arrays
        Values at equal intervals.
    interval : float
        s.

    Returns
    -------
    time : (m,) array
        Averaging times, s.
    deviation : (m,) array
        Allan deviation, in the unit of the values.
    interval : (2, m) array
        Lower and upper end of its 68 % interval, that of a chi-square: wide upwards where there
        are few averages.
    """
    longest = max(len(values) for values in series) // 2
    factors = np.unique(np.geomspace(1, longest, _MAX_TIMES).round().astype(int))
    squares, counts, freedom = np.zeros((3, len(factors)))
    for values in series:
        total = np.concatenate([[0.0], np.cumsum(values)])
        n = len(values)
        for i, m in enumerate(factors[factors <= n // 2]):
            change = (total[2 * m :] - 2 * total[m:-m] + total[: -2 * m]) / m
            squares[i] += change @ change
            counts[i] += len(change)
            freedom[i] += (3 * n / (2 * m) - 2 * (n - 1) / (n + 1)) * 4 * m**2 / (4 * m**2 + 5)
    deviation = np.sqrt(squares / (2 * counts))
    freedom = np.maximum(freedom, 1.0)
    ends = np.sqrt(freedom / chi2.ppf(np.array(_ONE_SIGMA)[:, np.newaxis], freedom))
    return factors * interval, deviation, deviation * ends


def random_walk_rate(series: Sequence[Floats], interval: float, lag: int) -> Estimate:
    """Estimate the rate of a random walk under white noise, rad/√s.

    The mean square of the change over L frames is w² L Δt plus twice the variance of the white
    noise, so the difference between the lags `lag` and 1 determines w².

    Parameters
    ----------
    series : sequence of (F,) arrays
        Phases at equal intervals, rad.
    interval : float
        Δt, s.
    lag : int
        Frames, two or more.
    """
    pieces = [piece for phase in series for piece in np.array_split(phase, _PIECES)]
    squares = [
        (_mean_square_change(piece, lag) - _mean_square_change(piece, 1)) / ((lag - 1) * interval)
        for piece in pieces
        if len(piece) > 2 * lag
    ]
    mean = float(np.mean(squares)) if squares else 0.0
    if mean <= 0:
        return not_determined("rad/√s", "no drift beside the white noise")
    rate = float(np.sqrt(mean))
    sigma = float(np.std(squares, ddof=1) / np.sqrt(len(squares))) / (2 * rate)
    return Estimate(rate, sigma, "rad/√s", note=f"random walk, over {lag * interval:.3g} s")


def _mean_square_change(values: Floats, lag: int) -> float:
    change = values[lag:] - values[:-lag]
    return float(change @ change) / len(change)


def _scatter(values: Floats, note: str) -> Estimate:
    """Return the standard deviation of values (F,), with its uncertainty by pieces of them."""
    pieces = np.array([piece.std() for piece in np.array_split(values, _PIECES)])
    return Estimate(float(values.std()), float(pieces.std() / np.sqrt(_PIECES)), "1", note=note)
