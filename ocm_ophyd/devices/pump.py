"""The pump's power: liquid-crystal retarder, and fluence on the sample."""

from typing import Any

import numpy as np
from ophyd import Component as Cpt
from ophyd import Kind
from ophyd.pseudopos import pseudo_position_argument, real_position_argument
from scipy.interpolate import PchipInterpolator

from ocm_ophyd.devices.axes import PseudoAxis, PseudoStage, VoltageAxis, finite
from ocm_ophyd.devices.failures import TargetError
from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.frame_schema import FLUENCE

__all__ = ["LiquidCrystalRetarder", "PumpPower"]


class LiquidCrystalRetarder(VoltageAxis):
    """Retarder voltage; with the polarising beam splitter behind it, it sets the pump power."""


class PumpPower(PseudoStage):
    """Peak pump fluence on the sample (mJ/cm²) ↔ retarder voltage.

    The stored `calibration` is a table of two rows, voltage and fluence, monotonic in both and
    interpolated with a shape-preserving cubic; `waist` is the 1/e² radius (um) that turned power
    into fluence, `fluence_sigma` the relative uncertainty that all fluences share beside it, and
    `calibration_note` says what it rests on. Fluences above `maximum`, the sample's stated limit,
    are refused, as is everything while no calibration is stored.
    """

    fluence = Cpt(PseudoAxis, key=FLUENCE.data_key, egu=FLUENCE.unit, kind=Kind.hinted)
    retarder = Cpt(LiquidCrystalRetarder, "Voltage", kind=Kind.normal)
    maximum = Cpt(StoredSignal, value=0.0, units=FLUENCE.unit, kind=Kind.config)
    calibration = Cpt(StoredSignal, value=[[0.0], [0.0]], units="V, mJ/cm^2", kind=Kind.config)
    fluence_sigma = Cpt(StoredSignal, value=0.0, units="1", kind=Kind.config)
    waist = Cpt(StoredSignal, value=0.0, units="um", kind=Kind.config)
    calibration_note = Cpt(StoredSignal, value="", kind=Kind.config)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.retarder.setpoint.kind = Kind.normal  # asked for, beside what was reached

    @property
    def calibrated(self) -> bool:
        """Whether a power calibration is stored."""
        return bool(np.shape(self.calibration.get())[1] > 1)

    @pseudo_position_argument
    def forward(self, pseudo_pos: Any) -> Any:
        """Retarder voltage for a fluence."""
        fluence = finite(pseudo_pos.fluence, self.name, "mJ/cm²")
        volts, table = self.calibration.get()
        order = np.argsort(table)
        voltage = PchipInterpolator(table[order], volts[order])(fluence)
        return self.RealPosition(retarder=float(voltage))

    @real_position_argument
    def inverse(self, real_pos: Any) -> Any:
        """Fluence at a retarder voltage; NaN without a calibration and outside its range."""
        if not self.calibrated:
            return self.PseudoPosition(fluence=float("nan"))
        volts, table = self.calibration.get()
        fluence = PchipInterpolator(volts, table, extrapolate=False)(real_pos.retarder)
        return self.PseudoPosition(fluence=float(fluence))

    def check_value(self, pseudo_pos: Any) -> None:
        """Refuse fluences above the sample's maximum or outside the calibration.

        Raises
        ------
        TargetError
            Says what is missing or which limit is broken.
        """
        fluence = pseudo_pos[0] if hasattr(pseudo_pos, "__getitem__") else pseudo_pos
        finite(fluence, self.name, "mJ/cm²")
        if not self.calibrated:
            msg = "the pump power is not calibrated: run calibrate_pump_power first"
            raise TargetError(msg)
        maximum, table = self.maximum.get(), self.calibration.get()[1]
        if maximum <= 0:
            msg = "no sample is chosen, so no fluence is known to be safe: choose one first"
            raise TargetError(msg)
        if fluence > maximum:
            msg = f"fluence {fluence:g} mJ/cm² is above the sample's maximum of {maximum:g} mJ/cm²"
            raise TargetError(msg)
        if not table.min() <= fluence <= table.max():
            msg = (
                f"fluence {fluence:g} mJ/cm² is outside the power calibration, "
                f"{table.min():.3g} to {table.max():.3g} mJ/cm²"
            )
            raise TargetError(msg)
