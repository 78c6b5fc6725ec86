"""The RunEngine of a session: persistent metadata, journal first, baseline always."""

import logging
from importlib.metadata import version
from typing import Any, cast

from bluesky import RunEngine
from bluesky.preprocessors import SupplementalData

from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.archive.metadata import check_metadata
from ocm_ophyd.devices import Instrument
from ocm_ophyd.session.run_metadata import PersistentMetadata

__all__ = ["make_run_engine"]

_PACKAGES = ("ocm-ophyd", "bluesky", "ophyd", "event-model", "numpy", "scipy")


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
    engine = RunEngine(call_returns_result=True)
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
