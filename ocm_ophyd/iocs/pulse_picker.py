"""Pulse picker: passes one pulse in many, so that the sample cools between pulses."""

from typing import Any

from ocm_ophyd.iocs.laser import REPETITION_RATE
from ocm_ophyd.iocs.pv import Group, integer, readback

__all__ = ["PulsePicker"]

DIVIDER = 1400  # 50 kHz, paper


class PulsePicker(Group):
    """From 70 MHz to between 10 and 200 kHz."""

    divider = integer("Divider", DIVIDER, "Passes one pulse in this many", limits=(350, 7000))
    repetition_rate = readback(
        "RepetitionRate_RBV", REPETITION_RATE / DIVIDER, "Hz", 1, "Pulses a second on the sample"
    )

    @divider.putter
    async def _put_divider(self, _: Any, value: int) -> None:
        rate = REPETITION_RATE / value
        self.bench.update(repetition_rate=rate)
        await self.repetition_rate.write(rate)
