"""Dark and interference-free spectra."""

from typing import Any

import numpy as np
from bluesky import plan_stubs as bps
from bluesky import preprocessors as bpp

from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.samples import Sample
from plans.stubs.arguments import Plan, recorded
from plans.stubs.points import find_sample
from plans.stubs.pump_probe import close_pump, frames_for, prepare, start_document

__all__ = ["record_reference"]


@recorded
def record_reference(
    instrument: Instrument, *, sample: str, periods: int = 100, md: dict[str, Any] | None = None
) -> Plan:
    """Record the dark and the interference-free spectrum, and store them for later runs.

    In common-path geometry the reference is the bare substrate beside the crystal, so it is
    known up to a factor. In reference-mirror geometry it is the sum of what each arm gives
    with the other one blocked. The pump stays off.

    Parameters
    ----------
    instrument : Instrument
        The microscope.
    sample : str
        Name of the sample.
    periods : int
        Chopper periods that each spectrum is averaged over: the light's spectrum sways, and what
        it was by chance is in all points that are divided by it.
    md : dict, optional
        Further metadata.

    Returns
    -------
    str
        uid of the run: its points are dark and reference, or dark, sample arm and mirror arm.
    """
    chosen = find_sample(instrument.samples, sample)
    frames, _ = yield from frames_for(instrument, periods)
    common_path = chosen.geometry == "common-path"
    spectra = ["dark", "reference"] if common_path else ["dark", "sample arm", "mirror arm"]
    start = yield from start_document(
        instrument,
        chosen,
        purpose="reference",
        shape=[len(spectra)],
        axes=["spectrum"],
        dimensions=[["time"]],
    )
    start |= {"spectra": spectra, "periods_per_point": periods, **(md or {})}
    detector, mirror = instrument.spectrometer, instrument.reference_mirror
    blocks = [instrument.probe_shutter, instrument.sample_arm]
    read = [detector, *blocks, mirror, instrument.sample_stage]
    means: dict[str, np.ndarray] = {}

    @bpp.stage_decorator([detector])
    @bpp.run_decorator(md=start)
    def take() -> Plan:
        for name in spectra:
            yield from bps.checkpoint()
            yield from _light(instrument, chosen, name)
            yield from bps.trigger_and_read(read)
            means[name] = yield from bps.rd(detector.mean_spectrum)

    def whole() -> Plan:
        yield from close_pump(instrument)
        yield from prepare(instrument, chosen)
        yield from bps.mv(detector.frames_per_point, frames)
        uid = yield from take()
        if common_path:
            reference = means["reference"]
        else:
            reference = means["sample arm"] + means["mirror arm"] - means["dark"]
        stored = detector.spectra
        yield from bps.mv(stored.dark, means["dark"], stored.reference, reference)
        yield from bps.mv(stored.geometry, chosen.geometry, stored.reference_run, uid)
        return uid

    return (yield from bpp.finalize_wrapper(whole(), prepare(instrument, chosen)))


def _light(instrument: Instrument, sample: Sample, spectrum: str) -> Plan:
    """Set the beam paths for one of the spectra."""
    yield from bps.mv(
        instrument.probe_shutter,
        "closed" if spectrum == "dark" else "open",
        instrument.sample_arm,
        "closed" if spectrum == "mirror arm" else "open",
        instrument.reference_mirror.block,
        int(spectrum != "mirror arm"),
    )
    x, y = sample.substrate if spectrum == "reference" else sample.position
    yield from bps.mv(instrument.sample_stage.x, x, instrument.sample_stage.y, y)
