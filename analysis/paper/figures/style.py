"""Style, colours, axes and grids of the figures, and panels with a reason instead of data."""

import textwrap
from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from analysis.materials import Material
from analysis.paper.curves import SETTING_TOLERANCE, measured_scan, probe_time
from analysis.paper.infer import Results
from analysis.paper.measurements import ABOVE, BELOW, PaperData
from analysis.paper.relaxation import FLUENCE_TOLERANCE
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.scan_grid import distinct_settings
from ocm_ophyd.errors import DataError

Floats = NDArray[np.float64]
Arguments = ParamSpec("Arguments")

WIDTH = 7.2
"""Width of a figure, inches: a page of two columns."""

ABOVE_COLOUR, BELOW_COLOUR = "#c8102e", "#7b3fa0"
PUMP_COLOUR, PROBE_COLOUR = "#009e73", "#d7301f"
LIGHT_COLOUR, PHOTON_COLOUR = "#0072b2", "#e69f00"
"""The paper's colours, in shades that colour-blind readers can distinguish; markers and dashes also
differ."""

MARKED = ((BELOW, BELOW_COLOUR, "s"), (ABOVE, ABOVE_COLOUR, "o"))
"""Fluence (mJ/cm²), colour and marker of the kinetics below and above threshold."""

_THRESHOLD: dict[str, Any] = {"color": PUMP_COLOUR, "linestyle": "--", "linewidth": 1.2}

DELTA_N_LABEL = f"Δn at {CENTRE_WAVELENGTH:g} nm (10⁻³)"
DENSITY_LABEL = "N (10¹⁹ cm⁻³)"
FLUENCE_LABEL = "Pump fluence (mJ/cm²)"
DELAY_LABEL = "Delay (ps)"

_STYLE: Any = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "pdf.fonttype": 42,
}


class MissingError(DataError):
    """Missing data or results of a panel; the message is for the reader of the figure."""


