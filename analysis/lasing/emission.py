"""Where a sample emits, and the pump's stray light beside it, for fits of the fluorescence."""

from typing import NamedTuple

import xarray as xr

from analysis.materials import find_material
from ocm_ophyd.errors import DataError

__all__ = ["Emission", "find_emission"]

_PUMP_WAVELENGTH = 525.0
"""Pump wavelength in nm (paper) of scans that do not hold it."""

_PUMP_HALF_WIDTH = 4.0
"""Half width in nm of the stray pump line: the width of 100 fs (4 nm), through a slit of 1.5 nm."""


class Emission(NamedTuple):
    """The part of a spectrum that holds a sample's fluorescence.

    Attributes
    ----------
    band : tuple of float
        First and last wavelength of luminescence and laser lines, nm.
    pump_line : tuple of float
        Centre and half width of the pump's stray line, nm.
    """

    band: tuple[float, float]
    pump_line: tuple[float, float]


def find_emission(scan: xr.Dataset) -> Emission:
    """Return the emission of a scan's sample.

    Parameters
    ----------
    scan : xr.Dataset
        A raw or reduced scan. Its attribute `material` chooses the band from
        `analysis.materials`, its attribute `pump_wavelength` is in nm.

    Raises
    ------
    DataError
        The scan names no material, or one that is not known to emit.
    """
    name = str(scan.attrs.get("material", ""))
    band = find_material(name).emission_band
    if band is None:
        msg = f"material {name!r} has no emission band in analysis.materials"
        raise DataError(msg)
    centre = float(scan.attrs.get("pump_wavelength", _PUMP_WAVELENGTH))
    return Emission(band, (centre, _PUMP_HALF_WIDTH))
