"""The runs in the catalog: search them, and look at one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bluesky_tiled_plugins.clients.bluesky_run import BlueskyRun
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from tiled.queries import In, Key, KeyPresent

from analysis.documents.run_documents import RunDocuments
from ocm_ophyd.archive.connection import CatalogError

__all__ = ["RunDetails", "RunSummary", "find_run", "search", "show"]


@dataclass(frozen=True)
class RunSummary:
    """One line of a list of runs; times in s since 1970, fluences in mJ/cm²."""

    uid: str
    scan_id: int | None
    time: float
    plan: str | None
    purpose: str | None
    sample: str | None
    fluence_min: float | None
    fluence_max: float | None
    points: int | None
    exit_status: str | None
    raw_run: str | None

    @property
    def complete(self) -> bool:
        """Whether the run came to its planned end."""
        return self.exit_status == "success"


def _summary(run: BlueskyRun) -> RunSummary:
    start = run.metadata["start"]
    stop = run.metadata.get("stop") or {}
    sample = start.get("sample")
    return RunSummary(
        uid=start["uid"],
        scan_id=start.get("scan_id"),
        time=start["time"],
        plan=start.get("plan_name"),
        purpose=start.get("purpose"),
        sample=sample.get("name") if isinstance(sample, Mapping) else sample,
        fluence_min=start.get("fluence_min"),
        fluence_max=start.get("fluence_max"),
        points=stop.get("num_events", {}).get("primary"),
        exit_status=stop.get("exit_status"),
        raw_run=start.get("raw_run"),
    )


def search(
    catalog: CatalogOfBlueskyRuns,
    sample: str | None = None,
    plan: str | None = None,
    purpose: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    fluence: tuple[float, float] | None = None,
    complete: bool | None = None,
    limit: int = 50,
) -> list[RunSummary]:
    """Search the catalog; the server does the searching.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        From `connect`.
    sample, plan, purpose : str, optional
        The sample's name, the plan's name, the purpose: exactly.
    since, until : datetime, optional
        Runs started at or after the one and before the other.
    fluence : (float, float), optional
        Runs that took data somewhere in this range, mJ/cm².
    complete : bool, optional
        Runs that came to their planned end, or those that were aborted, failed, interrupted or
        are still running.
    limit : int
        How many of the latest matches to return.

    Returns
    -------
    list of RunSummary
        The latest first.
    """
    queries: list[Any] = []
    for key, value in (("sample.name", sample), ("plan_name", plan), ("purpose", purpose)):
        if value is not None:
            queries.append(Key(f"start.{key}") == value)
    if since is not None:
        queries.append(Key("start.time") >= since.timestamp())
    if until is not None:
        queries.append(Key("start.time") < until.timestamp())
    if fluence is not None:
        low, high = fluence
        queries += [Key("start.fluence_max") >= low, Key("start.fluence_min") <= high]
    if complete:
        queries.append(Key("stop.exit_status") == "success")

    for query in queries:
        catalog = catalog.search(query)
    if complete is False:
        ended = catalog.search(In("stop.exit_status", ["abort", "fail"]))
        found = _latest(ended, limit) + _latest(
            catalog.search(KeyPresent("stop.exit_status", exists=False)), limit
        )
        return sorted(found, key=lambda run: run.time, reverse=True)[:limit]
    return _latest(catalog, limit)


def _latest(catalog: CatalogOfBlueskyRuns, limit: int) -> list[RunSummary]:
    return [_summary(run) for run in catalog.sort(("start.time", -1)).values().head(limit)]


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
        if which.isdecimal():
            scans = catalog.search(Key("start.scan_id") == int(which))
            if len(scans):
                return scans.sort(("start.time", 1)).values().last()
        return catalog[which]
    except (KeyError, ValueError) as error:
        reason = str(error.args[0]).rstrip(".")
        raise CatalogError(f"no run {which!r}: {reason}. `ocm runs` lists them.") from error


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
