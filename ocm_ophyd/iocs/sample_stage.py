"""Sample stage: coarse x and y, focus z."""

from caproto.server import SubGroup

from ocm_ophyd.iocs.motor import Axis, Motor
from ocm_ophyd.iocs.pv import Group

__all__ = ["SampleStage"]


class SampleStage(Group):
    """Three-axis stage below the objective, mm."""

    x = SubGroup(
        Motor, prefix="x", axis=Axis("sample_x", "coarse x", "mm", -5.0, 5.0, 1e-4, velocity=5.0)
    )
    y = SubGroup(
        Motor, prefix="y", axis=Axis("sample_y", "coarse y", "mm", -5.0, 5.0, 1e-4, velocity=5.0)
    )
    z = SubGroup(
        Motor, prefix="z", axis=Axis("sample_z", "focus", "mm", -1.0, 1.0, 1e-4, velocity=1.0)
    )
