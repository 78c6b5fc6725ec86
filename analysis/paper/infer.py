"""Inference of Table 1 from the reduced scans of the experiment.

`infer` calls one function for each part: a fit, or rows of the table. The outcome of a part is an
`Attempt`, its result or the reason why there is none. A part whose data are missing or insufficient
gives its reason to its rows and to the parts that need it; all other parts are not affected.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import xarray as xr

from analysis.diffusion.cloud_model import ScanGeometry
from analysis.diffusion.movie_fit import DiffusionFit, fit_movie
from analysis.diffusion.search import EARLIEST_TIME
from analysis.diffusion.waveguide_fit import fit_waveguide
from analysis.estimate import Estimate, not_determined
from analysis.kinetics.decay_fit import DecayFit
from analysis.lasing.emission import find_emission
from analysis.lasing.fluence_response import FluenceResponse
from analysis.lasing.laser_line import LineIntensity, separate_line
from analysis.lasing.s_curve import SCurve
from analysis.paper.attempt import Attempt, attempt
from analysis.paper.curves import grid_scan, kinetics_curves, material_of, measured_scan
from analysis.paper.measurements import PaperData
from analysis.paper.published import Row, compare
from analysis.paper.relaxation import (
    decay_fits,
    decay_rows,
    decay_times,
    decay_windows,
    relaxation_rows,
    relaxation_times,
)
from analysis.paper.thresholds import (
    density_after_pump,
    density_response,
    light_curve,
    line_s_curve,
    onset_of_fast_component,
    onset_rows,
    threshold_rows,
)
from analysis.rate_equations.data import Curve, LightCurve, Plate
from analysis.rate_equations.fit import RateFit, fit_rate_equations
from analysis.rate_equations.parameters import PARAMETERS
from ocm_ophyd.errors import DataError

__all__ = ["Results", "infer"]

MOTT_DENSITY = 1e17
"""Density of the paper above which carriers are an electron-hole plasma, not excitons, cm^-3."""

DIFFUSION_BEFORE_MOVIE = Estimate(0.5, 0.5, "cm^2/s", note="before the movie: 0 to 1 (paper)")
"""Prior of the diffusion coefficient in the fits of the kinetics that the movie's fit needs."""

TABLE_ORDER = (
    *("A", "B", "C", "beta", "tau_lasing", "tau_fluor", "D"),
    *("N_threshold", "delta_n_threshold", "fluence_threshold"),
)
"""Rows of Table 1 in the paper's order; further rows follow."""


@dataclass(frozen=True)
class Results:
    """Results of the inference; None for a part without a result.

    Attributes
    ----------
    rows : dict of str to Row
        Table 1 in its order, then further quantities. A row without a value has the reason.
    after_pump : xr.Dataset, optional
        `density` and `sigma` (cm^-3) right after the pump over the points of the sweep, with the
        coordinate `fluence` (mJ/cm^2).
    response : FluenceResponse, optional
        The same density against the fluence.
    line : LineIntensity, optional
        Laser line and fluorescence band of the sweep.
    s_curve : SCurve, optional
        S-curve of the laser line.
    rates : RateFit, optional
        Rate equations (Eq. 3), fitted to the kinetics and the light–light curve.
    decays : dict of float to DecayFit
        Biexponential by the fluence (mJ/cm^2), where its fit has a result.
    windows : xr.Dataset, optional
        Biexponential in several windows.
    relaxation : xr.Dataset, optional
        1/e times: `time` and `sigma` (ps) over `fluence` (mJ/cm^2).
    movie, silicon : DiffusionFit, optional
        Diffusion equation (Eq. 4), fitted to the movie and to the scans of the waveguide.
    notes : tuple of str
        Remarks for the reader of the numbers.
    """

    rows: dict[str, Row]
    after_pump: xr.Dataset | None = None
    response: FluenceResponse | None = None
    line: LineIntensity | None = None
    s_curve: SCurve | None = None
    rates: RateFit | None = None
    decays: dict[float, DecayFit] = field(default_factory=dict)
    windows: xr.Dataset | None = None
    relaxation: xr.Dataset | None = None
    movie: DiffusionFit | None = None
    silicon: DiffusionFit | None = None
    notes: tuple[str, ...] = ()


