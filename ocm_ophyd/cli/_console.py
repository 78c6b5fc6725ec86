"""Where tables are printed."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["wide_console"]


def wide_console() -> "Console":
    """Make a console as wide as the terminal, or wide enough for a pipe or a file."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)
