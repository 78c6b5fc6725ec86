"""The extension that makes a measuring session of IPython; `ocm session` starts IPython with it.

In an IPython that runs already, ``%load_ext ocm_ophyd.session.ipython`` does the same.
"""

import os
import sys
from typing import Any

from bluesky import plan_stubs as bps
from bluesky import plans as bp
from bluesky.run_engine import RunEngineResult
from IPython.core.interactiveshell import InteractiveShell
from rich.console import Console
from rich.table import Table
from tiled.queries import Key

from analysis.estimate import Estimate
from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.devices.failures import InstrumentError
from ocm_ophyd.errors import OcmError
from ocm_ophyd.formatting import measured
from ocm_ophyd.session.catalog import SessionCatalog
from ocm_ophyd.session.magics import register_magics
from ocm_ophyd.session.run_engine import make_run_engine
from ocm_ophyd.session.run_metadata import PersistentMetadata
from ocm_ophyd.session.session import Session
from ocm_ophyd.settings import Settings
from plans import linear_then_logarithmic

__all__ = ["EXPECTED", "begin", "load_ipython_extension", "one_line"]

#: Errors that are printed in one line: the message has the reason, a traceback would hide it.
EXPECTED = (OcmError,)


def one_line(
    _shell: Any, _kind: type[BaseException], error: BaseException, _traceback: Any, **_: Any
) -> None:
    """Print an expected error as IPython's exception handler, without its traceback."""
    print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - an answer to a user


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Start a session in a shell: IPython calls this for ``%load_ext``."""
    shell.push(begin(shell))
    assert shell.display_formatter is not None
    formatter = shell.display_formatter.formatters["text/plain"]
    formatter.for_type(RunEngineResult, _print_result)
    shell.set_custom_exc(EXPECTED, one_line)


def _print_result(result: RunEngineResult, printer: Any, _cycle: bool) -> None:
    """Print what ``RE(...)`` returns: a table of the estimates of a plan, or one line."""
    found = result.plan_result
    if isinstance(found, dict) and all(isinstance(each, Estimate) for each in found.values()):
        table = Table("quantity", "value", "note")
        for name, estimate in found.items():
            table.add_row(name, measured(estimate), estimate.note)
        console = Console()
        with console.capture() as captured:
            console.print(table)
        printer.text(captured.get().rstrip())
        return
    runs = ", ".join(uid[:8] for uid in result.run_start_uids) or "none"
    reason = f" ({result.reason})" if result.reason else ""
    value = "" if found in (None, *result.run_start_uids) else f"; result: {found!r}"
    printer.text(f"{result.exit_status}{reason}; runs: {runs}{value}")


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
    journal = Journal(settings.journal_dir)
    namespace: dict[str, Any] = {
        "settings": settings,
        "catalog": SessionCatalog(settings, journal),
        "bp": bp,
        "bps": bps,
        "Key": Key,
        "linear_then_logarithmic": linear_then_logarithmic,
    }
    try:
        session = Session.start(settings, journal)
    except InstrumentError as error:
        metadata = PersistentMetadata(settings.home / "metadata.json")
        engine = make_run_engine(None, journal, metadata)
        print(f"No instrument: {error}", file=sys.stderr)  # noqa: T201 - the greeting
        return namespace | {"RE": engine}
    except OcmError as error:
        print(f"No session: {error}", file=sys.stderr)  # noqa: T201
        return namespace
    session.pause_on_signals()
    register_magics(shell, session.RE)
    from ocm_ophyd.session.live_views import show_live  # noqa: PLC0415 - slow to import

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
