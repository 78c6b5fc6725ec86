"""The lasing threshold, from the sweep's light and from the kinetics, and what is there then."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.band import CENTRE_WAVELENGTH
from analysis.estimate import Estimate, not_determined
from analysis.fast_component import Onset, fast_component
from analysis.fluence import Response, fit_response
from analysis.laser_line import LineIntensity
from analysis.materials import CSPBBR3, PROBE_WAVELENGTH
from analysis.paper.curves import probe_time
from analysis.paper.data import Known
from analysis.paper.decays import delta_n_of
from analysis.rate_equations import Curve, LightCurve, RateFit
from analysis.threshold import SCurve, agreement

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


def density_after_pump(sweep: xr.Dataset, rates: RateFit) -> xr.Dataset:
    """Density of the sweep right after the pump: the rates add what had recombined by then.

    NaN where lasing has taken so much that what was seen hardly tells what there was, and at all
    higher fluences: there less may be left than of fewer carriers.
    """
    density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
    fluence = sweep["fluence"].values
    before, slope = _before(rates, density, *probe_time(sweep))
    lost_track = np.isfinite(density) & np.isnan(before)
    before[fluence > np.min(fluence[lost_track], initial=np.inf)] = np.nan
    lost = np.log(before / density)
    relative = np.hypot(sigma / density, _LOST * lost) / slope
    return xr.Dataset(
        {"density": ("point", before), "sigma": ("point", np.abs(before * relative))},
        coords={"fluence": ("point", fluence)},
    )


def _before(rates: RateFit, density: Floats, time: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Density (P,) right after the pump, where `density` (P,) is left at `time` ± `spread` (P,) ps.

    And d ln(left)/d ln(before) (P,). Above the threshold the less is left the more there was, so
    that only the rising branch can be followed back.
    """
    highest = np.nanmax(density, initial=0.0)
    if not highest > 0:
        return np.full_like(density, np.nan), np.ones_like(density)
    grid = highest * np.geomspace(0.02, 3.0, 120)
    nodes = np.stack([time - spread, time + spread])
    left = np.array([rates.density(initial, nodes).mean(axis=0) for initial in grid])
    slopes = np.gradient(np.log(left), np.log(grid), axis=0)
    before, slope = density / left[0] * grid[0], np.ones_like(density)  # what is too thin to lase
    for p in np.flatnonzero(density > left[0]):
        rising = int(np.argmin(np.append(slopes[:, p] > _TELLING, False)))
        seen = left[:rising, p]
        before[p] = np.exp(
            np.interp(np.log(density[p]), np.log(seen), np.log(grid[:rising]), right=np.nan)
        )
        slope[p] = np.interp(before[p], grid[:rising], slopes[:rising, p])
    return before, slope


def density_response(sweep: xr.Dataset, arrival: xr.Dataset | None, scatter: float) -> Response:
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
        found = fit_response(fluence, density, sigma, scatter, loss=0.0)
    else:
        density, sigma = sweep["carrier_density"].values, sweep["carrier_density_sigma"].values
        found = fit_response(fluence, density, sigma, scatter)
    if not found.slope > _VISIBLE * found.slope_sigma:
        raise ValueError("no carriers stand out of the noise of the fluence sweep")
    return found


LIGHT = 5e-4
"""Relative error of the light beyond its noise: what lies outside the band, or beneath the pump."""

SCALE = 5e-3
"""Relative error that the densities of the light share: 0.2 % of the sweep's response, and `_LOST`
of the tenth that lasing takes before the probe comes."""

_LOST = 0.03
"""Relative error of what the rates say was lost before the probe came, where lasing takes most."""

_TELLING = 0.5
"""Least d ln(left)/d ln(before) at which what is left tells what there was before."""


def light_curve(
    fluence: Floats, line: LineIntensity, response: Response, scatter: float
) -> LightCurve:
    """All light against the density right after the pump."""
    intensity = line.line + line.broad
    good = np.flatnonzero(np.isfinite(intensity))
    return LightCurve(
        fluence[good],
        intensity[good],
        np.hypot(line.total_sigma, LIGHT * intensity)[good],
        response.slope * fluence[good],
        scatter,
        SCALE,
    )


def threshold_rows(
    known: Known, reasons: Mapping[str, str], response: Response | None, s_curve: SCurve | None
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
    density = response.slope * seen.value
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
    return fast_component([curve.fluence for curve in curves], *table)


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
