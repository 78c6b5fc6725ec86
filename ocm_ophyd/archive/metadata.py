"""What may stand in a run's metadata: only what comes back from the catalog as it went in."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np

from ocm_ophyd.errors import OcmError

__all__ = ["MetadataError", "check_metadata"]

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8259, section 6)."""


class MetadataError(OcmError):
    """Metadata of a run that would not come back from the catalog as they were written."""


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Refuse metadata of a run that would not come back from the catalog as they went in.

    Made to be the ``md_validator`` of a RunEngine, so that it is called before anything moves.

    Parameters
    ----------
    metadata : mapping
        The start document to be.

    Raises
    ------
    MetadataError
        At the first NaN or infinity, key that is not a string, integer beyond 2⁵³ - 1 or object
        that JSON does not know; the message names where it is.
    """
    for where, value in _leaves(metadata, "metadata"):
        if isinstance(value, int | np.integer):
            if abs(int(value)) > MAX_INTEGER:
                raise MetadataError(
                    f"{where} is {value}: an integer beyond 2**53 loses digits, make it a string"
                )
        elif isinstance(value, float | np.floating):
            if not isfinite(value):
                raise MetadataError(f"{where} is {value}: leave it out, or make it a string")
        elif not isinstance(value, str | np.bool_ | None):
            raise MetadataError(
                f"{where} is a {type(value).__name__}: only numbers, strings, lists and "
                "dictionaries can be kept"
            )


def _leaves(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield every value that is neither dictionary nor list, with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise MetadataError(f"{where} has the key {key!r}: keys must be strings")
            yield from _leaves(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple | np.ndarray):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{where}[{i}]")
    else:
        yield where, value
