"""How results are printed: tables for people, JSON for programs."""

import json
import sys
from dataclasses import asdict, is_dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["to_json", "wide_console"]


def wide_console() -> "Console":
    """Make a console as wide as the terminal, or wide enough for a pipe or a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


def to_json(result: Any) -> str:
    """Return JSON of dataclasses, lists, dictionaries and numbers.

    What is not finite becomes null: strict readers know no NaN.
    """
    return json.dumps(_plain(result), indent=1, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
