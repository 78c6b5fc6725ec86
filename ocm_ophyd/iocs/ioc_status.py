"""The IOC: whether it is ready, and its simulated clock."""

from typing import Any

from ocm_ophyd.iocs.pv import Group, counter, readback

__all__ = ["IocStatus"]


class IocStatus(Group):
    """State of the IOC."""

    ready = counter("Ready_RBV", 0, "1 when every PV is served")
    simulated = counter(
        "Simulated_RBV", 1, "1 where the hardware is simulated; recorded with every run"
    )
    time_scale = readback("TimeScale_RBV", 1.0, "", 3, "Simulated seconds a second")
    clock = readback("Clock_RBV", 0.0, "s", 3, "Simulated time since 1970")

    async def initialise(self) -> None:
        """Publish the time scale."""
        await super().initialise()
        await self.time_scale.write(self.bench.clock.scale)

    @clock.scan(period=1.0)
    async def _tick(self, instance: Any, _: Any) -> None:
        await instance.write(self.bench.clock.now())
