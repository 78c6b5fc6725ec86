"""Lists of runs, through the catalog's HTTP interface: tiled's client takes seconds to import."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from tiled.queries import In, Key, KeyPresent
from tiled.query_registration import default_query_registry

from ocm_ophyd.archive.connection import open_catalog
from ocm_ophyd.settings import Settings

__all__ = ["RunSummary", "list_derived_runs", "list_runs"]

_PAGE = 300  # runs: tiled refuses larger pages
_UIDS_PER_QUERY = 50  # runs named in one query: the address of a page stays below 4 kB


@dataclass(frozen=True)
class RunSummary:
    """One line of a list of runs; times in s since 1970, fluences in mJ/cm²."""

    uid: str
    scan_id: int | None
    time: float
    plan: str | None
    purpose: str | None
    sample: str | None
    series: str | None
    fluence_min: float | None
    fluence_max: float | None
    points: int | None
    exit_status: str | None
    raw_run: str | None

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> "RunSummary":
        """Summarise the start and stop documents of a run."""
        start, stop = metadata["start"], metadata.get("stop") or {}
        sample = start.get("sample")
        return cls(
            uid=start["uid"],
            scan_id=start.get("scan_id"),
            time=start["time"],
            plan=start.get("plan_name"),
            purpose=start.get("purpose"),
            sample=sample.get("name") if isinstance(sample, Mapping) else sample,
            series=start.get("series"),
            fluence_min=start.get("fluence_min"),
            fluence_max=start.get("fluence_max"),
            points=stop.get("num_events", {}).get("primary"),
            exit_status=stop.get("exit_status"),
            raw_run=start.get("raw_run"),
        )

    @property
    def complete(self) -> bool:
        """Whether the run came to its planned end."""
        return self.exit_status == "success"


def list_runs(
    settings: Settings,
    *,
    exactly: Mapping[str, str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    fluence: tuple[float, float] | None = None,
    complete: bool | None = None,
    limit: int = 50,
) -> list[RunSummary]:
    """List measurements in the catalog; the server does the searching.

    Parameters
    ----------
    settings : Settings
        Say where the catalog is served, and the API key.
    exactly : mapping, optional
        Values of keys of the start document, such as ``plan_name``, ``sample.name``, ``series``.
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
        The latest first. Derived runs are not among them: see `list_derived_runs`.

    Raises
    ------
    CatalogError
        If the server does not answer, or refuses the key.
    """
    queries: list[Any] = [Key(f"start.{k}") == value for k, value in (exactly or {}).items()]
    if since is not None:
        queries.append(Key("start.time") >= since.timestamp())
    if until is not None:
        queries.append(Key("start.time") < until.timestamp())
    if fluence is not None:
        low, high = fluence
        queries += [Key("start.fluence_max") >= low, Key("start.fluence_min") <= high]
    if complete is None:
        alternatives: list[list[Any]] = [[]]
    elif complete:
        alternatives = [[Key("stop.exit_status") == "success"]]
    else:
        ended = In("stop.exit_status", ["abort", "fail"])
        alternatives = [[ended], [KeyPresent("stop.exit_status", exists=False)]]
    with open_catalog(settings) as server:
        runs = [run for more in alternatives for run in _search(server, [*queries, *more], limit)]
    return sorted(runs, key=lambda run: run.time, reverse=True)[:limit]


def list_derived_runs(settings: Settings, uids: Sequence[str]) -> dict[str, list[RunSummary]]:
    """List what was derived from runs.

    Parameters
    ----------
    settings : Settings
        As for `list_runs`.
    uids : sequence of str
        Whole uids of measurements.

    Returns
    -------
    dict
        By the uid of the measurement, its reductions and fits, the oldest first.

    Raises
    ------
    CatalogError
        As for `list_runs`.
    """
    derived: dict[str, list[RunSummary]] = {uid: [] for uid in uids}
    with open_catalog(settings) as server:
        for first in range(0, len(uids), _UIDS_PER_QUERY):
            query = In("start.raw_run", list(uids[first : first + _UIDS_PER_QUERY]))
            for run in _search(server, [query], None):
                derived[str(run.raw_run)].insert(0, run)
    return derived


def _search(server: httpx.Client, queries: Sequence[Any], limit: int | None) -> list[RunSummary]:
    """Return the latest runs that match every query."""
    pages = _pages(server, queries, _PAGE if limit is None else min(limit, _PAGE))
    runs: list[RunSummary] = []
    for entry in pages:
        if limit is not None and len(runs) == limit:
            break
        runs.append(RunSummary.from_metadata(entry["attributes"]["metadata"]))
    return runs


def _pages(server: httpx.Client, queries: Sequence[Any], size: int) -> Iterator[dict[str, Any]]:
    """Yield the entries of all pages of a search, the latest run first."""
    names = default_query_registry.query_type_to_name
    parameters: list[tuple[str, Any]] = [
        *(("sort", "-start.time"), ("fields", "metadata"), ("page[limit]", size)),
        *(
            (f"filter[{names[type(query)]}][condition][{field}]", value)
            for query in queries
            for field, value in query.encode().items()
        ),
    ]
    for offset in itertools.count(0, size):
        page = [*parameters, ("page[offset]", offset)]
        entries = server.get("search/", params=page).raise_for_status().json()["data"]
        yield from entries
        if len(entries) < size:
            return
