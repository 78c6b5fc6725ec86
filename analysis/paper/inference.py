"""From the experiment's reduced runs to Table 1.

Every part stands by itself: where data are missing, too few or without an answer, its rows say so
with the reason, and the others are made all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.band import CENTRE_WAVELENGTH
from analysis.decay import DecayFit
from analysis.estimate import Estimate, not_determined
from analysis.fast_component import Onset, fast_component
from analysis.fluence import Response, fit_response
from analysis.kinetics import fit_biexponential, fit_decay, relaxation_time
from analysis.laser_line import LineIntensity, separate_line
from analysis.materials import CSPBBR3, PROBE_WAVELENGTH
from analysis.movie import DiffusionFit, fit_line, fit_movie
from analysis.paper.curves import FIRST, kinetics_curves, movie_grid, probe_time
from analysis.paper.data import ABOVE, BELOW, WINDOW, PaperData
from analysis.paper.table import Row, compare
from analysis.rate_equations import Curve, LightCurve, Plate, RateFit, fit_rate_equations
from analysis.threshold import SCurve, agreement, fit_s_curve
from analysis.windows import window_influence

__all__ = ["Results", "infer"]

Floats = NDArray[np.float64]

MOTT_DENSITY = 1e17
"""cm⁻³ (stated in the paper): above it carriers are an electron-hole plasma, not excitons."""

WINDOWS = [(start, stop) for start in (3.0, 4.0, 6.0) for stop in (100.0, 150.0, 250.0, 500.0)]
"""ps: what the biexponential is tried on beside `WINDOW`."""

UNKNOWN = Estimate(0.5, 0.5, "cm2/s", note="before the movie: 0 to 1 (paper)")
"""Diffusion constant with which the kinetics begin."""
_RATES = {
    "A": "s-1",
    "B": "cm3/s",
    "C": "cm6/s",
    "beta": "1",
    "photon_loss": "ps-1",
    "threshold_density": "cm-3",
}


@dataclass(frozen=True)
class Results:
    """Everything that follows from the experiment; None where it could not be made.

    Attributes
    ----------
    rows : dict
        Table 1 in its order, then what else was found.
    arrival : Dataset, optional
        `density` and `sigma` (cm⁻³) right after the pump over the points of the sweep, with their
        `fluence`.
    response : Response, optional
        The same against the fluence.
    line, s_curve : optional
        The laser line of the sweep, and its S-curve.
    rates : RateFit, optional
        Eq. 3, fitted to all fluences and the light-light curve.
    decays : dict
        Biexponential at the fluences (mJ/cm²) where there is one.
    windows : Dataset, optional
        The biexponential in other windows.
    relaxation : Dataset, optional
        Over `fluence`: 1/e times `time` and `sigma`, ps.
    movie, silicon : DiffusionFit, optional
        Eq. 4.
    notes : list of str
        What a reader should know beside the numbers.
    """

    rows: dict[str, Row]
    arrival: xr.Dataset | None = None
    response: Response | None = None
    line: LineIntensity | None = None
    s_curve: SCurve | None = None
    rates: RateFit | None = None
    decays: dict[float, DecayFit] = field(default_factory=dict)
    windows: xr.Dataset | None = None
    relaxation: xr.Dataset | None = None
    movie: DiffusionFit | None = None
    silicon: DiffusionFit | None = None
    notes: list[str] = field(default_factory=list)


def infer(data: PaperData) -> Results:
    """Fit everything that the data allow.

    The diffusion constant and the rate constants need each other: the movie is fitted with the
    rates that follow from the kinetics for any diffusion up to 1 cm²/s, then the kinetics with the
    diffusion that follows from the movie.
    """
    parts = _Parts()
    plate = Plate(data.known.size, data.known.pump_waist.value, data.known.probe_waist)
    curves = parts.make("kinetics", lambda: kinetics_curves(_taken(data.kinetics, "kinetics")))
    dark = parts.make(
        "rates", lambda: fit_rate_equations(curves, plate, None, UNKNOWN, False), "kinetics"
    )
    arrival = parts.make("arrival", lambda: _arrival(data, dark), "rates")
    response = parts.make("response", lambda: _response(data, arrival))
    line = parts.make("line", lambda: _line(data))
    s_curve = parts.make("s_curve", lambda: _s_curve(data, line), "line")
    light = parts.make("light", lambda: _light_curve(data, line, response), "line", "response")
    rough = parts.make(
        "rates", lambda: fit_rate_equations(curves, plate, light, UNKNOWN, False), "kinetics"
    )
    movie = parts.make("movie", lambda: _movie(data, rough), "rates")
    diffusion = movie.diffusion if movie and movie.diffusion.determined else UNKNOWN
    rates = parts.make(
        "rates", lambda: fit_rate_equations(curves, plate, light, diffusion), "kinetics"
    )
    onset = parts.make("onset", lambda: _fast_component(data, curves), "kinetics")
    silicon = parts.make("silicon", lambda: _silicon(data))
    decays = _decays(data)
    tau = parts.make("tau", lambda: _decay_times(data, decays))
    windows = parts.make("windows", lambda: _windows(data))
    relaxation = parts.make("relaxation", lambda: _relaxation(data))

    estimates = {
        **{name: parts.pick("rates", unit, rates, name) for name, unit in _RATES.items()},
        **{
            name: tau[name] if tau else not_determined("ps", parts.reasons["tau"])
            for name in ("tau_lasing", "tau_fluor")
        },
        "D": movie.diffusion if movie else not_determined("cm2/s", parts.reasons["movie"]),
        **_threshold(data, parts, response, s_curve),
        **_onset(data, parts, s_curve, onset),
        **_relaxations(parts, relaxation),
        "D_silicon": silicon.diffusion
        if silicon
        else not_determined("cm2/s", parts.reasons["silicon"]),
    }
    order = ["A", "B", "C", "beta", "tau_lasing", "tau_fluor", "D"]
    order += ["N_threshold", "delta_n_threshold", "fluence_threshold"]
    order += [name for name in estimates if name not in order]
    return Results(
        rows={name: compare(name, estimates[name]) for name in order},
        arrival=arrival,
        response=response,
        line=line,
        s_curve=s_curve,
        rates=rates,
        decays=decays,
        windows=windows,
        relaxation=relaxation,
        movie=movie,
        silicon=silicon,
        notes=_notes(estimates, rates),
    )


class _Parts:
    """Makes the parts one by one and keeps the reasons of those that cannot be made."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def make(self, name: str, part: Callable[[], Any], *needs: str) -> Any:
        """Return the part, or None where it or one of the parts it needs has no answer."""
        for need in needs:
            if need in self.reasons:
                self.reasons[name] = self.reasons[need]
                return None
        try:
            return part()
        except ValueError as error:
            self.reasons[name] = str(error)
            return None

    def pick(self, part: str, unit: str, fit: RateFit | None, name: str) -> Estimate:
        """Return one of a fit's estimates, or why there is none."""
        return fit.estimates[name] if fit else not_determined(unit, self.reasons[part])


