"""Figure 2: Δn, fluorescence and relaxation against the pump fluence."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy import constants

from analysis.lasing.emission import find_emission
from analysis.materials import Lorentz
from analysis.paper.curves import material_of, measured_scan
from analysis.paper.figures.style import (
    ABOVE_COLOUR,
    DELAY_LABEL,
    DELTA_N_LABEL,
    FLUENCE_LABEL,
    MARKED,
    PROBE_COLOUR,
    PUMP_COLOUR,
    WIDTH,
    Floats,
    MissingError,
    as_delta_n,
    density_axis,
    in_style,
    kinetics_grid,
    mark_fluences,
    marked_rows,
    panel,
)
from analysis.paper.infer import Results
from analysis.paper.measurements import WINDOW, PaperData
from analysis.probe_band import PROBE_BAND

PAPER_DENSITY = 1.1e19
"""Carrier density of the paper's lower inset, cm⁻³."""

_LETTER = 1.17
"""Height of the panels' letters in units of the axes: above the upper axis or the colour bar."""

LATEST = WINDOW[1]
"""Last delay of the map of relaxation, ps: the end of the window of the decay times."""


@in_style
def figure_2(data: PaperData, results: Results) -> Figure:
    """Draw the paper's Fig. 2: fluence runs upwards in all three upper panels.

    Parameters
    ----------
    data : PaperData
        `sweep` and `kinetics` are drawn.
    results : Results
        Gives the fit of Δn and the threshold.
    """
    figure = Figure(figsize=(WIDTH, 4.4), layout="constrained")
    (left, middle, right), (index, spectra, decays) = figure.subplots(2, 3, height_ratios=(1.5, 1))
    for axes in (middle, right):
        axes.sharey(left)
    panel(left, "a", _response, data, results, height=_LETTER)
    panel(middle, "b", _fluorescence, data, results, height=_LETTER)
    panel(right, "c", _relaxation, data, results, height=_LETTER)
    panel(index, "", _index_change, data)
    panel(spectra, "", _spectra, data)
    panel(decays, "", _decays, data)
    return figure


def _response(axes: Axes, data: PaperData, results: Results) -> None:
    sweep = measured_scan(data.sweep, "fluence sweep")
    material = material_of(sweep)
    fluence, label = sweep["fluence"].values, f"measured at {np.mean(sweep['delay'].values):.1f} ps"
    delta_n, sigma = sweep["delta_n"].values, sweep["delta_n_sigma"].values
    if results.after_pump is not None:
        axes.plot(delta_n * 1e3, fluence, ".", color="0.7", label=label)
        delta_n, sigma = (
            as_delta_n(results.after_pump[name].values, material) / 1e3
            for name in ("density", "sigma")
        )
        label = "right after the pump"
    axes.errorbar(
        delta_n * 1e3,
        fluence,
        xerr=sigma * 1e3,
        yerr=fluence * data.calibration.fluence_scatter,
        fmt="o",
        color=ABOVE_COLOUR,
        elinewidth=0.8,
        label=label,
    )
    reach = np.linspace(0.0, 1.04 * fluence.max(), 100)
    if results.response is not None:
        density = results.response.evaluate(reach)
        axes.plot(as_delta_n(density, material), reach, color="black", linewidth=0.8, label="fit")
    mark_fluences(axes, results, "y")
    axes.set(xlabel=DELTA_N_LABEL, ylabel=FLUENCE_LABEL, ylim=reach[[0, -1]])
    axes.set_xlim(left=0.0)
    axes.legend(loc="lower right", fontsize="x-small")
    density_axis(axes, "top", material)


def _index_change(axes: Axes, data: PaperData) -> None:
    """Draw the lower inset, Δn(ω) of Eq. 1 without damping: infinite at the gap."""
    scans = (data.sweep, data.kinetics, data.movie)
    of_plate = next((scan for scan in scans if scan is not None), None)
    scan = measured_scan(of_plate, "scan of the plate")
    material = material_of(scan)
    if not isinstance(material, Lorentz):
        raise MissingError("the material has no Lorentz model (Eq. 1)")
    for start, stop in ((0.95, material.gap - 0.01), (material.gap + 0.02, 2.6)):
        energy = np.linspace(start, stop, 400)
        delta_n = material.delta_n(PAPER_DENSITY, _convert_photon(energy))
        axes.plot(energy, delta_n * 1e3, color="black")
    axes.axhline(0.0, color="0.8", linewidth=0.7, zorder=0)
    pump = float(_convert_photon(find_emission(scan).pump_line[0]))
    axes.axvline(pump, color=PUMP_COLOUR, linewidth=1.6, label="pump")
    high, low = (float(_convert_photon(wavelength)) for wavelength in PROBE_BAND)
    axes.axvspan(low, high, color=PROBE_COLOUR, alpha=0.35, linewidth=0, label="probe")
    axes.set(xlabel="Photon energy (eV)", ylabel="Δn, Eq. 1 (10⁻³)", xlim=(0.95, 2.6))
    axes.set_ylim(-80, 80)
    axes.secondary_xaxis("top", functions=(_convert_photon, _convert_photon)).set(
        xlabel="Wavelength (nm)", xticks=[1200, 900, 700, 600, 500]
    )
    axes.legend(loc="lower center", title=f"N = {PAPER_DENSITY * 1e-19:g}·10¹⁹ cm⁻³")


