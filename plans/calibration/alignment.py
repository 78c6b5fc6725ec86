"""Time zero, chirp and overlap: measured, fitted, stored; and the whole alignment in order."""

from collections.abc import Callable
from math import hypot
from typing import Any

import numpy as np
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from analysis.estimate import Estimate
from ocm_ophyd.devices.delay import MM_PER_PS
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.samples import Sample
from plans.calibration.fits import Analyst, Estimates, fit_or_fail
from plans.calibration.galvos import calibrate_galvos
from plans.calibration.path_length import calibrate_reference_mirror, measure_thickness
from plans.calibration.pump_power import calibrate_pump_power
from plans.calibration.reference import record_reference
from plans.scans import delay_scan, spatiotemporal_grid
from plans.stubs.arguments import Plan, checked
from plans.stubs.points import PlanError, check_fluence, find_sample

__all__ = ["align", "find_time_zero", "overlap_pump"]

#: um between pump and probe below which they overlap.
TOLERANCE = 0.1
#: um from the edge of the sample that a map keeps: one radius of the probe.
MARGIN = 0.5
#: Chopper periods a point with the reference mirror, whose path drifts more than a plate's own.
WITH_MIRROR = 40
#: Beginning of the message where the overlap fails.
NOT_OVERLAPPED = "pump and probe were not overlapped"
#: um, half the side of a map (the paper's 5 x 5 um²).
HALF_MAP = 2.5


@checked
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
    """Find the delay at which the probe meets the pump, and the probe's chirp, and store them.

    A coarse scan over `span` around the stored time zero, then a fine one across the rise.
    The probe's colours pass at different times: zero is where its centre wavelength does.
    Where there is no rise, what is stored stays.

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
    dict
        `time_zero`: position of the delay stage (mm); `chirp_1` to `chirp_3` (ps/(100 rad/ps)^k).

    Raises
    ------
    PlanError
        Where there is no rise within the span.
    """
    delay, estimates = 0.0, {}
    for half, step in ((span / 2, 2.0), (4.5, 0.25)):
        count = round(2 * half / step) + 1
        delays = [float(value) for value in np.linspace(delay - half, delay + half, count)]
        run = yield from delay_scan(
            instrument,
            delays,
            fluence=fluence,
            sample=sample,
            periods=periods,
            purpose="time zero",
            md=md,
        )
        failing = f"time zero was not found within {half:g} ps of {delay:.3g} ps"
        estimates = fit_or_fail(analyst.arrival, run, failing=failing)
        delay = estimates["time_zero"].value
    stage, detector = instrument.delay, instrument.spectrometer
    stored = yield from bps.rd(stage.time_zero)
    sigma = estimates["time_zero"].sigma * MM_PER_PS
    zero = Estimate(stored - delay * MM_PER_PS, sigma, "mm", note="1 um is 6.7 fs")
    chirp = [estimates[f"chirp_{k}"] for k in (1, 2, 3)]
    yield from bps.mv(
        stage.time_zero,
        zero.value,
        stage.time_zero_sigma,
        zero.sigma,
        detector.chirp,
        [term.value for term in chirp],
        detector.chirp_sigma,
        [term.sigma for term in chirp],
    )
    return estimates | {"time_zero": zero}


