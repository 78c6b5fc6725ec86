"""``ocm overnight``: an unattended series."""

from pathlib import Path
from typing import Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.errors import OcmError


@one_line_errors
def overnight(
    series: Annotated[Path, typer.Argument(help="YAML file with the series.")],
    check: Annotated[bool, typer.Option("--check", help="Only say what would be done.")] = False,
) -> None:
    """Take a series of measurements through the night.

    The file gives name, alignment_fluence (mJ/cm2), retake_every (s) and measurements, each a
    plan with its arguments; docs/tutorials/overnight.yaml is an example. Measurements that the
    journal already holds complete are skipped, so that the same command goes on after an
    interruption.

    Example: ocm overnight docs/tutorials/overnight.yaml
    """
    from rich.console import Console
    from rich.table import Table

    from ocm_ophyd.experiments.overnight_series import completed, load_series
    from ocm_ophyd.samples import load_samples
    from ocm_ophyd.settings import Settings

    settings, console = Settings(), Console()
    plan = load_series(series, load_samples(settings.home / "samples.yaml"))
    done = completed(settings.journal_dir, plan)
    table = Table("", "plan", "sample", "state", title=f"series {plan.name}")
    for index, entry in enumerate(plan.measurements):
        state = "complete" if index in done else "to do"
        table.add_row(str(index + 1), entry["plan"], entry["sample"], state)
    console.print(table)
    if check:
        return

    from ocm_ophyd.session.session import Session

    session = Session.start(settings)
    session.pause_on_signals()
    failures: list[int] = []

    def report(index: int, error: OcmError) -> None:
        failures.append(index)
        console.print(f"[red]measurement {index + 1} failed:[/red] {error}")

    taken = session.run(
        session.plans()["overnight_series"](
            plan.measurements,
            name=plan.name,
            alignment_fluence=plan.alignment_fluence,
            retake_every=plan.retake_every,
            skip=sorted(done),
            on_failure=report,
        )
    )
    console.print(f"{len(taken)} taken, {len(done)} were complete, {len(failures)} failed")
    if failures:
        raise typer.Exit(1)
