"""How noisy the microscope is: spectrum of the fringe's phase, and Δn against averaging time.

Without the pump, and with it while nothing is scanned, a record of frames holds noise alone. Its
phase (`analysis.noise.phase_record`) has a spectrum, and what a lock-in makes of it in one chopper
period after the other, a mean and an Allan deviation: the sensitivity that an average over that
time has. The limit to both is shot and read noise, with nothing known of the pulses' energy and
tilt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import welch
from scipy.stats import chi2

from analysis.estimate import Estimate, not_determined
from analysis.io.schema import MODULATED
from analysis.noise.phase_record import frame_phases, virtual_chopper
from analysis.probe_band import CENTRE_WAVELENGTH

Floats = NDArray[np.float64]

__all__ = ["Noise", "allan_deviation", "noise_of", "period_differences", "walk_rate"]

_SEGMENT = 10.0  # s, of the spectrum: resolves 0.15 Hz with Hann's window
_TIMES = 24  # averaging times at most
_PIECES = 10  # of the record: their scatter is the uncertainty
_FEWEST = 4  # chopper periods
_TOO_SHORT = "four chopper periods are the least that a noise can be told from"


@dataclass(frozen=True)
class Noise:
    """What a record of frames says of the noise.

    Attributes
    ----------
    frequency, density : (n,) array
        Hz; one-sided power spectral density of the phase at the band's centre, rad²/Hz.
    density_limit : float
        The same of shot and read noise.
    time : (m,) array
        Averaging times, s.
    delta_n_sigma : (m,) array
        Overlapping Allan deviation of Δn, RIU.
    interval : (2, m) array
        Its 68 % interval.
    limit, drift : (m,) array
        What shot and read noise alone, and the phase's random walk alone, leave of it, RIU.
    found : dict
        Numbers of the record.
    """

    frequency: Floats
    density: Floats
    density_limit: float
    time: Floats
    delta_n_sigma: Floats
    interval: Floats
    limit: Floats
    drift: Floats
    found: dict[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        """Return lists, numbers and estimates."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }


def noise_of(dataset: xr.Dataset) -> Noise:
    """Analyse the frames of a raw dataset; each point is a record of its own.

    Where the pump was shut, `pump_open` without modulation, it is demodulated as if it had been
    chopped; where it was not, its effect is taken out of the spectrum.

    Raises
    ------
    ValueError
        Frames that `analysis.noise.phase_record.frame_phases` refuses, or fewer than four chopper
        periods.
    """
    frequency, thickness = (dataset.attrs[name] for name in ("chopper_frequency", "thickness"))
    steps = np.diff(dataset["frame_time"].values, axis=1)
    interval = float(np.median(steps)) if steps.size else 0.0
    if round(dataset["frame_time"].size * interval * frequency) < _FEWEST:
        raise ValueError(_TOO_SHORT)
    phases, differences, lights, sigmas, weights = [], [], [], [], []
    for i in range(dataset.sizes["point"]):
        times, opened = (dataset[name].values[i] for name in ("frame_time", "pump_open"))
        fit = frame_phases(dataset, dataset["frames"][i].values, times)
        if np.ptp(opened) < MODULATED:
            exposure = float(dataset.attrs["exposure"])
            opened = virtual_chopper(times, exposure, frequency)
        values, weight = period_differences(times, opened, fit.phase, frequency)
        differences.append(values)
        weights.append(weight)
        phases.append(fit.phase - (values.mean() if len(values) else 0.0) * opened)
        lights.append(np.stack([fit.energy, fit.tilt]))
        sigmas.append(fit.sigma)
    if sum(len(values) for values in differences) < _FEWEST:
        raise ValueError(_TOO_SHORT)

    segment = min(len(phases[0]), round(_SEGMENT / interval))
    spectra = [welch(p, 1 / interval, nperseg=segment, detrend="linear") for p in phases]
    shot = float(np.sqrt(np.mean(np.square(sigmas))))
    walk = walk_rate(phases, interval, round(1 / (frequency * interval)))
    rate = walk.value if walk.determined else 0.0
    time, deviation, ends = allan_deviation(differences, 1 / frequency)

    scale = CENTRE_WAVELENGTH * 1e-3 / (4 * np.pi * thickness)  # Δφ = 4πLΔn/λ
    weight = np.concatenate(weights)
    averaged = scale / np.sqrt(time * frequency)
    summed = np.cumsum(weight, axis=1)[:, :-1]  # Σ d φ = −Σ summed · step
    noise = Noise(
        frequency=spectra[0][0][1:],
        density=np.mean([density for _, density in spectra], axis=0)[1:],
        density_limit=2 * shot**2 * interval,
        time=time,
        delta_n_sigma=deviation * scale,
        interval=ends * scale,
        limit=averaged * shot * np.sqrt(np.sum(weight**2, axis=1).mean()),
        drift=averaged * rate * np.sqrt(interval * np.sum(summed**2, axis=1).mean()),
        found={"drift": walk},
    )
    energy, tilt = np.concatenate(lights, axis=1)
    noise.found["pulse_energy"] = _scatter(energy, "rms of a frame, relative")
    noise.found["pulse_tilt"] = _scatter(tilt, "rms of a frame, relative, at the band's end")
    for name, at in (("period", 1 / frequency), ("second", 1.0)):
        best = int(np.argmin(np.abs(time - at)))
        note = f"{time[best]:.3g} s; {noise.delta_n_sigma[best] / noise.limit[best]:.2f} x limit"
        noise.found[f"delta_n_sigma_{name}"] = Estimate(
            float(noise.delta_n_sigma[best]),
            float(np.ptp(noise.interval[:, best]) / 2),
            "RIU",
            note=note,
        )
    return noise


