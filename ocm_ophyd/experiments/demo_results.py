"""Fits, table and figures of the demo, beside the paper's numbers."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
from analysis.lasing.emission import find_emission
from analysis.lasing.fluence_response import FluenceResponse, fit_fluence_response
from analysis.lasing.fluorescence_threshold import (
    LasingThreshold,
    fit_lasing_threshold,
    fluorescence_intensity,
)
from analysis.materials import PROBE_WAVELENGTH, Lorentz, Material, find_material
from analysis.paper.measurements import ABOVE, BELOW, WINDOW
from analysis.paper.published import TABLE
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.scan_grid import fold
from ocm_ophyd.errors import DataError
from ocm_ophyd.experiments.demo import MAP_DELAY, SWEEP_DELAY, DemoRuns

__all__ = ["Results", "Row", "evaluate", "write_figures"]

Floats = NDArray[np.float64]

PAPER_THRESHOLD = TABLE["fluence_threshold"].value
"""Threshold fluence of the paper, mJ/cm^2, at which density and Δn are given."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    quantity : str
        Its name.
    estimate : Estimate
        Measured value; the note has method and limitations.
    paper : str
        Published value, "-" where there is none.
    """

    quantity: str
    estimate: Estimate
    paper: str


@dataclass(frozen=True)
class Results:
    """Fits to the demo's runs, and the table made of them.

    Attributes
    ----------
    response : FluenceResponse
        Δn against the fluence.
    threshold : LasingThreshold
        Of the fluorescence.
    below, above : DecayFit
        Relaxation below and above the lasing threshold.
    cloud : Cloud
        Of the map.
    rows : list of Row
        The table.
    """

    response: FluenceResponse
    threshold: LasingThreshold
    below: DecayFit
    above: DecayFit
    cloud: Cloud
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return the rows by quantity."""
        return {row.quantity: asdict(row.estimate) | {"paper": row.paper} for row in self.rows}


class _Columns(NamedTuple):
    """Δn against the delay.

    Attributes
    ----------
    delay, delta_n, sigma : (P,) arrays
        ps, RIU and RIU.
    """

    delay: Floats
    delta_n: Floats
    sigma: Floats


def evaluate(runs: DemoRuns) -> Results:
    """Fit everything that the demo measured.

    Parameters
    ----------
    runs : DemoRuns
        Reduced scans.

    Raises
    ------
    DataError
        The data do not determine one of the fits.
    """
    sweep, image = runs.sweep, runs.map
    fluence = sweep["fluence"].values
    response = fit_fluence_response(
        fluence, sweep["delta_n"].values, sweep["delta_n_sigma"].values, runs.power_sigma
    )
    intensity = fluorescence_intensity(
        sweep["differential_spectrum"].values, sweep["wavelength"].values, find_emission(sweep)
    )
    threshold = fit_lasing_threshold(fluence, intensity)
    scan = _columns(runs.above)
    # Two exponentials miss the data by more than the noise: all points have the same weight.
    equal = np.full(len(scan.sigma), np.nanmedian(scan.sigma))
    above = fit_decay(scan.delay, scan.delta_n, equal, window=WINDOW, model="biexponential")
    below = fit_decay(*_columns(runs.below), window=WINDOW)
    cloud = fit_cloud(*(image[name].values for name in ("x", "y", "delta_n", "delta_n_sigma")))
    rows = [
        Row(
            "time zero",
            replace(runs.time_zero, note="position of the delay stage; 1 um is 6.7 fs"),
            "-",
        ),
        *_response_rows(response, find_material(sweep.attrs["material"])),
        Row("threshold fluence", threshold.fluence, "0.57"),
        _rise_row(runs.above),
        *_decay_rows(below, above),
        *_cloud_rows(cloud),
        _sensitivity_row(runs.above),
    ]
    return Results(
        response=response,
        threshold=threshold,
        below=below,
        above=above,
        cloud=cloud,
        rows=rows,
    )


def _columns(scan: xr.Dataset) -> _Columns:
    """Return delay, Δn and sigma of the points."""
    names = ("delay", "delta_n", "delta_n_sigma")
    return _Columns(*(scan[name].values for name in names))


def _chirp_resolved(scan: xr.Dataset) -> _Columns:
    """Return delay, Δn and sigma with the chirp resolved; of the points where it is not.

    The phase of a point is a mean over the 5 ps in which the colours of the probe pass, which is
    wrong near time zero.
    """
    if "chirp_resolved_delta_n" not in scan:
        return _columns(scan)
    names = ("delay", "delta_n", "delta_n_sigma")
    return _Columns(*(scan[f"chirp_resolved_{name}"].values for name in names))


def _combined(scan: xr.Dataset) -> _Columns:
    """Return the points within and after the window of the fits, before it chirp-resolved ones."""
    points, corrected = _columns(scan), _chirp_resolved(scan)
    late = points.delay >= WINDOW[0]
    early = (corrected.delay < WINDOW[0]) & (corrected.delay > points.delay.min())
    return _Columns(
        *(
            np.concatenate([before[early], after[late]])
            for before, after in zip(corrected, points, strict=True)
        )
    )


