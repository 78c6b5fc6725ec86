"""Reference mirror and sample stage."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsMotor, EpicsSignal, EpicsSignalRO, Kind

__all__ = ["ReferenceMirror", "SampleStage"]


class ReferenceMirror(Device):
    """Reference arm: path difference (um) and beam block; blocked in common-path geometry."""

    path_difference = Cpt(EpicsMotor, "m1", kind=Kind.normal)
    block = Cpt(EpicsSignal, "Block", kind=Kind.omitted, put_complete=True)
    blocked = Cpt(EpicsSignalRO, "Block_RBV", kind=Kind.normal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.path_difference.user_readback.kind = Kind.normal


class SampleStage(Device):
    """Coarse sample position x, y and focus z (mm)."""

    x = Cpt(EpicsMotor, "x", kind=Kind.normal)
    y = Cpt(EpicsMotor, "y", kind=Kind.normal)
    z = Cpt(EpicsMotor, "z", kind=Kind.normal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for motor in (self.x, self.y, self.z):
            motor.user_readback.kind = Kind.normal
            motor.user_setpoint.kind = Kind.omitted
