"""What the demo's runs say: a table beside the paper's numbers, and figures."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis.diffusion.gaussian_cloud import Cloud, cloud_waist, fit_cloud
from analysis.estimate import Estimate, not_determined
from analysis.figures import (
    COLOURS,
    Kinetics,
    delta_n_figure,
    fluorescence_figure,
    kinetics_figure,
    map_figure,
    rise_figure,
)
from analysis.kinetics.decay_fit import DecayFit, fit_decay, relaxation_time
from analysis.kinetics.rise_time import measure_rise
from analysis.lasing.fluence_response import FluenceResponse, fit_fluence_response
from analysis.lasing.fluorescence_threshold import (
    LasingThreshold,
    fit_lasing_threshold,
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
    """One line of the table: what was measured, and the paper's number."""

    quantity: str
    estimate: Estimate
    paper: str


@dataclass(frozen=True)
class Results:
    """Fits of the demo's runs and the table made of them."""

    response: FluenceResponse
    threshold: LasingThreshold
    below: DecayFit
    above: DecayFit
    cloud: Cloud
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return the table by quantity."""
        return {row.quantity: asdict(row.estimate) | {"paper": row.paper} for row in self.rows}


def evaluate(runs: DemoRuns) -> Results:
    """Fit everything that the demo measured."""
    sweep = runs.sweep
    fluence = sweep["fluence"].values
    response = fit_fluence_response(
        fluence, sweep["delta_n"].values, sweep["delta_n_sigma"].values, runs.power_sigma
    )
    intensity = fluorescence_intensity(
        sweep["differential_spectrum"].values, sweep["wavelength"].values
    )
    threshold = fit_lasing_threshold(fluence, intensity)
    delay, delta_n, sigma = _columns(runs.above)
    # What two exponentials miss is more than the noise, and not of its size: points count alike.
    alike = np.full(len(sigma), np.nanmedian(sigma))
    above = fit_decay(delay, delta_n, alike, window=WINDOW, model="biexponential")
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
    response: FluenceResponse,
    threshold: LasingThreshold,
    below: DecayFit,
    above: DecayFit,
    cloud: Cloud,
) -> list[Row]:
    at = f"at {PAPER_THRESHOLD} mJ/cm^2"
    waist = Estimate(
        *cloud_waist(cloud.waist, cloud.waist_sigma),
        "um",
        note=f"at {MAP_DELAY:g} ps, probe's blur taken out; recombination flattens it",
    )
    delta_n = runs.above["delta_n_sigma"].values
    sensitivity = float(np.median(delta_n))
    scatter = sensitivity / np.sqrt(2 * delta_n.size)
    return [
        Row("time zero", replace(runs.time_zero, note="delay stage; 1 um is 6.7 fs"), "-"),
        Row(
            "slope of delta_n against fluence",
            _with_note(response.slope, f"1025 nm, {SWEEP_DELAY:g} ps, towards zero fluence"),
            "0.0175",
        ),
        Row(
            "loss before the probe",
            _with_note(response.loss, f"recombination within {SWEEP_DELAY:g} ps: B t dN/dF"),
            "-",
        ),
        *(Row(f"{name} {at}{by}", e, paper) for name, by, e, paper in _at_threshold(response)),
        Row("threshold fluence", threshold.fluence, "0.57"),
        _rise_row(runs),
        Row("tau_lasing", above.estimates["tau_lasing"], f"13.4 +- 1.3 at {ABOVE}"),
        Row("tau_fluor", above.estimates["tau_fluor"], f"170 +- 20 at {ABOVE}"),
        Row(
            "relaxation time below threshold",
            replace(relaxation_time(below), note=f"to 1/e of its value at {WINDOW[0]:g} ps"),
            f"over 100 at {BELOW}",
        ),
        Row("cloud waist", waist, "2.25 (pump)"),
        Row("pump-probe offset x", Estimate(cloud.x, cloud.x_sigma, "um"), "-"),
        Row("pump-probe offset y", Estimate(cloud.y, cloud.y_sigma, "um"), "-"),
        Row(
            "sigma of delta_n, 20 periods",
            Estimate(sensitivity, scatter, "RIU", note="median of a delay scan"),
            "1e-3 (sensitivity)",
        ),
    ]


def _with_note(estimate: Estimate, note: str) -> Estimate:
    return replace(estimate, note="; ".join(filter(None, [note, estimate.note])))


def _at_threshold(response: FluenceResponse) -> list[tuple[str, str, Estimate, str]]:
    """Return Δn and densities at the paper's threshold: name, by which equation, value, paper's."""
    low = response.slope.value * PAPER_THRESHOLD
    both = np.array([low, low + response.slope.sigma * PAPER_THRESHOLD])
    density, density_up = CSPBBR3.carrier_density(both, CENTRE_WAVELENGTH)
    # the paper states the index change at the laser's 1050 nm
    delta_n, delta_n_up = CSPBBR3.delta_n(np.array([density, density_up]), PAPER_WAVELENGTH)
    delta_n_sigma = float(delta_n_up - delta_n)
    simple = float(CSPBBR3.carrier_density_asymptotic(delta_n))
    shift = Estimate(
        float(delta_n), delta_n_sigma, "RIU", note="slope x fluence, at 1050 nm by Eq. 1"
    )
    return [
        ("delta_n", "", shift, "0.010"),
        ("N", ", Eq. 1", Estimate(float(density), float(density_up - density), "cm^-3"), "1.1e19"),
        (
            "N",
            ", Eq. 2",
            Estimate(simple, simple * delta_n_sigma / float(delta_n), "cm^-3"),
            "1.5e19",
        ),
    ]


def _rise_row(runs: DemoRuns) -> Row:
    """Return the row of the 10–90 % rise above threshold, with the chirp resolved."""
    try:
        rise = measure_rise(*_resolved(runs.above)).duration
    except DataError as error:
        rise = not_determined("ps", str(error))
    else:
        note = runs.above.attrs.get("chirp_resolved_note", "chirp undone; the pump takes 0.1 ps")
        rise = replace(rise, note=note)
    return Row("rise of delta_n, 10-90 %", rise, "1 (resolution)")


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
            results.threshold.fluence.value,
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
            sweep["differential_spectrum"].values,
            results.threshold.fluence.value,
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
