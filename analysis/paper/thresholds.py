"""The lasing threshold, from the sweep's light and from the kinetics, and what is there then."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.estimate import Estimate, not_determined
from analysis.lasing.fast_component import Onset, fit_fast_component
from analysis.lasing.fluence_response import FluenceResponse, fit_fluence_response
from analysis.lasing.laser_line import LineIntensity
from analysis.lasing.s_curve import SCurve, agreement
from analysis.materials import CSPBBR3, PROBE_WAVELENGTH
from analysis.paper.curves import probe_time
from analysis.paper.measurements import Known
from analysis.paper.relaxation import delta_n_of
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.rate_equations.fit import Curve, LightCurve, RateFit

__all__ = [
    "density_after_pump",
    "density_response",
    "light_curve",
    "onset_of_fast_component",
    "onset_rows",
    "threshold_rows",
]

Floats = NDArray[np.float64]

_UNLIKELY = 0.01
"""Chance of a difference below which two ways to the threshold are said to disagree."""

_VISIBLE = 5.0
"""Standard deviations by which the response must stand out of the noise."""

LIGHT = 5e-4
"""Relative error of the light beyond its noise: its band changes shape beneath the pump's line, and
at its ends, as it grows."""

_LOST = 0.03
"""Relative error of what the rates say was lost before the probe came, where lasing takes most."""

_TELLING = 0.5
"""Least d ln(left)/d ln(created) at which what is left tells what there was."""

_ROUNDS = 8
"""Of the density in proportion to the fluence; each brings a factor of five or more."""


def density_after_pump(sweep: xr.Dataset, rates: RateFit) -> xr.Dataset:
    """Density of the sweep right after the pump: the rates add what had recombined by then.

    It is made linear about that of a density in proportion to the fluence. Above the threshold the
    less is left the more there was: at fluences where what is left tells little of what there was,
    by this proportion and not by the noise of the point, it is NaN.

    Returns
    -------
    xr.Dataset
        Over `point`, with the coordinate `fluence` (mJ/cm²): `density` and `sigma` (cm⁻³), and
        `lost`, the logarithm of the ratio between what there was and what was left.

    Raises
    ------
    ValueError
        No carriers, or the probe came before the pump or too late to tell.
    """
    seen, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
    fluence = np.where(sweep["fluence"].values > 0, sweep["fluence"].values, np.nan)
    time, spread = probe_time(sweep)
    if not (time - spread > 0).all():
        raise ValueError(
            f"the fluence sweep looked {time.min():.2g} ps after the pump, while it was still "
            "arriving: take it some ps later"
        )
    nodes = np.stack([time - spread, time + spread])
    per_fluence = float(np.nanmedian((seen / fluence)[fluence <= np.nanmedian(fluence)]))
    for _ in range(_ROUNDS):
        if not per_fluence > 0:
            raise ValueError("no carriers stand out of the noise of the fluence sweep")
        created = per_fluence * fluence
        left, slope = _left(rates, created, nodes)
        telling = slope * created > _TELLING * left
        if not telling.any():
            raise ValueError(
                f"of the carriers too few are left {np.median(time):.3g} ps after the pump to tell "
                "how many there were: take the fluence sweep earlier"
            )
        before = np.where(telling, created + (seen - left) / slope, np.nan)
        per_fluence = float(np.nanmedian(before / fluence))
    lost = np.log(created / left)
    error = np.hypot(sigma, _LOST * lost * left) / slope
    return xr.Dataset(
        {
            "density": ("point", before),
            "sigma": ("point", np.where(telling, error, np.nan)),
            "lost": ("point", np.where(telling, lost, np.nan)),
        },
        coords={"fluence": sweep["fluence"]},
    )


def _left(rates: RateFit, created: Floats, nodes: Floats) -> tuple[Floats, Floats]:
    """Density (P,) that is left of `created` (P,), mean of two `nodes` (2, P) in ps; its slope."""
    step = 0.01
    low, middle, high = (
        np.array(
            [rates.density(n * factor, t).mean() for n, t in zip(created, nodes.T, strict=True)]
        )
        for factor in (1 - step, 1.0, 1 + step)
    )
    return middle, (high - low) / (2 * step * created)


def density_response(
    sweep: xr.Dataset, arrival: xr.Dataset | None, scatter: float
) -> FluenceResponse:
    """Density right after the pump, by Eq. 1, against the fluence.

    Where there are no rates, recombination before the probe came is seen in the sweep itself, as
    the bend of the response.

    Raises
    ------
    ValueError
        Too few fluences, or no carriers to be seen.
    """
    fluence = sweep["fluence"].values
    if arrival is not None:
        density, sigma = arrival["density"].values, arrival["sigma"].values
        found = fit_fluence_response(fluence, density, sigma, scatter, 0.0, "cm^-3")
    else:
        density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
        found = fit_fluence_response(fluence, density, sigma, scatter, unit="cm^-3")
    if not found.slope.value > _VISIBLE * found.slope.sigma:
        raise ValueError("no carriers stand out of the noise of the fluence sweep")
    return found


def light_curve(
    fluence: Floats,
    line: LineIntensity,
    response: FluenceResponse,
    arrival: xr.Dataset | None,
    scatter: float,
) -> LightCurve:
    """All light against the density right after the pump.

    The densities share the error of the response and that of what was lost on average.
    """
    lost = 0.0 if arrival is None else float(arrival["lost"].mean())
    intensity = line.line + line.broad
    good = np.flatnonzero(np.isfinite(intensity))
    return LightCurve(
        fluence[good],
        intensity[good],
        np.hypot(line.total_sigma, LIGHT * intensity)[good],
        response.slope.value * fluence[good],
        scatter,
        float(np.hypot(response.relative_sigma, _LOST * lost)),
    )


def threshold_rows(
    known: Known,
    reasons: Mapping[str, str],
    response: FluenceResponse | None,
    s_curve: SCurve | None,
) -> dict[str, Estimate]:
    """Threshold from the S-curve, and what carriers and index the sweep has there.

    The density does not know how the fluences are scaled: slope and threshold share the scale.
    """
    units = {"N_threshold": "cm-3", "delta_n_threshold": "RIU", "N_threshold_asymptotic": "cm-3"}
    if s_curve is None:
        units["fluence_threshold"] = "mJ/cm2"
        return {name: not_determined(unit, reasons["s_curve"]) for name, unit in units.items()}
    seen = s_curve.threshold
    fluence = Estimate(
        seen.value,
        float(np.hypot(seen.sigma, known.fluence_scale * seen.value)),
        "mJ/cm2",
        note="inflection of the laser line's S-curve",
    )
    if response is None:
        rows = {name: not_determined(unit, reasons["response"]) for name, unit in units.items()}
        return rows | {"fluence_threshold": fluence}
    density = response.slope.value * seen.value
    relative = float(np.hypot(response.relative_sigma, seen.sigma / seen.value))
    delta_n = float(CSPBBR3.delta_n(density, PROBE_WAVELENGTH))
    asymptotic = float(CSPBBR3.carrier_density_asymptotic(delta_n))
    at = f"{PROBE_WAVELENGTH:g} nm, right after the pump"
    return {
        "N_threshold": Estimate(density, density * relative, "cm-3", note="Eq. 1"),
        "delta_n_threshold": Estimate(delta_n, delta_n * relative, "RIU", note=at),
        "fluence_threshold": fluence,
        "N_threshold_asymptotic": Estimate(
            asymptotic,
            asymptotic * relative,
            "cm-3",
            note=f"Eq. 2; {asymptotic / density - 1:.0%} above Eq. 1",
        ),
    }


def onset_of_fast_component(kinetics: xr.Dataset, curves: list[Curve]) -> Onset:
    """Threshold from the carriers alone: where the fast component sets in."""
    scans = [delta_n_of(kinetics, curve) for curve in curves]
    longest = max(len(delay) for delay, _, _ in scans)
    table = np.full((3, len(scans), longest), np.nan)
    for row, columns in enumerate(scans):
        table[:, row, : len(columns[0])] = columns
    return fit_fast_component([curve.fluence for curve in curves], *table)


def onset_rows(
    known: Known, reasons: Mapping[str, str], s_curve: SCurve | None, onset: Onset | None
) -> dict[str, Estimate]:
    """Threshold from the carriers, and how far that from the light is from it."""
    units = {"fluence_onset": "mJ/cm2", "N_onset": "cm-3", "delta_n_onset": "RIU"}
    if onset is None:
        units["threshold_difference"] = "mJ/cm2"
        return {name: not_determined(unit, reasons["onset"]) for name, unit in units.items()}
    seen, note = onset.fluence, onset.fluence.note
    scale = known.fluence_scale * seen.value
    density = float(CSPBBR3.carrier_density(onset.delta_n.value, CENTRE_WAVELENGTH))
    delta_n = float(CSPBBR3.delta_n(density, PROBE_WAVELENGTH))
    relative = onset.delta_n.sigma / onset.delta_n.value
    found = {
        "fluence_onset": Estimate(
            seen.value, float(np.hypot(seen.sigma, scale)), "mJ/cm2", note=note
        ),
        "N_onset": Estimate(density, density * relative, "cm-3", note=note),
        "delta_n_onset": Estimate(
            delta_n, delta_n * relative, "RIU", note=f"{PROBE_WAVELENGTH:g} nm; {note}"
        ),
    }
    if s_curve is None:
        return found | {"threshold_difference": not_determined("mJ/cm2", reasons["s_curve"])}
    difference, sigma, chance = agreement(s_curve.threshold, seen)
    verdict = "the two ways agree" if chance > _UNLIKELY else "the two ways disagree"
    note = f"S-curve minus fast component; p = {chance:.2g}: {verdict}"
    return found | {"threshold_difference": Estimate(difference, sigma, "mJ/cm2", note=note)}
