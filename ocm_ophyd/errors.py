"""Errors that a user can cause or repair; every other one is a defect and keeps its traceback.

The command line, the IPython session and plans turn an `OcmError` into one line, and no other
exception. The message alone must say what is wrong and what to do.
"""

__all__ = ["DataError", "OcmError", "OutputExistsError", "UsageError"]


class OcmError(Exception):
    """Base of all errors whose message is written for the user."""


class DataError(OcmError, ValueError):
    """Data that do not give the number that is asked for: too few points, no fringe, no decay."""


class OutputExistsError(OcmError, FileExistsError):
    """A file that exists and is not overwritten; the message names it."""


class UsageError(OcmError):
    """A setting, an argument or an input file that cannot be used."""
