"""What the demo's runs say: a table beside the paper's numbers, and figures."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.diffusion.gaussian_cloud import Cloud, cloud_waist, fit_cloud
from analysis.figures import (
    COLOURS,
    Kinetics,
    delta_n_figure,
    fluorescence_figure,
    kinetics_figure,
    map_figure,
)
from analysis.kinetics.decay_fit import DecayFit
from analysis.kinetics.models import fit_biexponential, fit_decay, relaxation_time
from analysis.kinetics.rise_time import measure_rise, rise_figure
from analysis.lasing.fluence_response import (
    Response,
    Threshold,
    fit_response,
    fit_threshold,
    fluorescence_intensity,
)
from analysis.materials import CSPBBR3
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.scan_grid import fold
from ocm_ophyd.errors import DataError
from ocm_ophyd.experiments.demo import ABOVE, BELOW, MAP_DELAY, SWEEP_DELAY, WINDOW, DemoRuns

__all__ = ["Results", "Row", "evaluate", "write_figures"]

PAPER_THRESHOLD = 0.57  # mJ/cm²
PAPER_WAVELENGTH = 1050.0  # nm


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    quantity: str
    value: float
    sigma: float
    unit: str
    paper: str
    note: str = ""


@dataclass(frozen=True)
class Results:
    """Fits of the demo's runs and the table made of them."""

    response: Response
    threshold: Threshold
    below: DecayFit
    above: DecayFit
    cloud: Cloud
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return the table by quantity."""
        return {row.quantity: asdict(row) for row in self.rows}


def evaluate(runs: DemoRuns) -> Results:
    """Fit everything that the demo measured."""
    sweep = runs.sweep
    fluence = sweep["fluence"].values
    response = fit_response(
        fluence, sweep["delta_n"].values, sweep["delta_n_sigma"].values, runs.power_sigma
    )
    intensity = fluorescence_intensity(sweep["fluorescence"].values, sweep["wavelength"].values)
    threshold = fit_threshold(fluence, intensity)
    delay, delta_n, sigma = _columns(runs.above)
    # What two exponentials miss is more than the noise, and not of its size: points count alike.
    alike = np.full(len(sigma), np.nanmedian(sigma))
    above = fit_biexponential(delay, delta_n, alike, window=WINDOW)
    below = fit_decay(*_columns(runs.below), window=WINDOW)
    image = runs.map
    cloud = fit_cloud(*(image[name].values for name in ("x", "y", "delta_n", "delta_n_sigma")))
    fits = (response, threshold, below, above, cloud)
    return Results(*fits, rows=_table(runs, *fits))


def _columns(scan: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return scan["delay"].values, scan["delta_n"].values, scan["delta_n_sigma"].values


def _resolved(scan: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, Δn and sigma with the chirp undone; from the points alone where that was not possible.

    The points' phases are means over the 5 ps of the probe, which matters near time zero.
    """
    if "chirp_resolved_delta_n" not in scan:
        return _columns(scan)
    names = ("delay", "delta_n", "delta_n_sigma")
    time, delta_n, sigma = (scan[f"chirp_resolved_{name}"].values for name in names)
    return time, delta_n, sigma


