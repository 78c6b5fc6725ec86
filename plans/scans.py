"""Measurements: delay scans, fluence sweeps and maps."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from ocm_ophyd.devices.instrument import Instrument
from plans.stubs.arguments import Plan, recorded
from plans.stubs.points import Point
from plans.stubs.pump_probe import measure

__all__ = [
    "MEASUREMENTS",
    "delay_scan",
    "fluence_delay_map",
    "fluence_sweep",
    "spatiotemporal_grid",
]

#: Chopper periods a point: one second at 20 Hz.
PERIODS = 20


@recorded
def delay_scan(
    instrument: Instrument,
    delays: Sequence[float],
    *,
    fluence: float,
    sample: str,
    x: float = 0.0,
    y: float = 0.0,
    periods: int = PERIODS,
    purpose: str = "kinetics",
    md: dict[str, Any] | None = None,
) -> Plan:
    """Measure Δn at a list of delays.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    delays : sequence of float
        ps, any list; `linear_then_logarithmic` makes common ones.
    fluence : float
        Peak pump fluence, mJ/cm².
    sample : str
        Name of the sample.
    x, y : float
        Probe position, um.
    periods : int
        Chopper periods a point.
    purpose : str
        Why, in a word.
    md : dict, optional
        Further metadata.

    Returns
    -------
    str
        uid of the run.
    """
    return (
        yield from measure(
            instrument,
            [Point(delay, fluence, x, y) for delay in delays],
            sample=sample,
            purpose=purpose,
            shape=[len(delays)],
            axes=["delay"],
            periods=periods,
            md=md,
        )
    )


@recorded
def fluence_sweep(
    instrument: Instrument,
    fluences: Sequence[float],
    *,
    delay: float,
    sample: str,
    x: float = 0.0,
    y: float = 0.0,
    periods: int = PERIODS,
    purpose: str = "fluence",
    md: dict[str, Any] | None = None,
) -> Plan:
    """Measure Δn and fluorescence at a list of fluences and one delay.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    fluences : sequence of float
        Peak pump fluences, mJ/cm².
    delay : float
        ps.
    sample, x, y, periods, purpose, md
        As in `delay_scan`.

    Returns
    -------
    str
        uid of the run.
    """
    return (
        yield from measure(
            instrument,
            [Point(delay, fluence, x, y) for fluence in fluences],
            sample=sample,
            purpose=purpose,
            shape=[len(fluences)],
            axes=["fluence"],
            periods=periods,
            md=md,
        )
    )


@recorded
def fluence_delay_map(
    instrument: Instrument,
    fluences: Sequence[float],
    delays: Sequence[float],
    *,
    sample: str,
    x: float = 0.0,
    y: float = 0.0,
    periods: int = PERIODS,
    purpose: str = "fluence-delay map",
    md: dict[str, Any] | None = None,
) -> Plan:
    """Measure a delay scan at every fluence, as one run (Fig. 2c of the paper).

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    fluences : sequence of float
        Peak pump fluences, mJ/cm²; the slow axis.
    delays : sequence of float
        ps; the fast axis.
    sample, x, y, periods, purpose, md
        As in `delay_scan`.

    Returns
    -------
    str
        uid of the run.
    """
    return (
        yield from measure(
            instrument,
            [Point(delay, fluence, x, y) for fluence, delay in product(fluences, delays)],
            sample=sample,
            purpose=purpose,
            shape=[len(fluences), len(delays)],
            axes=["fluence", "delay"],
            periods=periods,
            md=md,
        )
    )


@recorded
def spatiotemporal_grid(
    instrument: Instrument,
    delays: Sequence[float],
    xs: Sequence[float],
    ys: Sequence[float],
    *,
    fluence: float,
    sample: str,
    periods: int = PERIODS,
    purpose: str = "map",
    md: dict[str, Any] | None = None,
) -> Plan:
    """Measure a map of probe positions at every delay (Fig. 4 of the paper).

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    delays : sequence of float
        ps; the slowest axis.
    xs, ys : sequence of float
        Probe positions, um; x is the fastest axis.
    fluence : float
        Peak pump fluence, mJ/cm².
    sample, periods, purpose, md
        As in `delay_scan`.

    Returns
    -------
    str
        uid of the run.
    """
    return (
        yield from measure(
            instrument,
            [Point(delay, fluence, x, y) for delay, y, x in product(delays, ys, xs)],
            sample=sample,
            purpose=purpose,
            shape=[len(delays), len(ys), len(xs)],
            axes=["delay", "probe_y", "probe_x"],
            periods=periods,
            md=md,
        )
    )


MEASUREMENTS: dict[str, Callable[..., Plan]] = {
    plan.__name__: plan
    for plan in (delay_scan, fluence_sweep, fluence_delay_map, spatiotemporal_grid)
}
"""All measurements by name: the session offers them, and a series can consist of them."""