@checked
def overlap_pump(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    fluence: float,
    delay: float = 5.0,
    steps: int = 3,
    periods: int = 6,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Move the pump onto the probe's origin, and store where it is and how wide.

    Maps of Δn, each fitted and followed by a move of the steering lens, until one shows the pump
    within 0.1 um. Recombination flattens the cloud and diffusion widens it: 5 ps after a pump
    below threshold that is some per cent of the waist, which the fit allows for. Fluences are power
    over area: the stored ones, of the waist on record, are brought to the measured waist.

    Parameters
    ----------
    instrument : Instrument
        The microscope, with time zero.
    analyst : Analyst
        Fits the maps.
    sample : str
        Name of the sample.
    fluence : float
        Peak pump fluence, mJ/cm²; below the lasing threshold.
    delay : float
        Of the maps, ps.
    steps : int
        How often the lens may be moved.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further metadata.

    Returns
    -------
    dict
        `pump_x`, `pump_y`: the pump as the last map shows it (um, of the probe's scale), and
        `pump_waist` (um).

    Raises
    ------
    PlanError
        If a map shows no cloud, or the moves do not bring it to the probe: the lens goes back and
        the stored calibration stays.
    """
    chosen = find_sample(instrument.samples, sample)
    xs, ys = (_side(chosen, axis) for axis in (0, 1))
    lens = instrument.steering_lens
    beginning = tuple(lens.position)

    def take_map() -> Plan:
        run = yield from spatiotemporal_grid(
            instrument,
            [delay],
            xs,
            ys,
            fluence=fluence,
            sample=sample,
            periods=periods,
            purpose="overlap",
            md=md,
        )
        return fit_or_fail(analyst.pump_spot, run, failing=NOT_OVERLAPPED)

    def go_back(error: Exception) -> Plan:  # noqa: ARG001 - the contingency hands it over
        yield from bps.mv(lens, beginning)

    search = _move_to_overlap(instrument, take_map, steps)
    spot = yield from bpp.contingency_wrapper(search, except_plan=go_back)
    yield from _store_overlap(instrument, spot)
    return {"pump_x": spot["x"], "pump_y": spot["y"], "pump_waist": spot["waist"]}


def _move_to_overlap(instrument: Instrument, take_map: Callable[[], Plan], steps: int) -> Plan:
    """Move the steering lens until a map shows the pump at the probe's origin.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    take_map : callable
        Plan that takes a map and returns the pump's `x`, `y` and `waist`, um.
    steps : int
        Largest number of moves.

    Returns
    -------
    dict
        Pump's `x`, `y` and `waist` in the last map.

    Raises
    ------
    PlanError
        If the maps are too noisy, or the moves do not bring the pump to the probe.
    """
    lens = instrument.steering_lens
    x, y, waist = lens.position
    for step in range(steps + 1):
        spot = yield from take_map()
        sigma = max(spot["x"].sigma, spot["y"].sigma)
        if sigma > TOLERANCE:
            msg = (
                f"{NOT_OVERLAPPED}: a map gives the position of the pump to {sigma:.2g} um only; "
                "take more periods a point"
            )
            raise PlanError(msg)
        distance = hypot(spot["x"].value, spot["y"].value)
        if distance < TOLERANCE:
            return spot
        if step < steps:
            x, y = x - spot["x"].value, y - spot["y"].value
            yield from bps.mv(lens, (x, y, waist))
    msg = (
        f"{NOT_OVERLAPPED}: after {steps} moves of the steering lens they are {distance:.2g} um "
        "apart; is the lens's scale right?"
    )
    raise PlanError(msg)


def _store_overlap(instrument: Instrument, spot: Estimates) -> Plan:
    """Store the pump's origin and waist, and the fluences that follow from the waist.

    Parameters
    ----------
    instrument : Instrument
        The microscope, its lens where the map was taken.
    spot : dict
        Pump's `x`, `y` and `waist` in a map, um.
    """
    lens, pump = instrument.steering_lens, instrument.pump
    at_x, at_y, waist = lens.position
    old_x = yield from bps.rd(lens.offset_x)
    old_y = yield from bps.rd(lens.offset_y)
    widening = waist / (yield from bps.rd(lens.focal_waist))  # of the pump here, to its focus
    x, y, measured = spot["x"], spot["y"], spot["waist"]
    volts, table = yield from bps.rd(pump.calibration)
    assumed = yield from bps.rd(pump.waist)
    curve = np.stack([volts, table * (assumed / measured.value) ** 2])
    yield from bps.mv(pump.calibration, curve, pump.waist, measured.value)
    yield from bps.mv(lens.offset_x, old_x + x.value - at_x, lens.offset_x_sigma, x.sigma)
    yield from bps.mv(lens.offset_y, old_y + y.value - at_y, lens.offset_y_sigma, y.sigma)
    focus = measured.value / widening, measured.sigma / widening
    yield from bps.mv(lens.focal_waist, focus[0], lens.focal_waist_sigma, focus[1])


def _side(sample: Sample, axis: int) -> list[float]:
    """Nine positions of a map along an axis, um, that lie on the sample.

    Raises
    ------
    PlanError
        Where the sample is too narrow to be mapped.
    """
    half = min(HALF_MAP, sample.size[axis] / 2 - MARGIN)
    if half <= 0:
        msg = f"{sample.name} is too narrow for a map: {min(sample.size):g} um"
        raise PlanError(msg)
    return [float(value) for value in np.linspace(-half, half, 9)]


@checked
def align(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    fluence: float,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Do all that a measurement needs, each step on what the ones before it have stored.

    Reference spectra; the mirror's path difference in reference-mirror geometry, or the thickness
    in common path where samples.yaml leaves it open; pump power; time zero and chirp; galvos, in
    common path, whose light hardly drifts; overlap.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    analyst : Analyst
        Fits everything.
    sample : str
        Name of the sample.
    fluence : float
        Peak pump fluence of time zero and overlap, mJ/cm²; below the lasing threshold.
    md : dict, optional
        Further metadata of all runs.

    Returns
    -------
    dict
        `Estimate` (value, sigma, unit, note) of every step by name.

    Raises
    ------
    PlanError
        By the step that fails; what the steps before it stored stays.
    """
    chosen = find_sample(instrument.samples, sample)
    check_fluence(chosen, fluence)
    whole: dict[str, Any] = {"sample": sample, "md": md}
    with_fit: tuple[Instrument, Analyst] = (instrument, analyst)
    yield from record_reference(instrument, **whole)
    estimates: Estimates = {}
    if chosen.geometry == "reference-mirror":
        mirror = yield from calibrate_reference_mirror(*with_fit, **whole)
        estimates["path_offset"] = mirror["offset"]
    elif chosen.thickness is None:
        estimates |= yield from measure_thickness(*with_fit, **whole)
    estimates |= yield from calibrate_pump_power(*with_fit, **whole)
    pumped = whole | {"fluence": fluence}
    if chosen.geometry == "reference-mirror":
        pumped |= {"periods": WITH_MIRROR}
    estimates |= yield from find_time_zero(*with_fit, **pumped)
    if chosen.geometry == "common-path":
        estimates |= yield from calibrate_galvos(*with_fit, **whole)
    estimates |= yield from overlap_pump(*with_fit, **pumped)
    return estimates
