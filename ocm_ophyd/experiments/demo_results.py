"""Fits, table and figures of the demo, beside the paper's numbers."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
from analysis.materials import MATERIALS, PROBE_WAVELENGTH, Lorentz, Material
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
    value, sigma : float
        Measured value and its standard deviation.
    unit : str
        Of both.
    paper : str
        Published value, "-" where there is none.
    note : str
        Method and limitations.
    """

    quantity: str
    value: float
    sigma: float
    unit: str
    paper: str
    note: str = ""


@dataclass(frozen=True)
class Results:
    """Fits to the demo's runs, and the table made of them.

    Attributes
    ----------
    response : Response
        Δn against the fluence.
    threshold : Threshold
        Of the fluorescence.
    below, above : DecayFit
        Relaxation below and above the lasing threshold.
    cloud : Cloud
        Of the map.
    rows : list of Row
        The table.
    """

    response: Response
    threshold: Threshold
    below: DecayFit
    above: DecayFit
    cloud: Cloud
    rows: list[Row]

    def as_json(self) -> dict[str, Any]:
        """Return the rows by quantity."""
        return {row.quantity: asdict(row) for row in self.rows}


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
    response = fit_response(
        fluence, sweep["delta_n"].values, sweep["delta_n_sigma"].values, runs.power_sigma
    )
    intensity = fluorescence_intensity(
        sweep["differential_spectrum"].values, sweep["wavelength"].values
    )
    threshold = fit_threshold(fluence, intensity)
    scan = _columns(runs.above)
    # Two exponentials miss the data by more than the noise: all points have the same weight.
    equal = np.full(len(scan.sigma), np.nanmedian(scan.sigma))
    above = fit_biexponential(scan.delay, scan.delta_n, equal, window=WINDOW)
    below = fit_decay(*_columns(runs.below), window=WINDOW)
    cloud = fit_cloud(*(image[name].values for name in ("x", "y", "delta_n", "delta_n_sigma")))
    rows = [
        Row(
            "time zero",
            runs.time_zero.value,
            runs.time_zero.sigma,
            "mm",
            "-",
            "position of the delay stage; 1 um is 6.7 fs",
        ),
        *_response_rows(response, MATERIALS[runs.material]),
        Row(
            "threshold fluence",
            threshold.fluence,
            threshold.fluence_sigma,
            "mJ/cm^2",
            "0.57",
            "intersection of two lines through the fluorescence",
        ),
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


def _chirp_corrected(scan: xr.Dataset) -> _Columns:
    """Return delay, Δn and sigma with the chirp corrected; of the points where there are none.

    The phase of a point is a mean over the 5 ps in which the colours of the probe pass, which is
    wrong near time zero.
    """
    if "chirp_resolved_delta_n" not in scan:
        return _columns(scan)
    names = ("delay", "delta_n", "delta_n_sigma")
    return _Columns(*(scan[f"chirp_resolved_{name}"].values for name in names))


def _combined(scan: xr.Dataset) -> _Columns:
    """Return the points within and after the window of the fits, before it chirp-corrected ones."""
    points, corrected = _columns(scan), _chirp_corrected(scan)
    late = points.delay >= WINDOW[0]
    early = (corrected.delay < WINDOW[0]) & (corrected.delay > points.delay.min())
    return _Columns(
        *(
            np.concatenate([before[early], after[late]])
            for before, after in zip(corrected, points, strict=True)
        )
    )


def _response_rows(response: Response, material: Material) -> list[Row]:
    """Return the rows of Δn and density against the fluence."""
    rows = [
        Row(
            "slope of delta_n against fluence",
            response.slope,
            response.slope_sigma,
            "RIU cm^2/mJ",
            "0.0175",
            f"1025 nm, {SWEEP_DELAY:g} ps, limit of zero fluence; chi2/dof "
            f"{response.reduced_chi2:.2f}",
        ),
        Row(
            "loss before the probe",
            response.loss,
            response.loss_sigma,
            "cm^2/mJ",
            "-",
            f"recombination within {SWEEP_DELAY:g} ps: B t dN/dF",
        ),
    ]
    centre = np.array([response.slope, response.slope + response.slope_sigma]) * PAPER_THRESHOLD
    density, density_up = material.carrier_density(centre, CENTRE_WAVELENGTH)
    # the paper gives Δn at the laser's 1050 nm
    delta_n, delta_n_up = material.delta_n(np.array([density, density_up]), PROBE_WAVELENGTH)
    sigma = delta_n_up - delta_n
    place = f"at {PAPER_THRESHOLD:g} mJ/cm^2"
    rows += [
        Row(
            f"delta_n {place}",
            float(delta_n),
            float(sigma),
            "RIU",
            "0.010",
            "slope times fluence, at 1050 nm by Eq. 1",
        ),
        Row(f"N {place}, Eq. 1", float(density), float(density_up - density), "cm^-3", "1.1e19"),
    ]
    if isinstance(material, Lorentz):
        simple = float(material.carrier_density_asymptotic(delta_n))
        relative = float(sigma / delta_n)
        rows.append(Row(f"N {place}, Eq. 2", simple, simple * relative, "cm^-3", "1.5e19"))
    return rows


def _rise_row(scan: xr.Dataset) -> Row:
    """Return the row of the 10–90 % rise above threshold, chirp-corrected."""
    quantity, paper = "rise of delta_n, 10-90 %", "1 (resolution)"
    try:
        rise = measure_rise(*_chirp_corrected(scan))
    except DataError as error:
        return Row(quantity, np.nan, np.nan, "ps", paper, str(error))
    note = scan.attrs.get("chirp_resolved_note", "chirp corrected; the pump lasts 0.1 ps")
    return Row(quantity, rise.duration, rise.duration_sigma, "ps", paper, note)


def _decay_rows(below: DecayFit, above: DecayFit) -> list[Row]:
    """Return the rows of the decay times, their sigmas widened where the model misses the data."""
    widened = float(np.sqrt(max(1.0, above.reduced_chi2)))
    note = f"window {WINDOW[0]:g} to {WINDOW[1]:g} ps; chi2/dof {above.reduced_chi2:.1f}"
    published = {"tau_lasing": "13.4 +- 1.3", "tau_fluor": "170 +- 20"}
    rows = [
        Row(
            name,
            above.values[name],
            above.sigmas[name] * widened,
            "ps",
            f"{text} at {ABOVE}",
            note,
        )
        for name, text in published.items()
    ]
    time, sigma = relaxation_time(below)
    note = f"to 1/e of its value at {WINDOW[0]:g} ps"
    rows.append(
        Row("relaxation time below threshold", time, sigma, "ps", f"over 100 at {BELOW}", note)
    )
    return rows


def _cloud_rows(cloud: Cloud) -> list[Row]:
    """Return the rows of the carrier cloud in the map."""
    waist, sigma = cloud_waist(cloud.waist, cloud.waist_sigma)
    note = f"at {MAP_DELAY:g} ps, corrected for the probe's blur; recombination flattens the cloud"
    return [
        Row("cloud waist", waist, sigma, "um", "2.25 (pump)", note),
        Row("pump-probe offset x", cloud.x, cloud.x_sigma, "um", "-"),
        Row("pump-probe offset y", cloud.y, cloud.y_sigma, "um", "-"),
    ]


def _sensitivity_row(scan: xr.Dataset) -> Row:
    """Return the row of the noise of one point."""
    sigma = float(np.median(scan["delta_n_sigma"].values))
    error = sigma / np.sqrt(2 * scan.sizes["point"])
    note = "median of a delay scan"
    return Row("sigma of delta_n, 20 periods", sigma, error, "RIU", "1e-3 (sensitivity)", note)


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
            MATERIALS[runs.material],
            results.threshold.fluence,
        ),
        "kinetics": kinetics_figure(
            [
                Kinetics(below, *_combined(runs.below), results.below),
                Kinetics(above, *_combined(runs.above), results.above),
            ]
        ),
        "rise": rise_figure(
            {
                f"{below}, chirp corrected": _chirp_corrected(runs.below),
                f"{above}, chirp corrected": _chirp_corrected(runs.above),
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