def _taken(scan: xr.Dataset | None, what: str) -> xr.Dataset:
    if scan is None:
        msg = f"no {what} was taken"
        raise ValueError(msg)
    return scan


def _arrival(data: PaperData, rates: RateFit) -> xr.Dataset:
    """Density of the sweep right after the pump: the rates add what had recombined by then."""
    sweep = _taken(data.sweep, "fluence sweep")
    density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
    left = _left(rates, density, probe_time(sweep)[0])
    return xr.Dataset(
        {"density": ("point", density / left), "sigma": ("point", sigma / left)},
        coords={"fluence": ("point", sweep["fluence"].values)},
    )


def _response(data: PaperData, arrival: xr.Dataset | None) -> Response:
    """Density right after the pump, by Eq. 1, against the fluence.

    Where there are no rates, recombination before the probe came is seen in the sweep itself, as
    the bend of the response.
    """
    scatter = data.known.fluence_scatter
    if arrival is not None:
        density, sigma = arrival["density"].values, arrival["sigma"].values
        return fit_response(arrival["fluence"].values, density, sigma, scatter, loss=0.0)
    sweep = _taken(data.sweep, "fluence sweep")
    density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
    return fit_response(sweep["fluence"].values, density, sigma, scatter)


def _left(rates: RateFit, density: Floats, time: Floats) -> Floats:
    """Share (P,) of the carriers that is left at `time` (P,) ps, where `density` (P,) is seen."""
    left = np.ones_like(density)
    for _ in range(4):  # each brings a factor of ten: at 2.5 ps a tenth is gone
        for i, initial in enumerate(density / left):
            if initial > 0:
                left[i] = float(rates.density(initial, time[i])) / initial
    return left


