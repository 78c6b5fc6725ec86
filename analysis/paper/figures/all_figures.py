"""All figures of the experiment: the paper's, and those of diffusion and decay times.

Each function takes the data, the results, or both, and returns a figure of its own; where data or
results are missing the panel says why.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.paper.figures.diffusion import figure_diffusion, figure_silicon
from analysis.paper.figures.fig2 import figure_2
from analysis.paper.figures.fig3 import figure_3
from analysis.paper.figures.fig4 import figure_4
from analysis.paper.figures.style import (
    ABOVE_COLOUR,
    BELOW_COLOUR,
    LIGHT_COLOUR,
    PHOTON_COLOUR,
    WIDTH,
    MissingError,
    in_style,
    panel,
    reason,
)
from analysis.paper.infer import Results
from analysis.paper.measurements import WINDOW, PaperData

__all__ = [
    "CAPTIONS",
    "figure_windows",
    "figures",
]

CAPTIONS = {
    "fig2": "Fig. 2. (a) Δn and carrier density against the pump fluence, with Δn(ω) of Eq. 1 "
    "below; (b) fluorescence, with spectra below and above threshold; (c) relaxation of Δn, every "
    "row normalised, with the two curves as measured. Green dashes: lasing threshold; purple and "
    "red: the fluences of the curves.",
    "fig3": "Fig. 3. (a) Fluorescence and relaxation time against the pump fluence; (b) relaxation "
    "below and above threshold with the rate equations (Eq. 3), logarithmic in the inset; (c) the "
    "first 100 ps with the density of photons, and the light–light curve.",
    "fig4": "Fig. 4. (a) Plate, pump and scanned area; (b, c) maps of Δn; (d) cross sections with "
    "Gaussians; (e) the same from Eq. 4.",
    "diffusion": "Diffusion. (a, b) Profile likelihood of D; (c, d) widening of the cloud and of "
    "the fitted model.",
    "silicon": "Silicon waveguide. (a) Line scans with the diffusion equation; (b) the same, "
    "scaled to one height.",
    "windows": "Decay times of the biexponential in other windows than that of Table 1.",
}
"""Captions of the figures by the names of their files."""

_COLOURS = (LIGHT_COLOUR, ABOVE_COLOUR, PHOTON_COLOUR, BELOW_COLOUR)


def figures(data: PaperData, results: Results) -> dict[str, Figure]:
    """Draw every figure, by the name of its file."""
    return {
        "fig2": figure_2(data, results),
        "fig3": figure_3(data, results),
        "fig4": figure_4(data, results),
        "diffusion": figure_diffusion(data, results),
        "silicon": figure_silicon(data, results),
        "windows": figure_windows(results),
    }


@in_style
def figure_windows(results: Results) -> Figure:
    """Draw the decay times of the biexponential against the window of its fit.

    Parameters
    ----------
    results : Results
        `windows` is drawn; `WINDOW`, that of Table 1, is marked.
    """
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    panel(left, "a", _windows, results, "tau_lasing", r"$\tau_\mathrm{lasing}$ (ps)")
    panel(right, "b", _windows, results, "tau_fluor", r"$\tau_\mathrm{fluor}$ (ps)")
    return figure


def _windows(axes: Axes, results: Results, name: str, label: str) -> None:
    windows = results.windows
    if windows is None:
        raise MissingError(reason(results, name, "windows: not fitted"))
    first, last = windows["start"].values, windows["stop"].values
    times, sigmas = windows[name].values, windows[f"{name}_sigma"].values
    for start, colour, marker in zip(np.unique(first), _COLOURS, "osD^v", strict=False):
        mine = first == start
        axes.errorbar(
            last[mine],
            times[mine],
            sigmas[mine],
            fmt=f"{marker}-",
            color=colour,
            linewidth=0.8,
            label=f"from {start:g} ps",
        )
    chosen = (first == WINDOW[0]) & (last == WINDOW[1])
    axes.plot(last[chosen], times[chosen], "o", color="black", fillstyle="none", markersize=8)
    axes.set(xlabel="End of the window (ps)", ylabel=label)
    axes.legend(loc="best", title=f"circle: Table 1, {WINDOW[0]:g} to {WINDOW[1]:g} ps")
