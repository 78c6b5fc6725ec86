"""Why the hardware failed: one line for what ophyd and bluesky report in several layers."""

from bluesky.utils import FailedStatus
from ophyd.utils import (
    DisconnectedError,
    LimitError,
    OpException,
    ReadOnlyError,
    UnknownStatusFailure,
)

from ocm_ophyd.errors import OcmError

__all__ = ["InstrumentError", "TargetError", "hardware_failure"]

#: What a failure of ophyd means, the first kind that fits.
_MESSAGES: tuple[tuple[type[Exception], str], ...] = (
    (ReadOnlyError, "{device} cannot be written ({reason}): start the session again"),
    (DisconnectedError, "{device} does not answer ({reason}): is `ocm up` still running?"),
    (TimeoutError, "{device} did not answer in time ({reason}): is `ocm up` still running?"),
    (OpException, "{device} failed ({reason}): the log of its IOC says more"),
)


class InstrumentError(OcmError):
    """The instrument does not answer, or does not do what was asked of it."""


class TargetError(OcmError, ValueError):
    """A target that a device cannot be set to."""


def hardware_failure(error: BaseException) -> OcmError | None:
    """Return the error that says in one line why the hardware failed.

    bluesky reports a status that failed as `FailedStatus`, whose cause is the reason.

    Parameters
    ----------
    error : BaseException
        Raised by a device or by the RunEngine.

    Returns
    -------
    OcmError or None
        None where the error is not one of the hardware: a defect, which keeps its traceback.
    """
    device = "the instrument"
    if isinstance(error, FailedStatus):
        device = _device_of(error)
        error = error.__cause__ or UnknownStatusFailure("it gives no reason")
    if isinstance(error, OcmError):
        return error
    if isinstance(error, LimitError):
        return TargetError(str(error))
    reason = " ".join(str(error).split()) or type(error).__name__
    for kind, message in _MESSAGES:
        if isinstance(error, kind):
            return InstrumentError(message.format(device=device, reason=reason))
    return None


def _device_of(failed: FailedStatus) -> str:
    """Return the name of the device whose status failed."""
    status = failed.args[0] if failed.args else None
    device = getattr(status, "device", None) or getattr(status, "obj", None)
    return str(getattr(device, "name", None) or "a device")
