"""The catalog as a session sees it: connected on first use, and never behind the session."""

import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from ocm_ophyd.archive.connection import CatalogError, required_api_key, waiting_runs
from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.settings import Settings

__all__ = ["SessionCatalog"]

WAITING_TIME = 30.0
"""Longest wait in s for the runs of this session: the feeder needs 0.65 s for a run, and several
seconds for the first run after the server has started."""

POLL_INTERVAL = 0.1  # s between two looks at the list of waiting runs


class SessionCatalog:
    """The catalog, which answers once it holds every run that this session has completed.

    Whatever it is asked, it first waits for the feeder, `WAITING_TIME` at most. Thus
    ``catalog[-1]`` is the run that has just been taken, also directly after ``RE(...)``.
    The client of tiled, which takes seconds to import, is imported when it is first used.

    Parameters
    ----------
    settings : Settings
        Say where the catalog and the journal are.
    journal : Journal
        Knows the runs of this session.
    """

    def __init__(self, settings: Settings, journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._awaited: set[str] = set()

    @cached_property
    def _connected(self) -> Any:
        from ocm_ophyd.archive.catalog import connect  # noqa: PLC0415 - see the class

        return connect(self._settings)

    def _client(self) -> Any:
        """Return the client once the session's runs are in the catalog.

        Raises
        ------
        CatalogError
            If no server answers, or the runs do not arrive in time. They are not waited for a
            second time, so that the older runs can be read.
        """
        if expected := self._journal.completed - self._awaited:
            self._wait(expected)
        return self._connected

    def _wait(self, expected: set[str]) -> None:
        deadline = time.monotonic() + WAITING_TIME
        while waiting := expected & {run.stem for run in waiting_runs(self._settings)}:
            required_api_key(self._settings)  # that the server answers
            if time.monotonic() > deadline:
                self._awaited |= expected
                raise CatalogError(
                    f"{len(waiting)} run(s) of this session are not in the catalog after "
                    f"{WAITING_TIME:g} s, {min(waiting)[:8]} among them; they are safe in the "
                    "journal. Ask again to go on without them; the log of `ocm up` or `ocm serve` "
                    "says why."
                )
            time.sleep(POLL_INTERVAL)
        self._awaited |= expected

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # IPython and %wa ask every object for some
            raise AttributeError(name)
        return getattr(self._client(), name)

    def __getitem__(self, key: Any) -> Any:
        return self._client()[key]

    def __len__(self) -> int:
        return len(self._client())

    def __iter__(self) -> Iterator[str]:
        return iter(self._client())

    def __contains__(self, key: object) -> bool:
        return key in self._client()

    def __repr__(self) -> str:
        try:
            return repr(self._client())
        except CatalogError as error:
            return str(error)
