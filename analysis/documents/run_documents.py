"""The documents of one run, from the journal, from the catalog, or one after the other.

A run has a start document, streams of events, and a stop document once it has ended. The arrays of
the spectrometer are not in events: documents of the types `stream_resource` and `stream_datum` name
the HDF5 file and the row of every point. `RunDocuments` hides where all of this comes from.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlparse

import h5py
import hdf5plugin  # noqa: F401 - registers the filter that the frames are compressed with
import numpy as np
from numpy.typing import NDArray

from ocm_ophyd.errors import DataError

__all__ = ["ReceivedDocuments", "RunDocuments", "RunError", "Stream", "journal_documents"]


class RunError(DataError):
    """A run that does not hold the data that are asked for; the message names what is missing."""


class Stream(Protocol):
    """One stream of a run, for example `primary` or `baseline`: P events with the same data keys.

    Attributes
    ----------
    data_keys : mapping
        Description (unit, shape, type) of every quantity, by data key.
    points : int
        Number of events P.
    """

    @property
    def data_keys(self) -> Mapping[str, Any]:
        """Description of every quantity."""

    @property
    def points(self) -> int:
        """Number of events."""

    def configuration(self, device: str) -> Mapping[str, Any]:
        """Return the configuration values of a device, by data key.

        Raises
        ------
        KeyError
            The stream has no such device.
        """

    def column(self, key: str) -> NDArray[Any]:
        """Return a quantity of all events (P, ...).

        Raises
        ------
        KeyError
            The stream has no such data key.
        """

    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Return all quantities of all events (P, ...), by data key."""

    def array(self, key: str) -> Any:
        """Return what gives the arrays (P, ...) of the points in a file when it is indexed.

        Raises
        ------
        KeyError
            The stream has no such data key.
        RunError
            The file cannot be read.
        """


class RunDocuments:
    """The documents of one run.

    Attributes
    ----------
    start : mapping
        The start document.
    stop : mapping or None
        The stop document; None while the run goes on, or where it was never ended.
    streams : mapping
        The streams by name.
    """

    def __init__(self, start: Mapping[str, Any], streams: Mapping[str, Stream]) -> None:
        self.start = start
        self.stop: Mapping[str, Any] | None = None
        self.streams = streams

    @classmethod
    def from_journal(cls, documents: Iterable[tuple[str, Any]]) -> "ReceivedDocuments":
        """Return the run of the names and documents that a journal holds.

        Raises
        ------
        RunError
            There are no documents.
        """
        iterator = iter(documents)
        _, start = next(iterator, ("start", None))
        if start is None:
            msg = "there are no documents of a run"
            raise RunError(msg)
        run = cls.from_stream(start)
        for name, document in iterator:
            run.take(name, document)
        return run

    @classmethod
    def from_stream(cls, start: Mapping[str, Any]) -> "ReceivedDocuments":
        """Return a run that has just started; its method `take` accepts each further document."""
        return ReceivedDocuments(start)

    @classmethod
    def from_catalog(cls, run: Any) -> "RunDocuments":
        """Return a run of the catalog (a `BlueskyRun`); events are read when they are used."""
        documents = cls(
            run.metadata["start"], {str(name): _CatalogStream(run[name]) for name in run}
        )
        documents.stop = run.metadata.get("stop")
        return documents

    @property
    def uid(self) -> str:
        """The run's unique identifier."""
        return str(self.start["uid"])

    @property
    def title(self) -> str:
        """The beginning of the uid and the plan's name, for messages."""
        return f"run {self.uid[:8]} ({self.start.get('plan_name')})"

    def close(self) -> None:
        """Close all files that were opened to read arrays."""


