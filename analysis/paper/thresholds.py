"""The lasing threshold, from the light and from the carriers, and density and Δn at it."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.estimate import Estimate, not_determined
from analysis.lasing.fast_component import Onset, fit_fast_component
from analysis.lasing.fluence_response import FluenceResponse, fit_fluence_response
from analysis.lasing.laser_line import LineIntensity
from analysis.lasing.s_curve import SCurve, agreement, fit_s_curve
from analysis.materials import PROBE_WAVELENGTH, Lorentz, Material
from analysis.paper.attempt import Attempt
from analysis.paper.curves import probe_time
from analysis.paper.measurements import Calibration
from analysis.paper.relaxation import delta_n_curve
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.rate_equations.data import Curve, LightCurve, Plate
from analysis.rate_equations.fit import RateFit
from ocm_ophyd.errors import DataError

__all__ = [
    "density_after_pump",
    "density_response",
    "light_curve",
    "line_s_curve",
    "onset_of_fast_component",
    "onset_rows",
    "threshold_rows",
]

Floats = NDArray[np.float64]

DISAGREEMENT_CHANCE = 0.01
"""Probability of a difference between the two thresholds below which they are reported to
disagree."""

VISIBLE = 5.0
"""Smallest slope of the response in its standard deviations: below it, noise alone would pass for
carriers in one sweep of a million."""

LIGHT_ERROR = 5e-4
"""Relative standard deviation of the light beyond its noise. The fluorescence band changes its
shape with the fluence, beneath the pump's line and beyond the ends of the summed band, where its
light is not counted."""

LOSS_ERROR = 0.03
"""Relative standard deviation of the logarithmic loss of carriers before the probe's arrival, as
the fitted rates give it: the largest error where lasing removes most
(tests/analysis/paper/test_density_after_pump.py)."""

LEAST_SENSITIVITY = 0.5
"""Least d ln(remaining density)/d ln(initial density) at which a remaining density determines the
initial one: with less, a relative error of the rates would count more than twice."""

LINEARISATIONS = 8
"""Number of times the remaining density is made linear about a density in proportion to the
fluence. Each reduces the error of the proportion by a factor of five or more
(tests/analysis/paper/test_density_after_pump.py)."""

SLOPE_STEP = 0.01
"""Relative step of the initial density in the finite difference of the remaining density: its
square, the relative error of the slope, is far below `LOSS_ERROR`."""


def density_after_pump(sweep: xr.Dataset, rates: RateFit) -> xr.Dataset:
    """Compute the density right after the pump from that of a sweep some ps later.

    The rate equations (Eq. 3) give the remaining density as a function of the initial one. It is
    made linear about an initial density in proportion to the fluence and inverted; the proportion
    follows from the median of the result. Far above the threshold the remaining density falls while
    the initial one grows. Where it changes too little (`LEAST_SENSITIVITY`), which is decided with
    the proportion and not with the noise of the point, the result is NaN.

    Parameters
    ----------
    sweep : xr.Dataset
        Reduced, over `point`: `fluence` (mJ/cm^2), `delay` (ps), `carrier_density` and its sigma
        (cm^-3).
    rates : RateFit
        Eq. 3, fitted to the kinetics.

    Returns
    -------
    xr.Dataset
        Over `point`, with the coordinate `fluence` (mJ/cm^2): `density` and `sigma` (cm^-3), and
        `lost`, the logarithm of the ratio of initial and remaining density.

    Raises
    ------
    DataError
        There are no carriers, or the probe came before the end of the pump, or so late that the
        remaining density determines the initial one at no fluence.
    """
    density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
    fluence = np.where(sweep["fluence"].values > 0, sweep["fluence"].values, np.nan)
    time, spread = probe_time(sweep)
    if not (time - spread > 0).all():
        raise DataError(
            f"the fluence sweep was measured {time.min():.2g} ps after the pump, while the pump "
            "was still arriving: measure it some ps later"
        )
    nodes = np.stack([time - spread, time + spread])
    per_fluence = float(np.nanmedian((density / fluence)[fluence <= np.nanmedian(fluence)]))
    for _ in range(LINEARISATIONS):
        if not per_fluence > 0:
            raise DataError("no carriers stand out of the noise of the fluence sweep")
        initial = per_fluence * fluence
        remaining, slope = _remaining_density(rates, initial, nodes)
        sensitive = slope * initial > LEAST_SENSITIVITY * remaining
        if not sensitive.any():
            raise DataError(
                f"{np.median(time):.3g} ps after the pump too few carriers remain to determine "
                "the initial density: measure the fluence sweep earlier"
            )
        after_pump = np.where(sensitive, initial + (density - remaining) / slope, np.nan)
        per_fluence = float(np.nanmedian(after_pump / fluence))
    lost = np.log(initial / remaining)
    error = np.hypot(sigma, LOSS_ERROR * lost * remaining) / slope
    return xr.Dataset(
        {
            "density": ("point", after_pump),
            "sigma": ("point", np.where(sensitive, error, np.nan)),
            "lost": ("point", np.where(sensitive, lost, np.nan)),
        },
        coords={"fluence": sweep["fluence"]},
    )


def _remaining_density(rates: RateFit, initial: Floats, nodes: Floats) -> tuple[Floats, Floats]:
    """Compute the density that the probe samples, and its derivative by the initial density.

    Parameters
    ----------
    rates : RateFit
        Eq. 3.
    initial : (P,) array
        Density right after the pump, cm^-3.
    nodes : (2, P) array
        Two times that stand for the sampling times of each point, ps.

    Returns
    -------
    remaining, slope : (P,) arrays
        cm^-3 and 1.
    """
    low, middle, high = (
        np.array(
            [rates.density(n * factor, t).mean() for n, t in zip(initial, nodes.T, strict=True)]
        )
        for factor in (1 - SLOPE_STEP, 1.0, 1 + SLOPE_STEP)
    )
    return middle, (high - low) / (2 * SLOPE_STEP * initial)


def density_response(
    sweep: xr.Dataset, after_pump: xr.Dataset | None, scatter: float
) -> FluenceResponse:
    """Fit the density right after the pump (by Eq. 1) against the fluence.

    Parameters
    ----------
    sweep : xr.Dataset
        Reduced, over `point`.
    after_pump : xr.Dataset, optional
        From `density_after_pump`. Without it, the recombination before the probe's arrival is
        fitted too, as the curvature of the response.
    scatter : float
        Relative standard deviation of one fluence.

    Raises
    ------
    DataError
        There are fewer than four fluences, or no carriers.
    """
    fluence = sweep["fluence"].values
    if after_pump is not None:
        density, sigma = after_pump["density"].values, after_pump["sigma"].values
        response = fit_fluence_response(fluence, density, sigma, scatter, 0.0, "cm^-3")
    else:
        density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
        response = fit_fluence_response(fluence, density, sigma, scatter, unit="cm^-3")
    if not response.slope.value > VISIBLE * response.slope.sigma:
        raise DataError("no carriers stand out of the noise of the fluence sweep")
    return response


def line_s_curve(
    sweep: xr.Dataset,
    line: LineIntensity,
    plate: Plate,
    scatter: float,
    losses: tuple[float, float],
) -> SCurve:
    """Fit the S-curve of the laser line to the intensities of a sweep.

    Parameters
    ----------
    sweep : xr.Dataset
        Gives the fluences, mJ/cm^2.
    line : LineIntensity
        Intensity of the laser line at each.
    plate : Plate
        Sample, pump and probe.
    scatter : float
        Relative standard deviation of one fluence.
    losses : tuple of float
        Trapping and Auger recombination at threshold, relative to the radiative recombination
        (`RateFit.losses`).

    Raises
    ------
    DataError
        The line shows no threshold.
    """
    fluence = sweep["fluence"].values
    return fit_s_curve(fluence, line.line, line.line_sigma, plate, scatter, losses)


def light_curve(
    sweep: xr.Dataset,
    line: LineIntensity,
    response: FluenceResponse,
    after_pump: xr.Dataset | None,
    scatter: float,
) -> LightCurve:
    """Return all light against the density right after the pump.

    The densities share the error of the response and that of the mean loss before the probe.

    Parameters
    ----------
    sweep : xr.Dataset
        Gives the fluences, mJ/cm^2.
    line : LineIntensity
        Intensities of the laser line and of the fluorescence band at each.
    response : FluenceResponse
        Density right after the pump against the fluence.
    after_pump : xr.Dataset, optional
        From `density_after_pump`.
    scatter : float
        Relative standard deviation of one fluence.
    """
    fluence = sweep["fluence"].values
    lost = 0.0 if after_pump is None else float(after_pump["lost"].mean())
    intensity = line.line + line.broad
    valid = np.flatnonzero(np.isfinite(intensity))
    return LightCurve(
        fluence=fluence[valid],
        intensity=intensity[valid],
        sigma=np.hypot(line.total_sigma, LIGHT_ERROR * intensity)[valid],
        density=response.slope.value * fluence[valid],
        scatter=scatter,
        scale=float(np.hypot(response.relative_sigma, LOSS_ERROR * lost)),
    )


def threshold_rows(
    calibration: Calibration,
    material: Attempt[Material],
    response: Attempt[FluenceResponse],
    s_curve: Attempt[SCurve],
) -> dict[str, Estimate]:
    """Return the rows of the threshold from the S-curve: fluence, density and Δn.

    The density does not depend on the scale of the fluences, which slope and threshold share.
    """
    units = {"N_threshold": "cm^-3", "delta_n_threshold": "RIU", "N_threshold_asymptotic": "cm^-3"}
    if s_curve.result is None:
        units["fluence_threshold"] = "mJ/cm^2"
        return _missing_rows(units, s_curve.reason)
    threshold = s_curve.result.threshold
    rows = {
        "fluence_threshold": Estimate(
            threshold.value,
            float(np.hypot(threshold.sigma, calibration.fluence_scale * threshold.value)),
            "mJ/cm^2",
            note="inflection of the laser line's S-curve",
        )
    }
    if response.result is None or material.result is None:
        return _missing_rows(units, response.reason or material.reason) | rows
    density = response.result.slope.value * threshold.value
    relative = float(np.hypot(response.result.relative_sigma, threshold.sigma / threshold.value))
    delta_n = float(material.result.delta_n(density, PROBE_WAVELENGTH))
    place = f"{PROBE_WAVELENGTH:g} nm, right after the pump"
    rows["N_threshold"] = Estimate(density, density * relative, "cm^-3", note="Eq. 1")
    rows["delta_n_threshold"] = Estimate(delta_n, delta_n * relative, "RIU", note=place)
    if not isinstance(material.result, Lorentz):
        reason = "Eq. 2 is the limit of a Lorentz oscillator"
        return rows | {"N_threshold_asymptotic": not_determined("cm^-3", reason)}
    asymptotic = float(material.result.carrier_density_asymptotic(delta_n))
    note = f"Eq. 2; {asymptotic / density - 1:.0%} above Eq. 1"
    rows["N_threshold_asymptotic"] = Estimate(asymptotic, asymptotic * relative, "cm^-3", note=note)
    return rows


def onset_of_fast_component(kinetics: xr.Dataset, curves: list[Curve]) -> Onset:
    """Fit the threshold to the kinetics alone: the onset of the fast component.

    Raises
    ------
    DataError
        Too few curves, or none with a fast component.
    """
    scans = [delta_n_curve(kinetics, curve.fluence) for curve in curves]
    shape = (len(scans), max(len(scan.delay) for scan in scans))
    delay, delta_n, sigma = (np.full(shape, np.nan) for _ in range(3))
    for row, scan in enumerate(scans):
        points = slice(len(scan.delay))
        delay[row, points], delta_n[row, points] = scan.delay, scan.delta_n
        sigma[row, points] = scan.sigma
    return fit_fast_component([curve.fluence for curve in curves], delay, delta_n, sigma)


def onset_rows(
    calibration: Calibration,
    material: Attempt[Material],
    s_curve: Attempt[SCurve],
    onset: Attempt[Onset],
) -> dict[str, Estimate]:
    """Return the rows of the threshold from the kinetics, and its difference from the S-curve's."""
    units = {"fluence_onset": "mJ/cm^2", "N_onset": "cm^-3", "delta_n_onset": "RIU"}
    if onset.result is None or material.result is None:
        units["threshold_difference"] = "mJ/cm^2"
        return _missing_rows(units, onset.reason or material.reason)
    fluence, delta_n = onset.result.fluence, onset.result.delta_n
    scale = calibration.fluence_scale * fluence.value
    density = float(material.result.carrier_density(delta_n.value, CENTRE_WAVELENGTH))
    at_1050_nm = float(material.result.delta_n(density, PROBE_WAVELENGTH))
    relative = delta_n.sigma / delta_n.value
    note = fluence.note
    rows = {
        "fluence_onset": Estimate(
            fluence.value, float(np.hypot(fluence.sigma, scale)), "mJ/cm^2", note=note
        ),
        "N_onset": Estimate(density, density * relative, "cm^-3", note=note),
        "delta_n_onset": Estimate(
            at_1050_nm, at_1050_nm * relative, "RIU", note=f"{PROBE_WAVELENGTH:g} nm; {note}"
        ),
    }
    if s_curve.result is None:
        return rows | {"threshold_difference": not_determined("mJ/cm^2", s_curve.reason)}
    difference, sigma, chance = agreement(s_curve.result.threshold, fluence)
    verdict = "agree" if chance > DISAGREEMENT_CHANCE else "disagree"
    note = f"S-curve minus fast component; p = {chance:.2g}: the two thresholds {verdict}"
    return rows | {"threshold_difference": Estimate(difference, sigma, "mJ/cm^2", note=note)}


def _missing_rows(units: dict[str, str], reason: str) -> dict[str, Estimate]:
    """Return rows without values, by their names and units, for one reason."""
    return {name: not_determined(unit, reason) for name, unit in units.items()}
