"""Reference mirror and sample stage."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind
from ophyd.pseudopos import pseudo_position_argument, real_position_argument

from ocm_ophyd.devices.axes import Motor, PseudoAxis, PseudoStage, finite
from ocm_ophyd.devices.stored_signal import StoredSignal

__all__ = ["ReferenceMirror", "SampleStage"]


class ReferenceMirror(PseudoStage):
    """Reference arm: path difference (um) and beam block; blocked in common-path geometry.

    The path difference is the mirror's position on its own scale plus the stored `offset`.
    """

    path_difference = Cpt(PseudoAxis, key="path_difference", egu="um", kind=Kind.hinted)
    m1 = Cpt(Motor, "m1", kind=Kind.normal)
    offset = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    offset_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    block = Cpt(EpicsSignal, "Block", limits=True, kind=Kind.omitted, put_complete=True)
    blocked = Cpt(EpicsSignalRO, "Block_RBV", kind=Kind.normal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.m1.user_readback.kind = Kind.normal

    @pseudo_position_argument
    def forward(self, pseudo_pos: Any) -> Any:
        """Mirror position for a path difference."""
        target = finite(pseudo_pos.path_difference, self.name, "um")
        return self.RealPosition(m1=target - self.offset.get())

    @real_position_argument
    def inverse(self, real_pos: Any) -> Any:
        """Path difference at a mirror position."""
        return self.PseudoPosition(path_difference=real_pos.m1 + self.offset.get())


class SampleStage(Device):
    """Coarse sample position x, y and focus z (mm).

    With it is kept the thickness of the sample that lies on it, where it was measured here:
    `thickness_of` names the sample.
    """

    x = Cpt(Motor, "x", kind=Kind.normal)
    y = Cpt(Motor, "y", kind=Kind.normal)
    z = Cpt(Motor, "z", kind=Kind.normal)
    thickness = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    thickness_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    thickness_of = Cpt(StoredSignal, value="", kind=Kind.config)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for motor in (self.x, self.y, self.z):
            motor.user_readback.kind = Kind.normal
            motor.user_setpoint.kind = Kind.omitted
