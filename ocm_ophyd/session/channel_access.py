"""Channel Access of this process: set it up before the first ophyd signal exists."""

from ocm_ophyd.errors import UsageError
from ocm_ophyd.session.repeater import serve_repeater
from ocm_ophyd.settings import Settings

__all__ = ["leave_channel_access", "use_channel_access"]


def use_channel_access(settings: Settings) -> None:
    """Point ophyd at the instrument, with bounded time-outs and no silent fall-back.

    Parameters
    ----------
    settings : Settings
        Address, ports and time-out.

    Raises
    ------
    UsageError
        If ophyd already runs on another control layer.
    """
    settings.use_channel_access()
    serve_repeater(settings.ca_repeater_port)

    import ophyd  # noqa: PLC0415 - must come after the environment is set
    from ophyd.signal import EpicsSignalBase  # noqa: PLC0415

    ophyd.set_cl("pyepics")
    if ophyd.get_cl().name != "pyepics":
        msg = (
            f"ophyd uses the control layer {ophyd.get_cl().name!r} and a session needs pyepics: "
            "start a new Python, and the session before anything else imports ophyd"
        )
        raise UsageError(msg)
    try:
        EpicsSignalBase.set_defaults(
            connection_timeout=settings.ca_timeout,
            timeout=settings.ca_timeout,
            write_timeout=settings.ca_timeout,
        )
    except RuntimeError:
        # signals exist already: the defaults were set by the first call
        return


def leave_channel_access() -> None:
    """Disconnect this process for good, so that libca does not report servers that stop later."""
    import epics  # noqa: PLC0415 - loads libca

    epics.ca.finalize_libca()
