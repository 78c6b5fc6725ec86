"""How far a run has come."""

from collections.abc import Callable
from typing import Any

from event_model import DocumentRouter
from event_model.documents import Event, EventDescriptor, RunStart, RunStop

__all__ = ["PointCounter"]


class PointCounter(DocumentRouter):
    """Counts the points of runs that say how many they will have.

    Parameters
    ----------
    report : callable
        Called as ``report(start, done, ended)`` with the start document and the points taken,
        when a run begins, at every point and when it ends.
    """

    def __init__(self, report: Callable[[Any, int, bool], None]) -> None:
        super().__init__()
        self._report = report
        self._start: Any = None
        self._primary = ""
        self._done = 0

    def start(self, doc: RunStart) -> None:
        """Begin to count."""
        self._start = doc if "num_points" in doc else None
        self._done = 0
        self._tell(ended=False)

    def descriptor(self, doc: EventDescriptor) -> None:
        """Note which stream has the points."""
        if doc.get("name") == "primary":
            self._primary = doc["uid"]

    def event(self, doc: Event) -> Event:
        """Count a point."""
        if doc["descriptor"] == self._primary:
            self._done += 1
            self._tell(ended=False)
        return doc

    def stop(self, doc: RunStop) -> None:  # noqa: ARG002 - the router's signature
        """Say that it is over."""
        self._tell(ended=True)

    def _tell(self, *, ended: bool) -> None:
        if self._start is not None:
            self._report(self._start, self._done, ended)
