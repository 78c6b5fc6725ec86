"""Figure 4: the carrier cloud in space and time."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Circle, Rectangle
from matplotlib.patheffects import withStroke

from analysis.paper.curves import material_of, measured_scan
from analysis.paper.figures.spots import fit_spot
from analysis.paper.figures.style import (
    DELTA_N_LABEL,
    PUMP_COLOUR,
    WIDTH,
    MissingError,
    as_delta_n,
    density_axis,
    gridded,
    in_style,
    panel,
    reason,
    write_reason,
)
from analysis.paper.infer import Results
from analysis.paper.measurements import PaperData
from ocm_ophyd.errors import DataError

LONG = (0.0, 50.0, 100.0, 200.0, 300.0, 500.0)
"""Delays of the maps of panel (b), ps."""

SHORT = tuple(float(delay) for delay in range(-10, 91, 10))
"""Delays of the maps of panel (c), ps."""

SECTIONS = (10.0, 50.0, 100.0, 200.0, 300.0, 500.0)
"""Delays of the cross sections, ps; at 0 the chirped probe samples the creation of the cloud."""

DELAY_TOLERANCE = 3.0
"""Largest difference between the delay of a frame and the one that it stands for, ps."""

LATE_TOLERANCE = 0.15
"""The same for late frames, as a fraction of the delay."""

_COLOURS = "inferno"


@in_style
def figure_4(data: PaperData, results: Results) -> Figure:
    """Draw the paper's Fig. 4; every map has the same colours.

    Parameters
    ----------
    data : PaperData
        `movie` is drawn.
    results : Results
        Gives the fit of Eq. 4.
    """
    figure = Figure(figsize=(WIDTH, 5.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.05, 1), width_ratios=(1, 3.3))
    panel(figure.add_subfigure(grid[0, 0]).subplots(), "a", _plate, data)
    _maps(figure.add_subfigure(grid[0, 1]), data)
    sections = figure.add_subfigure(grid[1, :])
    measured, simulated = sections.subplots(1, 2, sharex=True, sharey=True)
    panel(measured, "d", _measured, data)
    panel(simulated, "e", _simulated, data, results)
    return figure


def _movie(data: PaperData) -> xr.Dataset:
    return gridded(measured_scan(data.movie, "movie"), "delay", "y", "x")


def _plate(axes: Axes, data: PaperData) -> None:
    """Draw plate, scanned area and pump from above."""
    width, height = data.calibration.size
    axes.add_patch(Rectangle((-width / 2, -height / 2), width, height, color="0.82"))
    spot = Circle(
        (0, 0), data.calibration.pump_waist.value, color=PUMP_COLOUR, alpha=0.45, linewidth=0
    )
    axes.add_patch(spot)
    axes.annotate("pump, 1/e²", (0, 0), ha="center", va="center", fontsize=6.5)
    if data.movie is not None and data.movie.sizes.get("point"):
        x, y = data.movie["x"].values, data.movie["y"].values
        scanned = Rectangle((x.min(), y.min()), np.ptp(x), np.ptp(y), fill=False, linestyle="--")
        axes.add_patch(scanned)
    side = 0.6 * max(width, height)
    axes.set(xlim=(-side, side), ylim=(-side, side), aspect="equal")
    ticks = [-width / 2, 0, width / 2]
    axes.set(xlabel="x (µm)", ylabel="y (µm)", xticks=ticks, yticks=ticks)


def _maps(place: SubFigure, data: PaperData) -> None:
    """Draw panels (b), one row, and (c), two."""
    try:
        movie = _movie(data)
    except DataError as error:
        for letter, axes in zip("bc", place.subplots(2, 1, height_ratios=(1, 2)), strict=True):
            panel(axes, letter, write_reason, str(error))
        return
    rows = place.subplots(3, 6)
    norm = Normalize(0.0, float(movie["delta_n"].max()))
    for delay, axes in zip(LONG, rows[0], strict=True):
        _map(axes, movie, delay, norm, LATE_TOLERANCE * delay)
    for delay, axes in zip(SHORT, rows[1:].flat, strict=False):
        _map(axes, movie, delay, norm)
    rows[2, 5].set_axis_off()
    for letter, row in (("b", rows[0]), ("c", rows[1])):
        row[0].set_title(f"({letter})", loc="left", fontweight="bold", pad=3)
    _scale_bar(rows[0, 0], movie)
    colours = ScalarMappable(norm, _COLOURS)
    place.colorbar(colours, ax=rows, label=DELTA_N_LABEL, aspect=35, pad=0.01)


def _map(
    axes: Axes, movie: xr.Dataset, delay: float, norm: Normalize, tolerance: float = DELAY_TOLERANCE
) -> None:
    """Draw the frame at a delay (see `_frame`), or write that there is none."""
    axes.set(xticks=[], yticks=[], aspect="equal", facecolor="0.92")
    frame = _frame(movie, delay, tolerance)
    if frame is None:
        axes.text(0.5, 0.5, f"no frame\nat {delay:g} ps", ha="center", va="center", fontsize=6)
        return
    x, y = frame["x"].values, frame["y"].values
    values = frame["delta_n"].values
    axes.pcolormesh(x, y, values, norm=norm, cmap=_COLOURS, shading="nearest", rasterized=True)
    text = f"{float(frame['delay']):.0f} ps".replace("-", "−")
    edge = [withStroke(linewidth=1.5, foreground="black")]
    axes.text(0.05, 0.83, text, transform=axes.transAxes, color="white", path_effects=edge)


def _frame(movie: xr.Dataset, delay: float, tolerance: float) -> xr.Dataset | None:
    """Return the frame nearest to a delay; None where it is further than both tolerances, ps."""
    frame = movie.sel(delay=delay, method="nearest")
    return frame if abs(float(frame["delay"]) - delay) <= max(DELAY_TOLERANCE, tolerance) else None


def _scale_bar(axes: Axes, movie: xr.Dataset) -> None:
    """Draw a scale bar of 2 µm into the lower left of a map."""
    x, y = float(movie["x"].min()), float(movie["y"].min())
    axes.plot([x, x + 2], [y, y], color="white", linewidth=2, solid_capstyle="butt")
    axes.annotate(
        "2 µm", (x + 1, y), (0, 3), textcoords="offset points", color="white", ha="center"
    )


def _sections(data: PaperData) -> list[tuple[Any, xr.Dataset]]:
    """Return colours and cross sections through the centre of the first cloud, early ones first."""
    movie = _movie(data)
    nearest = (_frame(movie, delay, LATE_TOLERANCE * delay) for delay in SECTIONS)
    frames = [frame for frame in nearest if frame is not None]
    if not frames:
        raise MissingError("the movie has no frame after the pump")
    first = fit_spot(frames[0]["delta_n"], frames[0]["sigma"])
    rows = {float(f["delay"]): f.sel(y=first.y, method="nearest").dropna("x") for f in frames}
    shades = colormaps["viridis"](np.linspace(0.0, 0.88, len(rows)))
    return list(zip(shades, rows.values(), strict=True))


def _measured(axes: Axes, data: PaperData) -> None:
    """Draw the measured cross sections, with Gaussians."""
    for colour, row in _sections(data):
        axes.plot(row["x"].values, row["delta_n"].values, "o", color=colour)
        try:
            spot = fit_spot(row["delta_n"], row["sigma"])
        except MissingError:
            continue  # a row with gaps is shown without a Gaussian
        x = np.linspace(float(row["x"].min()), float(row["x"].max()), 121)
        axes.plot(x, spot.evaluate(x, spot.y), color=colour)
    axes.set(xlabel="x (µm)", ylabel=DELTA_N_LABEL)
    axes.set_ylim(0.0, 1.2 * axes.get_ylim()[1])


def _simulated(axes: Axes, data: PaperData, results: Results) -> None:
    """Draw the same cross sections of the fitted Eq. 4, to the same scale."""
    if results.movie is None:
        raise MissingError("Eq. 4: " + reason(results, "D", "not fitted"))
    material = material_of(measured_scan(data.movie, "movie"))
    for colour, row in _sections(data):
        x = np.linspace(float(row["x"].min()), float(row["x"].max()), 61)
        time = np.array([float(row["time"].mean())])
        density = results.movie.evaluate(time, x, np.array([float(row["y"])]))
        label = f"{float(row['delay']):.0f} ps"
        axes.plot(x, as_delta_n(density, material).ravel(), color=colour, label=label)
    axes.set(xlabel="x (µm)")
    axes.legend(loc="upper right", ncols=2)
    density_axis(axes, "right", material)
