"""Acquisition of the missing measurements of an `Experiment`, each sample after its alignment."""

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
"""Approximate number of points and duration in seconds of an alignment, for the progress
display."""

SECONDS_PER_POINT = 0.04
"""Approximate time of the round trips over Channel Access for one point, s."""

SECONDS_PER_PERIOD = 0.005
"""Approximate time in which the frames of one chopper period are simulated, s."""

Report = Callable[[str, int, int], None]
"""Function of a step's name, its measured points and their total number."""

log = logging.getLogger(__name__)


def expected_seconds(experiment: Experiment, settings: Settings) -> dict[str, float]:
    """Return the steps of the next `measure` with their approximate durations in seconds."""
    expected: dict[str, float] = {}
    aligned = experiment.aligned
    for step in _missing(experiment, settings):
        if step.sample != aligned:
            aligned = step.sample
            expected[_alignment(aligned)] = ALIGNMENTS[aligned][1]
        per_point = SECONDS_PER_POINT + SECONDS_PER_PERIOD * step.arguments["periods"]
        expected[step.name] = step.points * per_point
    return expected


def _missing(experiment: Experiment, settings: Settings) -> list[Step]:
    """Return the steps without a complete run, in order."""
    complete = experiment.complete_runs(settings.journal_dir)
    return [step for step in STEPS if step.name not in complete]


def _alignment(sample: str) -> str:
    """Return the name under which the alignment of a sample is reported."""
    return f"alignment, {sample}"


class Points:
    """Counter of the points of a step over all its runs, for `PointCounter`.

    Parameters
    ----------
    report : callable
        Receives the progress of the step.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._step, self._total, self._before = "", 0, 0

    def begin(self, step: str, total: int) -> None:
        """Begin a step with a total number of points."""
        self._step, self._total, self._before = step, total, 0
        self._report(step, 0, total)

    def __call__(self, _: Any, done: int, ended: bool) -> None:
        """Count the points of one run."""
        count = self._before + done
        self._report(self._step, min(count, self._total), self._total)
        if ended:
            self._before = count

    def finish(self) -> None:
        """Report that the step is complete, whatever its number of points was."""
        self._report(self._step, self._total, self._total)


def measure(experiment: Experiment, settings: Settings, report: Report) -> dict[str, str]:
    """Make the missing measurements, those of each sample after its own alignment.

    A measurement that fails does not stop the others. It remains missing, and the next call makes
    it again.

    Parameters
    ----------
    experiment : Experiment
        Requested measurements.
    settings : Settings
        Of the private laboratory.
    report : callable
        Receives the progress of each step.

    Returns
    -------
    dict of str to str
        Reasons of the steps that failed, by the name of the step.

    Raises
    ------
    Interrupted
        The user or the system interrupted the measurement; the pump is shut.
    ServerError
        The instrument does not start.
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
    """Start a session that continues when another instrument takes the place of its first one."""
    session = Session.start(settings)
    session.pause_on_signals()
    session.RE.subscribe(PointCounter(points))
    from epics import ca  # noqa: PLC0415 - loads libca, which needs Channel Access set up

    ca.disable_ca_messages()  # the end of the first instrument is no error
    return session


def measure_sample(
    experiment: Experiment,
    session: Session,
    points: Points,
    steps: list[Step],
    failures: dict[str, str],
) -> None:
    """Align with a sample, unless the stored calibration belongs to it, and make its measurements.

    Parameters
    ----------
    experiment : Experiment
        Requested measurements.
    session : Session
        Connected to the instrument with this sample.
    points : Points
        Reports the progress.
    steps : list of Step
        Missing steps of this sample.
    failures : dict of str to str
        Receives the reasons of the steps that fail, by the name of the step.

    Raises
    ------
    Interrupted
        The user or the system interrupted the measurement; the pump is shut.
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
    """Return the message of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _align(experiment: Experiment, session: Session, sample: str) -> None:
    """Align with a sample: completely with the plate, with silicon what depends on the sample."""
    tags, plans = experiment.tags(ALIGNMENT), session.plans()

    def run(name: str, **arguments: Any) -> None:
        session.run(inject_md_wrapper(plans[name](sample=sample, **arguments), tags))

    if sample == SAMPLE:
        run("align", fluence=ALIGNMENT_FLUENCE)
    else:  # pump power, galvos and overlap do not depend on the sample
        run("record_reference")
        run("calibrate_reference_mirror")
        run("find_time_zero", fluence=SILICON_FLUENCE, periods=SILICON_ALIGNMENT_PERIODS)


def stored_calibration(session: Session) -> list[dict[str, Any]]:
    """Return the calibration that the session has stored.

    Returns
    -------
    list of dict
        `name`, `value`, `sigma` (None where there is none), `unit`, `version` of the calibration,
        and `run`, the uid of the last raw run before it was stored.
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