class Sweep(NamedTuple):
    """Outcomes of the parts that use the fluence sweep."""

    after_pump: Attempt[xr.Dataset]
    response: Attempt[FluenceResponse]
    line: Attempt[LineIntensity]
    s_curve: Attempt[SCurve]
    light: Attempt[LightCurve]


def infer(data: PaperData) -> Results:
    """Fit everything that the data allow, and compare with the paper.

    The fits of diffusion and rate constants need each other. The movie is fitted with the
    information of the kinetics on the rates at any diffusion coefficient, then the kinetics are
    fitted with the movie's diffusion coefficient, to which the kinetics contribute little.

    Parameters
    ----------
    data : PaperData
        Reduced scans; any of them may be missing or broken off.
    """
    calibration = data.calibration
    plate = Plate(calibration.size, calibration.pump_waist.value, calibration.probe_waist)
    sweep_scan = attempt(measured_scan, data.sweep, "fluence sweep")
    kinetics = attempt(measured_scan, data.kinetics, "kinetics")
    curves = attempt(kinetics_curves, kinetics)
    sweep = _fit_sweep(data, sweep_scan, plate, curves)
    rates, movie = _fit_rates_and_movie(data, plate, curves, sweep.light.result)
    onset = attempt(onset_of_fast_component, kinetics, curves)
    silicon = attempt(_fit_silicon, data)
    decays = attempt(decay_fits, kinetics, curves)
    times = attempt(decay_times, calibration, kinetics, curves, decays)
    relaxation = attempt(relaxation_times, kinetics, curves)
    estimates = {
        **_rate_rows(rates),
        **decay_rows(times),
        "D": _diffusion_row(movie),
        **threshold_rows(
            calibration, attempt(material_of, sweep_scan), sweep.response, sweep.s_curve
        ),
        **onset_rows(calibration, attempt(material_of, kinetics), sweep.s_curve, onset),
        **relaxation_rows(calibration, relaxation),
        "D_silicon": _diffusion_row(silicon),
    }
    order = [*TABLE_ORDER, *(name for name in estimates if name not in TABLE_ORDER)]
    return Results(
        rows={name: compare(name, _with_reason(estimates[name])) for name in order},
        after_pump=sweep.after_pump.result,
        response=sweep.response.result,
        line=sweep.line.result,
        s_curve=sweep.s_curve.result,
        rates=rates.result,
        decays=decays.result or {},
        windows=attempt(decay_windows, kinetics, curves).result,
        relaxation=relaxation.result,
        movie=movie.result,
        silicon=silicon.result,
        notes=_notes(estimates["N_threshold"], rates.result),
    )


def _fit_sweep(
    data: PaperData, scan: Attempt[xr.Dataset], plate: Plate, curves: Attempt[list[Curve]]
) -> Sweep:
    """Fit the fluence sweep, with rates from the kinetics where there are any."""
    scatter = data.calibration.fluence_scatter
    rates = attempt(
        fit_rate_equations, curves, plate, diffusion=DIFFUSION_BEFORE_MOVIE, profiles=False
    )
    after_pump = attempt(density_after_pump, scan, rates)
    response = attempt(density_response, scan, after_pump.result, scatter)
    line = attempt(_laser_line, scan)
    losses = (0.0, 0.0) if rates.result is None else rates.result.losses
    return Sweep(
        after_pump=after_pump,
        response=response,
        line=line,
        s_curve=attempt(line_s_curve, scan, line, plate, scatter, losses),
        light=attempt(light_curve, scan, line, response, after_pump.result, scatter),
    )


