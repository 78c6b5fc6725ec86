"""Figures of diffusion in plate and waveguide: profile likelihood of D, widening, line scans."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.interpolate import CubicSpline

from analysis.diffusion.movie_fit import DiffusionFit
from analysis.diffusion.search import EARLIEST_TIME, UPPER95
from analysis.paper.curves import material_of, measured_scan
from analysis.paper.figures.spots import fit_spot
from analysis.paper.figures.style import (
    ABOVE_COLOUR,
    DELAY_LABEL,
    DELTA_N_LABEL,
    LIGHT_COLOUR,
    WIDTH,
    MissingError,
    as_delta_n,
    gridded,
    in_style,
    panel,
    reason,
)
from analysis.paper.infer import Results
from analysis.paper.measurements import PaperData


@in_style
def figure_diffusion(data: PaperData, results: Results) -> Figure:
    """Draw the profile likelihood of D and the widening of the cloud, for both samples.

    Parameters
    ----------
    data : PaperData
        `movie` and `silicon` are drawn.
    results : Results
        Gives the fits.
    """
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    panel(a, "a", _profile, results.movie, "CsPbBr₃", reason(results, "D", "not fitted"))
    panel(b, "b", _profile, results.silicon, "Si", reason(results, "D_silicon", "not fitted"))
    panel(c, "c", _widening, data.movie, "movie", ("y", "x"), results.movie)
    panel(d, "d", _widening, data.silicon, "silicon scan", ("x",), results.silicon)
    return figure


def _profile(axes: Axes, fit: DiffusionFit | None, material: str, why: str) -> None:
    if fit is None:
        raise MissingError(f"{material}: {why}")
    diffusion, rise = fit.profile["diffusion"].values, fit.profile.values
    fine = np.linspace(diffusion[0], diffusion[-1], 200)
    axes.plot(diffusion, rise, "o", color=LIGHT_COLOUR)
    axes.plot(fine, CubicSpline(diffusion, rise)(fine), color=LIGHT_COLOUR)
    limit = float(fit.profile.attrs["upper95"])
    for height, label in ((limit / UPPER95, "68.3 %"), (limit, "95 %, one-sided")):
        axes.axhline(height, color="0.6", linewidth=0.7, linestyle=":")
        axes.annotate(
            label,
            (1, height),
            (-2, 1.5),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=6,
            color="0.35",
        )
    estimate = fit.diffusion
    title = f"{material}: D = {estimate.value:.2f} ± {estimate.sigma:.2f}"
    if estimate.upper95 is not None:
        title += f", ≤ {estimate.upper95:.2f}"
    axes.set(xlabel="D (cm²/s)", ylabel="Δχ²", ylim=(0, 2 * limit), title=f"{title} cm²/s")


def _widening(
    axes: Axes, scan: xr.Dataset | None, name: str, places: Sequence[str], fit: DiffusionFit | None
) -> None:
    """Draw w²(t) of Gaussians fitted to the density of each frame, measured and of the model.

    Parameters
    ----------
    axes : Axes
        Of the panel.
    scan : xr.Dataset, optional
        Reduced, over `point`.
    name : str
        Of the scan, for messages.
    places : sequence of str
        Its axes of position, slowest first.
    fit : DiffusionFit, optional
        Eq. 4, fitted to the scan.
    """
    grid = gridded(measured_scan(scan, name), "delay", *places)
    measured, modelled = [], []
    for delay in grid["delay"].values[grid["delay"].values >= EARLIEST_TIME]:
        frame = grid.sel(delay=delay)
        time = float(frame["time"].mean())
        try:
            spot = fit_spot(frame["density"], frame["density_sigma"])
        except MissingError:
            continue
        measured.append((time, spot.waist, spot.waist_sigma))
        if fit is not None:
            model = fit_spot(_model(frame, time, fit), frame["density_sigma"])
            modelled.append((time, model.waist))
    if not measured:
        raise MissingError(f"{name}: no frame shows a cloud")
    time_axis, waist, sigma = np.array(measured).T
    axes.errorbar(
        time_axis, waist**2, 2 * waist * sigma, fmt="o", color=ABOVE_COLOUR, label="measured"
    )
    if modelled:
        time_axis, waist = np.array(modelled).T
        axes.plot(time_axis, waist**2, color="black", linewidth=0.9, label="fitted model")
    axes.set(xlabel=DELAY_LABEL, ylabel="w² (µm²)")
    axes.legend(loc="upper left")


def _model(frame: xr.Dataset, time: float, fit: DiffusionFit) -> xr.DataArray:
    """Return the density (10¹⁹ cm⁻³) of the fit at the positions of a frame and a time, ps."""
    y = frame["y"].values if "y" in frame.dims else np.zeros(1)
    density = fit.evaluate(np.array([time]), frame["x"].values, y) * 1e-19
    return frame["density"].copy(data=density.reshape(frame["density"].shape))


@in_style
def figure_silicon(data: PaperData, results: Results) -> Figure:
    """Draw line scans along the waveguide at several delays, as measured and scaled to one height.

    Parameters
    ----------
    data : PaperData
        `silicon` is drawn.
    results : Results
        Gives the fit.
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    panel(left, "a", _lines, data, results, False)
    panel(right, "b", _lines, data, results, True)
    return figure


def _lines(axes: Axes, data: PaperData, results: Results, scaled: bool) -> None:
    scan = gridded(measured_scan(data.silicon, "silicon scan"), "delay", "x")
    scan = scan.isel(delay=scan["delay"].values >= EARLIEST_TIME)
    if not scan.sizes["delay"]:
        raise MissingError("the silicon scan has no frame after the pump")
    chosen = np.unique(np.linspace(0, scan.sizes["delay"] - 1, 5).astype(int))
    x = np.linspace(float(scan["x"].min()), float(scan["x"].max()), 121)
    silicon = material_of(scan)
    for index, shade in zip(chosen, np.linspace(0.0, 0.88, len(chosen)), strict=True):
        colour, frame = colormaps["viridis"](shade), scan.isel(delay=index)
        time = np.array([float(frame["time"].mean())])
        height = float(np.abs(frame["delta_n"]).max())
        if results.silicon is not None:
            density = results.silicon.evaluate(time, x, np.zeros(1)).ravel()
            model = as_delta_n(density, silicon)
            height = float(np.abs(model).max())
            axes.plot(x, model / (height if scaled else 1.0), color=colour)
        scale = height if scaled else 1.0
        axes.errorbar(
            frame["x"].values,
            frame["delta_n"].values / scale,
            frame["sigma"].values / scale,
            fmt="o",
            color=colour,
            elinewidth=0.6,
            label=f"{time[0]:.0f} ps",
        )
    axes.set(xlabel="x along the waveguide (µm)")
    axes.set_ylabel("Δn / largest |Δn|" if scaled else DELTA_N_LABEL)
    if not scaled:
        axes.legend(loc="lower right")
