"""From the experiment's reduced runs to Table 1.

Every part stands by itself: where data are missing, too few or without an answer, its rows say so
with the reason, and the others are made all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from analysis.diffusion.movie_fit import DiffusionFit, fit_movie
from analysis.diffusion.waveguide_fit import fit_waveguide
from analysis.estimate import Estimate, not_determined
from analysis.kinetics.decay_fit import DecayFit
from analysis.lasing.fluence_response import FluenceResponse
from analysis.lasing.laser_line import LineIntensity, separate_line
from analysis.lasing.s_curve import SCurve, fit_s_curve
from analysis.materials import MATERIALS
from analysis.paper.curves import FIRST, kinetics_curves, movie_grid, taken
from analysis.paper.measurements import PaperData
from analysis.paper.published import Row, compare
from analysis.paper.relaxation import (
    decay_fits,
    decay_times,
    decay_windows,
    relaxation_rows,
    relaxation_times,
)
from analysis.paper.thresholds import (
    density_after_pump,
    density_response,
    light_curve,
    onset_of_fast_component,
    onset_rows,
    threshold_rows,
)
from analysis.rate_equations.fit import Plate, RateFit, fit_rate_equations
from analysis.rate_equations.parameters import PARAMETERS

__all__ = ["Results", "infer"]

MOTT_DENSITY = 1e17
"""cm⁻³ (stated in the paper): above it carriers are an electron-hole plasma, not excitons."""

UNKNOWN = Estimate(0.5, 0.5, "cm2/s", note="before the movie: 0 to 1 (paper)")
"""Diffusion constant with which the kinetics begin."""


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
    response : FluenceResponse, optional
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
    response: FluenceResponse | None = None
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

    The diffusion constant and the rate constants need each other: the movie is fitted with what
    the kinetics say of the rates for any diffusion, then the kinetics with the diffusion that
    follows from the movie, in which the kinetics have a small part.
    """
    parts, known = _Parts(), data.known
    plate = Plate(known.size, known.pump_waist.value, known.probe_waist)
    sweep = parts.make("sweep", lambda: taken(data.sweep, "fluence sweep"))
    kinetics = parts.make("kinetics", lambda: taken(data.kinetics, "kinetics"))
    curves = parts.make("curves", lambda: kinetics_curves(kinetics), "kinetics")
    dark = parts.make(
        "rates", lambda: fit_rate_equations(curves, plate, None, UNKNOWN, False), "curves"
    )
    arrival = parts.make("arrival", lambda: density_after_pump(sweep, dark), "sweep", "rates")
    response = parts.make(
        "response", lambda: density_response(sweep, arrival, known.fluence_scatter), "sweep"
    )
    line = parts.make(
        "line",
        lambda: separate_line(sweep["differential_spectrum"].values, sweep["wavelength"].values),
        "sweep",
    )
    s_curve = parts.make(
        "s_curve",
        lambda: fit_s_curve(
            sweep["fluence"].values,
            line.line,
            line.line_sigma,
            plate,
            known.fluence_scatter,
            dark.losses if dark else (0.0, 0.0),
        ),
        "line",
    )
    light = parts.make(
        "light",
        lambda: light_curve(
            sweep["fluence"].values, line, response, arrival, known.fluence_scatter
        ),
        "line",
        "response",
    )
    rough = parts.make(
        "rates", lambda: fit_rate_equations(curves, plate, light, UNKNOWN, False), "curves"
    )
    movie = parts.make("movie", lambda: _movie(data, rough), "rates")
    diffusion = movie.diffusion if movie and movie.diffusion.determined else UNKNOWN
    rates = parts.make(
        "rates", lambda: fit_rate_equations(curves, plate, light, diffusion), "curves"
    )
    onset = parts.make("onset", lambda: onset_of_fast_component(kinetics, curves), "curves")
    silicon = parts.make("silicon", lambda: _silicon(data))
    decays = parts.make("decays", lambda: decay_fits(kinetics, curves), "curves") or {}
    tau = parts.make("tau", lambda: decay_times(known, kinetics, curves, decays), "curves")
    windows = parts.make("windows", lambda: decay_windows(kinetics, curves), "curves")
    relaxation = parts.make("relaxation", lambda: relaxation_times(kinetics, curves), "curves")

    reasons = parts.reasons
    estimates = {
        **_rate_rows(rates, reasons),
        **{
            name: tau[name] if tau else not_determined("ps", reasons["tau"])
            for name in ("tau_lasing", "tau_fluor")
        },
        "D": movie.diffusion if movie else not_determined("cm2/s", reasons["movie"]),
        **threshold_rows(known, reasons, response, s_curve),
        **onset_rows(known, reasons, s_curve, onset),
        **relaxation_rows(known, relaxation, reasons.get("relaxation", "")),
        "D_silicon": silicon.diffusion if silicon else not_determined("cm2/s", reasons["silicon"]),
    }
    order = ["A", "B", "C", "beta", "tau_lasing", "tau_fluor", "D"]
    order += ["N_threshold", "delta_n_threshold", "fluence_threshold"]
    order += [name for name in estimates if name not in order]
    return Results(
        rows={name: compare(name, _with_reason(estimates[name])) for name in order},
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
        except (ValueError, RuntimeError) as error:  # of scipy, where it does not converge
            self.reasons[name] = str(error)
            return None


def _rate_rows(rates: RateFit | None, reasons: dict[str, str]) -> dict[str, Estimate]:
    """Constants of Eq. 3; D is the movie's."""
    if rates is not None:
        return dict(rates.estimates)
    units = {parameter.name: parameter.unit for parameter in PARAMETERS if parameter.name != "D"}
    return {name: not_determined(unit, reasons["rates"]) for name, unit in units.items()}


def _with_reason(found: Estimate) -> Estimate:
    """Say why there is no number where a calibration without a sigma made none of it."""
    if found.determined or found.note.startswith("not determined"):
        return found
    return not_determined(found.unit, f"its uncertainty is not known ({found.note})")


def _movie(data: PaperData, rates: RateFit) -> DiffusionFit:
    time, x, y, density, sigma, spread = movie_grid(taken(data.movie, "movie"))
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
        rates=rates.constants,
        spread=spread[late],
    )


def _silicon(data: PaperData) -> DiffusionFit:
    if data.known.waveguide is None:
        raise ValueError("the size of the waveguide is not known")
    time, x, _, delta_n, sigma, _ = movie_grid(taken(data.silicon, "silicon scan"), "delta_n")
    late = time >= FIRST
    return fit_waveguide(
        time[late],
        x,
        delta_n[late, 0],
        sigma[late, 0],
        material=MATERIALS["Si"],
        length=data.known.waveguide[0],
        width=data.known.waveguide[1],
        probe_waist=data.known.probe_waist,
        pump_waist=data.known.pump_waist,
    )


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
