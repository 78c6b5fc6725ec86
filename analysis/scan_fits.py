"""The fits that a scan asks for by its axes: kinetics, fluence response and threshold, maps."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.decay import widening
from analysis.fluence import fit_response, fit_threshold, fluorescence_intensity
from analysis.grid import fold
from analysis.kinetics import fit_biexponential, relaxation_time
from analysis.maps import cloud_waist, fit_cloud

__all__ = ["Estimate", "fit_scan"]


@dataclass(frozen=True)
class Estimate:
    """One number that a fit found; NaN with the reason in `note` where it found none."""

    quantity: str
    value: float
    sigma: float
    unit: str
    note: str = ""


def fit_scan(reduced: xr.Dataset, window: tuple[float, float] | None = None) -> list[Estimate]:
    """Fit a reduced scan.

    A delay scan gives the biexponential, a fluence sweep the response of Δn and the threshold
    of the fluorescence, a map the cloud at each delay, a fluence-delay map the biexponential at
    each fluence.

    Parameters
    ----------
    reduced : xr.Dataset
        From `analysis.reduction`, with its axes.
    window : tuple of float, optional
        Delays of the decay fits, ps.

    Raises
    ------
    ValueError
        Where the scan has axes that no fit is for, or does not fold.
    """
    scan = fold(reduced)
    axes = tuple(scan.attrs["axes"].split())
    if axes == ("delay",):
        return _decay(scan, window)
    if axes == ("fluence",):
        return _sweep(scan)
    if axes == ("fluence", "delay"):
        return _each(scan, "fluence", "mJ/cm^2", lambda part: _decay(part, window))
    if axes == ("delay", "y", "x"):
        return _each(scan, "delay", "ps", _cloud)
    msg = f"there is no fit for a scan over {' and '.join(axes)}"
    raise ValueError(msg)


def _each(
    scan: xr.Dataset, axis: str, unit: str, fit: Callable[[xr.Dataset], list[Estimate]]
) -> list[Estimate]:
    """Fit every slice along an axis; a slice that cannot be fitted says why."""
    found = []
    for i, value in enumerate(scan[axis].values):
        where = f"at {value:.4g} {unit}"
        try:
            estimates = fit(scan.isel({axis: i}))
        except ValueError as error:
            found.append(Estimate(where, np.nan, np.nan, "", f"not determined: {error}"))
            continue
        found += [Estimate(f"{e.quantity} {where}", *_rest(e)) for e in estimates]
    return found


def _rest(estimate: Estimate) -> tuple[float, float, str, str]:
    return estimate.value, estimate.sigma, estimate.unit, estimate.note


def _decay(scan: xr.Dataset, window: tuple[float, float] | None) -> list[Estimate]:
    fit = fit_biexponential(
        scan["delay"].values, scan["delta_n"].values, scan["delta_n_sigma"].values, window
    )
    said = f"window {fit.window[0]:g} to {fit.window[1]:g} ps; chi2/dof {fit.reduced_chi2:.2f}"
    note = "; ".join([said, *fit.warnings])
    widened = widening(fit.reduced_chi2)
    units = {"a": "RIU", "tau_lasing": "ps", "b": "RIU", "tau_fluor": "ps"}
    estimates = [
        Estimate(name, fit.values[name], fit.sigmas[name] * widened, unit, note)
        for name, unit in units.items()
    ]
    fallen = Estimate("relaxation_time", *relaxation_time(fit), "ps", "from the largest to 1/e")
    return [*estimates, fallen]


def _sweep(scan: xr.Dataset) -> list[Estimate]:
    fluence = scan["fluence"].values
    response = fit_response(fluence, scan["delta_n"].values, scan["delta_n_sigma"].values)
    note, widened = f"chi2/dof {response.reduced_chi2:.2f}", widening(response.reduced_chi2)
    intensity = fluorescence_intensity(
        scan["fluorescence"].values, scan.coords["wavelength"].values
    )
    estimates = [
        Estimate("slope", response.slope, widened * response.slope_sigma, "RIU cm2/mJ", note),
        Estimate(
            "curvature", response.curvature, widened * response.curvature_sigma, "RIU cm4/mJ2", note
        ),
    ]
    try:
        threshold = fit_threshold(fluence, intensity)
    except ValueError as error:
        nothing = Estimate("threshold", np.nan, np.nan, "mJ/cm2", f"not determined: {error}")
        return [*estimates, nothing]
    found = Estimate(
        "threshold", threshold.fluence, threshold.fluence_sigma, "mJ/cm2", "lines meet"
    )
    return [*estimates, found]


def _cloud(scan: xr.Dataset) -> list[Estimate]:
    y, x = np.meshgrid(scan["y"].values, scan["x"].values, indexing="ij")
    cloud = fit_cloud(x, y, scan["delta_n"].values, scan["delta_n_sigma"].values)
    note = "; ".join([f"chi2/dof {cloud.reduced_chi2:.2f}", *cloud.warnings])
    widened = widening(cloud.reduced_chi2)
    waist = cloud_waist(cloud.waist, widened * cloud.waist_sigma)
    return [
        Estimate("x", cloud.x, widened * cloud.x_sigma, "um", note),
        Estimate("y", cloud.y, widened * cloud.y_sigma, "um", note),
        Estimate("cloud_waist", *waist, "um", "probe's blur taken out"),
        Estimate("amplitude", cloud.amplitude, widened * cloud.amplitude_sigma, "RIU", note),
    ]