def _laser_line(sweep: xr.Dataset) -> LineIntensity:
    """Separate the laser line from the fluorescence band of a sweep."""
    spectra, wavelength = (sweep[name].values for name in ("differential_spectrum", "wavelength"))
    return separate_line(spectra, wavelength, find_emission(sweep))


def _fit_rates_and_movie(
    data: PaperData, plate: Plate, curves: Attempt[list[Curve]], light: LightCurve | None
) -> tuple[Attempt[RateFit], Attempt[DiffusionFit]]:
    """Fit the movie with the rates of the kinetics, then the kinetics with its diffusion."""
    before = attempt(
        fit_rate_equations, curves, plate, light, DIFFUSION_BEFORE_MOVIE, profiles=False
    )
    movie = attempt(_fit_movie, data, before)
    diffusion = DIFFUSION_BEFORE_MOVIE
    if movie.result is not None and movie.result.diffusion.determined:
        diffusion = movie.result.diffusion
    return attempt(fit_rate_equations, curves, plate, light, diffusion), movie


def _fit_movie(data: PaperData, rates: RateFit) -> DiffusionFit:
    """Fit Eq. 4 to the movie of the plate."""
    frames = grid_scan(measured_scan(data.movie, "movie"))
    calibration = data.calibration
    geometry = ScanGeometry(
        time=frames.time,
        spread=frames.spread,
        x=frames.x,
        y=frames.y,
        size=calibration.size,
        probe_waist=calibration.probe_waist,
    )
    return fit_movie(
        geometry,
        frames.values,
        frames.sigma,
        pump_waist=calibration.pump_waist,
        rates=rates.constants,
    )


def _fit_silicon(data: PaperData) -> DiffusionFit:
    """Fit Eq. 4 to the line scans of the silicon waveguide."""
    calibration = data.calibration
    if calibration.waveguide is None:
        raise DataError("the size of the waveguide is not known")
    scan = measured_scan(data.silicon, "silicon scan")
    lines = grid_scan(scan, "delta_n")
    late = lines.time >= EARLIEST_TIME
    return fit_waveguide(
        ScanGeometry(
            time=lines.time[late],
            x=lines.x,
            size=calibration.waveguide,
            probe_waist=calibration.probe_waist,
        ),
        lines.values[late, 0],
        lines.sigma[late, 0],
        material=material_of(scan),
        pump_waist=calibration.pump_waist,
    )


def _rate_rows(rates: Attempt[RateFit]) -> dict[str, Estimate]:
    """Return the rows of the constants of Eq. 3, without D, whose row is the movie's."""
    if rates.result is not None:
        return dict(rates.result.estimates)
    units = {parameter.name: parameter.unit for parameter in PARAMETERS if parameter.name != "D"}
    return {name: not_determined(unit, rates.reason) for name, unit in units.items()}


def _diffusion_row(fit: Attempt[DiffusionFit]) -> Estimate:
    """Return the row of a diffusion coefficient."""
    if fit.result is None:
        return not_determined("cm^2/s", fit.reason)
    return fit.result.diffusion


def _with_reason(estimate: Estimate) -> Estimate:
    """Give an estimate the reason where a calibration without a sigma makes its sigma NaN."""
    if estimate.determined or estimate.note.startswith("not determined"):
        return estimate
    return not_determined(estimate.unit, f"its uncertainty is not known ({estimate.note})")


def _notes(threshold_density: Estimate, rates: RateFit | None) -> tuple[str, ...]:
    """Return remarks on the threshold density and on the fit of the rate equations."""
    notes = []
    if threshold_density.determined:
        notes.append(
            f"At threshold the carrier density is {threshold_density.value / MOTT_DENSITY:.0f} "
            f"times the Mott density ({MOTT_DENSITY:g} cm⁻³): the carriers are an electron-hole "
            "plasma, not excitons."
        )
    if rates is not None:
        notes += [f"{name} is not identified: {why}" for name, why in rates.not_identified.items()]
        notes += rates.warnings
    return tuple(notes)
