"""Parts that several devices are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind, PseudoSingle, PVPositionerPC, Signal

__all__ = ["PseudoAxis", "StoredSignal", "VoltageAxis", "finite"]

ReadingDict = dict[str, dict[str, Any]]


def finite(value: float, what: str, unit: str) -> float:
    """Return `value` as a float, or refuse what no stage can be sent to.

    Raises
    ------
    ValueError
        For NaN and infinities.
    """
    number = float(value)
    if not np.isfinite(number):
        msg = f"{what} cannot be set to {number} {unit}: give a finite number"
        raise ValueError(msg)
    return number


class StoredSignal(Signal):
    """A calibration value kept by the session and recorded with every run.

    Beside a value stands its standard deviation, ``<name>_sigma``; where that is 0, the value is
    nominal and nobody has measured it.

    Parameters
    ----------
    value : float, sequence of float or str
        Start value. Numbers are stored as float64, so that a column never changes its type.
    units : str
        Unit, written into the data key.

    Attributes
    ----------
    keep : callable, optional
        Called as ``keep(name, value)`` before a value that differs is taken over; where it
        raises, the old value stays.
    """

    keep: Callable[[str, Any], None] | None = None

    def __init__(self, *args: Any, value: Any, units: str = "", **kwargs: Any) -> None:
        super().__init__(*args, value=_stored(value), **kwargs)
        self._units = units

    def put(self, value: Any, **kwargs: Any) -> None:
        """Store a new value."""
        new = _stored(value)
        if self.keep is not None and not np.array_equal(new, self.get()):
            self.keep(self.name, new)
        super().put(new, **kwargs)

    def load(self, value: Any) -> None:
        """Take over a value that is kept already."""
        super().put(_stored(value))

    def describe(self) -> ReadingDict:
        """Return the data key with unit and numpy type."""
        description = super().describe()
        if not isinstance(self.get(), str):
            description[self.name] |= {"units": self._units, "dtype_numpy": "<f8"}
        return description


def _stored(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return np.asarray(value, dtype=np.float64) if np.ndim(value) else float(value)


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
        finite(pos, self.name, "V")
        super().check_value(pos)