def _line(data: PaperData) -> LineIntensity:
    sweep = _taken(data.sweep, "fluence sweep")
    return separate_line(sweep["fluorescence"].values, sweep["wavelength"].values)


def _s_curve(data: PaperData, line: LineIntensity) -> SCurve:
    fluence = _taken(data.sweep, "fluence sweep")["fluence"].values
    return fit_s_curve(fluence, line.line, line.line_sigma, data.known.fluence_scatter)


def _light_curve(data: PaperData, line: LineIntensity, response: Response) -> LightCurve:
    """All light against the density right after the pump."""
    fluence = _taken(data.sweep, "fluence sweep")["fluence"].values
    intensity = line.line + line.broad
    good = np.flatnonzero(np.isfinite(intensity))
    return LightCurve(
        fluence[good],
        intensity[good],
        np.hypot(line.line_sigma, line.broad_sigma)[good],
        response.slope * fluence[good],
        data.known.fluence_scatter,
    )


def _movie(data: PaperData, rates: RateFit) -> DiffusionFit:
    time, x, y, density, sigma, spread = movie_grid(_taken(data.movie, "movie"))
    late = time >= FIRST
    return fit_movie(
        time[late],
        x,
        y,
        density[late],
        sigma[late],
        size=data.known.size,
        probe_waist=data.known.probe_waist,
        pump_waist=data.known.pump_waist,
        trapping=rates.estimates["A"],
        radiative=rates.estimates["B"],
        auger=rates.estimates["C"],
        spread=spread[late],
    )


def _silicon(data: PaperData) -> DiffusionFit:
    if data.known.waveguide is None:
        raise ValueError("the size of the waveguide is not known")
    time, x, _, density, sigma, _ = movie_grid(_taken(data.silicon, "silicon scan"))
    late = time >= FIRST
    return fit_line(
        time[late],
        x,
        density[late, 0],
        sigma[late, 0],
        length=data.known.waveguide[0],
        width=data.known.waveguide[1],
        probe_waist=data.known.probe_waist,
        pump_waist=data.known.pump_waist,
    )


def _delta_n(kinetics: xr.Dataset, curve: Curve) -> tuple[Floats, Floats, Floats]:
    """Delay, Δn and one sigma for all (the median) of the scan that a curve is of.

    A biexponential misses more than the noise, so what it gives depends on the weights: all points
    weigh the same.
    """
    mine = np.abs(kinetics["fluence"].values - curve.fluence) < 0.02 * curve.fluence
    time, _ = probe_time(kinetics)
    delta_n, sigma = (kinetics[name].values[mine] for name in ("delta_n", "delta_n_sigma"))
    return time[mine], delta_n, np.full(delta_n.shape, np.nanmedian(sigma))


def _decays(data: PaperData) -> dict[float, DecayFit]:
    """Biexponential at every fluence, by its nominal size; those that fail are left out."""
    if data.kinetics is None:
        return {}
    found = {}
    for curve in kinetics_curves(data.kinetics):
        try:
            fit = fit_biexponential(*_delta_n(data.kinetics, curve), window=WINDOW)
        except ValueError:
            continue
        found[round(curve.fluence, 2)] = fit
    return found


