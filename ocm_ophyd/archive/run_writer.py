"""Write the documents of one run into tiled, so that it can be done again from the start.

`bluesky_tiled_plugins` does the writing. What is added here is what a writer needs that is fed
from a journal: rows are never sent twice, batches can be flushed while the run goes on, numbers
keep their type and size.
"""

from typing import Any

from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from bluesky_tiled_plugins.utils import truncate_json_overflow
from bluesky_tiled_plugins.writing.tiled_writer import RunNormalizer, _RunWriter

__all__ = ["NumberTypeChanged", "RunWriter"]

BATCH_SIZE = 50  # rows: 8 ms a row, against 74 ms one by one

Document = dict[str, Any]


class NumberTypeChanged(Exception):
    """A column announced as integers turned out to hold a fraction: write the run again."""

    def __init__(self, data_key: str) -> None:
        super().__init__(f"{data_key} was announced as integer and holds a fraction")
        self.data_key = data_key


class _TiledRun(_RunWriter):
    """The writer of `bluesky_tiled_plugins`, made safe for being replayed."""

    def start(self, doc: Document) -> None:
        super().start(doc)
        self._restore_large_numbers(self.root_node, {"start": doc})

    def descriptor(self, doc: Document) -> None:
        super().descriptor(doc)
        kept: Document = {k: doc[k] for k in ("configuration", "data_keys") if k in doc}
        self._restore_large_numbers(self._desc_nodes[doc["uid"]], kept)

    @staticmethod
    def _restore_large_numbers(node: Any, metadata: Document) -> None:
        """Undo the truncation of whole floats above 2⁵³, such as a carrier density of 1.1e19."""
        if truncate_json_overflow(metadata) != metadata:
            node.update_metadata(metadata, drop_revision=True)

    def _append_with_retry(self, table_client: Any, table: Any, _stream: str) -> None:
        """Append rows once: a lost answer would duplicate them, and the run is written again."""
        table_client.append_partition(0, table)

    def flush(self) -> None:
        """Write everything that waits for its batch to fill."""
        for stream, rows in self._internal_data_cache.items():
            if rows:
                self._write_internal_data(rows, desc_node=self._desc_nodes[stream])
                rows.clear()
        for doc in self._external_data_cache.values():
            self._write_external_data(doc)
        self._external_data_cache.clear()


class RunWriter:
    """Write one run, document by document.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        Where the run is made.
    float_keys : set of str
        Data keys that are written as floats although they were announced as integers.
    """

    def __init__(self, catalog: CatalogOfBlueskyRuns, float_keys: set[str]) -> None:
        self._float_keys = float_keys
        self._types: dict[str, str] = {}
        self._normalizer = RunNormalizer(
            patches={"descriptor": self._announce, "event": self._unify}
        )
        self._run = _TiledRun(
            catalog.include_data_sources(), batch_size=BATCH_SIZE, max_array_size=0
        )
        self._normalizer.subscribe(self._run)
        # A stream_datum comes before the event it belongs to. It is held back until then, so that
        # no reader and no interrupted run has frames without their point.
        self._held: list[Document] = []

    def __call__(self, name: str, doc: Document) -> None:
        """Write one document, or keep it for the next batch.

        Raises
        ------
        NumberTypeChanged
            If the run must be written again with one more key among `float_keys`.
        """
        if name == "stream_datum":
            self._held.append(doc)
            return
        for held in self._held:
            self._normalizer("stream_datum", held)
        self._held.clear()
        self._normalizer(name, doc)

    def flush(self) -> None:
        """Write everything that waits for its batch to fill."""
        self._run.flush()

    def _announce(self, doc: Document) -> Document:
        for key, spec in doc["data_keys"].items():
            if key in self._float_keys:
                spec |= {"dtype": "number", "dtype_numpy": "<f8"}
            self._types[key] = spec["dtype"]
        return doc

    def _unify(self, doc: Document) -> Document:
        """Let every number have the type of its column: tiled fixes it with the first rows."""
        for key, value in doc["data"].items():
            if self._types[key] == "number" and isinstance(value, int):
                doc["data"][key] = float(value)
            elif self._types[key] == "integer" and isinstance(value, float):
                raise NumberTypeChanged(key)
        return doc
