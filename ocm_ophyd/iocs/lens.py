"""Steering lens in the pump beam: x and y place the pump on the sample, z sets its size."""

from caproto.server import SubGroup

from ocm_ophyd.iocs.motor import Axis, Motor
from ocm_ophyd.iocs.pv import Group

__all__ = ["SteeringLens"]


class SteeringLens(Group):
    """Three-axis mount of the lens, mm."""

    x = SubGroup(
        Motor, prefix="x", axis=Axis("lens_x", "pump x", "mm", -3.0, 3.0, 1e-4, velocity=2.0)
    )
    y = SubGroup(
        Motor, prefix="y", axis=Axis("lens_y", "pump y", "mm", -3.0, 3.0, 1e-4, velocity=2.0)
    )
    z = SubGroup(
        Motor,
        prefix="z",
        axis=Axis("lens_z", "pump focus", "mm", -5.0, 5.0, 1e-3, velocity=2.0, precision=3),
    )
