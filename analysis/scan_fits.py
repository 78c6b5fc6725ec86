"""The fits that a scan asks for by its axes: kinetics, fluence response and threshold, maps."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from analysis.diffusion.gaussian_cloud import cloud_waist, fit_cloud
from analysis.estimate import Estimate, not_determined, widening
from analysis.kinetics.models import fit_biexponential, relaxation_time
from analysis.lasing.fluence_response import fit_response, fit_threshold, fluorescence_intensity
from analysis.scan_grid import fold

__all__ = ["fit_scan"]

_Found = dict[str, Estimate]


def fit_scan(reduced: xr.Dataset, window: tuple[float, float] | None = None) -> _Found:
    """Fit a reduced scan.

    A delay scan gives the biexponential, a fluence sweep the response of Δn and the threshold
    of the fluorescence, a map the cloud at each delay, a fluence-delay map the biexponential at
    each fluence.

    Parameters
    ----------
    reduced : xr.Dataset
        From `analysis.reduction.scan`, with its axes.
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


def _each(scan: xr.Dataset, axis: str, unit: str, fit: Callable[[xr.Dataset], _Found]) -> _Found:
    """Fit every slice along an axis; a slice that cannot be fitted says why."""
    found: _Found = {}
    places = [f"at {value:.4g} {unit}" for value in scan[axis].values]
    for i, place in enumerate(places):
        again = places[:i].count(place)
        where = f"{place} ({again + 1})" if again else place
        try:
            estimates = fit(scan.isel({axis: i}))
        except ValueError as error:
            found[where] = not_determined("", str(error))
            continue
        found |= {f"{name} {where}": estimate for name, estimate in estimates.items()}
    return found


def _decay(scan: xr.Dataset, window: tuple[float, float] | None) -> _Found:
    fit = fit_biexponential(
        scan["delay"].values, scan["delta_n"].values, scan["delta_n_sigma"].values, window
    )
    said = f"window {fit.window[0]:g} to {fit.window[1]:g} ps; chi2/dof {fit.reduced_chi2:.2f}"
    note = "; ".join([said, *fit.warnings])
    widened = widening(fit.reduced_chi2)
    units = {"a": "RIU", "tau_lasing": "ps", "b": "RIU", "tau_fluor": "ps"}
    estimates = {
        name: Estimate(fit.values[name], fit.sigmas[name] * widened, unit, note=note)
        for name, unit in units.items()
    }
    fallen = Estimate(*relaxation_time(fit), "ps", note="from the largest to 1/e")
    return estimates | {"relaxation_time": fallen}


def _sweep(scan: xr.Dataset) -> _Found:
    fluence = scan["fluence"].values
    response = fit_response(fluence, scan["delta_n"].values, scan["delta_n_sigma"].values)
    note, widened = f"chi2/dof {response.reduced_chi2:.2f}", widening(response.reduced_chi2)
    intensity = fluorescence_intensity(
        scan["differential_spectrum"].values, scan.coords["wavelength"].values
    )
    slope = Estimate(response.slope, widened * response.slope_sigma, "RIU cm2/mJ", note=note)
    loss = Estimate(response.loss, widened * response.loss_sigma, "cm2/mJ", note=note)
    try:
        threshold = fit_threshold(fluence, intensity)
    except ValueError as error:
        found = not_determined("mJ/cm2", str(error))
    else:
        found = Estimate(threshold.fluence, threshold.fluence_sigma, "mJ/cm2", note="lines meet")
    return {"slope": slope, "loss": loss, "threshold": found}


def _cloud(scan: xr.Dataset) -> _Found:
    y, x = np.meshgrid(scan["y"].values, scan["x"].values, indexing="ij")
    cloud = fit_cloud(x, y, scan["delta_n"].values, scan["delta_n_sigma"].values)
    note = "; ".join([f"chi2/dof {cloud.reduced_chi2:.2f}", *cloud.warnings])
    widened = widening(cloud.reduced_chi2)
    waist = cloud_waist(cloud.waist, widened * cloud.waist_sigma)
    return {
        "x": Estimate(cloud.x, widened * cloud.x_sigma, "um", note=note),
        "y": Estimate(cloud.y, widened * cloud.y_sigma, "um", note=note),
        "cloud_waist": Estimate(*waist, "um", note="probe's blur taken out"),
        "amplitude": Estimate(cloud.amplitude, widened * cloud.amplitude_sigma, "RIU", note=note),
    }