def _decay_times(data: PaperData, decays: dict[float, DecayFit]) -> dict[str, Estimate]:
    """Decay times at `ABOVE`: noise, and how far the fluence may be from what it is said to be.

    Raises
    ------
    ValueError
        Where there is no fit at this fluence, or it ran into a bound.
    """
    _taken(data.kinetics, "kinetics")
    if ABOVE not in decays:
        msg = f"no complete delay scan at {ABOVE:g} mJ/cm2"
        raise ValueError(msg)
    fit = decays[ABOVE]
    if fit.warnings:
        raise ValueError(fit.warnings[0])
    fluences = sorted(decays)
    here = fluences.index(ABOVE)
    around = fluences[max(here - 1, 0) : here + 2]
    scale = float(np.hypot(data.known.fluence_scale, data.known.fluence_scatter)) * ABOVE
    note = (
        f"window {fit.window[0]:g} to {fit.window[1]:g} ps, {ABOVE:g} mJ/cm2; "
        f"chi2/dof {fit.reduced_chi2:.1f}"
    )
    found = {}
    for name in ("tau_lasing", "tau_fluor"):
        slope = 0.0
        if len(around) > 1:
            change = decays[around[-1]].values[name] - decays[around[0]].values[name]
            slope = change / (around[-1] - around[0])
        sigma = float(np.hypot(fit.sigmas[name], slope * scale))
        found[name] = Estimate(fit.values[name], sigma, "ps", note=note)
    return found


def _windows(data: PaperData) -> xr.Dataset:
    kinetics = _taken(data.kinetics, "kinetics")
    curves = kinetics_curves(kinetics)
    curve = min(curves, key=lambda curve: abs(curve.fluence - ABOVE))
    return window_influence(*_delta_n(kinetics, curve), sorted({*WINDOWS, WINDOW}))


def _relaxation(data: PaperData) -> xr.Dataset:
    """1/e times at every fluence, of one decay or two, from `WINDOW`'s start to the last delay."""
    kinetics = _taken(data.kinetics, "kinetics")
    fluence, times = [], []
    for curve in kinetics_curves(kinetics):
        delay, delta_n, sigma = _delta_n(kinetics, curve)
        window = (WINDOW[0], float(delay.max()))
        try:
            times.append(relaxation_time(fit_decay(delay, delta_n, sigma, window=window)))
        except ValueError:
            continue
        fluence.append(curve.fluence)
    time, sigma = np.array(times).reshape(-1, 2).T
    return xr.Dataset(
        {"time": ("fluence", time), "sigma": ("fluence", sigma)}, coords={"fluence": fluence}
    )


def _threshold(
    data: PaperData, parts: _Parts, response: Response | None, s_curve: SCurve | None
) -> dict[str, Estimate]:
    """Threshold from the S-curve, and what carriers and index the sweep has there.

    The density does not know how the fluences are scaled: slope and threshold share the scale.
    """
    if response is None or s_curve is None:
        reason = parts.reasons.get("s_curve") or parts.reasons["response"]
        units = {"N_threshold": "cm-3", "delta_n_threshold": "RIU", "fluence_threshold": "mJ/cm2"}
        units["N_threshold_asymptotic"] = "cm-3"
        return {name: not_determined(unit, reason) for name, unit in units.items()}
    seen = s_curve.threshold
    fluence = Estimate(
        seen.value,
        float(np.hypot(seen.sigma, data.known.fluence_scale * seen.value)),
        "mJ/cm2",
        note="inflection of the laser line's S-curve",
    )
    density = response.slope * seen.value
    relative = float(np.hypot(response.slope_sigma / response.slope, seen.sigma / seen.value))
    delta_n = float(CSPBBR3.delta_n(density, PROBE_WAVELENGTH))
    asymptotic = float(CSPBBR3.carrier_density_asymptotic(delta_n))
    at = f"{PROBE_WAVELENGTH:g} nm, right after the pump"
    return {
        "N_threshold": Estimate(density, density * relative, "cm-3", note="Eq. 1"),
        "delta_n_threshold": Estimate(delta_n, delta_n * relative, "RIU", note=at),
        "fluence_threshold": fluence,
        "N_threshold_asymptotic": Estimate(
            asymptotic,
            asymptotic * relative,
            "cm-3",
            note=f"Eq. 2; {asymptotic / density - 1:.0%} above Eq. 1",
        ),
    }


