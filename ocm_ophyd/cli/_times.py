"""Moments as people write them on the command line."""

import re
from datetime import datetime, timedelta

from ocm_ophyd.errors import OcmError

__all__ = ["TimeError", "moment"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class TimeError(OcmError, ValueError):
    """A moment that cannot be read."""


def moment(text: str, now: datetime | None = None) -> datetime:
    """Return the moment that a text names, in local time.

    Parameters
    ----------
    text : str
        ``today`` and ``yesterday`` (from midnight on); an age such as ``90m``, ``3h``, ``2d`` or
        ``1w``; or a date with or without a time, as in ISO 8601.
    now : datetime, optional
        What ages count back from; by default the present.

    Raises
    ------
    TimeError
        None of these.
    """
    now = now or datetime.now()
    word = text.strip().lower()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if word in {"today", "yesterday"}:
        return midnight - timedelta(days=word == "yesterday")
    if age := re.fullmatch(r"(\d{1,4})\s*([mhdw])", word):
        return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        msg = f"{text!r} is no time: write today, yesterday, 90m, 3h, 2d, 1w or 2026-03-01T18:00"
        raise TimeError(msg) from None
    return read.astimezone().replace(tzinfo=None) if read.tzinfo else read
