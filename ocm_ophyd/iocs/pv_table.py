"""The table of process variables in the reference, made from the groups that serve them."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from ocm_ophyd.iocs.main import build
from ocm_ophyd.iocs.motor import Motor
from ocm_ophyd.iocs.optical_table import Bench, SimulatedClock
from ocm_ophyd.twin import Knobs, Microscope, load_scenario

__all__ = ["PvRow", "pv_table"]


class PvRow(NamedTuple):
    """One process variable."""

    name: str
    """With ``$(P)`` for the prefix."""
    unit: str
    """Empty for whole numbers and texts."""
    limits: str
    """Smallest and largest value that can be written; empty where nothing can be written."""
    meaning: str


def pv_table() -> dict[str, list[PvRow]]:
    """Return the process variables of every instrument.

    Returns
    -------
    dict
        Rows by the first line of the module of their instrument, in the order in which
        `iocs.main.Instrument` has them.
    """
    bench = Bench(Microscope(load_scenario()), Knobs(), SimulatedClock(1.0), Path())
    served = build("$(P)", bench)
    bench.close()
    tables: dict[str, list[PvRow]] = {}
    for name, pv in served.pvdb.items():
        if "." not in name:  # fields of records
            tables.setdefault(_title(pv.group), []).append(_row(name, pv))
    return tables


def _title(group: Any) -> str:
    """Return the first line of an instrument's module; a motor belongs to its stage."""
    instrument = group.parent if isinstance(group, Motor) else group
    module = sys.modules[type(instrument).__module__]
    return str(module.__doc__).splitlines()[0].rstrip(".")


def _row(name: str, pv: Any) -> PvRow:
    if isinstance(pv.group, Motor):
        axis = pv.group.axis
        limits = f"{axis.low:g} to {axis.high:g}"
        return PvRow(name, axis.units, limits, f"Motor record: {axis.meaning}")
    limits = ""
    if not pv.pvspec.read_only and hasattr(pv, "lower_ctrl_limit"):
        limits = f"{pv.lower_ctrl_limit:g} to {pv.upper_ctrl_limit:g}"
    return PvRow(name, getattr(pv, "units", ""), limits, str(pv.__doc__).rstrip("."))
