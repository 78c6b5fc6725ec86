"""Takes what an `Experiment` lacks: alignments, and measurements that fail alone."""

import logging
from collections.abc import Callable
from typing import Any

from bluesky.preprocessors import inject_md_wrapper

from ocm_ophyd.archive.journal import journaled_runs
from ocm_ophyd.errors import OcmError
from ocm_ophyd.experiments.definition import (
    ALIGNMENT,
    ALIGNMENT_FLUENCE,
    SAMPLE,
    SILICON,
    SILICON_ALIGNMENT_PERIODS,
    SILICON_FLUENCE,
    STEPS,
    TIME_SCALE,
    Experiment,
    Step,
)
from ocm_ophyd.processes.servers import InstrumentServer
from ocm_ophyd.session.calibration_store import CalibrationStore
from ocm_ophyd.session.progress import PointCounter
from ocm_ophyd.session.session import Interrupted, Session
from ocm_ophyd.settings import Settings

__all__ = ["Points", "Report", "expected_seconds", "measure", "measure_sample"]

ALIGNMENTS = {SAMPLE: (380, 40.0), SILICON: (67, 15.0)}
"""About how many points an alignment takes, and how many seconds: for the progress display."""

#: What is done (sample and step), how many points are taken, and how many it takes.
Report = Callable[[str, int, int], None]

log = logging.getLogger(__name__)


def expected_seconds(experiment: Experiment, settings: Settings) -> dict[str, float]:
    """Return what `measure` is going to report on, and about how many seconds each takes."""
    expected: dict[str, float] = {}
    aligned = experiment.aligned
    for step in _missing(experiment, settings):
        if step.sample != aligned:
            aligned = step.sample
            expected[_alignment(aligned)] = ALIGNMENTS[aligned][1]
        # round trips over Channel Access, and frames that are computed
        expected[step.name] = step.points * (0.04 + 0.005 * step.arguments["periods"])
    return expected


def _missing(experiment: Experiment, settings: Settings) -> list[Step]:
    taken = experiment.taken(settings.journal_dir)
    return [step for step in STEPS if step.name not in taken]


def _alignment(sample: str) -> str:
    return f"alignment, {sample}"


