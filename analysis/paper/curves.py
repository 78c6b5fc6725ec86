"""Conversion of reduced scans, complete or broken off, into the arrays that the fits take."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.diffusion.search import EARLIEST_TIME
from analysis.materials import Material, find_material
from analysis.rate_equations.data import Curve
from analysis.scan_grid import distinct_settings
from ocm_ophyd.errors import DataError

__all__ = [
    "SETTING_TOLERANCE",
    "GriddedScan",
    "grid_scan",
    "kinetics_curves",
    "material_of",
    "measured_scan",
    "probe_time",
]

Floats = NDArray[np.float64]

REDUCTION_ERROR = 1e-3
"""Relative standard deviation of a density beyond its noise. The reduction of frames without noise
is off by 3e-4 at most phases of the fringe and by up to 1e-3 at the worst one
(docs/reference/sensitivity.md)."""

SETTING_TOLERANCE: Mapping[str, float] = MappingProxyType(
    {"fluence": 0.01, "delay": 0.5, "x": 0.1, "y": 0.1}
)
"""Largest difference between readbacks of one setting, in mJ/cm^2, ps, um and um: above what
readbacks scatter by, below the smallest step of the experiment's scans."""


class GriddedScan(NamedTuple):
    """Points of a scan over delay, y and x in a grid.

    Attributes
    ----------
    time, spread : (T,) arrays
        Mean time at which the probe samples the points of a frame, ps after the pump, and the
        standard deviation of the sampling times, ps.
    x, y : (X,), (Y,) arrays
        Probe positions, um.
    values, sigma : (T, Y, X) arrays
        A reduced quantity and its standard deviation, in its unit; NaN where there is no point.
    """

    time: Floats
    spread: Floats
    x: Floats
    y: Floats
    values: Floats
    sigma: Floats


def measured_scan(scan: xr.Dataset | None, name: str) -> xr.Dataset:
    """Return a scan that was measured.

    Parameters
    ----------
    scan : xr.Dataset, optional
        Reduced, over `point`.
    name : str
        Of the scan, for the message.

    Raises
    ------
    DataError
        It was not measured, or it has no points.
    """
    if scan is None or not scan.sizes.get("point"):
        raise DataError(f"no {name} was measured")
    return scan


def material_of(scan: xr.Dataset) -> Material:
    """Return the Δn(N) model of a scan's sample.

    Raises
    ------
    DataError
        The scan names no material, or one without a model.
    """
    return find_material(str(scan.attrs.get("material", "")))


def kinetics_curves(kinetics: xr.Dataset) -> list[Curve]:
    """Split delay scans at several fluences into relaxation curves of the carrier density.

    A curve begins at `EARLIEST_TIME`. Points without a density are dropped, and so is a fluence at
    which less than half of the delays have one.

    Parameters
    ----------
    kinetics : xr.Dataset
        Reduced, over `point`: `fluence` (mJ/cm^2), `delay` (ps), `carrier_density` and its sigma
        (cm^-3).

    Raises
    ------
    DataError
        No fluence has enough points.
    """
    fluences, index = distinct_settings(kinetics["fluence"].values, SETTING_TOLERANCE["fluence"])
    time, spread = probe_time(kinetics)
    density = kinetics["carrier_density"].values
    sigma = kinetics["carrier_density_sigma"].values
    most = max(np.bincount(index))
    valid = np.isfinite(density) & np.isfinite(sigma) & (sigma > 0)
    curves = []
    for number, fluence in enumerate(fluences):
        here = (index == number) & valid
        if 2 * np.count_nonzero(here) < most:
            continue
        late = np.flatnonzero(here & (time >= EARLIEST_TIME))
        order = late[np.argsort(time[late])]
        total = np.hypot(sigma[order], REDUCTION_ERROR * density[order])
        curves.append(Curve(float(fluence), time[order], density[order], total, spread[order]))
    if not curves:
        raise DataError("at no fluence of the kinetics half of the delays gave an index change")
    return curves


def grid_scan(scan: xr.Dataset, name: str = "carrier_density") -> GriddedScan:
    """Arrange the points of maps at several delays in a grid.

    Parameters
    ----------
    scan : xr.Dataset
        Reduced, over `point`, with `delay` (ps), `x` and `y` (um).
    name : str
        Variable of the scan that is arranged, with its sigma.
    """
    _, frame = distinct_settings(scan["delay"].values, SETTING_TOLERANCE["delay"])
    x, column = distinct_settings(scan["x"].values, SETTING_TOLERANCE["x"])
    y, row = distinct_settings(scan["y"].values, SETTING_TOLERANCE["y"])
    shape = (int(frame.max()) + 1, len(y), len(x))
    values, sigma = np.full(shape, np.nan), np.full(shape, np.nan)
    values[frame, row, column] = scan[name].values
    sigma[frame, row, column] = scan[f"{name}_sigma"].values
    count = np.bincount(frame)
    time, spread = (np.bincount(frame, moment) / count for moment in probe_time(scan))
    return GriddedScan(time=time, spread=spread, x=x, y=y, values=values, sigma=sigma)


def probe_time(scan: xr.Dataset) -> tuple[Floats, Floats]:
    """Return when the probe samples each point of a scan.

    Returns
    -------
    time, spread : (P,) arrays
        Mean sampling time after the pump, and the standard deviation of the sampling times, ps.
        Without a calibration of the chirp these are the delay of the scan and 0.
    """
    delay = scan["delay"].values
    if "probe_delay" not in scan:
        return delay, np.zeros_like(delay)
    shift, spread = scan["probe_delay"].values, scan["probe_spread"].values
    return delay + np.nan_to_num(shift), np.nan_to_num(spread)