class ReceivedDocuments(RunDocuments):
    """A run whose documents were received one after the other."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self._received: dict[str, _ReceivedStream] = {}
        super().__init__(start, self._received)
        self._streams_by_uid: dict[str, _ReceivedStream] = {}
        self._files = _Files()

    def take(self, name: str, document: Mapping[str, Any]) -> None:
        """Add one document of the run; `name` is its type."""
        match name:
            case "descriptor":
                stream = _ReceivedStream(document, self._files)
                self._received[document["name"]] = stream
                self._streams_by_uid[document["uid"]] = stream
            case "event":
                self._streams_by_uid[document["descriptor"]].events.append(document)
            case "stream_resource":
                self._files.resources[document["uid"]] = document
            case "stream_datum":
                self._files.add_row(document)
            case "stop":
                self.stop = document

    def stream_name(self, event: Mapping[str, Any]) -> str:
        """Return the name of the stream that an event belongs to."""
        return str(self._streams_by_uid[event["descriptor"]].descriptor["name"])

    def last_row(self, key: str) -> NDArray[Any]:
        """Return the array of the point that was reported last, from the file while it grows.

        Raises
        ------
        KeyError
            No array of this data key was reported.
        """
        return self._files.last_row(key)

    def close(self) -> None:
        """Close all files that were opened to read arrays."""
        self._files.close()


class _Files:
    """The HDF5 files that documents refer to, opened when an array is read."""

    def __init__(self) -> None:
        self.resources: dict[str, Mapping[str, Any]] = {}
        self._rows: dict[str, tuple[str, int]] = {}
        self._open: dict[str, h5py.File] = {}

    def add_row(self, datum: Mapping[str, Any]) -> None:
        """Keep the row of the next point."""
        resource = self.resources[datum["stream_resource"]]
        self._rows[resource["data_key"]] = (resource["uid"], datum["indices"]["start"])

    def last_row(self, key: str) -> NDArray[Any]:
        uid, row = self._rows[key]
        dataset = self._dataset(self.resources[uid])
        dataset.refresh()
        return np.asarray(dataset[row])

    def array(self, key: str) -> h5py.Dataset:
        """Return the dataset that holds the points' arrays of a data key."""
        for resource in self.resources.values():
            if resource["data_key"] == key:
                return self._dataset(resource)
        raise KeyError(key)

    def _dataset(self, resource: Mapping[str, Any]) -> h5py.Dataset:
        uri = resource["uri"]
        if uri not in self._open:
            path = Path(unquote(urlparse(uri).path))
            self._open[uri] = h5py.File(path, "r", libver="latest", swmr=True)
        return self._open[uri][resource["parameters"]["dataset"]]

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


class _ReceivedStream:
    """A stream whose events were received one after the other."""

    def __init__(self, descriptor: Mapping[str, Any], files: _Files) -> None:
        self.descriptor = descriptor
        self.events: list[Mapping[str, Any]] = []
        self._files = files

    @property
    def data_keys(self) -> Mapping[str, Any]:
        """Description of every quantity."""
        return self.descriptor["data_keys"]

    @property
    def points(self) -> int:
        """Number of events."""
        return len(self.events)

    def configuration(self, device: str) -> Mapping[str, Any]:
        """Return the configuration values of a device, by data key."""
        return self.descriptor["configuration"][device]["data"]

    def column(self, key: str) -> NDArray[Any]:
        """Return a quantity of all events (P, ...)."""
        if key == "time":
            return np.array([event["time"] for event in self.events])
        return np.array([event["data"][key] for event in self.events])

    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Return all quantities of all events (P, ...), by data key."""
        keys = self.events[0]["data"] if self.events else ()
        return {key: self.column(key) for key in keys}

    def array(self, key: str) -> Any:
        """Return the dataset with the arrays of the points."""
        try:
            return self._files.array(key)
        except OSError as error:
            msg = f"the array {key} cannot be read: {error}"
            raise RunError(msg) from None


class _CatalogStream:
    """A stream of a run in the catalog."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @property
    def data_keys(self) -> Mapping[str, Any]:
        """Description of every quantity."""
        return self._client.metadata["data_keys"]

    @property
    def points(self) -> int:
        """Number of events."""
        return len(self._client["seq_num"].read()) if "seq_num" in self._client else 0

    def configuration(self, device: str) -> Mapping[str, Any]:
        """Return the configuration values of a device, by data key."""
        return self._client.metadata["configuration"][device]["data"]

    def column(self, key: str) -> NDArray[Any]:
        """Return a quantity of all events (P, ...)."""
        return np.asarray(self._client[key].read())

    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Return all quantities of all events (P, ...), by data key.

        They are read with one request: one request for each takes a minute for an experiment.
        """
        keys = [key for key in self._client if key != "seq_num" and not key.startswith("ts_")]
        table = self._client.read(keys)
        return {str(key): table[key].values for key in table.data_vars}

    def array(self, key: str) -> Any:
        """Return the catalog's array of the points."""
        return self._client[key]


def journal_documents(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the names and documents of a journal file: JSON lines of a name and a document.

    A last line that was not completely written is left out.

    Raises
    ------
    RunError
        The file is not readable, or a line of it is damaged.
    """
    try:
        lines: Sequence[bytes] = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise RunError(msg) from None
    for number, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            return
        try:
            name, document = json.loads(line)
        except ValueError as error:
            msg = f"{path} is damaged in line {number}: {error}"
            raise RunError(msg) from None
        yield name, document