def in_style(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Return a function that draws its figure in the common style."""

    @wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()  # ticks take their style when they are first drawn
            figure.set_layout_engine("none")  # it is laid out: saving need not do it again
        return figure

    return styled


def panel(
    axes: Axes, letter: str, draw: Callable[..., None], *args: Any, height: float | None = None
) -> None:
    """Draw a panel, or write the reason why it has no content.

    Parameters
    ----------
    axes : Axes
        Of the panel.
    letter : str
        Of the panel; an empty one for an inset.
    draw : callable
        Takes the axes and `args`; raises `DataError` where there is nothing to draw.
    height : float, optional
        Height of the letter in units of the axes.
    """
    if letter:
        axes.set_title(f"({letter})", loc="left", fontweight="bold", y=height)
    try:
        draw(axes, *args)
    except DataError as error:  # the other panels are drawn all the same
        write_reason(axes, str(error))


def write_reason(axes: Axes, text: str) -> None:
    """Write why there are no data in the middle of a panel."""
    hidden: Any = dict.fromkeys(("bottom", "left", "labelbottom", "labelleft"), False)
    axes.tick_params(which="both", **hidden)  # the ticks themselves may be shared
    axes.text(
        0.5,
        0.5,
        textwrap.fill(text, 26),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="0.35",
    )


def note(axes: Axes, text: str, x: float = 0.04, y: float = 0.04, **style: Any) -> None:
    """Write a remark into a panel, its lower left corner at `x`, `y` in units of the axes."""
    shown: dict[str, Any] = {"fontsize": 6.5, "color": "0.25"} | style
    axes.text(x, y, textwrap.fill(text, 40), transform=axes.transAxes, **shown)


def reason(results: Results, row: str, otherwise: str) -> str:
    """Return the note of a row, which gives the reason where it has no value, or another text."""
    entry = results.rows.get(row)
    return entry.estimate.note if entry and entry.estimate.note else otherwise


def value_of(results: Results, row: str) -> float | None:
    """Return the value of a row; None where it is not determined."""
    entry = results.rows.get(row)
    return entry.estimate.value if entry and np.isfinite(entry.estimate.value) else None


def gridded(scan: xr.Dataset, *axes: str) -> xr.Dataset:
    """Arrange the points of a scan in a grid, NaN where it was broken off.

    Parameters
    ----------
    scan : Dataset
        Reduced, over `point`.
    axes : str
        Of the grid, slowest first: `fluence`, `delay`, `y`, `x`.

    Returns
    -------
    Dataset
        `delta_n` and `sigma` in 10⁻³, `density` and `density_sigma` in 10¹⁹ cm⁻³, and the mean
        sampling `time` of the probe, ps. The attributes are those of the scan.
    """
    settings = [distinct_settings(scan[axis].values, SETTING_TOLERANCE[axis]) for axis in axes]
    index = tuple(place for _, place in settings)
    columns = {
        "delta_n": scan["delta_n"].values * 1e3,
        "sigma": scan["delta_n_sigma"].values * 1e3,
        "density": scan["carrier_density"].values * 1e-19,
        "density_sigma": scan["carrier_density_sigma"].values * 1e-19,
        "time": probe_time(scan)[0],
    }
    coordinates = {a: values for a, (values, _) in zip(axes, settings, strict=True)}
    grid = xr.Dataset(coords=coordinates, attrs=scan.attrs)
    for name, column in columns.items():
        values = np.full([len(place) for place, _ in settings], np.nan)
        values[index] = column
        grid[name] = axes, values
    return grid


def kinetics_grid(data: PaperData) -> xr.Dataset:
    """Return the kinetics over `fluence` and `delay`, as `gridded` returns them."""
    return gridded(measured_scan(data.kinetics, "kinetics"), "fluence", "delay")


def marked_rows(grid: xr.Dataset) -> list[tuple[float, str, str, xr.Dataset]]:
    """Return the kinetics below and above threshold, as far as they were measured.

    Returns
    -------
    list
        Fluence (mJ/cm²), colour, marker and the row without its gaps.

    Raises
    ------
    MissingError
        Neither was measured.
    """
    rows = []
    for fluence, colour, marker in MARKED:
        row = grid.sel(fluence=fluence, method="nearest").dropna("delay")
        if same_fluence(float(row["fluence"]), fluence) and row.sizes["delay"]:
            rows.append((fluence, colour, marker, row))
    if not rows:
        raise MissingError(f"no kinetics at {BELOW:g} and {ABOVE:g} mJ/cm² was measured")
    return rows


def same_fluence(measured: float, asked: float) -> bool:
    """Return whether a measured fluence stands for one of the paper's (`FLUENCE_TOLERANCE`)."""
    return abs(measured / asked - 1) < FLUENCE_TOLERANCE


def as_delta_n(density: ArrayLike, material: Material) -> Floats:
    """Return Δn in 10⁻³ at the centre of the probe band of densities in cm⁻³, in their shape."""
    return 1e3 * material.delta_n(density, CENTRE_WAVELENGTH)


def density_axis(axes: Axes, side: Literal["right", "top"], material: Material) -> None:
    """Add an axis of carrier density (10¹⁹ cm⁻³) to one of Δn (10⁻³)."""
    functions = (
        lambda value: 1e-19 * material.carrier_density(1e-3 * np.asarray(value), CENTRE_WAVELENGTH),
        lambda value: as_delta_n(1e19 * np.asarray(value), material),
    )
    if side == "right":
        axes.secondary_yaxis(side, functions=functions).set_ylabel(DENSITY_LABEL)
    else:
        axes.secondary_xaxis(side, functions=functions).set_xlabel(DENSITY_LABEL)


def mark_fluences(axes: Axes, results: Results, along: Literal["x", "y"]) -> None:
    """Mark the threshold and the fluences of the kinetics on an axis of fluence."""
    line = axes.axhline if along == "y" else axes.axvline
    # On a map the dashes need an edge.
    edged: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.0, foreground="white")]}
    threshold = value_of(results, "fluence_threshold")
    if threshold is not None:
        line(threshold, label="lasing threshold", **_THRESHOLD, **edged)
    for fluence, colour, _ in MARKED:
        line(fluence, color=colour, linestyle="--", linewidth=1.0, **edged)
