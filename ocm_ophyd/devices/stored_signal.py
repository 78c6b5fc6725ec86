"""Calibration values: signals that the session stores."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ophyd import Signal

__all__ = ["StoredSignal"]


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

    def describe(self) -> dict[str, dict[str, Any]]:
        """Return the data key with unit and numpy type."""
        description = super().describe()
        if not isinstance(self.get(), str):
            description[self.name] |= {"units": self._units, "dtype_numpy": "<f8"}
        return description


def _stored(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return np.asarray(value, dtype=np.float64) if np.ndim(value) else float(value)
