"""Galvanometer mirrors that place the probe on the sample."""

from typing import Any

from ocm_ophyd.iocs.pv import Group, completes, readback, setpoint

__all__ = ["GalvoScanner"]

STEP = 3e-4  # V, 16 bit over ±10 V
SETTLING = 1e-3  # s, to a small angle
LIMITS = (-5.0, 5.0)  # V


class GalvoScanner(Group):
    """Two mirrors driven by a digital-to-analogue converter; a write completes when settled."""

    x = setpoint("X", 0.0, "V", 4, LIMITS, "Drive of the x mirror")
    x_rbv = readback("X_RBV", 0.0, "V", 4, "Position signal of the x mirror")
    y = setpoint("Y", 0.0, "V", 4, LIMITS, "Drive of the y mirror")
    y_rbv = readback("Y_RBV", 0.0, "V", 4, "Position signal of the y mirror")

    @x.putter
    @completes
    async def _put_x(self, _: Any, value: float) -> None:
        self.bench.update(galvo_x=await self._settle(self.x_rbv, value))

    @y.putter
    @completes
    async def _put_y(self, _: Any, value: float) -> None:
        self.bench.update(galvo_y=await self._settle(self.y_rbv, value))

    async def _settle(self, position: Any, value: float) -> float:
        volts = round(value / STEP) * STEP
        await self.bench.clock.sleep(SETTLING)
        await position.write(volts)
        return volts
