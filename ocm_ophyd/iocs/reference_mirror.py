"""Reference mirror: path difference, and a beam block for common-path geometry."""

from typing import Any

from caproto.server import SubGroup

from ocm_ophyd.iocs.motor import Axis, Motor
from ocm_ophyd.iocs.pv import Group, counter, integer

__all__ = ["ReferenceMirror"]


class ReferenceMirror(Group):
    """Path difference in um; blocked, the sample's own faces are the interferometer."""

    m1 = SubGroup(
        Motor,
        prefix="m1",
        axis=Axis(
            "mirror_position",
            "path difference, from the mirror's own zero",
            "um",
            -100.0,
            100.0,
            0.05,
            velocity=200.0,
            precision=2,
        ),
    )
    block = integer("Block", 1, "1 blocks the reference arm (common-path geometry)")
    blocked = counter("Block_RBV", 1, "Whether the reference arm is blocked")

    async def initialise(self) -> None:
        """Start in the geometry that the bench was set up for."""
        await super().initialise()
        await self.block.write(int(self.bench.knobs(self.bench.clock.now()).mirror_blocked))

    @block.putter
    async def _put_block(self, _: Any, value: int) -> None:
        self.bench.update(mirror_blocked=bool(value))
        await self.blocked.write(value)
