"""Pump power against the retarder's voltage: measured, fitted, checked, stored."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from analysis.estimate import Estimate
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.samples import Sample
from plans.calibration.fits import Analyst, Estimates, fit_or_fail
from plans.stubs.arguments import Plan, recorded
from plans.stubs.points import PlanError, check_targets, find_sample
from plans.stubs.pump_probe import close_pump, start_document

__all__ = ["calibrate_pump_power"]

#: Seconds of a reading: the crystal's last millivolts relax within a twentieth of it.
INTEGRATION = 0.5
#: Readings with the pump open between two with it closed: the meter's zero drifts slowly.
DARK_EVERY = 8
#: Shares of the largest fluence at which the stored curve is checked.
CHECKED = (0.25, 0.5, 0.75)
#: Standard deviations by which the power must have changed to count as a drift.
SIGNIFICANT_DRIFT = 3.0
#: Relative deviation at a check beyond which nothing is stored.
LARGEST_DEVIATION = 0.02


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
    substrate, so that the full power never meets the crystal. The first voltage is measured
    again at the end, where a drift shows; then readings at fluences of the fitted curve check it.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    analyst : Analyst
        Fits the curve.
    sample : str
        Name of the sample; its pump waist turns power into fluence, until `overlap_pump` measures
        it.
    voltages : sequence of float, optional
        V; by default 0 to 10 V in 41 steps.
    md : dict, optional
        Further metadata.

    Returns
    -------
    dict
        `fluence_scale` (1), with the relative uncertainty of all fluences together as its sigma;
        `drift` and `deviation` (relative) of the checks.

    Raises
    ------
    PlanError
        Where a voltage is out of range, the curve cannot be inverted or does not hold when it is
        checked; the stored calibration stays.
    """
    chosen = find_sample(instrument.samples, sample)
    volts = np.linspace(0, 10, 41) if voltages is None else np.asarray(voltages, float)
    if not volts.size:
        msg = "there is nothing to measure: the list of voltages is empty"
        raise PlanError(msg)
    check_targets(instrument.pump.retarder, volts)
    uid = yield from _readings(instrument, chosen, [*volts, volts[0]], "pump power", md)
    failing = "the pump power was not calibrated"
    table = fit_or_fail(analyst.pump_power, uid, failing=failing)
    targets = np.array(CHECKED) * min(table.fluence.max(), chosen.maximum_fluence)
    nearest = [int(np.argmin(np.abs(table.fluence - target))) for target in targets]
    uid = yield from _readings(
        instrument, chosen, table.voltage[nearest].tolist(), "pump power check", md
    )
    estimates: Estimates = table.estimates | fit_or_fail(
        analyst.pump_check, uid, table, failing=failing
    )
    deviation, drift, scale = (estimates[name] for name in ("deviation", "drift", "fluence_scale"))
    if not abs(deviation.value) < max(LARGEST_DEVIATION, 5 * deviation.sigma):
        msg = (
            f"{failing}: the power that the curve promises is off by {deviation.value:.1%} "
            f"± {deviation.sigma:.1%}; is the laser stable?"
        )
        raise PlanError(msg)
    scale = _fluence_scale(scale, deviation, drift)
    pump, curve = instrument.pump, np.stack([table.voltage, table.fluence])
    yield from bps.mv(pump.calibration, curve, pump.fluence_sigma, scale.sigma)
    yield from bps.mv(pump.waist, chosen.pump_waist, pump.calibration_note, scale.note)
    return estimates | {"fluence_scale": scale}


def _fluence_scale(scale: Estimate, deviation: Estimate, drift: Estimate) -> Estimate:
    """Return the common factor of all fluences, 1, with its relative uncertainty.

    Parameters
    ----------
    scale : Estimate
        Of the fit of the curve.
    deviation : Estimate
        Mean relative deviation of the readings that check the curve.
    drift : Estimate
        Relative change of the power during the calibration; counts where it is significant.
    """
    sigma = float(np.sqrt(scale.sigma**2 + deviation.value**2 + deviation.sigma**2))
    note = scale.note
    if abs(drift.value) > SIGNIFICANT_DRIFT * drift.sigma:
        sigma = float(np.hypot(sigma, drift.value))
        text = f"the power drifted by {drift.value:.2%} ± {drift.sigma:.2%} during the calibration"
        note = "; ".join(filter(None, [note, text]))
        logging.getLogger(__name__).warning(text)
    return Estimate(1.0, sigma, "1", note=note)


def _readings(
    instrument: Instrument,
    sample: Sample,
    volts: Sequence[float],
    purpose: str,
    md: dict[str, Any] | None,
) -> Plan:
    """Read the power at voltages, and the meter's zero before, after and in between; one run."""
    meter, retarder = instrument.power_meter, instrument.pump.retarder
    steps: list[tuple[float, str]] = []
    for i, voltage in enumerate(volts):
        if i % DARK_EVERY == 0:
            steps.append((float(voltage), "closed"))
        steps.append((float(voltage), "open"))
    steps.append((float(volts[-1]), "closed"))
    rate = yield from bps.rd(instrument.pulse_picker.repetition_rate)
    start = yield from start_document(
        instrument,
        sample,
        purpose=purpose,
        shape=[len(steps)],
        axes=["retarder"],
        dimensions=[[retarder.name]],
    )
    start |= {"repetition_rate": float(rate), "pump_waist": sample.pump_waist, **(md or {})}
    read = [retarder, instrument.pump_shutter, meter]

    @bpp.run_decorator(md=start)
    def take() -> Plan:
        for voltage, state in steps:
            yield from bps.checkpoint()
            # every time, because a pause closes it
            yield from bps.mv(retarder, voltage, instrument.pump_shutter, state)
            yield from bps.trigger_and_read(read)

    def whole() -> Plan:
        x, y = sample.substrate
        yield from bps.mv(instrument.sample_stage.x, x, instrument.sample_stage.y, y)
        yield from bps.mv(meter.integration_time, INTEGRATION)
        return (yield from take())

    def leave() -> Plan:
        yield from close_pump(instrument)
        x, y = sample.position
        yield from bps.mv(instrument.sample_stage.x, x, instrument.sample_stage.y, y)

    return (yield from bpp.finalize_wrapper(whole(), leave()))
