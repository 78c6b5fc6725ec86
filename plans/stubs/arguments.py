"""Arguments of plans: checked against the plan's annotations before anything moves."""

import inspect
from collections.abc import Callable, Generator
from functools import cache, wraps
from typing import Any, get_type_hints

import numpy as np
from bluesky import Msg
from pydantic import TypeAdapter, ValidationError

from plans.stubs.points import PlanError

__all__ = ["Plan", "bind_arguments", "checked", "plain", "recorded"]

#: A plan: yields messages, returns the uid of its run or the numbers that it has measured.
Plan = Generator[Msg, Any, Any]


#: Parameters that the session supplies, and metadata: no part of what a measurement asks for.
_SUPPLIED = {"instrument", "analyst", "md"}

#: Metadata that every plan writes itself, in a form that the reduction relies on.
_RESERVED = ("sample", "shape", "axes", "num_points", "geometry", "plan_name", "plan_args")


@cache
def _adapters(plan: Callable[..., Any]) -> dict[str, TypeAdapter[Any]]:
    """Return a check for each argument that a user gives."""
    hints = get_type_hints(plan)
    names = [name for name in inspect.signature(plan).parameters if name not in _SUPPLIED]
    return {name: TypeAdapter(hints[name]) for name in names}


def plain(value: Any) -> Any:
    """Return numpy numbers and arrays as Python numbers and lists, which JSON can hold."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def bind_arguments(
    plan: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[inspect.BoundArguments, dict[str, Any]]:
    """Return a plan's arguments, all of them bound, and those that a user gives by name.

    A number must be a number: text and booleans are not converted.

    Parameters
    ----------
    plan : callable
        The plan.
    *args, **kwargs
        What the plan is called with.

    Raises
    ------
    PlanError
        If an argument is missing, unknown or of another kind, or metadata are given that the
        plan writes itself; the message names the plan and the argument.
    """
    try:
        bound = inspect.signature(plan).bind(*args, **kwargs)
    except TypeError as error:
        msg = f"{plan.__name__}: {error}"
        raise PlanError(msg) from None
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, adapter in _adapters(plan).items():
        given[name] = plain(bound.arguments[name])
        try:
            adapter.validate_python(given[name], strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join([name, *(str(part) for part in fault["loc"] if isinstance(part, int))])
            msg = f"{plan.__name__}, {where} = {fault['input']!r}: {fault['msg']}"
            raise PlanError(msg) from None
    reserved = [key for key in _RESERVED if key in (bound.arguments.get("md") or {})]
    if reserved:
        msg = f"{plan.__name__} writes the metadata {', '.join(reserved)} itself: use another key"
        raise PlanError(msg)
    return bound, given


def checked(plan: Callable[..., Plan]) -> Callable[..., Plan]:
    """Make `plan` raise PlanError for wrong arguments, before anything moves."""

    @wraps(plan)
    def with_check(*args: Any, **kwargs: Any) -> Plan:
        bound, _ = bind_arguments(plan, *args, **kwargs)
        return (yield from plan(*bound.args, **bound.kwargs))

    return with_check


def recorded(plan: Callable[..., Plan]) -> Callable[..., Plan]:
    """Make `plan` check its arguments, and write them and its name into the metadata of its runs.

    Wrong arguments raise PlanError before anything moves.
    """

    @wraps(plan)
    def with_arguments(*args: Any, **kwargs: Any) -> Plan:
        bound, given = bind_arguments(plan, *args, **kwargs)
        bound.arguments["md"] = {
            "plan_name": plan.__name__,
            "plan_args": given,
            **(bound.arguments["md"] or {}),
        }
        return (yield from plan(*bound.args, **bound.kwargs))

    return with_arguments