def _response_rows(response: FluenceResponse, material: Material) -> list[Row]:
    """Return the rows of Δn and density against the fluence."""
    slope = f"1025 nm, {SWEEP_DELAY:g} ps, limit of zero fluence"
    loss = f"recombination within {SWEEP_DELAY:g} ps: B t dN/dF"
    rows = [
        Row("slope of delta_n against fluence", _with_note(response.slope, slope), "0.0175"),
        Row("loss before the probe", _with_note(response.loss, loss), "-"),
    ]
    low = response.slope.value * PAPER_THRESHOLD
    centre = np.array([low, low + response.slope.sigma * PAPER_THRESHOLD])
    density, density_up = material.carrier_density(centre, CENTRE_WAVELENGTH)
    # the paper gives Δn at the laser's 1050 nm
    delta_n, delta_n_up = material.delta_n(np.array([density, density_up]), PROBE_WAVELENGTH)
    value, sigma = float(delta_n), float(delta_n_up - delta_n)
    place, note = f"at {PAPER_THRESHOLD:g} mJ/cm^2", "slope times fluence, at 1050 nm by Eq. 1"
    exact = Estimate(float(density), float(density_up - density), "cm^-3")
    rows += [
        Row(f"delta_n {place}", Estimate(value, sigma, "RIU", note=note), "0.010"),
        Row(f"N {place}, Eq. 1", exact, "1.1e19"),
    ]
    if isinstance(material, Lorentz):
        simple = float(material.carrier_density_asymptotic(delta_n))
        asymptotic = Estimate(simple, simple * sigma / value, "cm^-3")
        rows.append(Row(f"N {place}, Eq. 2", asymptotic, "1.5e19"))
    return rows


def _with_note(estimate: Estimate, note: str) -> Estimate:
    """Return an estimate with a further note before its own."""
    return replace(estimate, note="; ".join(filter(None, [note, estimate.note])))


def _rise_row(scan: xr.Dataset) -> Row:
    """Return the row of the 10–90 % rise above threshold, chirp-resolved."""
    try:
        rise = measure_rise(*_chirp_resolved(scan)).duration
    except DataError as error:
        rise = not_determined("ps", str(error))
    else:
        note = scan.attrs.get("chirp_resolved_note", "chirp-resolved; the pump lasts 0.1 ps")
        rise = replace(rise, note=note)
    return Row("rise of delta_n, 10-90 %", rise, "1 (resolution)")


def _decay_rows(below: DecayFit, above: DecayFit) -> list[Row]:
    """Return the rows of the decay times."""
    time = replace(relaxation_time(below), note=f"to 1/e of its value at {WINDOW[0]:g} ps")
    return [
        Row("tau_lasing", above.estimates["tau_lasing"], f"13.4 +- 1.3 at {ABOVE}"),
        Row("tau_fluor", above.estimates["tau_fluor"], f"170 +- 20 at {ABOVE}"),
        Row("relaxation time below threshold", time, f"over 100 at {BELOW}"),
    ]


def _cloud_rows(cloud: Cloud) -> list[Row]:
    """Return the rows of the carrier cloud in the map."""
    waist, sigma = cloud_waist(cloud.waist, cloud.waist_sigma)
    note = f"at {MAP_DELAY:g} ps, corrected for the probe's blur; recombination flattens the cloud"
    return [
        Row("cloud waist", Estimate(waist, sigma, "um", note=note), "2.25 (pump)"),
        Row("pump-probe offset x", Estimate(cloud.x, cloud.x_sigma, "um"), "-"),
        Row("pump-probe offset y", Estimate(cloud.y, cloud.y_sigma, "um"), "-"),
    ]


def _sensitivity_row(scan: xr.Dataset) -> Row:
    """Return the row of the noise of one point."""
    sigma = float(np.median(scan["delta_n_sigma"].values))
    error = float(sigma / np.sqrt(2 * scan.sizes["point"]))
    noise = Estimate(sigma, error, "RIU", note="median of a delay scan")
    return Row("sigma of delta_n, 20 periods", noise, "1e-3 (sensitivity)")


def write_figures(runs: DemoRuns, results: Results, directory: Path) -> list[Path]:
    """Draw the demo's figures as PNG files, and return their paths.

    Parameters
    ----------
    runs : DemoRuns
        Reduced scans.
    results : Results
        Fits.
    directory : Path
        Where the files are written.
    """
    sweep, image = runs.sweep, fold(runs.map).isel(delay=0)
    below, above = f"{BELOW} mJ/cm²", f"{ABOVE} mJ/cm²"
    figures: dict[str, Figure] = {
        "delta_n_vs_fluence": delta_n_figure(
            sweep["fluence"].values,
            sweep["delta_n"].values,
            sweep["delta_n_sigma"].values,
            results.response,
            find_material(sweep.attrs["material"]),
            results.threshold.fluence.value,
        ),
        "kinetics": kinetics_figure(
            [
                Kinetics(below, *_combined(runs.below), results.below),
                Kinetics(above, *_combined(runs.above), results.above),
            ]
        ),
        "rise": rise_figure(
            {
                f"{below}, chirp-resolved": _chirp_resolved(runs.below),
                f"{above}, chirp-resolved": _chirp_resolved(runs.above),
            },
            {
                f"{below}, whole band": _columns(runs.below)[:2],
                f"{above}, whole band": _columns(runs.above)[:2],
            },
            COLOURS,
        ),
        "fluorescence": fluorescence_figure(
            sweep["fluence"].values,
            sweep["wavelength"].values,
            sweep["differential_spectrum"].values,
            find_emission(sweep),
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
