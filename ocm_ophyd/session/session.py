"""A measuring session: instrument, RunEngine, journal, live reduction and plans, put together.

The IPython profile, the command line and unattended series use it.
"""

import inspect
import re
import signal
import sys
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import wraps
from typing import Any, Self

from bluesky import RunEngine
from bluesky.callbacks.core import make_callback_safe
from bluesky.run_engine import RunEngineResult
from bluesky.utils import RunEngineInterrupted

import plans
from analysis.documents.live_reduction import LiveReduction
from analysis.point.compilation import BackgroundCompilation, compile_in_background
from ocm_ophyd.archive.journal import Journal
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.errors import OcmError
from ocm_ophyd.samples import load_samples
from ocm_ophyd.session.calibration_fits import SessionAnalyst
from ocm_ophyd.session.calibration_store import CalibrationStore
from ocm_ophyd.session.channel_access import leave_channel_access, use_channel_access
from ocm_ophyd.session.lock import OneAtATime
from ocm_ophyd.session.run_engine import make_run_engine
from ocm_ophyd.session.run_metadata import PersistentMetadata
from ocm_ophyd.settings import Settings
from plans import Plan

__all__ = ["Interrupted", "Session"]

_PLANS: tuple[Callable[..., Plan], ...] = (
    plans.record_reference,
    plans.align,
    plans.calibrate_pump_power,
    plans.find_time_zero,
    plans.overlap_pump,
    plans.calibrate_galvos,
    plans.calibrate_reference_mirror,
    plans.measure_thickness,
    plans.measure_noise,
    *plans.MEASUREMENTS.values(),
    plans.overnight_series,
)


class Interrupted(OcmError):
    """A plan was ended by the user or the system before it was complete."""


@dataclass
class Session:
    """Everything a measurement needs, connected.

    Attributes
    ----------
    settings : Settings
        Where data and servers are.
    instrument : Instrument
        The devices.
    RE : RunEngine
        Executes plans.
    reduction : LiveReduction
        Reduces every run while it is taken; keeps the last reduced runs.
    analyst : SessionAnalyst
        Fits for the alignment plans.
    """

    settings: Settings
    instrument: Instrument
    RE: RunEngine
    reduction: LiveReduction
    analyst: SessionAnalyst

    @classmethod
    def start(cls, settings: Settings, journal: Journal | None = None) -> Self:
        """Connect to the instrument and put a session together.

        Parameters
        ----------
        settings : Settings
            Where data and servers are.
        journal : Journal, optional
            As for `around`.

        Raises
        ------
        InstrumentError
            Where the instrument does not answer.
        UsageError, CalibrationError
            Where samples, calibration or metadata cannot be read or written.
        """
        settings.make_home()
        use_channel_access(settings)
        samples = load_samples(settings.home / "samples.yaml")
        instrument = Instrument.create(settings.prefix, samples)
        instrument.connect(settings.ca_timeout)
        return cls.around(settings, instrument, journal, compile_in_background())

    @classmethod
    def around(
        cls,
        settings: Settings,
        instrument: Instrument,
        journal: Journal | None = None,
        compilation: BackgroundCompilation | None = None,
    ) -> Self:
        """Put a session together around an instrument that is connected.

        Parameters
        ----------
        settings : Settings
            Where data and servers are.
        instrument : Instrument
            The devices.
        journal : Journal, optional
            Gets the documents of all runs of the session.
        compilation : BackgroundCompilation, optional
            What the first reduction must wait for.
        """
        calibration = CalibrationStore(settings.calibration_dir)
        calibration.attach(instrument.stored_signals())
        journal = journal or Journal(settings.journal_dir)
        metadata = PersistentMetadata(settings.home / "metadata.json")
        engine = make_run_engine(instrument, journal, metadata)

        def begin(crashed: bool) -> None:
            metadata.refresh()
            calibration.refresh()
            if crashed:
                instrument.make_safe()

        lock = OneAtATime(settings.home / "measuring.lock", begin)
        lock.clear_up()
        engine.context_managers.append(lock)
        reduction = LiveReduction(compilation)
        reduction.subscribe(journal)
        engine.subscribe(make_callback_safe(reduction))
        analyst = SessionAnalyst(reduction, journal)
        return cls(settings, instrument, engine, reduction, analyst)

    def run(self, plan: Plan) -> Any:
        """Execute a plan and return its result.

        Raises
        ------
        Interrupted
            After Ctrl-C or a signal, when the plan has cleaned up behind itself.
        """
        try:
            result = self.RE(plan)
        except RunEngineInterrupted:
            if self.RE.state == "paused":
                self.RE.abort("interrupted")
            msg = "interrupted: the pump is shut, what was taken is kept"
            raise Interrupted(msg) from None
        assert isinstance(result, RunEngineResult)  # as make_run_engine asks for
        return result.plan_result

    def pause_on_signals(self) -> None:
        """Pause a plan, which shuts the pump, where SIGTERM or SIGHUP would kill the process."""

        def pause(number: int, _: object) -> None:
            if self.RE.state != "running":
                sys.exit(128 + number)
            threading.Thread(target=self.RE.request_pause, daemon=True).start()

        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pause)

    def close(self) -> None:
        """Stop the RunEngine's thread and leave Channel Access; nothing can be measured after."""
        self.RE.loop.call_soon_threadsafe(self.RE.loop.stop)
        leave_channel_access()

    def plans(self) -> dict[str, Callable[..., Plan]]:
        """Return the plans by name, bound to this session's instrument and analyst."""
        return {plan.__name__: self._bind(plan) for plan in _PLANS}

    def _bind(self, plan: Callable[..., Plan]) -> Callable[..., Plan]:
        own = {"instrument": self.instrument, "analyst": self.analyst}
        signature = inspect.signature(plan)
        given = {name: own[name] for name in signature.parameters if name in own}

        @wraps(plan)
        def bound(*args: Any, **kwargs: Any) -> Plan:
            return (yield from plan(*given.values(), *args, **kwargs))

        rest = [param for name, param in signature.parameters.items() if name not in own]
        bound.__doc__ = _without_parameters(plan.__doc__ or "", own)
        bound.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return bound


def _without_parameters(docstring: str, names: Container[str]) -> str:
    """Return a docstring without the descriptions of some parameters."""
    sections = inspect.cleandoc(docstring).split("Parameters\n----------\n", 1)
    if len(sections) == 1:
        return sections[0]
    above, rest = sections
    parameters, blank, below = rest.partition("\n\n")
    entries = re.split(r"\n(?=\S)", parameters)
    kept = [entry for entry in entries if entry.partition(" : ")[0] not in names]
    if not kept:
        return above + below
    return f"{above}Parameters\n----------\n" + "\n".join(kept) + blank + below
