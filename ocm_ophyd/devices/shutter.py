"""Shutters: one that keeps the pump off the sample, and plain blocks for the other beams."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import Status

from ocm_ophyd.devices.failures import TargetError

__all__ = ["BeamBlock", "Shutter"]


class BeamBlock(Device):
    """A blade that is set to "open" or "closed", stays there, and reads 1 (open) or 0."""

    command = Cpt(EpicsSignal, "Open", limits=True, kind=Kind.omitted, put_complete=True)
    is_open = Cpt(EpicsSignalRO, "Open_RBV", kind=Kind.normal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_open.name = self.name

    def check_value(self, state: str) -> None:
        """Refuse anything but "open" and "closed"."""
        if state not in {"open", "closed"}:
            msg = f'{self.name} takes "open" or "closed", not {state!r}'
            raise TargetError(msg)

    def set(self, state: str) -> Status:
        """Move the blade; done when it is there."""
        self.check_value(state)
        return self.command.set(int(state == "open"))


class Shutter(BeamBlock):
    """A blade that closes whenever bluesky stops its devices: at a pause, a failure, the end."""

    def stop(self, *, success: bool = False) -> None:  # noqa: ARG002 - the name bluesky calls
        """Close, without waiting."""
        self.command.put(0)
