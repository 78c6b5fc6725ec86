"""What the IPython profile puts into the user's namespace, and the greeting above it."""

import os
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import plans as bp
from IPython.core.interactiveshell import InteractiveShell

from ocm_ophyd.archive.connection import CatalogError
from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.devices.failures import InstrumentError
from ocm_ophyd.errors import OcmError
from ocm_ophyd.session.magics import register_magics
from ocm_ophyd.session.run_engine import make_run_engine
from ocm_ophyd.session.run_metadata import PersistentMetadata
from ocm_ophyd.session.session import Session
from ocm_ophyd.settings import Settings
from plans import linear_then_logarithmic

__all__ = ["EXPECTED", "LazyCatalog", "begin", "one_line"]

#: Errors that are printed in one line: the message has the reason, a traceback would hide it.
EXPECTED = (OcmError,)


class LazyCatalog:
    """The catalog, connected to when it is first used: tiled takes seconds to import."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> Any:
        from ocm_ophyd.archive.catalog import connect  # noqa: PLC0415 - see the class

        return connect(self._settings)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("_repr_", "_ipython_")):  # what IPython asks every object for
            raise AttributeError(name)
        return getattr(self._client, name)

    def __getitem__(self, key: Any) -> Any:
        return self._client[key]

    def __len__(self) -> int:
        return len(self._client)

    def __iter__(self) -> Iterator[str]:
        return iter(self._client)

    def __repr__(self) -> str:
        try:
            return repr(self._client)
        except CatalogError as error:
            return str(error)


def one_line(
    _shell: Any, _kind: type[BaseException], error: BaseException, _traceback: Any, **_: Any
) -> None:
    """Print an expected error as IPython's exception handler, without its traceback."""
    print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - an answer to a user


def begin(shell: InteractiveShell) -> dict[str, Any]:
    """Start a session, greet, and return the names it works with.

    Without an instrument there are a RunEngine, the catalog and bluesky's own plans, and one
    line says so.

    Parameters
    ----------
    shell : InteractiveShell
        Gets bluesky's magics; draws live plots in windows where there is a screen.
    """
    settings = Settings()
    namespace: dict[str, Any] = {
        "settings": settings,
        "catalog": LazyCatalog(settings),
        "bp": bp,
        "bps": bps,
        "linear_then_logarithmic": linear_then_logarithmic,
    }
    try:
        session = Session.start(settings)
    except InstrumentError as error:
        metadata = PersistentMetadata(settings.home / "metadata.json")
        engine = make_run_engine(None, Journal(settings.journal_dir), metadata)
        print(f"No instrument: {error}", file=sys.stderr)  # noqa: T201 - the greeting
        return namespace | {"RE": engine}
    except OcmError as error:
        print(f"No session: {error}", file=sys.stderr)  # noqa: T201
        return namespace
    session.pause_on_signals()
    register_magics(shell, session.RE)
    from ocm_ophyd.session.live_views import show_live  # noqa: PLC0415 - needs nothing without an instrument

    show_live(session.RE, session.reduction, plots=_plots(shell))
    print(greeting(session))  # noqa: T201
    return (
        namespace
        | session.instrument.devices()
        | session.plans()
        | {"RE": session.RE, "session": session, "samples": session.instrument.samples}
    )


def _plots(shell: InteractiveShell) -> bool:
    """Whether windows can be drawn; their event loop then runs beside the prompt."""
    if not os.environ.get("DISPLAY"):
        return False
    try:
        shell.enable_matplotlib()
    except (ImportError, RuntimeError) as error:
        print(f"No live plots: {error}", file=sys.stderr)  # noqa: T201 - part of the greeting
        return False
    return True


def greeting(session: Session) -> str:
    """Return what is connected and what is missing, in a few lines."""
    instrument = session.instrument
    kind = "simulated" if instrument.simulated.get() else "real"
    spectra = instrument.spectrometer.spectra
    missing = [
        f"{what}: run {plan}"
        for there, what, plan in (
            (spectra.recorded, "no reference", "record_reference"),
            (instrument.pump.calibrated, "pump power not calibrated", "calibrate_pump_power"),
            (instrument.delay.time_zero_sigma.get() > 0, "time zero unknown", "find_time_zero"),
        )
        if not there
    ]
    return "\n".join(
        [
            f"OCM, {kind} instrument {session.settings.prefix}* : "
            f"{len(instrument.devices())} devices connected; data in {session.settings.home}",
            f"samples: {', '.join(instrument.samples)}",
            *(missing or ["reference, pump power and time zero are stored"]),
            "plans: " + ", ".join(session.plans()),
        ]
    )
