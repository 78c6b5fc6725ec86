"""Lengths in the interferometer, from its fringes: plate thickness and mirror position."""

from collections.abc import Sequence
from typing import Any

from bluesky import plan_stubs as bps

from ocm_ophyd.devices.instrument import Instrument
from plans.calibration.fits import Analyst, fit_or_fail
from plans.stubs.arguments import Plan, recorded
from plans.stubs.points import PlanError, check_reference, check_targets, find_sample
from plans.stubs.pump_off import take_spectra

__all__ = ["calibrate_reference_mirror", "measure_thickness"]

#: um, path differences of the paper's reference-mirror geometry.
PATHS = (10.0, 12.0, 14.0, 16.0, 18.0, 20.0)


@recorded
def measure_thickness(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    points: int = 10,
    periods: int = 10,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Measure how thick a plate is, from the fringes between its faces, and store it.

    It counts for the sample whose thickness samples.yaml leaves open, until another one is
    measured. The pump stays off.

    Parameters
    ----------
    instrument : Instrument
        The microscope; its reference is recorded.
    analyst : Analyst
        Fits the fringes.
    sample : str
        Name of a sample in common-path geometry.
    points : int
        Spectra taken, three or more.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further metadata.

    Returns
    -------
    dict
        `thickness` (um).

    Raises
    ------
    PlanError
        For another geometry, or without fringes.
    """
    chosen = find_sample(instrument.samples, sample)
    if chosen.geometry != "common-path":
        msg = f"the thickness of {sample} cannot be measured: its faces interfere in common path"
        raise PlanError(msg)
    if points < 3:
        msg = f"the thickness needs three or more points, not {points}"
        raise PlanError(msg)
    check_reference(instrument, chosen)
    uid = yield from take_spectra(
        instrument,
        [(instrument.galvos, (0.0, 0.0)), *[()] * (points - 1)],
        sample=chosen,
        purpose="thickness",
        axes=["time"],
        periods=periods,
        md=md,
    )
    estimates = fit_or_fail(analyst.thickness, uid, failing="the thickness was not measured")
    stage, thickness = instrument.sample_stage, estimates["thickness"]
    yield from bps.mv(
        stage.thickness,
        thickness.value,
        stage.thickness_sigma,
        thickness.sigma,
        stage.thickness_of,
        chosen.name,
    )
    return estimates


@recorded
def calibrate_reference_mirror(
    instrument: Instrument,
    analyst: Analyst,
    *,
    sample: str,
    paths: Sequence[float] = PATHS,
    periods: int = 4,
    md: dict[str, Any] | None = None,
) -> Plan:
    """Find where the reference mirror's path difference is zero, and store it.

    On the bare substrate beside the sample, where the fringes over the band give the path
    difference itself. The pump stays off.

    Parameters
    ----------
    instrument : Instrument
        The microscope; its reference is recorded.
    analyst : Analyst
        Fits the fringes.
    sample : str
        Name of a sample in reference-mirror geometry.
    paths : sequence of float
        Path differences by the stored calibration, um; three or more.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further metadata.

    Returns
    -------
    dict
        `offset` (um): path difference minus position of the mirror.

    Raises
    ------
    PlanError
        For another geometry, paths out of reach, or without fringes; the stored offset stays.
    """
    chosen = find_sample(instrument.samples, sample)
    if chosen.geometry != "reference-mirror":
        msg = f"{sample} is measured in {chosen.geometry} geometry: there is no mirror to calibrate"
        raise PlanError(msg)
    if len(paths) < 3:
        msg = f"the mirror's offset needs three or more path differences, not {len(paths)}"
        raise PlanError(msg)
    check_reference(instrument, chosen)
    mirror, stage = instrument.reference_mirror, instrument.sample_stage
    check_targets(mirror, [(path,) for path in paths])
    x, y = chosen.substrate
    first = (stage.x, x, stage.y, y, mirror, (float(paths[0]),))
    uid = yield from take_spectra(
        instrument,
        [first, *[(mirror, (float(path),)) for path in paths[1:]]],
        sample=chosen,
        purpose="reference mirror",
        axes=["path_difference"],
        periods=periods,
        md=md,
    )
    estimates = fit_or_fail(
        analyst.mirror_offset, uid, failing="the reference mirror was not calibrated"
    )
    offset = estimates["offset"]
    yield from bps.mv(mirror.offset, offset.value, mirror.offset_sigma, offset.sigma)
    yield from bps.mv(mirror, (chosen.path_difference,))
    return estimates
