"""Frames without the pump: what the microscope does when nothing happens."""

from typing import Any

from ocm_ophyd.devices.instrument import Instrument
from plans.stubs.arguments import Plan, recorded
from plans.stubs.points import check_reference, find_sample, with_thickness
from plans.stubs.pump_off import take_spectra
from plans.stubs.pump_probe import frames_for

__all__ = ["measure_noise"]


@recorded
def measure_noise(
    instrument: Instrument,
    *,
    sample: str,
    periods: int = 1200,
    purpose: str = "noise",
    md: dict[str, Any] | None = None,
) -> Plan:
    """Take frames one after the other without a gap, the pump shut.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    sample : str
        Name of the sample.
    periods : int
        Chopper periods; 1200 are a minute at 20 Hz.
    purpose : str
        Why, in a word.
    md : dict, optional
        Further metadata.

    Returns
    -------
    str
        uid of the run, of one point.

    Raises
    ------
    PlanError
        What is wrong and what to do, before anything moves.
    """
    chosen = with_thickness(instrument, find_sample(instrument.samples, sample))
    check_reference(instrument, chosen)
    _, frequency = yield from frames_for(instrument, periods)
    return (
        yield from take_spectra(
            instrument,
            [()],
            sample=chosen,
            purpose=purpose,
            axes=["time"],
            periods=periods,
            md={"chopper_frequency": frequency, **(md or {})},
        )
    )
