"""Figures after the paper's: one function each, no global state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike, NDArray

from analysis.diffusion.gaussian_cloud import Cloud
from analysis.kinetics.decay_fit import DecayFit
from analysis.lasing.emission import Emission
from analysis.lasing.fluence_response import FluenceResponse
from analysis.materials import Material
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.scan_fits import Residuals

Floats = NDArray[np.float64]

COLOURS = ("#7b3fa0", "#c8102e", "#1f77b4", "#2ca02c")
"""Of curves in their order; the first two are the paper's, below and above threshold."""

_PANELS = 8
"""Panels of a figure of residuals: more do not fit on a page."""

_THRESHOLD_STYLE: dict[str, Any] = {"color": "#2ca02c", "linestyle": "--", "linewidth": 1.0}


@dataclass(frozen=True)
class Kinetics:
    """One decay curve to draw: delays in ps, Δn with sigmas, and its fit."""

    label: str
    delay: ArrayLike
    delta_n: ArrayLike
    sigma: ArrayLike
    fit: DecayFit


def delta_n_figure(
    fluence: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike,
    response: FluenceResponse,
    material: Material | None = None,
    threshold: float | None = None,
) -> Figure:
    """Δn against fluence (mJ/cm²) with its fit; carrier density on the right (Fig. 2a)."""
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.errorbar(
        np.asarray(fluence),
        np.asarray(delta_n) * 1e3,
        np.asarray(sigma) * 1e3,
        fmt="o",
        color=COLOURS[1],
        markersize=4,
        capsize=2,
        linewidth=1,
        label="measured",
    )
    reach = np.linspace(0.0, np.max(fluence) * 1.03, 100)
    axes.plot(reach, response.evaluate(reach) * 1e3, color="black", linewidth=1, label="fit")
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    _mark_threshold(axes, threshold)
    axes.set(xlabel="Pump fluence (mJ/cm²)", ylabel="Δn (10⁻³)", xlim=reach[[0, -1]])
    if material is not None:
        right = axes.secondary_yaxis(
            "right",
            functions=(
                lambda value: (
                    material.carrier_density(np.asarray(value) * 1e-3, CENTRE_WAVELENGTH) * 1e-19
                ),
                lambda value: material.delta_n(np.asarray(value) * 1e19, CENTRE_WAVELENGTH) * 1e3,
            ),
        )
        right.set_ylabel("Carrier density (10¹⁹ cm⁻³)")
    axes.legend(frameon=False)
    return figure


