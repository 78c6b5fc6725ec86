"""The pump's delay stage, in picoseconds."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import EpicsSignal, Kind
from ophyd.pseudopos import pseudo_position_argument, real_position_argument
from scipy.constants import speed_of_light

from ocm_ophyd.devices.axes import Motor, PseudoAxis, PseudoStage, finite
from ocm_ophyd.devices.failures import TargetError
from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.frame_schema import DELAY

__all__ = ["MM_PER_PS", "DelayMotor", "DelayStage"]

#: Carriage travel that changes the delay by 1 ps: one double pass, τ = 2x/c.
MM_PER_PS = speed_of_light * 1e-12 / 2 * 1e3


class DelayMotor(Motor):
    """The stage's motor record, with the fields that one-sided approach needs."""

    step = Cpt(EpicsSignal, ".MRES", kind=Kind.config, auto_monitor=True)
    backlash = Cpt(EpicsSignal, ".BDST", kind=Kind.config)


class DelayStage(PseudoStage):
    """Pump–probe delay (ps) on the OSMS26-300 stage (mm).

    The stage lengthens the pump's path, so the delay falls with the position:
    τ = 2 (x₀ - x)/c with the stored position x₀ of zero delay. Set points are rounded to
    whole steps; the readback says the delay that was really reached. Every position is
    approached from the high side (motor record field BDST < 0), the way a scan of growing
    delays moves, so that lost motion of the screw does not enter.
    """

    tau = Cpt(PseudoAxis, key=DELAY.data_key, egu=DELAY.unit, kind=Kind.hinted)
    m1 = Cpt(DelayMotor, "m1", kind=Kind.normal)
    time_zero = Cpt(StoredSignal, value=285.0, units="mm", kind=Kind.config)
    time_zero_sigma = Cpt(StoredSignal, value=0.0, units="mm", kind=Kind.config)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tau.setpoint.kind = Kind.normal  # asked for, beside what was reached
        self.m1.user_readback.kind = Kind.normal
        self.stage_sigs["m1.backlash"] = -0.04

    @pseudo_position_argument
    def forward(self, pseudo_pos: Any) -> Any:
        """Stage position (mm, whole steps) for a delay (ps)."""
        tau = finite(pseudo_pos.tau, self.name, "ps")
        step = self.m1.step.get()
        position = self.time_zero.get() - tau * MM_PER_PS
        return self.RealPosition(m1=round(position / step) * step)

    @real_position_argument
    def inverse(self, real_pos: Any) -> Any:
        """Delay (ps) at a stage position (mm)."""
        return self.PseudoPosition(tau=(self.time_zero.get() - real_pos.m1) / MM_PER_PS)

    def check_value(self, pseudo_pos: Any) -> None:
        """Refuse delays that the stage cannot reach.

        Raises
        ------
        TargetError
            Names the delay and the range that is reachable.
        """
        tau = pseudo_pos[0] if hasattr(pseudo_pos, "__getitem__") else pseudo_pos
        (position,) = self.forward(tau)
        low, high = self.m1.limits
        if low < high and not low <= position <= high:
            zero = self.time_zero.get()
            reach = sorted((zero - limit) / MM_PER_PS for limit in (low, high))
            msg = (
                f"delay {tau:g} ps is out of reach: with time zero at {zero:.3f} mm "
                f"the stage covers {reach[0]:.1f} to {reach[1]:.1f} ps"
            )
            raise TargetError(msg)
