"""The RunEngine of a session: persistent metadata, journal first, baseline always."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

from bluesky import RunEngine
from bluesky.preprocessors import SupplementalData

from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.archive.metadata import check_metadata
from ocm_ophyd.devices.failures import hardware_failure
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.session.run_metadata import PersistentMetadata

__all__ = ["SessionRunEngine", "make_run_engine"]

_PACKAGES = ("ocm-ophyd", "bluesky", "ophyd", "event-model", "numpy", "scipy")


class SessionRunEngine(RunEngine):
    """A RunEngine that raises failures of the hardware as an `OcmError`: one line with the reason.

    Defects, in a plan or a callback, are raised as they are.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Execute a plan."""
        with _readable_failures():
            return super().__call__(*args, **kwargs)

    def stop(self) -> Any:
        """End a plan that was paused; its run is not complete, and is marked as aborted.

        bluesky's own `stop` marks it as a success, so that its missing points would not be taken
        when a series is repeated.
        """
        return self.abort("stopped by the user")

    def resume(self) -> Any:
        """Continue a plan that was paused."""
        with _readable_failures():
            return super().resume()


@contextmanager
def _readable_failures() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = hardware_failure(error)
        if reason is None or reason is error:
            raise
        raise reason from error


def _is_no_abort(record: logging.LogRecord) -> bool:
    return record.msg != "Run aborted"


def make_run_engine(
    instrument: Instrument | None, journal: Journal, metadata: PersistentMetadata
) -> RunEngine:
    """Put together a RunEngine that keeps what it does.

    Parameters
    ----------
    instrument : Instrument or None
        Its baseline is read before and after every run.
    journal : Journal
        Gets every document first; where it cannot write, a run does not start.
    metadata : PersistentMetadata
        Scan ids and metadata that outlive the session.
    """
    engine = SessionRunEngine(call_returns_result=True)
    engine.md = cast("dict[Any, Any]", metadata)
    engine.md["instrument"] = "OCM"
    engine.md["versions"] = {package: version(package) for package in _PACKAGES}
    engine.md_validator = check_metadata
    engine.subscribe(journal)
    # the exception itself reaches whoever called the RunEngine
    engine.log.logger.addFilter(_is_no_abort)
    if instrument is not None:
        engine.preprocessors.append(SupplementalData(baseline=instrument.baseline()))
    return engine
