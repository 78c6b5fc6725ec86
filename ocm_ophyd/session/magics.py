"""bluesky's commands for IPython (``%mov``, ``%movr``, ``%wa``, ``%ct``) in a session."""

from collections.abc import Callable
from typing import Any

from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky.magics import BlueskyMagics
from bluesky.protocols import Movable
from bluesky.utils import RunEngineInterrupted
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class

from ocm_ophyd.errors import UsageError
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
    """``%mov`` and ``%movr`` of bluesky, which refuse in one line what cannot be moved."""

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
