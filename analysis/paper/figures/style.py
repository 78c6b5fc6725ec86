"""What the paper's figures share: style, colours, axes of carriers, panels that explain a gap."""

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

from analysis.materials import CSPBBR3, Material
from analysis.paper.curves import probe_time
from analysis.paper.infer import Results
from analysis.paper.measurements import ABOVE, BELOW, PaperData
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.scan_grid import levels

Floats = NDArray[np.float64]
Arguments = ParamSpec("Arguments")

WIDTH = 7.2
"""Inches: a page of two columns."""

ABOVE_COLOUR, BELOW_COLOUR = "#c8102e", "#7b3fa0"
PUMP_COLOUR, PROBE_COLOUR = "#009e73", "#d7301f"
LIGHT_COLOUR, PHOTON_COLOUR = "#0072b2", "#e69f00"
"""The paper's colours, in shades that colour-blind readers can tell apart; markers and dashes
differ as well."""

MARKED = ((BELOW, BELOW_COLOUR, "s"), (ABOVE, ABOVE_COLOUR, "o"))
"""Fluence (mJ/cm²), colour and marker of the kinetics below and above threshold."""

_THRESHOLD: dict[str, Any] = {"color": PUMP_COLOUR, "linestyle": "--", "linewidth": 1.2}
_APART = {"fluence": 0.01, "delay": 0.5, "x": 0.1, "y": 0.1}
"""mJ/cm², ps, um, um: settings that differ by more are two."""

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


class MissingError(ValueError):
    """Why a panel has nothing to show, in words for the reader of the figure."""


def in_style(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Let a function draw its figure in the style of all."""

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
    """Draw a panel, or write in it why there is none; `height` is the letter's, of the axes."""
    if letter:
        axes.set_title(f"({letter})", loc="left", fontweight="bold", y=height)
    try:
        draw(axes, *args)
    except ValueError as reason:  # a panel that cannot be drawn does not take the others with it
        say(axes, str(reason))


def say(axes: Axes, words: str) -> None:
    """Write words where the data would be."""
    hidden: Any = dict.fromkeys(("bottom", "left", "labelbottom", "labelleft"), False)
    axes.tick_params(which="both", **hidden)  # the ticks themselves may be shared
    axes.text(
        0.5,
        0.5,
        textwrap.fill(words, 26),
        transform=axes.transAxes,
        ha="center",
        va="center",
        color="0.35",
    )


def note(axes: Axes, words: str, x: float = 0.04, y: float = 0.04, **style: Any) -> None:
    """Write a remark into a panel, its lower left at a place in fractions of the axes."""
    shown: dict[str, Any] = {"fontsize": 6.5, "color": "0.25"} | style
    axes.text(x, y, textwrap.fill(words, 40), transform=axes.transAxes, **shown)


def reason(results: Results, row: str, otherwise: str) -> str:
    """Why the quantity of a row is not there, as its estimate tells it."""
    entry = results.rows.get(row)
    return entry.estimate.note if entry and entry.estimate.note else otherwise


def value_of(results: Results, row: str) -> float | None:
    """Value of a row; None where it is not determined."""
    entry = results.rows.get(row)
    return entry.estimate.value if entry and np.isfinite(entry.estimate.value) else None


def taken(scan: xr.Dataset | None, what: str) -> xr.Dataset:
    """Return a scan that was taken.

    Raises
    ------
    MissingError
        It was not.
    """
    if scan is None or not scan.sizes.get("point"):
        msg = f"{what}: not measured"
        raise MissingError(msg)
    return scan


def gridded(scan: xr.Dataset, *axes: str) -> xr.Dataset:
    """Put the points of a scan into a grid, NaN where it was broken off.

    Parameters
    ----------
    scan : Dataset
        Reduced, over `point`.
    axes : str
        Of the grid, slowest first: `fluence`, `delay`, `y`, `x`.

    Returns
    -------
    Dataset
        `delta_n` and `sigma` in 10⁻³, `density` and `density_sigma` in 10¹⁹ cm⁻³, and the `time`
        at which the probe saw the sample, ps.
    """
    found = [levels(scan[axis].values, _APART[axis]) for axis in axes]
    index = tuple(place for _, place in found)
    columns = {
        "delta_n": scan["delta_n"].values * 1e3,
        "sigma": scan["delta_n_sigma"].values * 1e3,
        "density": scan["carrier_density"].values * 1e-19,
        "density_sigma": scan["carrier_density_sigma"].values * 1e-19,
        "time": probe_time(scan)[0],
    }
    grid = xr.Dataset(coords={a: level for a, (level, _) in zip(axes, found, strict=True)})
    for name, column in columns.items():
        values = np.full([len(level) for level, _ in found], np.nan)
        values[index] = column
        grid[name] = axes, values
    return grid


def kinetics_grid(data: PaperData) -> xr.Dataset:
    """Kinetics by `fluence` and `delay`, as `gridded` returns them."""
    return gridded(taken(data.kinetics, "kinetics"), "fluence", "delay")


def marked_rows(grid: xr.Dataset) -> list[tuple[float, str, str, xr.Dataset]]:
    """Take the kinetics below and above threshold out of a grid, as far as they were measured.

    Returns
    -------
    list
        Fluence (mJ/cm²), colour, marker and the row without its gaps.

    Raises
    ------
    MissingError
        Neither was measured.
    """
    found = []
    for fluence, colour, marker in MARKED:
        row = grid.sel(fluence=fluence, method="nearest").dropna("delay")
        if same_fluence(float(row["fluence"]), fluence) and row.sizes["delay"]:
            found.append((fluence, colour, marker, row))
    if not found:
        msg = f"kinetics at {BELOW:g} and {ABOVE:g} mJ/cm²: not measured"
        raise MissingError(msg)
    return found


def same_fluence(measured: float, asked: float) -> bool:
    """Whether a measured fluence counts as the one that was asked for: to 3 %."""
    return abs(measured / asked - 1) < 0.03


def as_delta_n(density: ArrayLike, material: Material = CSPBBR3) -> Floats:
    """Δn in 10⁻³ at the band's centre, where it is measured, of densities in cm⁻³."""
    return 1e3 * material.delta_n(density, CENTRE_WAVELENGTH)


def density_axis(axes: Axes, side: Literal["right", "top"]) -> None:
    """Add an axis of carrier density (10¹⁹ cm⁻³, Eq. 1) to one of Δn (10⁻³)."""
    functions = (
        lambda value: 1e-19 * CSPBBR3.carrier_density(1e-3 * np.asarray(value), CENTRE_WAVELENGTH),
        lambda value: as_delta_n(1e19 * np.asarray(value)),
    )
    if side == "right":
        axes.secondary_yaxis(side, functions=functions).set_ylabel(DENSITY_LABEL)
    else:
        axes.secondary_xaxis(side, functions=functions).set_xlabel(DENSITY_LABEL)


def mark_fluences(axes: Axes, results: Results, along: Literal["x", "y"]) -> None:
    """Mark threshold and the fluences of the kinetics on an axis of fluence."""
    line = axes.axhline if along == "y" else axes.axvline
    # On a map the dashes need an edge.
    edged: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.0, foreground="white")]}
    threshold = value_of(results, "fluence_threshold")
    if threshold is not None:
        line(threshold, label="lasing threshold", **_THRESHOLD, **edged)
    for fluence, colour, _ in MARKED:
        line(fluence, color=colour, linestyle="--", linewidth=1.0, **edged)
