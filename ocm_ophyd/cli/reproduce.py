"""``ocm reproduce``: the paper's figures and Table 1, measured blind."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from analysis.paper.infer import Results
    from ocm_ophyd.experiments.definition import Experiment

INTERRUPTED = 130  # exit status, as shells have it after Ctrl-C
CATALOG, FITS = "catalog", "fits, figures"
SECONDS = {CATALOG: 15.0, FITS: 60.0}  # about, for the progress display


@one_line_errors
def reproduce(
    out: Annotated[Path, typer.Option(help="Directory: new, or of a call that was interrupted.")],
    scenario: Annotated[
        str | None, typer.Option(help="Scenario of the simulated microscope: name or file.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the scenario's own.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Reproduce the published experiment on a simulated microscope; takes some minutes.

    Aligns the instrument, measures a fluence sweep, kinetics at twelve fluences, a movie of the
    carrier cloud and line scans of a silicon waveguide, fits, and writes report.html, results.json
    and the figures. After an interruption, the same command continues and does not repeat complete
    measurements.

    A measurement that fails is reported with its reason, and the same command repeats it. The exit
    status is 1 if nothing could be measured, and 130 after an interruption.

    Example: ocm reproduce --out paper
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from ocm_ophyd.experiments.definition import Experiment
    from ocm_ophyd.processes.servers import stop_on_signals

    stop_on_signals()
    experiment = Experiment.open(out, scenario, seed)
    # the catalog's profile is the experiment's own: the user's stays as it is
    os.environ["TILED_PROFILES"] = str(out.resolve() / "profiles")
    # bound to the terminal now, for standard output is elsewhere while the instrument measures
    console = Console(file=sys.stderr if as_json else sys.stdout)
    columns = (TextColumn("{task.description:<30}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    try:
        with (
            experiment.alone(),
            Progress(*columns, *times, console=console, speed_estimate_period=60) as progress,
        ):
            results, timing = _run(experiment, progress)
    except (KeyboardInterrupt, SystemExit):
        typer.echo(
            "ocm: interrupted: the pump is shut and complete measurements are kept; the same "
            "command continues with the missing ones",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None

    from ocm_ophyd.experiments.report import results_json
    from ocm_ophyd.formatting import duration

    if as_json:
        typer.echo(to_json(results_json(results)))
        return
    Console(width=None if sys.stdout.isatty() else 130).print(_table(results))
    for note in results.notes:
        console.print(f"note: {note}")
    for what, seconds in timing.items():
        console.print(f"{what}: {duration(seconds)}")
    console.print(f"report: {out / 'report.html'}")


def _run(experiment: "Experiment", progress: "Progress") -> "tuple[Results, dict[str, float]]":
    """Measure, reduce, fit and write the report; return the results and the durations in s."""
    from ocm_ophyd.experiments.acquisition import expected_seconds, measure
    from ocm_ophyd.experiments.definition import ExperimentError
    from ocm_ophyd.experiments.evidence import (
        calibration,
        gather,
        instrument_time,
        keep_results,
        versions,
    )
    from ocm_ophyd.processes.private_lab import laboratory, wait_for_runs
    from ocm_ophyd.session.session import Interrupted

    begun = time.monotonic()
    out = experiment.directory
    with laboratory(out / "data") as (settings, catalog):
        report = _bars(progress, expected_seconds(experiment, settings) | SECONDS)
        try:
            with _quiet(settings.home / "logs" / "reproduce.log"):
                failures = measure(experiment, settings, report)
        except Interrupted:
            raise KeyboardInterrupt from None
        measured = time.monotonic()
        complete = experiment.complete_runs(settings.journal_dir)
        if not complete:
            msg = f"nothing could be measured: {next(iter(failures.values()))}"
            raise ExperimentError(msg)
        report(CATALOG, 0, 1)
        catalog.wait()
        wait_for_runs(settings, [run.uid for run in complete.values()], timeout=300)
        from ocm_ophyd.archive.catalog import connect

        data, unreduced = gather(experiment, settings, connect(settings))
        failures |= unreduced
        report(CATALOG, 1, 1)

        report(FITS, 0, 1)
        from analysis.paper.figures.all_figures import figures
        from analysis.paper.infer import infer
        from ocm_ophyd.experiments.report import results_json, write_report

        results = infer(data)
        missing = (f"{step} was not measured: {why}" for step, why in failures.items())
        results = replace(results, notes=(*results.notes, *missing))
        (out / "results.json").write_text(to_json(results_json(results)), "utf-8")
        wait_for_runs(settings, [keep_results(settings, data, results, complete)])
        timing = {
            "measuring, here": measured - begun,
            "everything, here": time.monotonic() - begun,
            "measuring, on the real instrument": instrument_time(settings),
        }
        write_report(
            out,
            data,
            results,
            versions=versions(complete.values()),
            calibration=calibration(experiment),
            runs=data.runs,
            figures=figures(data, results),
            timing=timing,
        )
        report(FITS, 1, 1)
    return results, timing


@contextmanager
def _quiet(path: Path) -> Iterator[None]:
    """Redirect logs and output of libraries to a file: output to a closed terminal fails."""
    import logging

    form = "%(asctime)s %(name)s %(levelname)s %(message)s"
    with path.open("a") as log, redirect_stdout(log):
        logging.basicConfig(stream=log, format=form, force=True)
        try:
            yield
        finally:
            logging.basicConfig(stream=sys.stderr, force=True)


def _bars(progress: "Progress", seconds: dict[str, float]) -> Any:
    """Return a function that shows the progress of every step, and of all steps in seconds."""
    everything = progress.add_task("everything, s", total=round(sum(seconds.values())))
    tasks: dict[str, Any] = {}
    shares = dict.fromkeys(seconds, 0.0)

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = progress.add_task(step, total=total)
        progress.update(tasks[step], completed=done)
        shares[step] = done / total
        passed = sum(share * seconds[name] for name, share in shares.items())
        progress.update(everything, completed=round(passed))

    return report


def _table(results: "Results") -> "Table":
    """Return the results as a table for the terminal."""
    from rich.table import Table

    from ocm_ophyd.formatting import QUANTITIES, measured, unit_of

    table = Table("quantity", "measured", "paper", "agrees", "method", title="Table 1, reproduced")
    for name, row in results.rows.items():
        estimate = row.estimate
        paper = f"{row.paper} {unit_of(estimate.unit)}" if row.paper else "-"
        agrees = {None: "-", True: "yes", False: "no"}[row.agrees]
        method = estimate.note if estimate.determined else ""
        table.add_row(QUANTITIES.get(name, name), measured(estimate), paper, agrees, method)
    return table
