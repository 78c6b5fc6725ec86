"""The probe beam's galvanometer mirrors, in micrometres on the sample."""

from typing import Any

import numpy as np
from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.pseudopos import pseudo_position_argument, real_position_argument

from ocm_ophyd.devices.axes import PseudoAxis, PseudoStage, VoltageAxis, finite
from ocm_ophyd.devices.failures import TargetError
from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.frame_schema import PROBE_X, PROBE_Y

__all__ = ["GalvoScanner"]


class GalvoScanner(PseudoStage):
    """Probe position on the sample (um) ↔ mirror voltages (V).

    (probe_x, probe_y) = R(rotation) · diag(scale_x, scale_y) · (X, Y) + offset, a stored
    calibration, that puts (0, 0) on the centre of the plate it was measured on; nominally 2 um/V
    without rotation and offset.
    """

    probe_x = Cpt(PseudoAxis, key=PROBE_X.data_key, egu=PROBE_X.unit, kind=Kind.hinted)
    probe_y = Cpt(PseudoAxis, key=PROBE_Y.data_key, egu=PROBE_Y.unit, kind=Kind.hinted)
    x = Cpt(VoltageAxis, "X", kind=Kind.normal)
    y = Cpt(VoltageAxis, "Y", kind=Kind.normal)
    scale_x = Cpt(StoredSignal, value=2.0, units="um/V", kind=Kind.config)
    scale_y = Cpt(StoredSignal, value=2.0, units="um/V", kind=Kind.config)
    rotation = Cpt(StoredSignal, value=0.0, units="deg", kind=Kind.config)
    offset_x = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    offset_y = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    scale_x_sigma = Cpt(StoredSignal, value=0.0, units="um/V", kind=Kind.config)
    scale_y_sigma = Cpt(StoredSignal, value=0.0, units="um/V", kind=Kind.config)
    rotation_sigma = Cpt(StoredSignal, value=0.0, units="deg", kind=Kind.config)
    offset_x_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    offset_y_sigma = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for axis in (self.x, self.y):
            axis.setpoint.kind = Kind.omitted

    def _matrix(self) -> np.ndarray:
        angle = np.deg2rad(self.rotation.get())
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return turn @ np.diag([self.scale_x.get(), self.scale_y.get()])

    def _offset(self) -> np.ndarray:
        return np.array([self.offset_x.get(), self.offset_y.get()])

    @pseudo_position_argument
    def forward(self, pseudo_pos: Any) -> Any:
        """Mirror voltages for a position on the sample."""
        target = [finite(value, self.name, "um") for value in pseudo_pos]
        volts = np.linalg.solve(self._matrix(), target - self._offset())
        return self.RealPosition(x=float(volts[0]), y=float(volts[1]))

    @real_position_argument
    def inverse(self, real_pos: Any) -> Any:
        """Position on the sample for mirror voltages."""
        x, y = self._matrix() @ np.array([real_pos.x, real_pos.y]) + self._offset()
        return self.PseudoPosition(probe_x=float(x), probe_y=float(y))

    def check_value(self, pseudo_pos: Any) -> None:
        """Refuse positions outside the mirrors' range.

        Raises
        ------
        TargetError
            Names the position and the limit it breaks.
        """
        volts = self.forward(pseudo_pos)
        for axis, value in zip((self.x, self.y), volts, strict=True):
            low, high = axis.limits
            if low < high and not low <= value <= high:
                x, y = pseudo_pos
                msg = (
                    f"probe position ({x:g}, {y:g}) um needs {value:.2f} V on {axis.name}: "
                    f"the mirrors take {low:g} to {high:g} V; move the sample stage instead"
                )
                raise TargetError(msg)
