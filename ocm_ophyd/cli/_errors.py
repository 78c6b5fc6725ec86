"""One line instead of a traceback for what a user can get wrong."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

__all__ = ["one_line_errors"]


def one_line_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make `command` print the message of an error it expects, and exit with status 1.

    What is expected are the project's own errors, which all are ValueError, OSError or
    RuntimeError: their messages say what is wrong and what to do. Anything else is a defect
    and keeps its traceback.
    """

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except typer.Exit:  # a RuntimeError too
            raise
        except (ValueError, OSError, RuntimeError) as error:
            message = " ".join(str(error).split())
            typer.echo(f"ocm: {message or type(error).__name__}", err=True)
            raise typer.Exit(1) from error

    return guarded
