"""The one way in which pump–probe points are taken."""

from collections.abc import Generator, Sequence
from itertools import pairwise
from math import prod
from typing import Any

from bluesky import Msg
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.samples import Sample
from plans.stubs.arguments import Plan
from plans.stubs.points import (
    POSITIONERS,
    PlanError,
    Point,
    check_points,
    check_reference,
    find_sample,
    with_thickness,
)

__all__ = ["close_pump", "frames_for", "measure", "prepare", "start_document"]


def close_pump(instrument: Instrument) -> Plan:
    """Close the pump shutter and wait until it is closed."""
    yield from bps.mv(instrument.pump_shutter, "closed")


def frames_for(instrument: Instrument, periods: int) -> Generator[Msg, Any, tuple[int, float]]:
    """Return the frames that span `periods` chopper periods, and the chopper's frequency (Hz).

    Raises
    ------
    PlanError
        For fewer than two periods, for more than the spectrometer takes at once, or a chopper
        that is not locked.
    """
    if periods < 2:
        msg = f"a point needs two or more chopper periods to have an uncertainty, not {periods}"
        raise PlanError(msg)
    locked = yield from bps.rd(instrument.chopper.locked)
    if not locked:
        msg = "the chopper is not locked: start it with RE(bps.mv(chopper, 20)) and wait for it"
        raise PlanError(msg)
    frequency = yield from bps.rd(instrument.chopper.frequency_readback)
    interval = yield from bps.rd(instrument.spectrometer.frame_interval)
    frames = max(2, round(periods / (frequency * interval)))
    longest = int(instrument.spectrometer.frames_per_point.high_limit)
    if frames > longest:
        msg = (
            f"{frames} frames are more than the spectrometer takes at once: ask for "
            f"{longest * periods // frames} periods or fewer"
        )
        raise PlanError(msg)
    return frames, float(frequency)


def start_document(
    instrument: Instrument,
    sample: Sample,
    *,
    purpose: str,
    shape: Sequence[int],
    axes: Sequence[str],
    dimensions: Sequence[Sequence[str]],
) -> Generator[Msg, Any, dict[str, Any]]:
    """Return the entries that the start document of every run has.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    sample : Sample
        The sample, with its thickness where it is known.
    purpose : str
        Purpose of the run in a word: searches in the catalog use it.
    shape, axes : sequence
        Grid of the points and its axes, slowest axis first.
    dimensions : sequence of sequence of str
        Data keys of each independent variable: what bluesky's live plots draw against.
    """
    simulated = yield from bps.rd(instrument.simulated)
    return {
        "purpose": purpose,
        "sample": sample.metadata(),
        "shape": list(shape),
        "axes": list(axes),
        "num_points": prod(shape),
        "geometry": sample.geometry,
        "simulated": bool(simulated),
        "hints": {"dimensions": [(list(keys), "primary") for keys in dimensions]},
    }


def prepare(instrument: Instrument, sample: Sample) -> Plan:
    """Set the beam paths for `sample`; the pump stays closed."""
    common_path = sample.geometry == "common-path"
    yield from bps.mv(
        instrument.probe_shutter,
        "open",
        instrument.sample_arm,
        "open",
        instrument.reference_mirror.block,
        int(common_path),
    )
    x, y = sample.position
    yield from bps.mv(instrument.sample_stage.x, x, instrument.sample_stage.y, y)
    if not common_path:
        yield from bps.mv(instrument.reference_mirror.path_difference, sample.path_difference)


def _moves(instrument: Instrument, before: Point | None, point: Point) -> list[Any]:
    """Return devices and targets, in turn, of those devices whose target differs: moves take time.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    before : Point or None
        The point where the devices are; None at the beginning of a scan.
    point : Point
        The point where they go.
    """
    moves: list[Any] = []
    for positioner in POSITIONERS:
        target = positioner.target(point)
        if before is None or positioner.target(before) != target:
            moves += [getattr(instrument, positioner.device), target]
    return moves


def measure(
    instrument: Instrument,
    points: Sequence[Point],
    *,
    sample: str,
    purpose: str,
    shape: Sequence[int],
    axes: Sequence[str],
    periods: int,
    md: dict[str, Any] | None,
) -> Plan:
    """Take pump–probe points, in order, as one run.

    Everything is checked before the first move. The pump shutter opens when the first point is in
    place, and closes however the run ends. A run that was paused repeats its last point.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    points : sequence of Point
        Coordinates of the points.
    sample : str
        Name of the sample.
    purpose : str
        Purpose in a word; searches in the catalog use it.
    shape, axes : sequence
        Grid of the points and its axes, slowest axis first.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further start document entries; they win over the ones made here.

    Returns
    -------
    str
        uid of the run.

    Raises
    ------
    PlanError
        If a point cannot be measured; nothing has moved then.
    """
    chosen = with_thickness(instrument, find_sample(instrument.samples, sample))
    check_reference(instrument, chosen)
    yield from bps.mv(instrument.pump.maximum, chosen.maximum_fluence)
    check_points(instrument, chosen, points)
    frames, chopper_frequency = yield from frames_for(instrument, periods)
    start = yield from start_document(
        instrument,
        chosen,
        purpose=purpose,
        shape=shape,
        axes=axes,
        dimensions=[[axis] for axis in axes],
    )
    fluences = [float(point.fluence) for point in points]
    start |= {
        "fluence_min": min(fluences),
        "fluence_max": max(fluences),
        "chopper_frequency": chopper_frequency,
        "periods_per_point": periods,
        "reference_run": instrument.spectrometer.spectra.reference_run.get(),
        **(md or {}),
    }
    read = [getattr(instrument, positioner.device) for positioner in POSITIONERS]
    read.append(instrument.spectrometer)

    @bpp.stage_decorator([instrument.delay, instrument.spectrometer])
    @bpp.run_decorator(md=start)
    def scan() -> Plan:
        for before, point in pairwise([None, *points]):
            assert point is not None
            yield from bps.checkpoint()
            if moves := _moves(instrument, before, point):
                yield from bps.mv(*moves)
            # every time, because a pause closes it
            yield from bps.mv(instrument.pump_shutter, "open")
            yield from bps.trigger_and_read(read)

    def whole() -> Plan:
        yield from prepare(instrument, chosen)
        yield from bps.mv(instrument.spectrometer.frames_per_point, frames)
        return (yield from scan())

    return (yield from bpp.finalize_wrapper(whole(), close_pump(instrument)))
