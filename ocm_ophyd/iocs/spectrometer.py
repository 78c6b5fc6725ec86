"""Spectrometer: QE Pro that takes interferogram and fluorescence at once, frame after frame."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from math import ceil, exp
from typing import Any

import numpy as np
from caproto import SkipWrite
from caproto.server import SubGroup, pvproperty
from numpy.typing import NDArray

from ocm_ophyd.iocs.pv import Group, counter, integer, readback, setpoint, text
from ocm_ophyd.iocs.recorder import Recorder

__all__ = ["Spectrometer"]

PIXELS = 1044  # Ocean Optics QE Pro data sheet
TEMPERATURE = -10.0  # deg C, set point at start-up
COOLING_TIME = 10.0  # s, time constant of the thermoelectric cooler
BLOCK = 30  # frames computed at once: 0.25 s of exposures
LIVE_PERIOD = 0.1  # s of wall clock between live spectra


class Status(IntEnum):
    """What the last command to the spectrometer led to."""

    Idle = 0
    Acquiring = 1
    Failed = 2
    Aborted = 3


def _spectrum(name: str, units: str, precision: int, doc: str) -> pvproperty:
    return pvproperty(
        name=name,
        value=[0.0] * PIXELS,
        record="waveform",
        units=units,
        precision=precision,
        read_only=True,
        doc=doc,
    )


class Spectrometer(Group):
    """Frames on the sensor's free-running grid of exposures.

    A write to Acquire completes when all frames of the point are in the file, or when Status
    says why not. Without an open file the frames are only shown.
    """

    acquire = integer("Acquire", 0, "1 takes one point; completes when it is written")
    abort = integer("Abort", 0, "1 breaks the acquisition off; the unfinished point is dropped")
    num_frames = integer("NumFrames", 120, "Frames a point", limits=(1, 100_000))
    exposure = readback("ExposureTime_RBV", 0, "s", 6, "Exposure of one frame")
    interval = readback("FrameInterval_RBV", 0, "s", 6, "From one exposure to the next")
    temperature = setpoint("Temperature", TEMPERATURE, "degC", 1, (-25, 25), "Sensor set point")
    temperature_rbv = readback("Temperature_RBV", TEMPERATURE, "degC", 2, "Sensor temperature")
    gain = readback("Gain_RBV", 0, "e-/count", 3, "Conversion")
    read_noise = readback("ReadNoise_RBV", 0, "e-", 2, "Read noise, rms")
    resolution = readback("Resolution_RBV", 0, "nm", 2, "Instrument function, FWHM")
    saturation = readback("SaturationCounts_RBV", 0, "counts", 0, "Counts of a saturated pixel")
    wavelength = _spectrum("Wavelength_RBV", "nm", 3, "Wavelength of each pixel")
    mean_spectrum = _spectrum("MeanSpectrum_RBV", "counts", 1, "Mean of the point's frames")
    max_counts = readback("MaxCounts_RBV", 0, "counts", 0, "Brightest pixel of the point")
    saturated = counter("SaturatedPixels_RBV", 0, "Saturated pixels in all frames of the point")
    frame_counter = counter("FrameCounter_RBV", 0, "Frames of this point taken so far")
    status = pvproperty(
        name="Status_RBV", value=Status.Idle, record="mbbi", read_only=True, doc=Status.__doc__
    )
    message = text("Message_RBV", "Why the last command failed", read_only=True)
    recorder = SubGroup(Recorder, prefix="")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._busy = asyncio.Lock()
        self._aborting = False
        self._cooling = 0.0, TEMPERATURE, TEMPERATURE  # since, from, to
        self.bench.follow(sensor_temperature=self._temperature_at)

    async def initialise(self) -> None:
        """Publish the microscope's constants."""
        await super().initialise()
        microscope = self.bench.microscope
        await self.wavelength.write(microscope.wavelength)
        for pv, value in (
            (self.exposure, microscope.exposure),
            (self.interval, microscope.slot),
            (self.gain, microscope.gain),
            (self.read_noise, microscope.read_noise),
            (self.resolution, microscope.resolution),
            (self.saturation, microscope.saturation_counts),
        ):
            await pv.write(float(value))

    # --- what the recorder needs as well ----------------------------------------------------

    @asynccontextmanager
    async def idle(self, what: str) -> AsyncIterator[None]:
        """Hold the spectrometer for the time of a write, or refuse the write while it is held."""
        if self._busy.locked():
            msg = f"{what} cannot be written while the spectrometer is busy: wait, or write Abort"
            raise ValueError(msg)
        async with self._busy:
            yield

    async def report(self, failure: str = "") -> None:
        """Say how the last command ended."""
        await self.message.write(failure[:1000])
        await self.status.write(Status.Failed if failure else Status.Idle)

    # --- acquisition ------------------------------------------------------------------------

    @acquire.putter
    async def _put_acquire(self, instance: Any, value: int) -> None:
        if value:
            async with self.idle("Acquire"):
                await instance.write(1, verify_value=False)
                await self.message.write("")
                await self.status.write(Status.Acquiring)
                await self._take_point()
                await instance.write(0, verify_value=False)
        raise SkipWrite

    @abort.putter
    async def _put_abort(self, _: Any, value: int) -> int:
        if value:
            self._aborting = True
            async with self._busy:  # completes when the acquisition has ended
                pass
        return 0

    async def _take_point(self) -> None:
        self._aborting = False
        try:
            point = await self._expose(int(self.num_frames.value))
            if point is None:
                await self.status.write(Status.Aborted)
            else:
                await self.recorder.record(**point)
                await self.report()
        except OSError as error:
            await self.report(str(error))
        except Exception as error:
            self.log.exception("acquisition failed")
            await self.report(f"{type(error).__name__}: {error}")

    async def _expose(self, count: int) -> dict[str, NDArray[Any]] | None:
        """Take `count` frames from the next exposure on; None where they are broken off.

        A block of frames is computed while it is being exposed, with the hardware as it
        stands when the block begins.
        """
        clock, microscope = self.bench.clock, self.bench.microscope
        first = ceil(clock.now() / microscope.slot)
        moments = microscope.slot * np.arange(first, first + count, dtype=np.float64)
        frames = np.empty((count, PIXELS), np.uint32)
        pump_open = np.empty(count)
        total, brightest, saturated, shown = np.zeros(PIXELS), 0, 0, 0.0
        for start in range(0, count, BLOCK):
            block = slice(start, min(start + BLOCK, count))
            begin = float(moments[start])
            await clock.sleep_until(begin)
            if self._aborting:
                return None
            taken = await self.bench.run(microscope.expose, self.bench.knobs(begin), moments[block])
            frames[block], pump_open[block] = taken.frames, taken.pump_open
            total += taken.frames.sum(axis=0)
            brightest = max(brightest, int(taken.frames.max()))
            saturated += taken.saturated
            await clock.sleep_until(float(moments[block.stop - 1]) + microscope.exposure)
            if block.stop == count or time.monotonic() > shown + LIVE_PERIOD:
                shown = time.monotonic()
                await self.frame_counter.write(block.stop)
                await self.mean_spectrum.write(total / block.stop)
                await self.max_counts.write(float(brightest))
                await self.saturated.write(saturated)
        return {"frames": frames, "frame_time": moments, "pump_open": pump_open}

    @num_frames.putter
    async def _put_num_frames(self, instance: Any, value: int) -> None:
        async with self.idle("NumFrames"):
            if self.recorder.recording and value != instance.value:
                msg = "NumFrames is fixed while a file is open: write 0 to Capture first"
                await self.report(msg)
                raise ValueError(msg)

    # --- temperature ------------------------------------------------------------------------

    def _temperature_at(self, moment: float) -> float:
        since, before, after = self._cooling
        return after + (before - after) * exp(-max(moment - since, 0.0) / COOLING_TIME)

    @temperature.putter
    async def _put_temperature(self, _: Any, value: float) -> None:
        now = self.bench.clock.now()
        self._cooling = now, self._temperature_at(now), value

    @temperature_rbv.scan(period=0.5)
    async def _watch_temperature(self, instance: Any, _: Any) -> None:
        value = round(self._temperature_at(self.bench.clock.now()), 3)
        if value != instance.value:
            await instance.write(value)
