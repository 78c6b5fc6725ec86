"""The fits that calibration plans need, and their results."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from analysis.estimate import Estimate
from ocm_ophyd.errors import OcmError
from plans.stubs.points import PlanError

__all__ = ["Analyst", "Estimates", "PumpTable", "fit_or_fail"]

Result = TypeVar("Result")

Estimates = dict[str, Estimate]
"""Results of a calibration by name."""


class PumpTable(NamedTuple):
    """Calibration of the pump: peak fluence against the retarder's voltage.

    Attributes
    ----------
    voltage : (P,) array
        V, rising.
    fluence : (P,) array
        Peak fluence, mJ/cm², monotonic.
    estimates : dict of str to Estimate
        `fluence_scale` (1, relative) and `drift` of the measurement.
    """

    voltage: np.ndarray
    fluence: np.ndarray
    estimates: Estimates


class Analyst(Protocol):
    """Fits a run that has just ended, so that the plan can go on with its numbers.

    Every method takes the uid of a run, raises DataError with one line where the run does not
    determine the result, and stores the result in the catalog.
    """

    def arrival(self, run: str) -> Estimates:
        """Return `time_zero` (ps) and the coefficients `chirp_1` to `chirp_3` of a delay scan."""

    def pump_power(self, run: str) -> PumpTable:
        """Return the table with the estimates `fluence_scale` (1, relative) and `drift`."""

    def pump_check(self, run: str, table: PumpTable) -> Estimates:
        """Return `deviation`: mean relative deviation of the readings of a run from a table."""

    def pump_spot(self, run: str) -> Estimates:
        """Return the pump's `x`, `y` and `waist` (um) of a map; the probe's blur is taken out."""

    def plate_edges(self, run: str) -> Estimates:
        """Return scale_x, scale_y (um/V), rotation (deg), offset_x, offset_y, probe_waist (um)."""

    def thickness(self, run: str) -> Estimates:
        """Return `thickness` (um) from spectra of one spot in common path."""

    def mirror_offset(self, run: str) -> Estimates:
        """Return `offset` (um): path difference minus position of the reference mirror."""


def fit_or_fail(fit: Callable[..., Result], *args: Any, failing: str) -> Result:
    """Return the result of an analyst's method, or end the plan with one line.

    Parameters
    ----------
    fit : callable
        Method of an `Analyst`; `args` are its arguments.
    failing : str
        What the plan has not done, the beginning of the message.

    Raises
    ------
    PlanError
        `failing` and the reason, where the run does not determine the result.
    """
    try:
        return fit(*args)
    except OcmError as error:
        msg = f"{failing}: {error}"
        raise PlanError(msg) from error
