"""Time zero and pump power: measured, fitted, stored."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from ocm_ophyd.devices import Instrument
from ocm_ophyd.devices.delay import MM_PER_PS
from plans.checks import PlanError, find_sample
from plans.measure import Plan, close_pump, recorded
from plans.scans import delay_scan

__all__ = ["Analyst", "calibrate_pump_power", "find_time_zero"]


class Analyst(Protocol):
    """Who turns a run that has just ended into the number that a plan goes on with."""

    def time_zero(self, run: str) -> tuple[float, float]:
        """Return the delay (ps) of the rise of Δn in a delay scan, and its sigma.

        Raises
        ------
        ValueError
            Where the scan shows no rise.
        """

    def pump_power(self, run: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a monotonic table of retarder voltage (V) and fluence (mJ/cm²).

        Raises
        ------
        ValueError
            Where the measured curve cannot be inverted.
        """


def find_time_zero(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    fluence: float,
    span: float = 40.0,
    periods: int = 10,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Find the delay at which the probe meets the pump, and store it.

    A coarse scan over `span` around the stored time zero, then a fine one across the rise.
    The probe's colours pass at different times: zero is where its centre wavelength does.
    Where there is no rise, the stored time zero stays.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    analyst : Analyst
        Fits the rise.
    sample : str
        Name of the sample.
    fluence : float
        Peak pump fluence, mJ/cm²; below the lasing threshold the plateau is flat.
    span : float
        Width of the coarse scan, ps.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further metadata.

    Returns
    -------
    tuple of float
        Stage position of zero delay (mm) and its sigma.

    Raises
    ------
    PlanError
        Where there is no rise within the span.
    """
    zero = instrument.delay.time_zero
    stored = yield from bps.rd(zero)
    sigma = float("nan")
    for half, step in ((span / 2, 2.0), (6.0, 0.5)):
        count = round(2 * half / step) + 1
        delays = [float(delay) for delay in np.linspace(-half, half, count)]
        run = yield from delay_scan(
            instrument,
            delays,
            fluence=fluence,
            sample=sample,
            periods=periods,
            purpose="time zero",
            md=md,
        )
        try:
            delay, sigma = analyst.time_zero(run)
        except ValueError as error:
            yield from bps.mv(zero, stored)
            msg = f"time zero was not found within {half:g} ps of the stored one: {error}"
            raise PlanError(msg) from error
        before = yield from bps.rd(zero)
        yield from bps.mv(zero, before - delay * MM_PER_PS)
    yield from bps.mv(instrument.delay.time_zero_sigma, sigma * MM_PER_PS)
    position = yield from bps.rd(zero)
    return position, sigma * MM_PER_PS


@recorded
def calibrate_pump_power(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    voltages: Sequence[float] | None = None,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Measure the pump power against the retarder voltage, and store fluence ↔ voltage.

    The power meter sits on a pick-off before the chopper; the sample stage goes to the bare
    substrate, so that the full power never meets the crystal.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    analyst : Analyst
        Finds the monotonic branch of the curve.
    sample : str
        Name of the sample; its pump waist turns power into fluence.
    voltages : sequence of float, optional
        V; by default 0 to 10 V in 41 steps.
    md : dict, optional
        Further metadata.

    Returns
    -------
    str
        uid of the run.

    Raises
    ------
    PlanError
        Where a voltage is out of range or the curve cannot be inverted.
    """
    chosen = find_sample(instrument.samples, sample)
    retarder = instrument.pump.retarder
    volts = np.linspace(0, 10, 41) if voltages is None else np.asarray(voltages, float)
    try:
        for voltage in volts:
            retarder.check_value(voltage)
    except ValueError as error:
        raise PlanError(str(error)) from None
    rate = yield from bps.rd(instrument.pulse_picker.repetition_rate)
    simulated = yield from bps.rd(instrument.simulated)
    start = {
        "purpose": "pump power",
        "sample": chosen.metadata(),
        "shape": [len(volts)],
        "axes": ["retarder"],
        "num_points": len(volts),
        "repetition_rate": float(rate),
        "pump_waist": chosen.pump_waist,
        "simulated": bool(simulated),
        "hints": {"dimensions": [([retarder.name], "primary")]},
        **(md or {}),
    }

    @bpp.run_decorator(md=start)
    def take() -> Plan:
        for voltage in volts:
            yield from bps.checkpoint()
            yield from bps.mv(retarder, voltage)
            yield from bps.mv(instrument.pump_shutter, "open")
            yield from bps.trigger_and_read([retarder, instrument.power_meter])

    def whole() -> Plan:
        x, y = chosen.substrate
        yield from bps.mv(instrument.sample_stage.x, x, instrument.sample_stage.y, y)
        return (yield from take())

    def leave() -> Plan:
        yield from close_pump(instrument)
        x, y = chosen.position
        yield from bps.mv(instrument.sample_stage.x, x, instrument.sample_stage.y, y)

    run = yield from bpp.finalize_wrapper(whole(), leave())
    try:
        voltage, fluence = analyst.pump_power(run)
    except ValueError as error:
        msg = f"the pump power was not calibrated: {error}"
        raise PlanError(msg) from error
    yield from bps.mv(
        instrument.pump.calibration_voltage, voltage, instrument.pump.calibration_fluence, fluence
    )
    return run
