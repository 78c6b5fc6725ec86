"""``ocm demo``: the main job on embedded defaults."""

import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json
from ocm_ophyd.errors import UsageError


@one_line_errors
def demo(
    out: Annotated[
        Path | None, typer.Option(help="New directory for data and figures [ocm-demo-DATE].")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="Scenario of the simulated microscope: name or file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Align, measure, reduce and fit on a simulated microscope; takes about a minute.

    Starts an instrument and a catalog of their own, takes references, calibrates the pump power,
    finds time zero, sweeps the fluence, takes kinetics below and above the lasing threshold and a
    map, compares with the paper, writes figures, and stops what it started.

    Example: ocm demo --out first-light
    """
    out = out or Path(f"ocm-demo-{datetime.now():%Y%m%d-%H%M%S}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = f"{out} exists and is not empty: choose a new directory with --out"
        raise UsageError(msg)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{out} cannot be made ({error.strerror}): choose another directory with --out"
        raise UsageError(msg) from None
    # the catalog's profile is the demo's own: the user's stays as it is
    os.environ["TILED_PROFILES"] = str(out.resolve() / "profiles")

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from ocm_ophyd.processes.servers import stop_on_signals

    stop_on_signals()
    console = Console(stderr=as_json)
    bars = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn())
    with Progress(*bars, TimeElapsedColumn(), console=console) as progress:
        answer = _run(out, scenario, progress)
    if as_json:
        typer.echo(to_json(answer))
        return
    from rich.table import Table

    table = Table("quantity", "measured", "unit", "paper", "note", title="OCM demo")
    for name, row in answer["results"].items():
        measured = _with_sigma(row["value"], row["sigma"])
        table.add_row(name, measured, row["unit"], row["paper"], row["note"])
    Console(width=max(console.width, 130) if not sys.stdout.isatty() else None).print(table)
    console.print(
        f"{answer['runs_in_catalog']} runs in the catalog, {answer['seconds']:.0f} s; figures: "
        + ", ".join(answer["figures"])
    )


def _run(out: Path, scenario: str | None, progress: Any) -> dict[str, Any]:
    """Do all of it; returns what is printed."""
    begun = time.monotonic()
    tasks: dict[str, Any] = {}

    def report(purpose: str, done: int, total: int) -> None:
        if done == 0:
            tasks[purpose] = progress.add_task(purpose, total=total)
        progress.update(tasks[purpose], completed=done)

    report("start servers", 0, 1)
    from analysis.point.compilation import compile_in_background

    compile_in_background()  # beside the start of the servers and the first measurements
    from ocm_ophyd.experiments.demo import TIME_SCALE, measure, with_resolved_rise
    from ocm_ophyd.processes.private_lab import laboratory, wait_for_runs
    from ocm_ophyd.processes.servers import InstrumentServer

    with (
        laboratory(out / "data") as (settings, catalog),
        InstrumentServer(settings, scenario=scenario, time_scale=TIME_SCALE) as instrument,
    ):
        instrument.wait()
        from ocm_ophyd.session.session import Session

        session = Session.start(settings)
        report("start servers", 1, 1)
        try:
            runs = measure(session, report)
        finally:
            session.close()
        report("catalog", 0, len(runs.uids))
        catalog.wait()
        listed = wait_for_runs(settings, runs.uids)
        report("catalog", len(runs.uids), len(runs.uids))
        report("fits, figures", 0, 1)
        from ocm_ophyd.archive.catalog import connect
        from ocm_ophyd.experiments.demo_results import evaluate, write_figures

        runs = with_resolved_rise(runs, connect(settings))
        results = evaluate(runs)
        figures = write_figures(runs, results, out)
        report("fits, figures", 1, 1)
    answer = {
        "results": results.as_json(),
        "figures": [str(path) for path in figures],
        "runs": runs.uids,
        "runs_in_catalog": listed,
        "data_dir": str(settings.home),
        "seconds": time.monotonic() - begun,
    }
    (out / "results.json").write_text(to_json(answer), "utf-8")
    return answer


def _with_sigma(value: float, sigma: float) -> str:
    """Value and sigma with two digits of the sigma, as powers of ten where they are far from 1."""
    from math import floor, isfinite, log10

    if not (isfinite(value) and isfinite(sigma)) or sigma <= 0 or value == 0:
        return f"{value:.4g} ± {sigma:.2g}"
    power = floor(log10(abs(value)))
    power = 0 if -3 < power < 5 else power
    digits = max(0, 1 - floor(log10(sigma / 10**power)))
    text = f"{value / 10**power:.{digits}f} ± {sigma / 10**power:.{digits}f}"
    return f"({text})e{power}" if power else text
