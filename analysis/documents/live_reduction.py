"""Reduction of a run while it is taken, from documents and files that anybody could read.

The table of a reduced run says at every point how far its sigma is from the limit that shot and
read noise set, and what keeps it from there.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import h5py
import hdf5plugin  # noqa: F401 - registers the filter that the frames are compressed with
import numpy as np
import xarray as xr
from bluesky.callbacks import LiveTable
from bluesky.run_engine import Dispatcher
from event_model import DocumentNames, DocumentRouter

from analysis.documents.datasets import COORDINATES, folding, header, is_pump_probe
from analysis.documents.derived_runs import DerivedRun
from analysis.reduction.scan import Reducer, reduced_dataset

__all__ = ["LiveReduction", "ReductionTable", "against_limit"]

#: Reduced runs that are kept in memory.
_KEPT = 32

_PARTS = ("frames", "frame_time", "pump_open")

log = logging.getLogger(__name__)


class LiveReduction(DocumentRouter):
    """A callback that reduces every pump–probe point as soon as it is taken.

    Subscribers get the documents of the reduced run: tables, plots and the journal attach to
    them as they would to a raw run. Finished runs are kept as datasets in `reduced`, by the
    uid of their raw run. Nothing that goes wrong here reaches the RunEngine: it is logged, the
    next point is tried, and the reduced run ends as failed with the reason.
    """

    def __init__(self) -> None:
        super().__init__()
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
        """Take one document of the raw run."""
        if name != "start" and self._run is None:
            return None
        try:
            return super().__call__(name, doc, validate)
        except Exception as error:
            if self._run is None or self._run.fault is None:  # what fails once fails every time
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
        """Keep what a stream says once."""
        self._open().descriptors[doc["uid"]] = doc

    def stream_resource(self, doc: Any) -> None:
        """Keep where a stream's data is."""
        self._open().resources[doc["uid"]] = doc

    def stream_datum(self, doc: Any) -> None:
        """Keep which row is the next point."""
        self._open().row(doc)

    def event(self, doc: Any) -> Any:
        """Reduce a point."""
        run = self._open()
        stream = run.descriptors[doc["descriptor"]]["name"]
        if stream == "baseline":
            run.spectra = doc["data"]
        elif stream == "primary":
            run.point(run.descriptors[doc["descriptor"]], doc["data"])
        return doc

    def stop(self, doc: Any) -> None:
        """End the reduced run as the raw run ended."""
        run = self._open()
        self._run = None
        self.reduced[doc["run_start"]] = run.dataset()
        while len(self.reduced) > _KEPT:
            self.reduced.popitem(last=False)
        run.close(doc)

    def _open(self) -> "_Run":
        assert self._run is not None
        return self._run


def against_limit(data: Mapping[str, float]) -> dict[str, float | str]:
    """Compare a reduced point's sigma with its limit.

    Parameters
    ----------
    data : mapping
        `delta_n_sigma`, `delta_n_limit`, `drift_share` and `source_share` of the point.

    Returns
    -------
    dict
        `sigma_over_limit`: 1 where shot and read noise alone are left; `limited_by`: `shot`
        (with read noise), `drift` of the path, `source`, or what is not known of the `fringe` and
        its reference, whichever is most of the variance, and `-` where there is no number.
    """
    ratio = data["delta_n_sigma"] / data["delta_n_limit"]
    known = np.isfinite(ratio)
    shares = {"shot": ratio**-2, "drift": data["drift_share"], "source": data["source_share"]}
    shares["fringe"] = 1 - sum(shares.values())
    return {
        "sigma_over_limit": ratio,
        "limited_by": max(shares, key=lambda name: shares[name]) if known else "-",
    }


class ReductionTable(LiveTable):
    """Table of a reduced run, which has no scan id of its own.

    Parameters
    ----------
    axes : sequence of str
        What the run scans.
    out : callable
        Prints a line.
    """

    water_mark = "reduced run {st[uid]:.8s} of scan {st[raw_scan_id]}"

    def __init__(self, axes: Sequence[str], out: Callable[[str], Any]) -> None:
        numbers = ["delta_n", "delta_n_sigma", "sigma_over_limit", "limited_by"]
        super().__init__([*axes, *numbers, "frames_used"], default_prec=5, out=out)

    def descriptor(self, doc: Any) -> None:
        """Announce the columns that are made here."""
        ratio = {
            "source": "analysis.documents.live_reduction",
            "dtype": "number",
            "shape": [],
            "precision": 2,
        }
        cause = {"source": "analysis.documents.live_reduction", "dtype": "string", "shape": []}
        more = {"sigma_over_limit": ratio, "limited_by": cause}
        super().descriptor({**doc, "data_keys": doc["data_keys"] | more})

    def event(self, doc: Any) -> Any:
        """Print a point."""
        return super().event({**doc, "data": doc["data"] | against_limit(doc["data"])})


class _Run:
    """One run while it is being reduced."""

    def __init__(self, start: Any, emit: Callable[[str, dict[str, Any]], None]) -> None:
        self.descriptors: dict[str, Any] = {}
        self.resources: dict[str, Any] = {}
        self.spectra: dict[str, Any] = {}
        self.fault: str | None = None
        self._start = start
        self._derived = DerivedRun(start, emit)
        self._files: dict[str, h5py.File] = {}
        self._rows: dict[str, tuple[str, int]] = {}
        self._reducer: Reducer | None = None
        self._points: list[xr.Dataset] = []

    def row(self, datum: Any) -> None:
        """Note which row of which resource is the next point."""
        resource = self.resources[datum["stream_resource"]]
        self._rows[resource["data_key"]] = (resource["uid"], datum["indices"]["start"])

    def point(self, descriptor: Any, data: dict[str, Any]) -> None:
        """Reduce the point that has just been taken."""
        if self._reducer is None:
            configuration = descriptor["configuration"]["spectrometer"]["data"]
            self._header = header(self._start, configuration, self.spectra)
            self._reducer = Reducer.from_dataset(self._header)
        one = (self._read(f"spectrometer_{part}")[np.newaxis] for part in _PARTS)
        result = self._reducer.points(*one)
        coordinates = {name: [data[key]] for name, key in COORDINATES.items()}
        self._points.append(reduced_dataset(self._header, coordinates, result))
        self._derived.add(self._points[-1])

    def _read(self, key: str) -> np.ndarray:
        uid, row = self._rows[key]
        resource = self.resources[uid]
        if resource["uri"] not in self._files:
            path = Path(unquote(urlparse(resource["uri"]).path))
            self._files[resource["uri"]] = h5py.File(path, "r", libver="latest", swmr=True)
        dataset = self._files[resource["uri"]][resource["parameters"]["dataset"]]
        dataset.refresh()
        return np.asarray(dataset[row])

    def dataset(self) -> xr.Dataset:
        """Return the points so far, as `analysis.reduction.scan.reduce_scan` gives them."""
        if not self._points:
            return xr.Dataset()
        minimal: Any = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
        whole = xr.concat(self._points, "point", **minimal)
        return whole.assign_attrs(folding(self._start, len(self._points)))

    def close(self, stop: Any) -> None:
        """End the reduced run as the raw run ended, or as failed where points are missing."""
        for file in self._files.values():
            file.close()
        self._derived.close(stop["exit_status"], stop.get("reason") or self.fault or "")
