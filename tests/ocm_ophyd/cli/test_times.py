"""Moments as people write them."""

from datetime import UTC, datetime, timedelta

import pytest

from ocm_ophyd.cli._times import TimeError, moment

NOW = datetime(2026, 3, 1, 2, 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", datetime(2026, 3, 1)),
        ("Yesterday", datetime(2026, 2, 28)),
        ("2d", datetime(2026, 2, 27, 2, 30)),
        ("3h", datetime(2026, 2, 28, 23, 30)),
        ("90m", datetime(2026, 3, 1, 1, 0)),
        ("1w", datetime(2026, 2, 22, 2, 30)),
        ("2026-02-03", datetime(2026, 2, 3)),
        ("2026-02-03T18:00", datetime(2026, 2, 3, 18)),
    ],
)
def test_a_moment_is_the_one_that_was_meant(text, expected):
    assert moment(text, NOW) == expected


def test_a_time_zone_is_brought_to_local_time():
    read = moment("2026-02-03T18:00+00:00")
    assert read.tzinfo is None
    assert abs(read.astimezone(UTC) - datetime(2026, 2, 3, 18, tzinfo=UTC)) < timedelta(seconds=1)


@pytest.mark.parametrize("text", ["", "tomorrowish", "2x", "d2", "-3h", "2026-13-01", "99999999d"])
def test_what_is_no_time_is_refused_in_one_line(text):
    with pytest.raises(TimeError, match="is no time: write today, yesterday"):
        moment(text)
