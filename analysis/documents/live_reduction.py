"""Reduction of a run while it is taken, from its documents and the files that they name."""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import numpy as np
import xarray as xr
from bluesky.run_engine import Dispatcher
from event_model import DocumentNames, DocumentRouter
from numpy.typing import NDArray

from analysis.documents.datasets import folding, header, is_pump_probe
from analysis.documents.derived_runs import DerivedRun
from analysis.documents.run_documents import RunDocuments
from analysis.point.reducer import Reducer
from analysis.reduction.scan import reduced_dataset
from ocm_ophyd.frame_schema import POINT_DATASETS, SCAN_AXES

__all__ = ["LiveReduction"]

_KEPT_RUNS = 32
"""Number of reduced runs that are kept in memory: a day's work of some megabytes each."""

_REDUCED = ("frames", "frame_time", "pump_open")
"""Arrays of a point that the reduction needs, in the order of the arguments of `Reducer.points`."""

log = logging.getLogger(__name__)


class Preparation(Protocol):
    """Something that must be complete before the first point is reduced."""

    @property
    def done(self) -> bool:
        """Whether it is complete."""
        ...

    def wait(self) -> None:
        """Wait until it is complete."""
        ...


class LiveReduction(DocumentRouter):
    """A callback that reduces every pump-probe point as soon as it is taken.

    Subscribers receive the documents of the reduced run: tables, plots and the journal attach to
    them as they would to a raw run. Finished runs are kept as datasets in `reduced`, by the
    uid of their raw run. No error of the reduction reaches the RunEngine: it is logged, the
    next point is tried, and the reduced run ends as failed with the reason.

    Parameters
    ----------
    preparation : Preparation, optional
        The compilation of the estimator. Until it is complete, points are kept in memory; the end
        of a run waits for it.
    """

    def __init__(self, preparation: Preparation | None = None) -> None:
        super().__init__()
        self._preparation = preparation
        self.reduced: OrderedDict[str, xr.Dataset] = OrderedDict()
        self._dispatcher = Dispatcher()
        self._run: _Run | None = None

    def subscribe(self, callback: Callable[[str, dict[str, Any]], None]) -> int:
        """Send the documents of reduced runs to `callback`; returns a token."""
        return int(self._dispatcher.subscribe(callback))

    def unsubscribe(self, token: int) -> None:
        """Send no more documents to the callback of this token."""
        self._dispatcher.unsubscribe(token)

    def _emit(self, name: str, doc: dict[str, Any]) -> None:
        self._dispatcher.process(DocumentNames[name], doc)

    def __call__(self, name: str, doc: Any, validate: bool = False) -> Any:
        """Accept one document of the raw run."""
        if name != "start" and self._run is None:
            return None
        return self._logged(name, partial(super().__call__, name, doc, validate))

    def _logged(self, name: str, action: Callable[[], Any]) -> Any:
        """Call `action`; the first error of a run is logged and kept for its end."""
        try:
            return action()
        except Exception as error:
            if self._run is None or self._run.fault is None:  # later points fail for the same cause
                log.exception("the live reduction failed at a %s document", name)
            if self._run is not None:
                self._run.fault = self._run.fault or f"{type(error).__name__}: {error}"
            return None

    def start(self, doc: Any) -> None:
        """Begin a reduced run where the raw run will have interferograms."""
        self._run = None
        if is_pump_probe(doc):
            self._run = _Run(doc, self._emit)

    def descriptor(self, doc: Any) -> None:
        """Add a stream to the run."""
        self._active().documents.take("descriptor", doc)

    def stream_resource(self, doc: Any) -> None:
        """Add a file to the run."""
        self._active().documents.take("stream_resource", doc)

    def stream_datum(self, doc: Any) -> None:
        """Add the row of the next point to the run."""
        self._active().documents.take("stream_datum", doc)

    def event(self, doc: Any) -> Any:
        """Add an event to the run, and reduce the point where it is one."""
        run = self._active()
        run.documents.take("event", doc)
        if run.documents.stream_name(doc) == "primary":
            run.add_point(doc["data"])
            if self._preparation is None or self._preparation.done:
                run.reduce_points()
        return doc

    def stop(self, doc: Any) -> None:
        """End the reduced run as the raw run ended."""
        run = self._active()
        if run.waiting and self._preparation is not None:
            self._preparation.wait()
        while run.waiting:
            self._logged("stop", run.reduce_points)
        self._run = None
        self.reduced[doc["run_start"]] = run.dataset()
        while len(self.reduced) > _KEPT_RUNS:
            self.reduced.popitem(last=False)
        run.close(doc)

    def _active(self) -> "_Run":
        assert self._run is not None
        return self._run


class _Run:
    """One run while it is being reduced.

    Attributes
    ----------
    documents : ReceivedDocuments
        The raw run's documents so far.
    fault : str or None
        The first error of the reduction.
    waiting : deque
        Coordinates and arrays of the points that are not reduced yet.
    """

    def __init__(
        self, start: Mapping[str, Any], emit: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self.documents = RunDocuments.from_stream(start)
        self.fault: str | None = None
        self.waiting: deque[tuple[dict[str, list[float]], list[NDArray[Any]]]] = deque()
        self._derived = DerivedRun(start, emit)
        self._reducer: Reducer | None = None
        self._points: list[xr.Dataset] = []

    def add_point(self, data: Mapping[str, Any]) -> None:
        """Read the point that has just been taken; `data` is its event's."""
        keys = {each.name: each.data_key for each in POINT_DATASETS}
        arrays = [self.documents.last_row(keys[name])[np.newaxis] for name in _REDUCED]
        coordinates = {
            axis.name: [data[axis.data_key]]
            for axis in SCAN_AXES
            if axis.data_key in data or not axis.optional
        }
        self.waiting.append((coordinates, arrays))

    def reduce_points(self) -> None:
        """Reduce the points that wait, in their order."""
        while self.waiting:
            coordinates, arrays = self.waiting.popleft()
            if self._reducer is None:
                self._header = header(self.documents)
                self._reducer = Reducer.from_dataset(self._header)
            result = self._reducer.points(*arrays)
            self._points.append(reduced_dataset(self._header, coordinates, result))
            self._derived.add(self._points[-1])

    def dataset(self) -> xr.Dataset:
        """Return the points so far, as `analysis.reduction.scan.reduce_scan` returns them."""
        if not self._points:
            return xr.Dataset()
        minimal: Any = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
        whole = xr.concat(self._points, "point", **minimal)
        return whole.assign_attrs(folding(self.documents.start, len(self._points)))

    def close(self, stop: Mapping[str, Any]) -> None:
        """End the reduced run as the raw run ended, or as failed where points are missing."""
        self.documents.close()
        self._derived.close(stop["exit_status"], stop.get("reason") or self.fault or "")
