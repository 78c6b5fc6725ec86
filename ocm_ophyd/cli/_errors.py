"""One line instead of a traceback for what a user can get wrong."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from ocm_ophyd.errors import OcmError

__all__ = ["one_line_errors"]


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make a command print the message of an `OcmError` in one line and exit with status 1.

    Every other exception is a defect of the program and keeps its traceback.
    """

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OcmError as error:
            message = " ".join(str(error).split())
            typer.echo(f"ocm: {message or type(error).__name__}", err=True)
            raise typer.Exit(1) from error

    return guarded
