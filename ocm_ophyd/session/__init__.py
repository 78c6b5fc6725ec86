"""One measuring process: devices, RunEngine, plans, live reduction, lock.

==================  ================================================================================
session             `Session`: all of it put together
run_engine          RunEngine that writes the journal first and reads a baseline
run_metadata        metadata that outlive the session, such as the scan number
channel_access      set-up of Channel Access, before the first device
lock                one session at a time measures
calibration_store   calibration values on disk, with their history
calibration_fits    fits that the calibration plans ask for
live_views          progress bar, table and plot while a run is taken
progress            number of points that a run has taken
ipython, magics     names and commands at the prompt
==================  ================================================================================
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocm_ophyd.session.session import Session

__all__ = ["Session"]


def __getattr__(name: str) -> Any:
    """Import `Session` when it is first used: Channel Access has to be set up before ophyd is."""
    if name != "Session":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from ocm_ophyd.session.session import Session  # noqa: PLC0415

    return Session
