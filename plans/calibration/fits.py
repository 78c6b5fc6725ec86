"""What the calibration plans ask of whoever fits their runs."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from ocm_ophyd.errors import OcmError
from plans.stubs.points import PlanError

__all__ = ["Analyst", "Found", "PumpTable", "Quantity", "found_by"]


class Quantity(NamedTuple):
    """One number that was found."""

    value: float
    sigma: float
    unit: str
    note: str = ""


#: What a calibration found, by name.
Found = dict[str, Quantity]


class PumpTable(NamedTuple):
    """Retarder voltage (V, rising) and peak fluence (mJ/cm², monotonic), and what the fit found."""

    voltage: np.ndarray
    fluence: np.ndarray
    found: Found


class Analyst(Protocol):
    """Who turns a run that has just ended into the numbers that a plan goes on with.

    Every method takes the uid of a run, raises DataError with one line where the run does not
    give what is asked for, and keeps what it found in the catalog.
    """

    def arrival(self, run: str) -> Found:
        """Return `time_zero` (ps) and the coefficients `chirp_1` to `chirp_3` of a delay scan."""

    def pump_power(self, run: str) -> PumpTable:
        """Return the table; in `found` stand `fluence_scale` (1, relative) and `drift`."""

    def pump_check(self, run: str, table: PumpTable) -> Found:
        """Return `deviation`: mean relative deviation of the readings of a run from a table."""

    def pump_spot(self, run: str) -> Found:
        """Return the pump's `x`, `y` and `waist` (um) of a map; the probe's blur is taken out."""

    def plate_edges(self, run: str) -> Found:
        """Return scale_x, scale_y (um/V), rotation (deg), offset_x, offset_y, probe_waist (um)."""

    def thickness(self, run: str) -> Found:
        """Return `thickness` (um) from spectra of one spot in common path."""

    def mirror_offset(self, run: str) -> Found:
        """Return `offset` (um): path difference minus position of the reference mirror."""


def found_by(fit: Any, *args: Any, failing: str) -> Any:
    """Return what an analyst's method finds.

    Raises
    ------
    PlanError
        `failing` and the reason, where it finds nothing.
    """
    try:
        return fit(*args)
    except OcmError as error:
        msg = f"{failing}: {error}"
        raise PlanError(msg) from error
