"""The pump's steering lens: position and size of the pump spot on the sample."""

from typing import Any

import numpy as np
from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.pseudopos import pseudo_position_argument, real_position_argument

from ocm_ophyd.devices.axes import Motor, PseudoAxis, PseudoStage, finite
from ocm_ophyd.devices.failures import TargetError
from ocm_ophyd.devices.stored_signal import StoredSignal

__all__ = ["SteeringLens"]


class SteeringLens(PseudoStage):
    """Pump x, y (um) and waist radius at 1/e² (um) ↔ lens x, y, z (mm).

    The spot follows the lens sideways by `scale`, from `offset` on, so that pump and probe meet
    at (0, 0); moving it along the beam by z from `focus`
    widens the spot as a Gaussian beam does, w(z) = w₀ √(1 + ((z - z₀)/z_R)²), with the
    Rayleigh length z_R as seen by the lens. Of the two lens positions that give a waist, the
    one on the positive side is taken.
    """

    pump_x = Cpt(PseudoAxis, key="pump_x", egu="um", kind=Kind.hinted)
    pump_y = Cpt(PseudoAxis, key="pump_y", egu="um", kind=Kind.hinted)
    pump_waist = Cpt(PseudoAxis, key="pump_waist", egu="um", kind=Kind.hinted)
    x = Cpt(Motor, "x", kind=Kind.normal)
    y = Cpt(Motor, "y", kind=Kind.normal)
    z = Cpt(Motor, "z", kind=Kind.normal)
    scale = Cpt(StoredSignal, value=10.0, units="um/mm", kind=Kind.config)
    offset_x = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    offset_y = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    offset_x_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    offset_y_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    focal_waist = Cpt(StoredSignal, value=2.25, units="um", kind=Kind.config)
    focal_waist_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    focus = Cpt(StoredSignal, value=0.0, units="mm", kind=Kind.config)
    rayleigh_length = Cpt(StoredSignal, value=2.0, units="mm", kind=Kind.config)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for motor in (self.x, self.y, self.z):
            motor.user_readback.kind = Kind.normal

    @pseudo_position_argument
    def forward(self, pseudo_pos: Any) -> Any:
        """Lens position for a pump spot.

        Raises
        ------
        TargetError
            For a waist smaller than the focal one.
        """
        x, y, waist = (finite(value, self.name, "um") for value in pseudo_pos)
        ratio = waist / self.focal_waist.get()
        if ratio < 1 - 1e-9:
            msg = f"a pump waist of {waist:g} um is below the focal {self.focal_waist.get():g} um"
            raise TargetError(msg)
        defocus = self.rayleigh_length.get() * np.sqrt(max(ratio**2 - 1, 0.0))
        return self.RealPosition(
            x=(x - self.offset_x.get()) / self.scale.get(),
            y=(y - self.offset_y.get()) / self.scale.get(),
            z=self.focus.get() + float(defocus),
        )

    @real_position_argument
    def inverse(self, real_pos: Any) -> Any:
        """Pump spot for a lens position."""
        defocus = (real_pos.z - self.focus.get()) / self.rayleigh_length.get()
        return self.PseudoPosition(
            pump_x=real_pos.x * self.scale.get() + self.offset_x.get(),
            pump_y=real_pos.y * self.scale.get() + self.offset_y.get(),
            pump_waist=self.focal_waist.get() * float(np.sqrt(1 + defocus**2)),
        )
