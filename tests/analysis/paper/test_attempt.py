"""Outcomes of parts that need each other."""

import pytest

from analysis.paper.attempt import Attempt, attempt
from ocm_ophyd.errors import DataError


def half(value, of=2.0):
    if value < 0:
        raise DataError("negative")
    return value / of


def test_a_part_gets_the_results_of_the_attempts_that_it_needs():
    first = attempt(half, 8.0)
    assert first == Attempt(4.0)
    assert attempt(half, first) == Attempt(2.0)
    assert attempt(half, 9.0, of=first).result == 9.0 / 4.0


def test_a_reason_belongs_to_the_attempt_and_goes_on_to_those_that_need_it():
    failed = attempt(half, -1.0)
    assert failed == Attempt(reason="negative")
    assert attempt(half, failed) == Attempt(reason="negative")
    assert attempt(half, 8.0, of=failed).reason == "negative"
    assert attempt(half, 8.0).reason == ""


def test_a_part_that_can_do_without_a_result_is_called():
    failed = attempt(half, -1.0)
    assert attempt(lambda value: value is None, failed.result).result is True


def test_a_defect_is_not_a_reason():
    with pytest.raises(TypeError):
        attempt(half, "text")
    with pytest.raises(ValueError, match="could not convert"):
        attempt(float, "text")
