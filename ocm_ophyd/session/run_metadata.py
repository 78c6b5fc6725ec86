"""Metadata that outlive the session: scan ids, and what a user puts into ``RE.md``."""

import json
from collections import UserDict
from pathlib import Path
from typing import Any

from ocm_ophyd.errors import UsageError

__all__ = ["PersistentMetadata"]


class PersistentMetadata(UserDict[str, Any]):
    """A dictionary kept in a JSON file, which is replaced whole at every change.

    bluesky's own PersistentDict also writes when it is collected as garbage, and so can put
    back the scan ids of a session that ended long ago.

    Parameters
    ----------
    path : Path
        The file; made at the first change.

    Raises
    ------
    UsageError
        Where the file is not what this class wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__()
        self.refresh()

    def refresh(self) -> None:
        """Take over what another session has written meanwhile.

        Raises
        ------
        UsageError
            Where the file is damaged.
        """
        try:
            kept = json.loads(self._path.read_text("utf-8")) if self._path.exists() else {}
            self.data.update(kept)
        except (OSError, TypeError, ValueError) as error:
            msg = (
                f"{self._path} cannot be read ({error}): repair it, or move it away to start again "
                "at scan 1"
            )
            raise UsageError(msg) from None

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._write()

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self.data, indent=1), "utf-8")
        new.replace(self._path)
