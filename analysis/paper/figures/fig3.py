"""Figure 3: fluorescence, relaxation and photons on both sides of the lasing threshold."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter
from scipy.optimize import nnls

from analysis.lasing.fluence_response import FluenceResponse
from analysis.paper.curves import kinetics_curves, material_of, measured_scan
from analysis.paper.figures.style import (
    DELAY_LABEL,
    DELTA_N_LABEL,
    FLUENCE_LABEL,
    LIGHT_COLOUR,
    PHOTON_COLOUR,
    WIDTH,
    Floats,
    MissingError,
    as_delta_n,
    density_axis,
    in_style,
    kinetics_grid,
    mark_fluences,
    marked_rows,
    note,
    panel,
    reason,
    same_fluence,
    value_of,
)
from analysis.paper.infer import Results
from analysis.paper.measurements import ABOVE, BELOW, PaperData
from analysis.rate_equations.fit import RateFit
from ocm_ophyd.errors import DataError

EARLY = 100.0
"""Last delay of panel (c), ps."""

PHOTON_SCALE = 20.0
"""Factor by which the photon density below threshold is multiplied (paper, Fig. 3c)."""


@in_style
def figure_3(data: PaperData, results: Results) -> Figure:
    """Draw the paper's Fig. 3.

    Parameters
    ----------
    data : PaperData
        `sweep` and `kinetics` are drawn.
    results : Results
        Gives the lines' intensities, the relaxation times and the fit of the rate equations.
    """
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    panels = figure.subplot_mosaic([["a", "b"], ["c", "c"]], gridspec_kw={"wspace": 0.08})
    panel(panels["a"], "a", _s_curve, data, results)
    panel(panels["b"], "b", _kinetics, data, results)
    panel(panels["c"], "c", _early, data, results)
    return figure


def _s_curve(axes: Axes, data: PaperData, results: Results) -> None:
    """Draw fluorescence on the left and relaxation times on the right; one may be missing."""
    try:
        _light(axes, data, results)
    except DataError as error:
        if results.relaxation is None:
            raise
        note(axes, str(error))
    mark_fluences(axes, results, "x")
    axes.set(xlabel=FLUENCE_LABEL, ylabel="Fluorescence (counts)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", frameon=True, edgecolor="none")
    right = axes.twinx()
    for one, colour in ((axes, LIGHT_COLOUR), (right, PHOTON_COLOUR)):
        one.yaxis.label.set_color(colour)
        one.tick_params(axis="y", which="both", colors=colour)
    right.set(ylabel="Relaxation time of Δn (ps)", yscale="log", ylim=(5, 2000))
    if results.relaxation is None:
        note(right, "no relaxation times", x=0.5, y=0.9, color=PHOTON_COLOUR)
        return
    pumped, times, errors = (
        results.relaxation[name].values for name in ("fluence", "time", "sigma")
    )
    right.errorbar(pumped, times, errors, fmt="D-", color=PHOTON_COLOUR, linewidth=0.8)


def _light(axes: Axes, data: PaperData, results: Results) -> None:
    """Draw the laser lines with their S-curve, and all light."""
    fluence, line, sigma, broad = _emission(data, results)
    light = line + broad
    top = float(np.nanmax(light, initial=0.0))
    if not top > 0:
        raise MissingError("fluorescence: no light")
    axes.errorbar(fluence, line, sigma, fmt="o", color=LIGHT_COLOUR, label="laser lines")
    axes.plot(fluence, light, "o", color=LIGHT_COLOUR, fillstyle="none", label="all light")
    if results.s_curve is not None:
        fine = np.geomspace(fluence.min(), fluence.max(), 300)
        axes.plot(fine, results.s_curve.evaluate(fine), color=LIGHT_COLOUR, linewidth=0.8)
    axes.set(yscale="log", ylim=(3e-5 * top, 20 * top))  # noise around 0 is not shown


def _emission(data: PaperData, results: Results) -> tuple[Floats, Floats, Floats, Floats]:
    """Return fluence, laser lines with their sigma, and fluorescence band (counts)."""
    sweep = measured_scan(data.sweep, "fluence sweep")
    if results.line is None:
        raise MissingError(reason(results, "fluence_threshold", "no fluorescence"))
    fluence = np.asarray(sweep["fluence"].values, np.float64)
    light = results.line
    order = np.argsort(fluence)
    return fluence[order], light.line[order], light.line_sigma[order], light.broad[order]


def _kinetics(axes: Axes, data: PaperData, results: Results) -> None:
    grid = kinetics_grid(data)
    inset = axes.inset_axes((0.36, 0.42, 0.6, 0.54))
    for target in (axes, inset):
        _curves(target, grid, data, results)
    latest, largest = float(grid["time"].max()), _largest(grid)
    axes.set(xlabel=DELAY_LABEL, ylabel=DELTA_N_LABEL, xlim=(-0.04 * latest, 1.02 * latest))
    axes.set_ylim(-0.04 * largest, 1.15 * largest)
    density_axis(axes, "right", material_of(grid))
    inset.set(yscale="log", ylim=(largest / 50, 1.4 * largest), xlim=(0, latest))
    inset.tick_params(labelsize=6)
    if results.rates is None:
        note(axes, "Eq. 3 " + reason(results, "A", "not fitted"), x=0.36, y=0.27)


def _early(axes: Axes, data: PaperData, results: Results) -> None:
    grid = kinetics_grid(data)
    _curves(axes, grid, data, results)
    largest = _largest(grid)
    axes.set(xlabel=DELAY_LABEL, ylabel=DELTA_N_LABEL, xlim=(-6, EARLY))
    axes.set_ylim(-0.04 * largest, 1.5 * largest)
    right = axes.twinx()
    _photons(right, data, results)
    handles = [handle for one in (axes, right) for handle in one.get_legend_handles_labels()[0]]
    axes.legend(handles=handles, loc="upper left", ncols=2)
    inset = axes.inset_axes((0.62, 0.5, 0.37, 0.48))
    panel(inset, "", _light_light, data, results)
    inset.tick_params(labelsize=6)


def _largest(grid: xr.Dataset) -> float:
    """Return the largest Δn of the two curves, in 10⁻³."""
    return max(float(row["delta_n"].max()) for *_, row in marked_rows(grid))


def _curves(axes: Axes, grid: xr.Dataset, data: PaperData, results: Results) -> None:
    """Draw Δn at the two fluences of the paper, measured and of the fitted rate equations."""
    for fluence, colour, marker, row in marked_rows(grid):
        time, delta_n, sigma = (row[name].values for name in ("time", "delta_n", "sigma"))
        axes.errorbar(
            time,
            delta_n,
            sigma,
            fmt=marker,
            color=colour,
            fillstyle="none",
            elinewidth=0.6,
            markeredgewidth=0.7,
            label=f"{fluence:g} mJ/cm²",
        )
        if results.rates is None:
            continue
        initial = _initial(data, results.rates, fluence)
        if np.isfinite(initial):
            last = max(float(time.max()), EARLY)
            fine = np.union1d(np.linspace(0.0, EARLY, 400), np.linspace(EARLY, last, 200))
            density = results.rates.density(initial, fine)
            axes.plot(fine, as_delta_n(density, material_of(grid)), color=colour)


def _initial(data: PaperData, rates: RateFit, fluence: float) -> float:
    """Return the fitted density right after the pump, cm⁻³; NaN where the fit has none."""
    curves = kinetics_curves(measured_scan(data.kinetics, "kinetics"))
    for curve, initial in zip(curves, rates.initial, strict=True):
        if same_fluence(curve.fluence, fluence):
            return float(initial)
    return float("nan")


def _photons(axes: Axes, data: PaperData, results: Results) -> None:
    """Draw the density of photons over Γ; Δn determines only this ratio."""
    axes.set_ylabel("Photon density / Γ (10¹⁶ cm⁻³)")
    axes.yaxis.label.set_color(PHOTON_COLOUR)
    axes.tick_params(axis="y", colors=PHOTON_COLOUR)
    if results.rates is None:
        axes.set_yticks([])
        return
    time = np.linspace(0.0, EARLY, 600)
    shown = ((ABOVE, 1.0, "-", ""), (BELOW, PHOTON_SCALE, "--", f" ×{PHOTON_SCALE:g}"))
    for fluence, scale, dashes, scaled in shown:
        initial = _initial(data, results.rates, fluence)
        if np.isfinite(initial):
            photons = scale * results.rates.photons(initial, time) * 1e-16
            label = f"photons, {fluence:g} mJ/cm²{scaled}"
            axes.plot(time, photons, dashes, color=PHOTON_COLOUR, label=label)
    top = axes.get_ylim()[1]
    axes.set_ylim(-0.04 * top, 1.4 * top)


def _light_light(axes: Axes, data: PaperData, results: Results) -> None:
    """Draw all light against the fluence, with Eq. 3 and its β."""
    fluence, line, _, broad = _emission(data, results)
    light = line + broad
    axes.plot(fluence, light, "o", color=LIGHT_COLOUR, markersize=2.2)
    axes.set(xscale="log", yscale="log", xlabel=FLUENCE_LABEL, ylabel="All light (counts)")
    beta = value_of(results, "beta")
    rates, response = results.rates, results.response
    if rates is None or response is None or beta is None:
        note(axes, "β " + reason(results, "beta", "not determined"), fontsize=6)
        return
    fine = np.geomspace(fluence.min(), fluence.max(), 60)
    valid = np.isfinite(light)
    emitted = _emitted(rates, response, fluence[valid]) / light[valid, np.newaxis]
    # The sensitivity of the spectrometer to the two kinds of light is not known.
    collected, _ = nnls(emitted, np.ones(len(emitted)))
    axes.plot(fine, _emitted(rates, response, fine) @ collected, color="0.4")
    note(axes, f"β = {beta:.3f}", x=0.06, y=0.85, fontsize=7)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks([t for t in (0.1, 0.2, 0.5, 1.0, 2.0) if fluence.min() <= t <= fluence.max()])


def _emitted(rates: RateFit, response: FluenceResponse, fluence: Floats) -> Floats:
    """Return spontaneous light and that of the mode, (P, 2) in cm⁻³, at fluences (P,) in mJ/cm²."""
    return np.column_stack(rates.light(response.slope.value * fluence))
