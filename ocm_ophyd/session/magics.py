"""bluesky's commands for IPython (``%mov``, ``%movr``, ``%wa``, ``%ct``) in a session."""

from collections.abc import Callable, Iterator
from typing import Any

from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky.magics import BlueskyMagics, get_labeled_devices
from bluesky.protocols import Movable
from bluesky.utils import RunEngineInterrupted
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from ophyd import Device
from rich.console import Console
from rich.table import Table

from ocm_ophyd.errors import UsageError
from ocm_ophyd.formatting import unit_of
from ocm_ophyd.session.lock import OneAtATime
from ocm_ophyd.session.run_engine import SessionRunEngine

__all__ = ["register_magics"]


def register_magics(shell: InteractiveShell, engine: RunEngine) -> None:
    """Give a shell bluesky's magics with a RunEngine that keeps no documents.

    Parameters
    ----------
    shell : InteractiveShell
        Gets the magics.
    engine : RunEngine
        The session's own; the magics work under its lock against other sessions.
    """
    other = SessionRunEngine()
    other.context_managers.extend(
        manager for manager in engine.context_managers if isinstance(manager, OneAtATime)
    )
    BlueskyMagics.RE = other
    shell.register_magics(BlueskyMagics)
    shell.register_magics(SessionMagics)


@magics_class
class SessionMagics(Magics):
    """``%mov``, ``%movr`` and ``%wa`` of bluesky, for all devices and with errors in one line."""

    @line_magic
    def wa(self, line: str) -> None:
        """List what devices read: ``%wa``, ``%wa delay pump``, or with labels, ``%wa motors``."""
        assert self.shell is not None
        labelled = get_labeled_devices(user_ns=self.shell.user_ns)
        groups = {label: dict(devices) for label, devices in labelled.items()}
        every = {name: device for group in groups.values() for name, device in group.items()}
        chosen: dict[str, Any] = {}
        for word in line.split() or groups:
            if word not in groups and word not in every:
                msg = f"%wa: {word} is neither a device nor a label ({', '.join(groups)})"
                raise UsageError(msg)
            chosen |= groups.get(word, {word: every.get(word)})
        table = Table("device", "signal", "value", "unit", "limits")
        for name, device in chosen.items():
            for row, (signal, value, unit, limits) in enumerate(_readings(device)):
                table.add_row("" if row else name, signal, value, unit, limits)
        Console().print(table)

    @line_magic
    def mov(self, line: str) -> None:
        """Move devices to positions: ``%mov delay 5 galvos.probe_x 0.5``."""
        self._move("%mov", bps.mv, line)

    @line_magic
    def movr(self, line: str) -> None:
        """Move devices by distances: ``%movr delay.tau 0.2``."""
        self._move("%movr", bps.mvr, line)

    def _move(self, name: str, plan: Callable[..., Any], line: str) -> None:
        words = line.split()
        if not words or len(words) % 2:
            msg = f"{name} needs pairs of a device and a number without spaces: {name} delay 5"
            raise UsageError(msg)
        arguments = [self._value(name, word) for word in words]
        for word, device in zip(words[::2], arguments[::2], strict=True):
            if not isinstance(device, Movable):
                msg = f"{name}: {word} is not a device that can be moved; %wa lists the devices"
                raise UsageError(msg)
        engine: Any = BlueskyMagics.RE
        engine.waiting_hook = BlueskyMagics.pbar_manager
        try:
            engine(plan(*arguments))
        except RunEngineInterrupted:
            engine.abort("interrupted")
        finally:
            engine.waiting_hook = None

    def _value(self, name: str, word: str) -> Any:
        assert self.shell is not None
        try:
            return eval(word, self.shell.user_ns)
        except (AttributeError, NameError, SyntaxError) as error:
            msg = f"{name}: {word} is not known ({error}); %wa lists the devices"
            raise UsageError(msg) from None


def _readings(device: Device) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, value, unit and limits of the signals that a device is read by."""
    for name in device.read_attrs:
        signal = getattr(device, name)
        if isinstance(signal, Device):  # its own signals are listed too
            continue
        (key,) = signal.read()
        value, described = signal.read()[key]["value"], signal.describe()[key]
        if described["shape"]:
            text = f"array of {' x '.join(map(str, described['shape']))}"
        else:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
        limits = [described.get(f"{side}_ctrl_limit") for side in ("lower", "upper")]
        known = None not in limits and limits[0] != limits[1]
        span = f"{limits[0]:g} to {limits[1]:g}" if known else ""
        unit = described.get("units") or getattr(signal.parent, "egu", "")
        yield name, text, unit_of(unit or "1"), span
