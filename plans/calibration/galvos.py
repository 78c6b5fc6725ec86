"""Galvo scale, rotation and zero, from the edges of a plate of known size."""

from itertools import product
from typing import Any

import numpy as np
from bluesky import plan_stubs as bps

from ocm_ophyd.devices.failures import TargetError
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.samples import Sample
from plans.calibration.fits import Analyst, fit_or_fail
from plans.stubs.arguments import Plan, recorded
from plans.stubs.points import PlanError, check_reference, find_sample
from plans.stubs.pump_off import take_spectra

__all__ = ["calibrate_galvos"]

#: um on either side of an edge: the scale may be off by a tenth, the plate by half of it.
REACH = 1.5
#: um between two points: half of the probe's waist.
STEP = 0.25
#: Where along an edge it is crossed, in lengths of that edge.
CROSSINGS = (-0.3, 0.3)
#: Largest relative standard deviation of a scale that is stored: 0.5 % of a 5 um map is 25 nm.
LARGEST_SIGMA = 0.005
#: Largest relative change of a stored scale: a larger one is a mistake in the sample's size.
LARGEST_CHANGE = 0.2


@recorded
def calibrate_galvos(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    periods: int = 3,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Scan the probe across the four edges of the plate, and store what the mirrors do.

    Afterwards probe position (0, 0) is the centre of the plate. The scale is as good as the size
    of the plate in samples.yaml. The pump stays off.

    Parameters
    ----------
    instrument : Instrument
        The microscope; its reference is recorded.
    analyst : Analyst
        Fits the edges.
    sample : str
        Name of a sample whose four edges the mirrors reach.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further metadata.

    Returns
    -------
    dict
        `scale_x`, `scale_y` (um/V), `rotation` (deg), `offset_x`, `offset_y`, `probe_waist` (um).

    Raises
    ------
    PlanError
        If the edges are out of reach or do not show; the stored calibration stays.
    """
    chosen = find_sample(instrument.samples, sample)
    check_reference(instrument, chosen)
    galvos = instrument.galvos
    crossings = _crossings(instrument, chosen)
    settings = [(galvos, position) for crossing in crossings for position in crossing]
    numbers = [number for number, crossing in enumerate(crossings) for _ in crossing]
    uid = yield from take_spectra(
        instrument,
        settings,
        sample=chosen,
        purpose="galvo calibration",
        axes=["probe_x", "probe_y"],
        periods=periods,
        md={"crossings": numbers, **(md or {})},
    )
    estimates = fit_or_fail(analyst.plate_edges, uid, failing="the galvos were not calibrated")
    for axis in ("scale_x", "scale_y"):
        stored = yield from bps.rd(getattr(galvos, axis))
        if not abs(estimates[axis].value / stored - 1) < LARGEST_CHANGE:
            msg = (
                f"the galvos were not calibrated: {axis} would go from {stored:.3g} to "
                f"{estimates[axis].value:.3g} um/V; is the size of {sample} in samples.yaml right?"
            )
            raise PlanError(msg)
        if not estimates[axis].sigma < LARGEST_SIGMA * estimates[axis].value:
            msg = (
                f"the galvos were not calibrated: {axis} is {estimates[axis].value:.3g} ± "
                f"{estimates[axis].sigma:.2g} um/V only; take a larger plate or more periods"
            )
            raise PlanError(msg)
    names = ("scale_x", "scale_y", "rotation", "offset_x", "offset_y")
    values = [(getattr(galvos, name), estimates[name].value) for name in names]
    sigmas = [(getattr(galvos, f"{name}_sigma"), estimates[name].sigma) for name in names]
    yield from bps.mv(*[part for pair in values + sigmas for part in pair])
    yield from bps.mv(galvos, (0.0, 0.0))
    return estimates


def _crossings(instrument: Instrument, sample: Sample) -> list[list[tuple[float, float]]]:
    """Probe positions (um) across every edge, as far as the mirrors go.

    Raises
    ------
    PlanError
        Where an edge is out of reach.
    """
    steps = np.arange(-REACH, REACH + STEP / 2, STEP)
    crossings = []
    for axis, along, side in product((0, 1), CROSSINGS, (-1, 1)):
        positions = []
        for step in steps:
            position = [along * sample.size[1 - axis]] * 2
            position[axis] = side * (sample.size[axis] / 2 + float(step))
            try:
                instrument.galvos.check_value(tuple(position))
            except TargetError as error:
                if step <= 0:
                    msg = f"the edges of {sample.name} cannot be scanned: {error}"
                    raise PlanError(msg) from None
            else:
                positions.append((position[0], position[1]))
        crossings.append(positions)
    return crossings
