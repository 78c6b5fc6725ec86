"""One run of the catalog, whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bluesky_tiled_plugins.clients.bluesky_run import BlueskyRun
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from tiled.queries import Key

from analysis.documents.run_documents import RunDocuments
from ocm_ophyd.archive.connection import CatalogError, refusals_of

__all__ = ["RunDetails", "find_reduction", "find_run", "show"]


@dataclass(frozen=True)
class RunDetails:
    """One run: its documents, its streams, and the runs that it belongs to.

    ``streams`` holds for every stream its number of ``points`` and its ``columns``: a data key
    (dtype, shape, units, source) by name.
    """

    start: dict[str, Any]
    stop: dict[str, Any] | None
    streams: dict[str, dict[str, Any]]
    raw_run: str | None
    derived_runs: list[str]


def find_run(catalog: CatalogOfBlueskyRuns, which: str) -> BlueskyRun:
    """Find one run.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        From `connect`.
    which : str
        A uid, the first five or more characters of one, or a scan id (the latest run that has it;
        reduced runs have none).

    Raises
    ------
    CatalogError
        If there is no such run, or more than one.
    """
    try:
        with refusals_of(catalog.uri):
            if which.isdecimal():
                scans = catalog.search(Key("start.scan_id") == int(which))
                if len(scans):
                    return scans.sort(("start.time", 1)).values().last()
            return catalog[which]
    except (KeyError, ValueError) as error:
        reason = str(error.args[0]).rstrip(".")
        raise CatalogError(f"no run {which!r}: {reason}. `ocm runs` lists them.") from error


def find_reduction(
    catalog: CatalogOfBlueskyRuns, raw_run: str, parameters: Mapping[str, Any]
) -> str | None:
    """Find a complete reduction of a run.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        From `connect`.
    raw_run : str
        Whole uid of the raw run.
    parameters : mapping
        Version of the code and parameters that the reduction must have.

    Returns
    -------
    str or None
        Uid of the latest one; None if there is none.
    """
    derived = catalog.search(Key("start.raw_run") == raw_run).sort(("start.time", -1))
    for uid, run in derived.items():
        start, stop = run.metadata["start"], run.metadata.get("stop") or {}
        if start.get("reduction") == parameters and stop.get("exit_status") == "success":
            return str(uid)
    return None


def show(catalog: CatalogOfBlueskyRuns, which: str) -> RunDetails:
    """Look at one run.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        From `connect`.
    which : str
        As in `find_run`.

    Raises
    ------
    CatalogError
        If there is no such run, or more than one.
    """
    with refusals_of(catalog.uri):
        run = RunDocuments.from_catalog(find_run(catalog, which))
        derived = catalog.search(Key("start.raw_run") == run.uid)
        return RunDetails(
            start=dict(run.start),
            stop=None if run.stop is None else dict(run.stop),
            streams={
                name: {"points": stream.points, "columns": stream.data_keys}
                for name, stream in run.streams.items()
            },
            raw_run=run.start.get("raw_run"),
            derived_runs=list(derived),
        )
