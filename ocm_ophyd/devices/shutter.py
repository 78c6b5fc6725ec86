"""Shutters."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import Status

__all__ = ["Shutter"]


class Shutter(Device):
    """A shutter that is set to "open" or "closed" and reads 1.0 (open) or 0.0."""

    command = Cpt(EpicsSignal, "Open", kind=Kind.omitted, put_complete=True)
    is_open = Cpt(EpicsSignalRO, "Open_RBV", kind=Kind.normal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_open.name = self.name

    def check_value(self, state: str) -> None:
        """Refuse anything but "open" and "closed"."""
        if state not in {"open", "closed"}:
            msg = f'{self.name} takes "open" or "closed", not {state!r}'
            raise ValueError(msg)

    def set(self, state: str) -> Status:
        """Move the blade; done when it is there."""
        self.check_value(state)
        return self.command.set(int(state == "open"))

    def stop(self, *, success: bool = False) -> None:  # noqa: ARG002 - the name bluesky calls
        """Close: where bluesky stops a device something went wrong."""
        self.command.put(0)