def kinetics_figure(curves: Sequence[Kinetics]) -> Figure:
    """Decays of Δn with their fits, logarithmic in the inset (Fig. 3b)."""
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.add_subplot()
    inset = axes.inset_axes((0.52, 0.5, 0.46, 0.47))
    inset.set_yscale("log", nonpositive="mask")
    for curve, colour in zip(curves, COLOURS, strict=False):
        delay, delta_n = np.asarray(curve.delay, float), np.asarray(curve.delta_n, float)
        sigma = np.asarray(curve.sigma, float)
        low, high = curve.fit.window
        time = np.union1d(np.linspace(low, high, 400), np.linspace(low, min(high, low + 30), 200))
        fitted = curve.fit.evaluate(time)
        axes.errorbar(
            delay, delta_n * 1e3, sigma * 1e3, fmt="o", color=colour, markersize=3, linewidth=0.8
        )
        axes.plot(time, fitted * 1e3, color=colour, linewidth=1.2, label=_legend(curve))
        inset.plot(delay, np.abs(delta_n) * 1e3, "o", color=colour, markersize=1.8)
        inset.plot(time, np.abs(fitted) * 1e3, color=colour, linewidth=1)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="Delay (ps)", ylabel="Δn (10⁻³)")
    tops = [float(np.nanmax(np.abs(np.asarray(curve.delta_n)))) * 1e3 for curve in curves]
    inset.set_ylim(min(tops) / 50, max(tops) * 1.5)
    inset.set_xlim(left=0)
    inset.tick_params(labelsize=7)
    axes.legend(frameon=False, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def _legend(curve: Kinetics) -> str:
    """Label of a curve with the decay times that its fit gave, faster first."""
    estimates = curve.fit.estimates
    times = [
        f"{symbol} = {estimates[name].value:.3g} ± {estimates[name].sigma:.2g} ps"
        for name, symbol in (("tau_lasing", "τ₁"), ("tau_fluor", "τ₂"))
        if name in estimates
    ]
    return f"{curve.label}\n" + ", ".join(times)


def fluorescence_figure(
    fluence: ArrayLike,
    wavelength: ArrayLike,
    fluorescence: ArrayLike,
    emission: Emission,
    threshold: float | None = None,
) -> Figure:
    """Draw fluorescence against fluence, and below it the first and last spectrum (Fig. 2b).

    Parameters
    ----------
    fluence : (P,) array
        mJ/cm^2.
    wavelength : (K,) array
        nm.
    fluorescence : (P, K) array
        Counts, pump on minus pump off.
    emission : Emission
        Whose band is drawn.
    threshold : float, optional
        Lasing threshold, mJ/cm^2.
    """
    band = emission.band
    wavelength = np.asarray(wavelength, float)
    inside = (wavelength >= band[0]) & (wavelength <= band[1])
    order = np.argsort(fluence)
    pumped = np.asarray(fluence, float)[order]
    spectra = np.asarray(fluorescence, float)[order][:, inside]
    figure = Figure(figsize=(4.8, 4.8), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    top = float(np.nanmax(spectra))
    norm = LogNorm(max(top * 1e-4, 1.0), max(top, 10.0), clip=True)
    picture = above.pcolormesh(
        wavelength[inside], pumped, spectra, norm=norm, shading="nearest", cmap="magma"
    )
    figure.colorbar(picture, ax=above, label="Counts")
    if threshold is not None:
        above.axhline(threshold, **_THRESHOLD_STYLE)
    above.set_ylabel("Pump fluence (mJ/cm²)")
    for row, colour in ((0, COLOURS[0]), (len(pumped) - 1, COLOURS[1])):
        spectrum = spectra[row] / np.nanmax(spectra[row])
        below.plot(
            wavelength[inside],
            spectrum,
            color=colour,
            linewidth=1,
            label=f"{pumped[row]:.2f} mJ/cm²",
        )
    below.set(xlabel="Wavelength (nm)", ylabel="Normalised", xlim=band)
    below.legend(frameon=False, fontsize=8)
    return figure


def map_figure(x: ArrayLike, y: ArrayLike, delta_n: ArrayLike, cloud: Cloud) -> Figure:
    """Map of Δn, grids (rows, columns) in um, with the fitted cloud at 1/e² (Fig. 4b)."""
    figure = Figure(figsize=(4.4, 3.8), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.pcolormesh(
        np.asarray(x), np.asarray(y), np.asarray(delta_n) * 1e3, shading="nearest", cmap="inferno"
    )
    figure.colorbar(picture, ax=axes, label="Δn (10⁻³)")
    centre = (cloud.x, cloud.y)
    axes.add_patch(Circle(centre, cloud.waist, fill=False, color="white", linestyle="--"))
    axes.plot(*centre, "+", color="white")
    left = float(np.min(x)) + 0.06 * float(np.ptp(x))
    bottom = float(np.min(y)) + 0.06 * float(np.ptp(y))
    axes.plot([left, left + 1], [bottom, bottom], "w", linewidth=3)
    axes.annotate(
        "1 µm", (left + 0.5, bottom), (0, 4), textcoords="offset points", color="white", ha="center"
    )
    axes.set(
        xlabel="x (µm)",
        ylabel="y (µm)",
        aspect="equal",
        title=f"w = {cloud.waist:.2f} ± {cloud.waist_sigma:.2f} µm",
    )
    return figure


def _mark_threshold(axes: Axes, threshold: float | None) -> None:
    if threshold is not None:
        axes.axvline(threshold, label="lasing threshold", **_THRESHOLD_STYLE)


def rise_figure(
    curves: dict[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    points: dict[str, tuple[ArrayLike, ArrayLike]],
    colours: tuple[str, ...] = COLOURS,
    window: tuple[float, float] = (-4.0, 6.0),
) -> Figure:
    """Draw Δn near time zero: curves with the chirp resolved, and points of the whole band.

    Parameters
    ----------
    curves : dict
        Time (T,) in ps, Δn (T,) and its sigma (T,) in RIU, by name.
    points : dict
        Delay (P,) in ps and Δn (P,) in RIU, by name.
    colours : tuple of str
        Of the curves in their order, and of the points in theirs.
    window : tuple of float
        First and last time, ps.
    """
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, (time, delta_n, sigma)), colour in zip(curves.items(), colours, strict=False):
        t, y, s = (np.asarray(values, np.float64) for values in (time, delta_n, sigma))
        axes.fill_between(t, (y - s) * 1e3, (y + s) * 1e3, color=colour, alpha=0.3, linewidth=0)
        axes.plot(t, y * 1e3, color=colour, linewidth=1.2, label=name)
    for (name, (delay, delta_n)), colour in zip(points.items(), colours, strict=False):
        y = np.asarray(delta_n, np.float64) * 1e3
        axes.plot(delay, y, "o", color=colour, markersize=3, fillstyle="none", label=name)
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="Time after the pump (ps)", ylabel="Δn (10⁻³)", xlim=window)
    axes.legend(frameon=False, fontsize=7)
    return figure


def residuals_figure(residuals: Mapping[str, Residuals]) -> Figure:
    """Draw the residuals of fits in standard deviations, one panel each.

    Parameters
    ----------
    residuals : mapping of str to Residuals
        By the place of the fit; at most eight are drawn, the worst ones.
    """
    worst = sorted(residuals, key=lambda place: -residuals[place].reduced_chi2)[:_PANELS]
    chosen = {place: one for place, one in residuals.items() if place in worst}
    figure = Figure(figsize=(5.2, 0.8 + 1.8 * len(chosen)), layout="constrained")
    panels = figure.subplots(len(chosen), 1, squeeze=False)[:, 0]
    for axes, (place, one) in zip(panels, chosen.items(), strict=True):
        axes.axhspan(-1, 1, color="0.9", zorder=0)
        axes.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        axes.plot(one.position, one.value, "o-", color=COLOURS[1], markersize=3, linewidth=0.6)
        name = f"{place}, " if place else ""
        axes.set_title(f"{name}{one.fit}: χ²/dof = {one.reduced_chi2:.3g}", fontsize=8)
        axes.set(xlabel=one.label, ylabel="Residual (σ)")
    return figure
