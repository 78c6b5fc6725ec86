"""Cases of which the default run takes the most demanding, and `pytest -m slow` the others."""

from collections.abc import Sequence
from typing import Any

import pytest


def slow_except(kept: Sequence[Any], cases: Sequence[Any]) -> list[Any]:
    """Mark all cases of a parametrized test slow but those that are kept in the default run.

    Nothing is left out: together both runs take every case.

    Parameters
    ----------
    kept : sequence
        Cases that are the most likely to fail, as they stand in `cases`.
    cases : sequence
        What `pytest.mark.parametrize` takes: a value, or a tuple with a value for each name. A
        value that is a tuple itself stands in a tuple of one.
    """
    missing = [case for case in kept if case not in cases]
    if missing:
        msg = f"{missing} are not among the cases"
        raise ValueError(msg)
    return [_parameters(case) if case in kept else slow(case) for case in cases]


def slow(case: Any) -> Any:
    """Mark one case of a parametrized test slow."""
    return _parameters(case, pytest.mark.slow)


def _parameters(case: Any, *marks: pytest.MarkDecorator) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=marks)