class Points:
    """Counts the points of a step over all its runs, as a `PointCounter` asks for.

    Parameters
    ----------
    report : callable
        Told how far the step has come.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._step, self._total, self._before = "", 0, 0

    def begin(self, step: str, total: int) -> None:
        """Begin with a step of so many points."""
        self._step, self._total, self._before = step, total, 0
        self._report(step, 0, total)

    def __call__(self, _: Any, done: int, ended: bool) -> None:
        """Count the points of one run."""
        taken = self._before + done
        self._report(self._step, min(taken, self._total), self._total)
        if ended:
            self._before = taken

    def finish(self) -> None:
        """Report that the step is complete, however many points it took."""
        self._report(self._step, self._total, self._total)


def measure(experiment: Experiment, settings: Settings, report: Report) -> dict[str, str]:
    """Take the measurements that are missing, each sample with its own alignment before.

    A measurement that fails does not stop the others; it is missing, and taken when the
    experiment is gone on with.

    Parameters
    ----------
    experiment : Experiment
        What was asked for.
    settings : Settings
        Of its laboratory.
    report : callable
        Told how far each step has come.

    Returns
    -------
    dict
        Why a step failed, by its name.

    Raises
    ------
    Interrupted
        By the user or the system; the pump is shut.
    ServerError
        Where the instrument does not start.
    """
    missing = _missing(experiment, settings)
    failures: dict[str, str] = {}
    points = Points(report)
    session: Session | None = None
    try:
        for sample in dict.fromkeys(step.sample for step in missing):
            file = str(experiment.scenario_file(sample))
            with InstrumentServer(settings, scenario=file, time_scale=TIME_SCALE) as server:
                server.wait()
                session = session or _begin(settings, points)
                session.instrument.connect(settings.ca_timeout)
                steps = [step for step in missing if step.sample == sample]
                measure_sample(experiment, session, points, steps, failures)
    finally:
        if session is not None:
            session.close()
    return failures


def _begin(settings: Settings, points: Points) -> Session:
    """Start a session that outlives its instrument: another one takes its place."""
    session = Session.start(settings)
    session.pause_on_signals()
    session.RE.subscribe(PointCounter(points))
    from epics import ca  # noqa: PLC0415 - loads libca, which needs Channel Access set up

    ca.disable_ca_messages()  # that one has gone is no news
    return session


def measure_sample(
    experiment: Experiment,
    session: Session,
    points: Points,
    steps: list[Step],
    failures: dict[str, str],
) -> None:
    """Align a sample, unless the stored calibration is its own, and take its steps.

    Parameters
    ----------
    experiment : Experiment
        What was asked for.
    session : Session
        Connected to the instrument with this sample.
    points : Points
        Told which step begins.
    steps : list of Step
        Of one sample.
    failures : dict
        Gets the reason why a step failed, by its name.

    Raises
    ------
    Interrupted
        By the user or the system; the pump is shut.
    """
    sample = steps[0].sample
    if experiment.aligned != sample:
        points.begin(_alignment(sample), ALIGNMENTS[sample][0])
        experiment.begin_alignment()
        try:
            _align(experiment, session, sample)
            experiment.keep_alignment(sample, stored_calibration(session))
        except Interrupted:
            raise
        except OcmError as error:
            log.exception("the alignment of %s failed", sample)
            failures |= dict.fromkeys((s.name for s in steps), f"not aligned: {_reason(error)}")
            return
        points.finish()
    for step in steps:
        points.begin(step.name, step.points)
        plan = session.plans()[step.plan](sample=sample, **step.arguments)
        try:
            session.run(inject_md_wrapper(plan, experiment.tags(step.name, step)))
        except Interrupted:
            raise
        except OcmError as error:
            log.exception("%s failed", step.name)
            failures[step.name] = _reason(error)


def _reason(error: OcmError) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _align(experiment: Experiment, session: Session, sample: str) -> None:
    """Align with a sample: everything with the plate, with the waveguide what depends on it."""
    tags, plans = experiment.tags(ALIGNMENT), session.plans()

    def take(name: str, **arguments: Any) -> None:
        session.run(inject_md_wrapper(plans[name](sample=sample, **arguments), tags))

    if sample == SAMPLE:
        take("align", fluence=ALIGNMENT_FLUENCE)
    else:  # the pump, the galvos and where they meet are as the plate has shown them
        take("record_reference")
        take("calibrate_reference_mirror")
        take("find_time_zero", fluence=SILICON_FLUENCE, periods=SILICON_ALIGNMENT_PERIODS)


def stored_calibration(session: Session) -> list[dict[str, Any]]:
    """Return what the session has found out and stored.

    Returns
    -------
    list of dict
        `name`, `value`, `sigma` (None where there is none), `unit`, the `version` of the
        calibration that stored it, and the `run` (uid) that it was stored after.
    """
    signals = {signal.name: signal for signal in session.instrument.stored_signals()}
    history = CalibrationStore(session.settings.calibration_dir).history()
    latest = {entry["signal"]: entry for entry in history if entry["signal"] in signals}
    runs = [run.start for run in journaled_runs(session.settings.journal_dir)]
    raw = sorted((start["time"], start["uid"]) for start in runs if "raw_run" not in start)
    return [
        {
            "name": name,
            "value": entry["value"],
            "sigma": latest.get(f"{name}_sigma", {}).get("value"),
            "unit": signals[name].describe()[name].get("units", ""),
            "version": entry["version"],
            "run": max((run for run in raw if run[0] < entry["time"]), default=(0.0, None))[1],
        }
        for name, entry in latest.items()
        if name.removesuffix("_sigma") not in latest or not name.endswith("_sigma")
    ]
