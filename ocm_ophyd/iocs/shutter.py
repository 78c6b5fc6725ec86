"""Shutters in the pump beam, the probe beam and the sample arm."""

import asyncio
from typing import Any

from caproto.server import SubGroup

from ocm_ophyd.iocs.pv import Group, completes, counter, integer

__all__ = ["Shutter", "Shutters"]

MOVE_TIME = 0.02  # s, from closed to open, laser shutter of the diaphragm kind


class Shutter(Group):
    """A blade that is there after 20 ms; a write completes then.

    Parameters
    ----------
    knob : str
        What the blade lets through.
    """

    command = integer("Open", 0, "1 opens, 0 closes; completes when the blade is there")
    is_open = counter("Open_RBV", 0, "Whether the beam passes")

    def __init__(self, *args: Any, knob: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._knob = knob
        self._blade = asyncio.Lock()  # commands are carried out one after another

    async def initialise(self) -> None:
        """Start where the bench says that the blade is."""
        await super().initialise()
        state = int(getattr(self.bench.knobs(self.bench.clock.now()), self._knob))
        await self.command.write(state, verify_value=False)
        await self.is_open.write(state)

    @command.putter
    @completes
    async def _put_command(self, _: Any, value: int) -> None:
        async with self._blade:
            if value != self.is_open.value:
                await self.bench.clock.sleep(MOVE_TIME)
                self.bench.update(**{self._knob: bool(value)})
                await self.is_open.write(value)


class Shutters(Group):
    """All of them."""

    pump = SubGroup(Shutter, prefix="Pump:", knob="pump_shutter_open")
    probe = SubGroup(Shutter, prefix="Probe:", knob="probe_shutter_open")
    sample_arm = SubGroup(Shutter, prefix="SampleArm:", knob="sample_arm_open")
