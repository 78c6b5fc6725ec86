"""Liquid-crystal retarder that, with a polarising beam splitter, sets the pump power."""

import asyncio
from math import exp, log
from typing import Any

from ocm_ophyd.iocs.pv import Group, completes, readback, setpoint

__all__ = ["Retarder"]

TIME_CONSTANT = 0.025  # s, relaxation of a nematic cell, so that it settles in about 100 ms
SETTLED = 5e-3  # V, left of a step when a write completes; averages out within an exposure
UPDATE_PERIOD = 0.02  # s, and not shorter in wall-clock time
PRECISION = 4  # digits, V


class Retarder(Group):
    """The crystal's director follows the drive exponentially."""

    voltage = setpoint("Voltage", 0.0, "V", PRECISION, (0.0, 10.0), "Drive; completes when settled")
    effective = readback("Voltage_RBV", 0.0, "V", PRECISION, "What the crystal effectively sees")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._since, self._from, self._to = 0.0, 0.0, 0.0
        self._relaxation: asyncio.Task[None] | None = None
        self.bench.follow(retarder_voltage=self._seen)

    def _seen(self, moment: float) -> float:
        elapsed = max(moment - self._since, 0.0)
        return self._to + (self._from - self._to) * exp(-elapsed / TIME_CONSTANT)

    @voltage.putter
    @completes
    async def _put_voltage(self, _: Any, value: float) -> None:
        now = self.bench.clock.now()
        self._since, self._from, self._to = now, self._seen(now), value
        step = max(abs(self._from - value), SETTLED)
        if self._relaxation is not None:
            self._relaxation.cancel()
        self._relaxation = asyncio.create_task(self._follow())
        await self.bench.clock.sleep(TIME_CONSTANT * log(step / SETTLED))
        await self._publish()

    async def _follow(self) -> None:
        period = UPDATE_PERIOD * max(1.0, self.bench.clock.scale)
        while await self._publish() != round(self._to, PRECISION):
            await self.bench.clock.sleep(period)

    async def _publish(self) -> float:
        seen = round(self._seen(self.bench.clock.now()), PRECISION)
        await self.effective.write(seen)
        return seen