def _near_zero_resolved(scan: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns of the points behind the fits' window, before it with the chirp undone."""
    columns, resolved = _columns(scan), _resolved(scan)
    later = columns[0] >= WINDOW[0]
    early = (resolved[0] < WINDOW[0]) & (resolved[0] > columns[0].min())
    time, delta_n, sigma = (
        np.concatenate([fine[early], coarse[later]])
        for fine, coarse in zip(resolved, columns, strict=True)
    )
    return time, delta_n, sigma


def _table(
    runs: DemoRuns,
    response: Response,
    threshold: Threshold,
    below: DecayFit,
    above: DecayFit,
    cloud: Cloud,
) -> list[Row]:
    delta_n = response.slope * PAPER_THRESHOLD
    delta_n_sigma = response.slope_sigma * PAPER_THRESHOLD
    both = np.array([delta_n, delta_n + delta_n_sigma])
    density, density_up = CSPBBR3.carrier_density(both, CENTRE_WAVELENGTH)
    # the paper states the index change at the laser's 1050 nm
    delta_n, above_it = CSPBBR3.delta_n(np.array([density, density_up]), PAPER_WAVELENGTH)
    delta_n_sigma = above_it - delta_n
    simple = CSPBBR3.carrier_density_asymptotic(delta_n)
    waist, waist_sigma = cloud_waist(cloud.waist, cloud.waist_sigma)
    window = f"{WINDOW[0]:g} to {WINDOW[1]:g} ps"
    sensitivity = float(np.median(runs.above["delta_n_sigma"].values))
    return [
        Row("time zero", *runs.time_zero, "mm", "-", "delay stage; 1 um is 6.7 fs"),
        Row(
            "slope of delta_n against fluence",
            response.slope,
            response.slope_sigma,
            "RIU cm2/mJ",
            "0.0175",
            f"1025 nm, {SWEEP_DELAY:g} ps, towards zero fluence; chi2/dof "
            f"{response.reduced_chi2:.2f}",
        ),
        Row(
            "loss before the probe",
            response.loss,
            response.loss_sigma,
            "cm2/mJ",
            "-",
            f"recombination within {SWEEP_DELAY:g} ps: B t dN/dF",
        ),
        Row(
            "delta_n at 0.57 mJ/cm2",
            float(delta_n),
            float(delta_n_sigma),
            "RIU",
            "0.010",
            "slope x fluence, at 1050 nm by Eq. 1",
        ),
        Row(
            "N at 0.57 mJ/cm2, Eq. 1",
            float(density),
            float(density_up - density),
            "cm-3",
            "1.1e19",
        ),
        Row(
            "N at 0.57 mJ/cm2, Eq. 2",
            float(simple),
            float(simple * delta_n_sigma / delta_n),
            "cm-3",
            "1.5e19",
        ),
        Row(
            "threshold fluence",
            threshold.fluence,
            threshold.fluence_sigma,
            "mJ/cm2",
            "0.57",
            "where two lines through the fluorescence meet",
        ),
        _rise_row(runs),
        _decay_row("tau_lasing", above, f"13.4 +- 1.3 at {ABOVE}", window),
        _decay_row("tau_fluor", above, f"170 +- 20 at {ABOVE}", window),
        Row(
            "relaxation time below threshold",
            *relaxation_time(below),
            "ps",
            f"over 100 at {BELOW}",
            f"to 1/e of its value at {WINDOW[0]:g} ps",
        ),
        Row(
            "cloud waist",
            waist,
            waist_sigma,
            "um",
            "2.25 (pump)",
            f"at {MAP_DELAY:g} ps, probe's blur taken out; recombination flattens it",
        ),
        Row("pump-probe offset x", cloud.x, cloud.x_sigma, "um", "-"),
        Row("pump-probe offset y", cloud.y, cloud.y_sigma, "um", "-"),
        Row(
            "sigma of delta_n, 20 periods",
            sensitivity,
            sensitivity / np.sqrt(2 * runs.above.sizes["point"]),
            "RIU",
            "1e-3 (sensitivity)",
            "median of a delay scan",
        ),
    ]


def _rise_row(runs: DemoRuns) -> Row:
    """Row for the 10–90 % rise above threshold, with the chirp undone."""
    try:
        rise = measure_rise(*_resolved(runs.above))
    except DataError as error:
        return Row("rise of delta_n, 10-90 %", np.nan, np.nan, "ps", "1 (resolution)", str(error))
    numbers = (rise.duration, rise.duration_sigma, "ps", "1 (resolution)")
    note = runs.above.attrs.get("chirp_resolved_note", "chirp undone; the pump takes 0.1 ps")
    return Row("rise of delta_n, 10-90 %", *numbers, note)


def _decay_row(name: str, fit: DecayFit, paper: str, window: str) -> Row:
    """Row for a decay time, its sigma widened by what the model misses."""
    widened = fit.sigmas[name] * np.sqrt(max(1.0, fit.reduced_chi2))
    note = f"window {window}; chi2/dof {fit.reduced_chi2:.1f}"
    return Row(name, fit.values[name], float(widened), "ps", paper, note)


def write_figures(runs: DemoRuns, results: Results, directory: Path) -> list[Path]:
    """Draw the demo's figures as PNG files; returns their paths."""
    sweep, image = runs.sweep, fold(runs.map).isel(delay=0)
    figures: dict[str, Figure] = {
        "delta_n_vs_fluence": delta_n_figure(
            sweep["fluence"].values,
            sweep["delta_n"].values,
            sweep["delta_n_sigma"].values,
            results.response,
            CSPBBR3,
            results.threshold.fluence,
        ),
        "kinetics": kinetics_figure(
            [
                Kinetics(f"{BELOW} mJ/cm²", *_near_zero_resolved(runs.below), results.below),
                Kinetics(f"{ABOVE} mJ/cm²", *_near_zero_resolved(runs.above), results.above),
            ]
        ),
        "rise": rise_figure(
            {
                f"{BELOW} mJ/cm², chirp undone": _resolved(runs.below),
                f"{ABOVE} mJ/cm², chirp undone": _resolved(runs.above),
            },
            {
                f"{BELOW} mJ/cm², whole band": _columns(runs.below)[:2],
                f"{ABOVE} mJ/cm², whole band": _columns(runs.above)[:2],
            },
            COLOURS,
        ),
        "fluorescence": fluorescence_figure(
            sweep["fluence"].values,
            sweep["wavelength"].values,
            sweep["fluorescence"].values,
            results.threshold.fluence,
        ),
        "map": map_figure(
            image["x"].values, image["y"].values, image["delta_n"].values, results.cloud
        ),
    }
    paths = []
    for name, figure in figures.items():
        paths.append(directory / f"{name}.png")
        figure.savefig(paths[-1], dpi=160)
    return paths
