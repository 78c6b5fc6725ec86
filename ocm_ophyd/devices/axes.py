"""Axes that devices are made of: motors, voltages, and pseudo axes in the user's unit."""

from typing import Any

import numpy as np
from ophyd import Component as Cpt
from ophyd import (
    Device,
    EpicsMotor,
    EpicsSignal,
    EpicsSignalRO,
    Kind,
    PseudoPositioner,
    PseudoSingle,
    PVPositionerPC,
)

from ocm_ophyd.devices.failures import TargetError

__all__ = [
    "Motor",
    "PseudoAxis",
    "PseudoStage",
    "VoltageAxis",
    "check_limits",
    "finite",
]

ReadingDict = dict[str, dict[str, Any]]


def finite(value: float, what: str, unit: str) -> float:
    """Return a target as a float.

    Raises
    ------
    TargetError
        If the target is not a number, NaN or infinite.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        msg = f"{what} cannot be set to {value} {unit}: give a finite number"
        raise TargetError(msg)
    return number


def check_limits(value: float, limits: tuple[float, float], what: str, unit: str) -> None:
    """Refuse a target outside limits; equal limits are no limits.

    Raises
    ------
    TargetError
        If the target is not a finite number or is outside the limits, which the message names.
    """
    target = finite(value, what, unit)
    low, high = limits
    if low < high and not low <= target <= high:
        msg = f"{what} cannot be set to {target:g} {unit}: it takes {low:g} to {high:g} {unit}"
        raise TargetError(msg)


class Motor(EpicsMotor):
    """A motor record whose limits are stated with their unit."""

    def check_value(self, pos: float) -> None:
        """Refuse positions that are not finite or outside the soft limits."""
        check_limits(pos, self.limits, self.name, self.egu)


class PseudoStage(PseudoPositioner):
    """Axes in the user's unit in front of axes in the hardware's unit."""

    def check_value(self, pseudo_pos: Any) -> None:
        """Refuse positions that the axes behind cannot reach.

        Raises
        ------
        TargetError
            If a number is not finite or an axis is out of reach.
        """
        position, _ = self.to_pseudo_tuple(pseudo_pos)
        for axis, target in zip(self.real_positioners, self.forward(position), strict=True):
            axis.check_value(target)

    def move(self, position: Any, *args: Any, **kwargs: Any) -> Any:
        """Move all axes; a position that is refused leaves the targets of single axes as they are.

        Raises
        ------
        TargetError
            If a number is not finite or an axis is out of reach.
        """
        self.check_value(position)
        return super().move(position, *args, **kwargs)

    def to_pseudo_tuple(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Return a position by axis from what ophyd accepts: numbers, a sequence or keywords.

        Raises
        ------
        TargetError
            If there are more numbers than axes.
        """
        try:
            position: tuple[Any, dict[str, Any]] = super().to_pseudo_tuple(*args, **kwargs)
        except (TypeError, ValueError):
            axes = ", ".join(self.PseudoPosition._fields)
            msg = f"{self.name} cannot be set to {args}: give one number for each of {axes}"
            raise TargetError(msg) from None
        return position


class PseudoAxis(PseudoSingle):
    """A pseudo axis that is recorded under the name of its quantity, without its set point.

    Parameters
    ----------
    key : str
        Data key of the position that was reached.
    """

    def __init__(self, *args: Any, key: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.readback.name = key
        self.setpoint.name = f"{key}_setpoint"
        self.setpoint.kind = Kind.omitted

    def describe(self) -> ReadingDict:
        """Return the data keys that are read, with their unit."""
        description: ReadingDict = Device.describe(self)
        for entry in description.values():
            entry |= {"units": self.egu, "dtype_numpy": "<f8"}
        return description


class VoltageAxis(PVPositionerPC):
    """An analogue output that says by put-completion when it has settled."""

    setpoint = Cpt(EpicsSignal, "", limits=True, kind=Kind.normal)
    readback = Cpt(EpicsSignalRO, "_RBV", kind=Kind.normal)

    def __init__(self, *args: Any, timeout: float = 10.0, **kwargs: Any) -> None:
        super().__init__(*args, timeout=timeout, egu="V", **kwargs)
        self.readback.name = self.name

    def _setup_move(self, position: float) -> None:
        """Move; the position is read afresh when done, for completion can overtake a monitor."""

        def settled(**_: Any) -> None:
            self._set_position(self.readback.get(use_monitor=False))
            self._done_moving(success=True)

        self._move_changed(value=1 - self.done_value)
        self.setpoint.put(position, wait=False, callback=settled)

    @property
    def limits(self) -> tuple[float, float]:
        """Limits that the control system states."""
        return self.setpoint.limits

    def check_value(self, pos: float) -> None:
        """Refuse voltages that are not finite or outside the limits."""
        check_limits(pos, self.limits, self.name, "V")
