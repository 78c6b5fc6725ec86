"""Carry the runs of the journal into the catalog, in the background and exactly once.

The journal directory is the only link between acquisition and catalog. What the catalog holds is
marked by an empty file ``<database_dir>/fed/YYYY-MM-DD/<uid>``; a run without its mark, however far
it had come when something failed, is removed from the catalog and written again from the journal.
"""

import logging
import math
import shutil
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns

from ocm_ophyd.archive.catalog import connect
from ocm_ophyd.archive.connection import CatalogError, server_answers, waiting_runs
from ocm_ophyd.archive.journal import RunReader, writer_alive
from ocm_ophyd.archive.run_writer import NumberTypeChanged, RunWriter
from ocm_ophyd.settings import Settings

__all__ = ["CatalogFeeder"]

POLL_INTERVAL = 0.5  # s between two listings of the journal
FLUSH_INTERVAL = 2.0  # s after which the points of a running scan are visible at the latest
MAX_TRIES = 3  # before a run that tiled refuses is set aside
SETTLING_TIME = 2_000_000_000  # ns, far above the resolution of any file system's clock
MAX_BACKOFF = 30.0  # s between attempts to reach the server

log = logging.getLogger(__name__)


def _remove(catalog: CatalogOfBlueskyRuns, uid: str) -> None:
    """Remove what there is of a run; files that tiled did not write stay where they are."""
    if uid not in catalog:
        return
    try:
        catalog.delete_contents([uid], recursive=True, external_only=False)
    except httpx.HTTPStatusError:
        # A file of a half-written run may be missing; what counts is that the run is gone.
        if uid in catalog:
            raise


class _Feed:
    """One run on its way into the catalog."""

    def __init__(self, catalog: CatalogOfBlueskyRuns, path: Path, float_keys: set[str]) -> None:
        _remove(catalog, path.stem)
        self._reader = RunReader(path)
        self._writer = RunWriter(catalog, float_keys)
        self._flushed = time.monotonic()
        self._ended = False

    def advance(self) -> bool:
        """Write what the journal has got since the last time; return whether that was all."""
        alive = writer_alive(self._reader.path)  # before reading: what is written last is read
        for name, doc in self._reader:
            self._writer(name, doc)
            self._ended = self._ended or name == "stop"
        if self._ended:
            return True
        if not alive or time.monotonic() - self._flushed > FLUSH_INTERVAL:
            self._writer.flush()
            self._flushed = time.monotonic()
        return not alive

    def close(self) -> None:
        """Close the journal's file."""
        self._reader.close()


class CatalogFeeder:
    """Feeds the catalog from a thread of its own, for as long as the ``with`` block lasts.

    There may be one for a catalog: `connection.catalog_lock` ensures it.

    Parameters
    ----------
    settings : Settings
        Say where the journal and the catalog are.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.refused_dir = settings.catalog_dir / "refused"
        self._fed_dir = settings.database_dir / "fed"
        self._catalog: CatalogOfBlueskyRuns | None = None
        self._feeds: dict[Path, _Feed] = {}
        self._settled: dict[Path, int] = {}
        self._tries: Counter[Path] = Counter()
        self._next_try: dict[Path, float] = {}
        self._float_keys: defaultdict[Path, set[str]] = defaultdict(set)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalog feeder", daemon=True)

    def __enter__(self) -> Self:
        """Begin to feed; runs that were refused before get a new chance."""
        shutil.rmtree(self.refused_dir, ignore_errors=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        backoff = POLL_INTERVAL
        while not self._stop.wait(backoff):
            try:
                self._feed_waiting_runs()
                backoff = POLL_INTERVAL
            except CatalogError as error:
                log.warning("%s", error)
                self._forget_feeds()
                backoff = min(2 * backoff, MAX_BACKOFF)
            except Exception:
                # Whatever happens here, acquisition goes on, and so must feeding.
                log.exception("feeding failed; it goes on")
                self._forget_feeds()
                backoff = MAX_BACKOFF

    def _forget_feeds(self) -> None:
        """Begin the runs that are under way again: what the server has of them is unknown."""
        for feed in self._feeds.values():
            feed.close()
        self._feeds.clear()
        self._catalog = None

    def _feed_waiting_runs(self) -> None:
        for path in self._waiting():
            if self._stop.is_set():
                return
            if self._catalog is None:
                self._catalog = connect(self.settings)
            self._feed(self._catalog, path)

    def _waiting(self) -> list[Path]:
        """List the runs to feed now, the oldest first; days without news are not listed again."""
        found = []
        for day in self.settings.journal_dir.glob("*/"):
            changed = day.stat().st_mtime_ns
            if self._settled.get(day) == changed:
                continue
            waiting = waiting_runs(self.settings, day.name)
            found += waiting
            # A file made in the clock tick of this listing would not change the time again.
            if not waiting and time.time_ns() - changed > SETTLING_TIME:
                self._settled[day] = changed
        now = time.monotonic()
        return sorted(
            (path for path in found if self._next_try.get(path, now) <= now),
            key=lambda path: path.stat().st_mtime_ns,
        )

    def _feed(self, catalog: CatalogOfBlueskyRuns, path: Path) -> None:
        try:
            if path not in self._feeds:
                self._feeds[path] = _Feed(catalog, path, self._float_keys[path])
            ended = self._feeds[path].advance()
        except NumberTypeChanged as change:
            log.info("run %s is written again: %s", path.stem, change)
            self._float_keys[path].add(change.data_key)
            self._drop(path)
        except Exception as error:  # noqa: BLE001 - no run may keep the others from the catalog
            self._drop(path)
            self._blame(catalog, path, error)
        else:
            if ended:
                self._drop(path)
                self._float_keys.pop(path, None)
                _touch(self._fed_dir / path.parent.name / path.stem)

    def _drop(self, path: Path) -> None:
        if feed := self._feeds.pop(path, None):
            feed.close()

    def _blame(self, catalog: CatalogOfBlueskyRuns, path: Path, error: Exception) -> None:
        """Try the run again later, or set it aside, unless it was the server's fault."""
        if not server_answers(self.settings):
            raise CatalogError(f"the catalog at {self.settings.tiled_uri} was lost") from error
        self._tries[path] += 1
        if self._tries[path] < MAX_TRIES:
            self._next_try[path] = time.monotonic() + 2.0 ** (self._tries[path] - 1)
            log.warning("run %s was not stored, another try follows: %s", path.stem, error)
            return
        _remove(catalog, path.stem)
        note = self.refused_dir / path.parent.name / path.stem
        _touch(note)
        note.write_text(f"{type(error).__name__}: {error}\n")
        self._next_try[path] = math.inf
        log.error(
            "run %s is set aside: the catalog refuses it (%s). It is safe in %s; "
            "the next start of `ocm serve` tries again.",
            path.stem,
            error,
            path,
        )


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
