"""Fits that a reduced scan asks for by its axes.

`SCAN_FITS` is the registry: the axes of a scan, slowest first, and the function that fits it. The
decay models that a delay scan can be fitted with are in `analysis.kinetics.models`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2 as chi2_distribution

from analysis.diffusion.gaussian_cloud import cloud_waist, fit_cloud
from analysis.estimate import Estimate, not_determined
from analysis.kinetics.decay_fit import DecayFit, fit_decay, relaxation_time
from analysis.kinetics.model_lookup import decay_model
from analysis.kinetics.models import DECAY_MODELS, DecayModel
from analysis.lasing.emission import find_emission
from analysis.lasing.fluence_response import fit_fluence_response
from analysis.lasing.fluorescence_threshold import fit_lasing_threshold, fluorescence_intensity
from analysis.scan_grid import fold
from ocm_ophyd.errors import DataError

__all__ = ["SCAN_FITS", "Options", "Residuals", "ScanFit", "fit_scan"]

Floats = NDArray[np.float64]

CHANCE = 1e-3
"""Probability that the noise of a constant passes for a signal (`test_scan_fits`)."""

FAR_ABOVE = 2.0
"""χ² per degree of freedom above which a fit misses the data by far: its sigmas are then widened by
more than 1.4. The excess must also be no chance of few points (`CHANCE`)."""


_VISIBLE = 5.0
"""Standard deviations by which a cloud or the slope of a response stands out of the noise: position
and size of a cloud are free, so that three are frequent in noise (`test_scan_fits`)."""

_PREFIX = "nothing to fit: "


class Options(NamedTuple):
    """Options of a decay fit."""

    window: tuple[float, float] | None
    """Delays, ps; default all."""
    model: DecayModel
    """Model of the decay."""


@dataclass(frozen=True)
class Residuals:
    """Residuals of one fit.

    Attributes
    ----------
    position : (P,) array
        Delay (ps), fluence (mJ/cm^2) or distance from the cloud's centre (um), as `label` says.
    value : (P,) array
        Data minus fit, in standard deviations.
    label : str
        Of the axis of `position`.
    fit : str
        Name of the model.
    reduced_chi2 : float
        χ² per degree of freedom.
    dof : int
        Degrees of freedom.
    """

    position: Floats
    value: Floats
    label: str
    fit: str
    reduced_chi2: float
    dof: int

    @property
    def misfit(self) -> bool:
        """Whether χ² per degree of freedom is far above 1."""
        chance = chi2_distribution.sf(self.reduced_chi2 * self.dof, self.dof)
        return bool(self.reduced_chi2 > FAR_ABOVE and chance < CHANCE)


@dataclass(frozen=True)
class ScanFit:
    """Fits of one scan.

    Attributes
    ----------
    estimates : dict of str to Estimate
        Results by name; in a scan over several axes by name and place, as
        ``tau_fluor at 0.8 mJ/cm^2``.
    residuals : dict of str to Residuals
        By place, which is empty for a scan over one axis.
    decays : dict of str to DecayFit
        By place, as far as decays were fitted.
    flat : str
        Why there is nothing to fit although the fit has numbers; empty where there is something.
    """

    estimates: dict[str, Estimate]
    residuals: dict[str, Residuals] = field(default_factory=dict)
    decays: dict[str, DecayFit] = field(default_factory=dict)
    flat: str = ""

    @property
    def misfits(self) -> dict[str, Residuals]:
        """Residuals of the fits whose χ² per degree of freedom is far above 1, by place."""
        return {place: one for place, one in self.residuals.items() if one.misfit}


ScanFunction = Callable[[xr.Dataset, Options], ScanFit]


def fit_scan(
    reduced: xr.Dataset,
    window: tuple[float, float] | None = None,
    model: str | DecayModel | None = None,
) -> ScanFit:
    """Fit a reduced scan.

    A delay scan gives a decay, a fluence sweep the response of Δn and the threshold of the
    fluorescence, a map the cloud at each delay, a fluence-delay map a decay at each fluence.

    Parameters
    ----------
    reduced : xr.Dataset
        From `analysis.reduction.scan`, with its axes.
    window : tuple of float, optional
        Delays of the decay fits, ps.
    model : str or DecayModel, optional
        Decay model, as in `analysis.kinetics.decay_fit.fit_decay`; default the biexponential.

    Raises
    ------
    DataError
        One line: the scan has axes that no fit is for, does not fold, or holds nothing to fit.

    Examples
    --------
    >>> from analysis import fit_scan, read_reduced
    >>> fit = fit_scan(read_reduced("sweep-reduced.h5"))
    >>> fit.estimates["slope"].unit
    'RIU cm^2/mJ'
    """
    scan = fold(reduced)
    axes = tuple(str(scan.attrs["axes"]).split())
    if axes not in SCAN_FITS:
        known = "; ".join(", ".join(names) for names in SCAN_FITS)
        raise DataError(
            f"{_PREFIX}there is no fit for a scan over {', '.join(axes) or 'nothing'}; there are "
            f"fits for scans over {known}"
        )
    if (window is not None or model is not None) and axes[-1] != "delay":
        raise DataError(
            "a window and a decay model are for delay scans; this is a scan over "
            f"{' and '.join(axes)}"
        )
    if not isinstance(model, DecayModel):
        model = decay_model(model or next(iter(DECAY_MODELS)))
    fit = SCAN_FITS[axes](scan, Options(window, model))
    if fit.flat:
        raise DataError(f"{_PREFIX}{fit.flat}")
    return fit


def _fit_delays(scan: xr.Dataset, options: Options) -> ScanFit:
    """Fit the decay of a delay scan."""
    delay, delta_n, sigma = (scan[name].values for name in ("delay", "delta_n", "delta_n_sigma"))
    low, high = options.window or (-np.inf, np.inf)
    inside = (delay >= low) & (delay <= high) & np.isfinite(delta_n) & np.isfinite(sigma)
    within = "" if options.window is None else f" within {low:g} to {high:g} ps"
    if not inside.any():
        raise DataError(f"{_PREFIX}no delay{within} has a finite Δn")
    if np.unique(delay[inside]).size == 1:
        raise DataError(f"{_PREFIX}a single delay, {delay[inside][0]:g} ps{within}")
    fit = fit_decay(delay, delta_n, sigma, options.window, model=options.model)
    _refuse_constant(fit, delta_n[inside], sigma[inside])
    residuals = Residuals(
        fit.delay, fit.residuals, "Delay (ps)", fit.model.name, fit.reduced_chi2, fit.dof
    )
    estimates = fit.estimates | {"relaxation_time": relaxation_time(fit)}
    return ScanFit(estimates, {"": residuals}, {"": fit})


def _refuse_constant(fit: DecayFit, delta_n: Floats, sigma: Floats) -> None:
    """Refuse a decay fit that describes the data no better than a constant.

    Raises
    ------
    DataError
        Says which constant, and how well it describes the data.
    """
    weight = 1 / sigma**2
    mean = float(weight @ delta_n / weight.sum())
    constant = float(weight @ (delta_n - mean) ** 2)
    dof = len(delta_n) - 1
    gain = (constant - fit.reduced_chi2 * fit.dof) / max(1.0, fit.reduced_chi2)
    if chi2_distribution.sf(gain, max(dof - fit.dof, 1)) > CHANCE:
        raise DataError(
            f"{_PREFIX}Δn does not change with the delay; it is {mean:.3g} ± "
            f"{weight.sum() ** -0.5:.1g} from {fit.window[0]:g} to {fit.window[1]:g} ps, with "
            f"chi2/dof {constant / dof:.2f}"
        )


def _fit_fluences(scan: xr.Dataset, _: Options) -> ScanFit:
    """Fit the response of Δn and the threshold of the fluorescence of a fluence sweep."""
    fluence, delta_n, sigma = (
        scan[name].values for name in ("fluence", "delta_n", "delta_n_sigma")
    )
    response = fit_fluence_response(fluence, delta_n, sigma)
    try:
        intensity = fluorescence_intensity(
            scan["differential_spectrum"].values,
            scan.coords["wavelength"].values,
            find_emission(scan),
        )
        threshold = fit_lasing_threshold(fluence, intensity).fluence
    except DataError as error:
        threshold = not_determined("mJ/cm^2", str(error))
    slope = response.slope
    if not (threshold.determined or abs(slope.value) > _VISIBLE * slope.sigma):
        raise DataError(
            f"{_PREFIX}neither Δn nor the fluorescence changes with the fluence, Δn by "
            f"{slope.value:.2g} ± {slope.sigma:.1g} {slope.unit}"
        )
    good = np.isfinite(delta_n) & np.isfinite(sigma)
    rest = ((delta_n - response.evaluate(fluence)) / sigma)[good]
    residuals = Residuals(
        fluence[good],
        rest,
        "Pump fluence (mJ/cm²)",
        "fluence response",
        response.reduced_chi2,
        len(rest) - 2,
    )
    estimates = {"slope": slope, "loss": response.loss, "threshold": threshold}
    return ScanFit(estimates, {"": residuals})


def _fit_map(scan: xr.Dataset, _: Options) -> ScanFit:
    """Fit the cloud of a map."""
    y, x = np.meshgrid(scan["y"].values, scan["x"].values, indexing="ij")
    delta_n, sigma = scan["delta_n"].values, scan["delta_n_sigma"].values
    cloud = fit_cloud(x, y, delta_n, sigma)
    note = "; ".join([f"chi2/dof {cloud.reduced_chi2:.2f}", *cloud.warnings])
    flat = ""
    amplitude = Estimate(cloud.amplitude, cloud.amplitude_sigma, "RIU", note=note)
    if not abs(amplitude.value) > _VISIBLE * amplitude.sigma:
        size = f"{amplitude.value:.2g} ± {amplitude.sigma:.1g}"
        flat = f"the map shows no cloud, its amplitude is {size}"
        note = f"{note}; {flat}"
    try:
        waist = cloud_waist(cloud.waist, cloud.waist_sigma)
    except DataError as error:  # a single spike of noise is narrower than the probe
        raise DataError(f"{_PREFIX}{flat or error}") from None
    estimates = {
        "x": Estimate(cloud.x, cloud.x_sigma, "um", note=note),
        "y": Estimate(cloud.y, cloud.y_sigma, "um", note=note),
        "cloud_waist": Estimate(*waist, "um", note="probe's blur taken out"),
        "amplitude": replace(amplitude, note=note),
    }
    rest = (delta_n - cloud.evaluate(x, y)) / sigma
    good = np.isfinite(rest)
    residuals = Residuals(
        np.hypot(x - cloud.x, y - cloud.y)[good],
        rest[good],
        "Distance from the cloud's centre (µm)",
        "Gaussian cloud",
        cloud.reduced_chi2,
        int(good.sum()) - 5,
    )
    return ScanFit(estimates, {"": residuals}, flat=flat)


def _fit_each(axis: str, unit: str, fit: ScanFunction) -> ScanFunction:
    """Return a function that fits every slice along an axis.

    A slice that cannot be fitted has an estimate that says why.
    """

    def fit_slices(scan: xr.Dataset, options: Options) -> ScanFit:
        whole, reasons = ScanFit({}), {}
        places = [f"at {value:.4g} {unit}" for value in scan[axis].values]
        for i, name in enumerate(places):
            again = places[:i].count(name)
            place = f"{name} ({again + 1})" if again else name
            try:
                one = fit(scan.isel({axis: i}), options)
            except DataError as error:
                reasons[place] = str(error).removeprefix(_PREFIX)
                whole.estimates[place] = not_determined("", reasons[place])
                continue
            whole.estimates.update({f"{key} {place}": e for key, e in one.estimates.items()})
            whole.residuals[place] = one.residuals[""]
            if one.flat:
                reasons[place] = one.flat
            for decay in one.decays.values():
                whole.decays[place] = decay
        if len(reasons) == len(places):
            place, reason = next(iter(reasons.items()))
            others = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            raise DataError(f"{_PREFIX}{place}{others}: {reason}")
        return whole

    return fit_slices


SCAN_FITS: Mapping[tuple[str, ...], ScanFunction] = {
    ("delay",): _fit_delays,
    ("fluence",): _fit_fluences,
    ("fluence", "delay"): _fit_each("fluence", "mJ/cm^2", _fit_delays),
    ("y", "x"): _fit_map,
    ("delay", "y", "x"): _fit_each("delay", "ps", _fit_map),
}
"""Function that fits a folded scan, by its axes, slowest first."""
