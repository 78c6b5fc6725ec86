"""Unattended series of measurements."""

import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from ocm_ophyd.devices import Instrument
from plans.alignment import Analyst, find_time_zero
from plans.checks import PlanError, find_sample
from plans.measure import Plan, close_pump
from plans.reference import record_reference
from plans.scans import delay_scan, fluence_delay_map, fluence_sweep, spatiotemporal_grid

__all__ = ["MEASUREMENTS", "overnight_series"]

#: What a series can be made of.
MEASUREMENTS: dict[str, Callable[..., Plan]] = {
    plan.__name__: plan
    for plan in (delay_scan, fluence_sweep, fluence_delay_map, spatiotemporal_grid)
}

#: A series ends when so many measurements in a row have failed: something is broken.
FAILURES_IN_A_ROW = 3


def overnight_series(
    instrument: Instrument,
    analyst: Analyst,
    measurements: Sequence[dict[str, Any]],
    *,
    name: str,
    alignment_fluence: float,
    retake_every: float = 7200.0,
    skip: Collection[int] = (),
    on_failure: Callable[[int, Exception], None] | None = None,
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
        Called with index and error of a measurement that failed.

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
    for index, entry in enumerate(measurements):
        if entry.get("plan") not in MEASUREMENTS or "sample" not in entry:
            msg = (
                f"measurement {index + 1} of series {name!r} needs a sample and a plan out of "
                f"{', '.join(MEASUREMENTS)}; it has {entry}"
            )
            raise PlanError(msg)
        find_sample(instrument, entry["sample"])
    done: dict[int, str] = {}
    failures = 0
    aligned_sample, aligned_at = None, float("-inf")
    for index, entry in enumerate(measurements):
        if index in skip:
            continue
        md = {"series": name, "series_index": index, "series_length": len(measurements)}
        arguments = {key: value for key, value in entry.items() if key != "plan"}
        sample = entry["sample"]
        stale = sample != aligned_sample or time.monotonic() - aligned_at > retake_every

        def one(plan=MEASUREMENTS[entry["plan"]], arguments=arguments, stale=stale, md=md) -> Plan:  # noqa: ANN001 - bound for this turn of the loop
            sample = arguments["sample"]
            if stale:
                alignment = {"series": name}
                yield from record_reference(instrument, sample=sample, md=alignment)
                yield from find_time_zero(
                    instrument, analyst, sample=sample, fluence=alignment_fluence, md=alignment
                )
            return (yield from plan(instrument, **arguments, md=md))

        failed: list[Exception] = []

        def report(error: Exception, failed=failed, index=index) -> Plan:  # noqa: ANN001 - as above
            failed.append(error)
            if on_failure is not None:
                on_failure(index, error)
            yield from close_pump(instrument)

        uid = yield from bpp.contingency_wrapper(one(), except_plan=report, auto_raise=False)
        if failed:
            failures += 1
            if failures == FAILURES_IN_A_ROW:
                msg = f"series {name!r} ended: {failures} measurements in a row failed"
                raise PlanError(msg) from failed[0]
            continue
        failures = 0
        if stale:
            aligned_sample, aligned_at = sample, time.monotonic()
        done[index] = uid
        yield from bps.checkpoint()
    return done