def _convert_photon(value: ArrayLike) -> Floats:
    """Convert photon energies in eV to wavelengths in nm, or back."""
    product = constants.h * constants.c / constants.e * 1e9
    return product / np.maximum(np.asarray(value, np.float64), 1e-9)


def _spectra_of(data: PaperData) -> tuple[Floats, Floats, Floats]:
    """Return increasing fluences (P,), wavelengths (K,) in the band, and counts (P, K)."""
    sweep = measured_scan(data.sweep, "fluence sweep").sortby("fluence")
    wavelength = np.asarray(sweep["wavelength"].values, np.float64)
    low, high = find_emission(sweep).band
    inside = (wavelength >= low) & (wavelength <= high)
    spectra = sweep["differential_spectrum"].transpose("point", "wavelength").values[:, inside]
    if not np.isfinite(spectra).any():
        raise MissingError("fluorescence: every spectrum is saturated")
    return sweep["fluence"].values, wavelength[inside], spectra


def _fluorescence(axes: Axes, data: PaperData, results: Results) -> None:
    fluence, wavelength, spectra = _spectra_of(data)
    top = float(np.nanmax(spectra))
    picture = axes.pcolormesh(
        wavelength,
        fluence,
        spectra,
        norm=LogNorm(max(1e-4 * top, 1.0), max(top, 10.0), clip=True),
        shading="nearest",
        cmap="magma",
        rasterized=True,
    )
    _bar(axes, picture, "Fluorescence (counts)")
    mark_fluences(axes, results, "y")
    axes.set(xlabel="Wavelength (nm)")
    axes.tick_params(labelleft=False)


def _spectra(axes: Axes, data: PaperData) -> None:
    fluences, wavelength, spectra = _spectra_of(data)
    for fluence, colour, _ in MARKED:
        nearest = int(np.argmin(np.abs(fluences - fluence)))
        counts = np.where(spectra[nearest] > 0, spectra[nearest], np.nan)
        axes.plot(wavelength, counts, color=colour, label=f"{fluences[nearest]:.2f} mJ/cm²")
    top = float(np.nanmax(spectra))
    axes.set(
        xlabel="Wavelength (nm)",
        ylabel="Counts",
        yscale="log",
        xlim=wavelength[[0, -1]],
    )
    axes.set_ylim(max(1e-4 * top, 1.0), 100 * top)
    axes.legend(loc="upper left")


def _relaxation(axes: Axes, data: PaperData, results: Results) -> None:
    grid = kinetics_grid(data)
    picture = axes.pcolormesh(
        grid["time"].mean("fluence").values,
        grid["fluence"].values,
        (grid["delta_n"] / grid["delta_n"].max("delay")).values,
        shading="nearest",
        cmap="viridis",
        vmin=0.0,
        vmax=1.0,
        rasterized=True,
    )
    _bar(axes, picture, "Δn / largest Δn")
    mark_fluences(axes, results, "y")
    axes.set(xlabel=DELAY_LABEL, xlim=(float(grid["time"].min()), LATEST))
    axes.tick_params(labelleft=False)


def _decays(axes: Axes, data: PaperData) -> None:
    grid = kinetics_grid(data)
    for fluence, colour, marker, row in marked_rows(grid):
        time, delta_n, sigma = (row[name].values for name in ("time", "delta_n", "sigma"))
        axes.errorbar(
            time,
            delta_n,
            sigma,
            fmt=marker + "-",
            color=colour,
            markersize=2,
            linewidth=0.7,
            label=f"{fluence:g} mJ/cm²",
        )
    axes.set(xlabel=DELAY_LABEL, ylabel="Δn (10⁻³)")
    axes.set_xlim(float(grid["time"].min()), LATEST)
    axes.legend(loc="upper right")


def _bar(axes: Axes, picture: QuadMesh, label: str) -> None:
    """Add a colour bar on top of a map, which keeps the width of the panel below."""
    axes.set_facecolor("0.92")  # where nothing was measured
    place = axes.inset_axes((0.0, 1.02, 1.0, 0.04))
    figure = axes.get_figure(root=True)
    if figure is not None:
        figure.colorbar(picture, cax=place, label=label, orientation="horizontal")
        place.xaxis.set_ticks_position("top")
        place.xaxis.set_label_position("top")
