"""The outcome of one part of the inference: its result, or the reason why there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ocm_ophyd.errors import DataError

__all__ = ["Attempt", "attempt"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Attempt(Generic[Result]):
    """Outcome of one part of the inference.

    Attributes
    ----------
    result : object, optional
        What the part returned; None where it failed.
    reason : str
        Why it failed, in words for the reader of the results; empty where it did not.
    """

    result: Result | None = None
    reason: str = ""


def attempt(part: Callable[..., Result], *arguments: Any, **keywords: Any) -> Attempt[Result]:
    """Call one part of the inference and return its outcome.

    Parameters
    ----------
    part : callable
        Raises `DataError` where the data do not give its result. Every other exception is a
        defect and is not caught.
    *arguments, **keywords
        Of the part. An `Attempt` stands for its result, and the part needs it: where that attempt
        failed, the part is not called and fails with the same reason. To hand over a result that
        the part can do without, give its `result`.
    """
    for value in (*arguments, *keywords.values()):
        if isinstance(value, Attempt) and value.result is None:
            return Attempt(reason=value.reason)
    try:
        result = part(
            *(_result(value) for value in arguments),
            **{name: _result(value) for name, value in keywords.items()},
        )
    except DataError as error:
        return Attempt(reason=str(error))
    return Attempt(result)


def _result(value: Any) -> Any:
    """Return the result of an attempt, and any other value as it is."""
    return value.result if isinstance(value, Attempt) else value
