"""Spectra without the pump, at one setting after another."""

from collections.abc import Sequence
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.samples import Sample
from plans.stubs.arguments import Plan
from plans.stubs.pump_probe import close_pump, frames_for, prepare, start_document

__all__ = ["take_spectra"]


def take_spectra(
    instrument: Instrument,
    settings: Sequence[Sequence[Any]],
    *,
    sample: Sample,
    purpose: str,
    axes: Sequence[str],
    periods: int,
    md: dict[str, Any] | None,
) -> Plan:
    """Take mean spectra, in order, as one run; the pump stays off.

    The mean spectra stand in the events, beside the frames in the file.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    settings : sequence
        Moves before every point: a device and its target in turn, or nothing.
    sample : Sample
        The sample, whose geometry sets the beam paths.
    purpose : str
        Purpose in a word.
    axes : sequence of str
        Name of the quantity that changes from point to point.
    periods : int
        Chopper periods a point.
    md : dict, optional
        Further start document entries.

    Returns
    -------
    str
        uid of the run.
    """
    frames, _ = yield from frames_for(instrument, periods)
    detector = instrument.spectrometer
    start = yield from start_document(
        instrument,
        sample,
        purpose=purpose,
        shape=[len(settings)],
        axes=axes,
        dimensions=[axes],
    )
    start |= {
        "periods_per_point": periods,
        "reference_run": detector.spectra.reference_run.get(),
        **(md or {}),
    }
    mirror, stage = instrument.reference_mirror, instrument.sample_stage
    read = [instrument.galvos, mirror, stage, detector, detector.mean_spectrum]

    @bpp.stage_decorator([detector])
    @bpp.run_decorator(md=start)
    def scan() -> Plan:
        for moves in settings:
            yield from bps.checkpoint()
            if moves:
                yield from bps.mv(*moves)
            yield from bps.trigger(detector, wait=True)
            # not `trigger_and_read`: it leaves out a part of a device that it reads as well
            yield from bps.create("primary")
            for device in read:
                yield from bps.read(device)
            yield from bps.save()

    def whole() -> Plan:
        yield from close_pump(instrument)
        yield from prepare(instrument, sample)
        yield from bps.mv(detector.frames_per_point, frames)
        return (yield from scan())

    return (yield from bpp.finalize_wrapper(whole(), prepare(instrument, sample)))
