"""Delay stage in the pump arm: OptoSigma OSMS26-300."""

from caproto.server import SubGroup

from ocm_ophyd.iocs.motor import Axis, Motor
from ocm_ophyd.iocs.pv import Group

__all__ = ["DelayStage"]


class DelayStage(Group):
    """300 mm in steps of 4 um and 40 mm/s (data sheet); approached from the high side."""

    m1 = SubGroup(
        Motor,
        prefix="m1",
        axis=Axis(
            knob="delay_position",
            meaning="carriage in the pump arm; further is a later pump",
            units="mm",
            low=0.0,
            high=300.0,
            resolution=0.004,
            velocity=40.0,
            precision=3,
            backlash=-0.04,
            lost_motion=0.003,
            start=280.0,
        ),
    )