def _fast_component(data: PaperData, curves: list[Curve]) -> Onset:
    kinetics = _taken(data.kinetics, "kinetics")
    scans = [_delta_n(kinetics, curve) for curve in curves]
    longest = max(len(delay) for delay, _, _ in scans)
    table = np.full((3, len(scans), longest), np.nan)
    for row, columns in enumerate(scans):
        table[:, row, : len(columns[0])] = columns
    return fast_component([curve.fluence for curve in curves], *table)


def _onset(
    data: PaperData, parts: _Parts, s_curve: SCurve | None, onset: Onset | None
) -> dict[str, Estimate]:
    """Threshold from the carriers alone: where the fast component sets in."""
    if onset is None:
        units = {"fluence_onset": "mJ/cm2", "N_onset": "cm-3", "delta_n_onset": "RIU"}
        return {name: not_determined(unit, parts.reasons["onset"]) for name, unit in units.items()}
    seen, note = onset.fluence, onset.fluence.note
    scale = data.known.fluence_scale * seen.value
    density = float(CSPBBR3.carrier_density(onset.delta_n.value, CENTRE_WAVELENGTH))
    delta_n = float(CSPBBR3.delta_n(density, PROBE_WAVELENGTH))
    relative = onset.delta_n.sigma / onset.delta_n.value
    found = {
        "fluence_onset": Estimate(
            seen.value, float(np.hypot(seen.sigma, scale)), "mJ/cm2", note=note
        ),
        "N_onset": Estimate(density, density * relative, "cm-3", note=note),
        "delta_n_onset": Estimate(
            delta_n, delta_n * relative, "RIU", note=f"{PROBE_WAVELENGTH:g} nm; {note}"
        ),
    }
    if s_curve is not None:
        difference, sigma, chance = agreement(s_curve.threshold, seen)
        found["threshold_difference"] = Estimate(
            difference, sigma, "mJ/cm2", note=f"S-curve minus fast component; p = {chance:.2g}"
        )
    return found


def _relaxations(parts: _Parts, relaxation: xr.Dataset | None) -> dict[str, Estimate]:
    if relaxation is None or not relaxation.sizes["fluence"]:
        reason = parts.reasons.get("relaxation", "no complete delay scan")
        missing = not_determined("ps", reason)
        return {"relaxation_below": missing, "relaxation_above": missing}
    below = relaxation.sel(fluence=BELOW, method="nearest")
    above = relaxation.sel(fluence=float(relaxation["fluence"].max()))
    return {
        name: Estimate(
            float(one["time"]),
            float(one["sigma"]),
            "ps",
            note=f"{float(one['fluence']):.2f} mJ/cm2",
        )
        for name, one in (("relaxation_below", below), ("relaxation_above", above))
    }


def _notes(estimates: dict[str, Estimate], rates: RateFit | None) -> list[str]:
    notes = []
    density = estimates["N_threshold"]
    if density.determined:
        notes.append(
            f"At threshold the carriers are {density.value / MOTT_DENSITY:.0f} times denser than "
            f"the Mott density ({MOTT_DENSITY:g} cm⁻³): an electron-hole plasma, no excitons."
        )
    if rates is not None:
        notes += [f"{name} is not identified: {why}" for name, why in rates.not_identified.items()]
        notes += list(rates.warnings)
    return notes