def period_differences(
    frame_time: Floats, pump_open: Floats, phase: Floats, frequency: float
) -> tuple[Floats, Floats]:
    """Demodulate every whole chopper period by itself.

    In each the phase is regressed on 1, time and open fraction, as in `analysis.point.lock_in`.

    Parameters
    ----------
    frame_time, pump_open, phase : (F,) array
        s, open fractions, rad.
    frequency : float
        Of the chopper, Hz.

    Returns
    -------
    differences : (N,) array
        Phase with the pump on minus phase with it off, rad, one a period.
    weights : (N, n) array
        differences = Σ weights · phase over the n frames of a period.

    Raises
    ------
    ValueError
        Fewer than four frames a period.
    """
    frames = round(1 / (frequency * float(np.median(np.diff(frame_time)))))
    if frames < 4:
        msg = f"{frames} frames a chopper period: its drift and the pump's effect look the same"
        raise ValueError(msg)
    turning = np.sum(pump_open * np.exp(2j * np.pi * frequency * frame_time))
    middle = np.angle(turning) / (2 * np.pi)
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
    """Overlapping Allan deviation of one or more records of the same quantity.

    Half the mean square of the difference of two neighbouring averages, at every place where a pair
    of them fits. Equations and the uncertainty's degrees of freedom, those of white noise: W. J.
    Riley, Handbook of Frequency Stability Analysis, NIST Special Publication 1065 (2008), 5.2.4 and
    table 5.

    Parameters
    ----------
    series : sequence of (N,) arrays
        Values at equal intervals.
    interval : float
        s.

    Returns
    -------
    time, deviation : (m,) arrays
        Averaging time in s, and Allan deviation.
    interval : (2, m) array
        68 % interval of the deviation: that of a chi-square, so wide upwards where a few averages
        are left.
    """
    longest = max(len(values) for values in series) // 2
    factors = np.unique(np.geomspace(1, longest, _TIMES).round().astype(int))
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
    ends = np.sqrt(freedom / chi2.ppf([[0.8413], [0.1587]], freedom))
    return factors * interval, deviation, deviation * ends


def walk_rate(series: Sequence[Floats], interval: float, lag: int) -> Estimate:
    """Rate of a random walk under white noise, rad/√s.

    The mean square of the change over L frames is w² L Δt plus twice the white noise's variance:
    the difference between `lag` frames and one leaves w².

    Parameters
    ----------
    series : sequence of (F,) arrays
        Phases at equal intervals, rad.
    interval : float
        Δt, s.
    lag : int
        Two or more.
    """
    pieces = [piece for phase in series for piece in np.array_split(phase, _PIECES)]
    squares = [
        (_mean_square(piece, lag) - _mean_square(piece, 1)) / ((lag - 1) * interval)
        for piece in pieces
        if len(piece) > 2 * lag
    ]
    mean = float(np.mean(squares)) if squares else 0.0
    if mean <= 0:
        return not_determined("rad/√s", "no drift beside the white noise")
    rate = float(np.sqrt(mean))
    sigma = float(np.std(squares, ddof=1) / np.sqrt(len(squares))) / (2 * rate)
    return Estimate(rate, sigma, "rad/√s", note=f"random walk, seen over {lag * interval:.3g} s")


def _mean_square(values: Floats, lag: int) -> float:
    change = values[lag:] - values[:-lag]
    return float(change @ change) / len(change)


def _scatter(values: Floats, note: str) -> Estimate:
    pieces = np.array([piece.std() for piece in np.array_split(values, _PIECES)])
    return Estimate(float(values.std()), float(pieces.std() / np.sqrt(_PIECES)), "1", note=note)
