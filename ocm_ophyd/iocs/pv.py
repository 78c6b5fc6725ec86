"""How process variables of this IOC look: units, limits and precision in the record's fields."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from caproto import ChannelType, SkipWrite
from caproto.server import PVGroup, pvproperty

from ocm_ophyd.iocs.optical_table import Bench

__all__ = ["Group", "completes", "counter", "integer", "readback", "setpoint", "text"]


class Group(PVGroup):
    """The PVs of one instrument, on the bench of the group above it or on one of its own."""

    def __init__(
        self, prefix: str, *, parent: Any = None, bench: Bench | None = None, **kwargs: Any
    ) -> None:
        self.bench: Bench = parent.bench if bench is None else bench
        super().__init__(prefix, parent=parent, **kwargs)

    async def initialise(self) -> None:
        """Fill in what is only known at run time; called before the first client connects."""
        for pv in self.attr_pvdb.values():
            if "EGU" in pv.fields and hasattr(pv, "units"):  # texts have no unit
                await pv.fields["EGU"].write(pv.units)
        for name, group in self.groups.items():
            if "." not in name:  # caproto lists groups of groups here as well
                await group.initialise()


def completes(
    putter: Callable[[Any, Any, Any], Awaitable[None]],
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Publish a set point at once; its write completes when `putter` returns.

    By itself caproto stores a value only after its putter has returned, so that of two writes
    the one that takes longer would win.
    """

    @wraps(putter)
    async def put(group: Any, instance: Any, value: Any) -> None:
        await instance.write(value, verify_value=False)
        await putter(group, instance, value)
        raise SkipWrite

    return put


def setpoint(
    name: str, value: float, units: str, precision: int, limits: tuple[float, float], doc: str
) -> pvproperty:
    """Analogue output; writes outside `limits` (in `units`) are refused."""
    low, high = map(float, limits)
    return pvproperty(
        name=name,
        value=float(value),
        record="ao",
        units=units,
        precision=precision,
        lower_ctrl_limit=low,
        upper_ctrl_limit=high,
        lower_disp_limit=low,
        upper_disp_limit=high,
        doc=doc,
    )


def readback(name: str, value: float, units: str, precision: int, doc: str) -> pvproperty:
    """Analogue input."""
    return pvproperty(
        name=name,
        value=float(value),
        record="ai",
        units=units,
        precision=precision,
        read_only=True,
        doc=doc,
    )


def integer(name: str, value: int, doc: str, limits: tuple[int, int] = (0, 1)) -> pvproperty:
    """Whole number that clients write, by default 0 or 1."""
    return pvproperty(
        name=name,
        value=value,
        record="longout",
        lower_ctrl_limit=limits[0],
        upper_ctrl_limit=limits[1],
        doc=doc,
    )


def counter(name: str, value: int, doc: str) -> pvproperty:
    """Whole number that clients read."""
    return pvproperty(name=name, value=value, record="longin", read_only=True, doc=doc)


def text(name: str, doc: str, **kwargs: Any) -> pvproperty:
    """Text of up to 1024 bytes as a character waveform."""
    return pvproperty(
        name=name,
        value="",
        dtype=ChannelType.CHAR,
        record="waveform",
        max_length=1024,
        string_encoding="utf-8",
        doc=doc,
        **kwargs,
    )
