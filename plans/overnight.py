"""Unattended series of measurements."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from bluesky import preprocessors as bpp
from bluesky.utils import RunEngineControlException

from ocm_ophyd.devices.failures import hardware_failure
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.errors import OcmError
from ocm_ophyd.samples import Sample
from plans.calibration.alignment import find_time_zero
from plans.calibration.fits import Analyst
from plans.calibration.reference import record_reference
from plans.scans import (
    MEASUREMENTS,
)
from plans.stubs.arguments import Plan, bind_arguments
from plans.stubs.points import PlanError, check_fluence, find_sample
from plans.stubs.pump_probe import close_pump

__all__ = ["check_series", "overnight_series"]

#: A series ends when so many measurements in a row have failed: something is broken.
FAILURES_IN_A_ROW = 3


def _log_failure(index: int, error: OcmError) -> None:
    logging.getLogger(__name__).error("measurement %d failed: %s", index + 1, error)


def overnight_series(
    instrument: Instrument,
    analyst: Analyst,
    measurements: Sequence[dict[str, Any]],
    *,
    name: str,
    alignment_fluence: float,
    retake_every: float = 7200.0,
    skip: Collection[int] = (),
    on_failure: Callable[[int, OcmError], None] = _log_failure,
) -> Plan:
    """Take a list of measurements through the night.

    Reference and time zero are taken again whenever `retake_every` has passed, between two
    measurements. A measurement that fails is reported and the series goes on with the next,
    the pump shutter closed in between.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    analyst : Analyst
        Fits time zero.
    measurements : sequence of dict
        Each with ``plan``, a name from `MEASUREMENTS`, and the plan's keyword arguments.
    name : str
        Name of the series, in the metadata of all its runs with each run's index.
    alignment_fluence : float
        Peak pump fluence for time zero, mJ/cm².
    retake_every : float
        Seconds after which reference and time zero are taken again.
    skip : collection of int
        Indices that are complete already.
    on_failure : callable, optional
        Called with index and error of a measurement that failed; by default they are logged.

    Returns
    -------
    dict
        uid by index of what was measured.

    Raises
    ------
    PlanError
        For an entry that is no measurement, before anything moves; and where three
        measurements in a row have failed.
    """
    check_series(instrument.samples, name, measurements, alignment_fluence)
    done: dict[int, str] = {}
    failures = 0
    aligned: dict[str, float] = {}  # when reference and time zero were taken, of one sample
    for index, entry in enumerate(measurements):
        if index in skip:
            continue
        sample = entry["sample"]
        stale = time.monotonic() - aligned.get(sample, float("-inf")) > retake_every
        failed: list[OcmError] = []
        steps = _measurement(instrument, entry, {"series": name, "series_index": index})
        if stale:
            alignment = _alignment(instrument, analyst, sample, alignment_fluence, name, aligned)
            steps = bpp.pchain(alignment, steps)
        uid = yield from bpp.contingency_wrapper(
            steps, except_plan=partial(_note_failure, instrument, failed), auto_raise=False
        )
        if failed:
            failures += 1
            on_failure(index, failed[0])
            if failures == FAILURES_IN_A_ROW:
                msg = f"series {name!r} ended: {failures} measurements in a row failed"
                raise PlanError(msg) from failed[0]
            continue
        failures = 0
        done[index] = uid[-1] if stale else uid
    return done


def check_series(
    samples: Mapping[str, Sample],
    name: str,
    measurements: Sequence[dict[str, Any]],
    alignment_fluence: float,
) -> None:
    """Refuse a series with an entry that cannot be measured, without an instrument.

    Parameters
    ----------
    samples : mapping
        Samples by name.
    name, measurements, alignment_fluence
        As in `overnight_series`.

    Raises
    ------
    PlanError
        Names the entry and what is wrong with it.
    """
    for number, entry in enumerate(measurements, start=1):
        where = f"measurement {number} of series {name!r}"
        chosen = entry.get("plan")
        if chosen not in list(MEASUREMENTS):
            msg = f"{where} needs a plan out of {', '.join(MEASUREMENTS)}, not {chosen}"
            raise PlanError(msg)
        try:
            bind_arguments(MEASUREMENTS[chosen], None, **_arguments(entry), md={})
            sample = find_sample(samples, entry["sample"])
            for fluence in (
                alignment_fluence,
                *([entry["fluence"]] if "fluence" in entry else entry.get("fluences", [])),
            ):
                check_fluence(sample, fluence)
        except PlanError as error:
            msg = f"{where}: {error}"
            raise PlanError(msg) from None


def _arguments(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "plan"}


def _measurement(instrument: Instrument, entry: dict[str, Any], md: dict[str, Any]) -> Plan:
    return (yield from MEASUREMENTS[entry["plan"]](instrument, **_arguments(entry), md=md))


def _alignment(
    instrument: Instrument,
    analyst: Analyst,
    sample: str,
    fluence: float,
    series: str,
    aligned: dict[str, float],
) -> Plan:
    """Take reference and time zero again, and note in `aligned` when."""
    md = {"series": series}
    yield from record_reference(instrument, sample=sample, md=md)
    yield from find_time_zero(instrument, analyst, sample=sample, fluence=fluence, md=md)
    aligned.clear()
    aligned[sample] = time.monotonic()


def _note_failure(instrument: Instrument, failed: list[OcmError], error: Exception) -> Plan:
    """Keep the error and shut the pump; an abort by the user and a defect end the series."""
    if isinstance(error, RunEngineControlException):
        raise error
    reason = hardware_failure(error)
    if reason is None:
        raise error
    failed.append(reason)
    yield from close_pump(instrument)
