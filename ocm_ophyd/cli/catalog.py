"""``ocm serve``, ``ocm runs``, ``ocm show``: the catalog from the command line."""

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console
from ocm_ophyd.cli._times import moment
from ocm_ophyd.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from ocm_ophyd.archive.run_list import RunSummary

__all__ = ["runs", "serve", "show"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@one_line_errors
def serve() -> None:
    """Serve the catalog and feed it from the journal, until Ctrl-C.

    Example: OCM_DATA_DIR=/data/ocm ocm serve
    """
    import logging
    import os

    # Read by tiled's client when it is imported. The feeder writes a run again from its start:
    # a single request that is repeated for 45 s only keeps the other runs waiting.
    os.environ.setdefault("TILED_RETRY_TIMEOUT", "2")

    from ocm_ophyd.archive import server
    from ocm_ophyd.settings import Settings

    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("ocm_ophyd").setLevel(logging.INFO)
    settings = Settings()
    settings.make_home()
    server.serve(settings)


@one_line_errors
def runs(
    sample: Annotated[str | None, typer.Option(help="Name of the sample.")] = None,
    plan: Annotated[str | None, typer.Option(help="Name of the plan.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Purpose in the metadata.")] = None,
    series: Annotated[str | None, typer.Option(help="Name of the overnight series.")] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Started then or later: 2d, 3h, yesterday, a date."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Started before; written as for --since.")
    ] = None,
    fluence: Annotated[
        str | None, typer.Option(metavar="LO:HI", help="With data in this range, mJ/cm².")
    ] = None,
    complete: Annotated[
        bool | None,
        typer.Option("--complete/--incomplete", help="Came to the planned end, or did not."),
    ] = None,
    derived: Annotated[
        bool, typer.Option("--derived", help="With the reductions and fits of each run.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List and search measurements, the latest first.

    Example: ocm runs --plan delay_scan --since yesterday --fluence 0.3:0.9 --complete
    """
    from ocm_ophyd.archive.run_list import list_derived_runs, list_runs
    from ocm_ophyd.settings import Settings

    between = _fluence_range(fluence) if fluence else None
    settings = Settings()
    names = {"sample.name": sample, "plan_name": plan, "purpose": purpose, "series": series}
    listed = list_runs(
        settings,
        exactly={key: value for key, value in names.items() if value is not None},
        since=None if since is None else moment(since),
        until=None if until is None else moment(until),
        fluence=between,
        complete=complete,
        limit=limit,
    )
    below = list_derived_runs(settings, [run.uid for run in listed]) if derived else {}
    if as_json:
        more = [asdict(run) | ({"derived": below[run.uid]} if derived else {}) for run in listed]
        typer.echo(to_json(more))
        return
    wide_console().print(_table(listed, below))


def _table(listed: "Sequence[RunSummary]", below: "Mapping[str, Sequence[RunSummary]]") -> "Table":
    """Return a table of runs, each above the runs that were derived from it."""
    from rich.table import Table

    table = Table(box=None)
    for title in ("uid", "scan", "started", "plan", "purpose", "sample"):
        table.add_column(title, overflow="fold")
    table.add_column("mJ/cm²", justify="right", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for run in listed:
        for each in (run, *below.get(run.uid, ())):
            table.add_row(
                each.uid[:8] if each is run else f"└ {each.uid[:8]}",
                _text(each.scan_id),
                f"{datetime.fromtimestamp(each.time):%Y-%m-%d %H:%M}",
                _text(each.plan),
                _text(each.purpose),
                _text(each.sample),
                _range(each.fluence_min, each.fluence_max),
                _text(each.points),
                each.exit_status or "not ended",
            )
    return table


@one_line_errors
def show(
    run: Annotated[str, typer.Argument(help="A uid, its first characters, or a scan id.")],
    as_json: AsJson = False,
) -> None:
    """Show one run: metadata, streams, and the runs it belongs to.

    Example: ocm show 3f2a9c1e
    """
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import show as details_of
    from ocm_ophyd.settings import Settings

    details = details_of(connect(Settings()), run)
    if as_json:
        typer.echo(to_json(details))
        return

    from rich.pretty import Pretty
    from rich.table import Table

    console = wide_console()
    console.print("start", Pretty(details.start, expand_all=True))
    console.print("stop", Pretty(details.stop) if details.stop else "none: the run has not ended")
    for name, stream in details.streams.items():
        table = Table("column", "dtype", "shape", "units", "source", box=None)
        table.title = f"{name}: {stream['points']} points"
        table.title_justify = "left"
        for key, spec in stream["columns"].items():
            table.add_row(
                key,
                spec.get("dtype_numpy") or spec["dtype"],
                "x".join(map(str, spec["shape"])),
                _text(spec.get("units")),
                spec["source"],
            )
        console.print(table)
    if details.raw_run:
        console.print(f"derived from {details.raw_run}")
    for uid in details.derived_runs:
        console.print(f"derived run {uid}")


def _fluence_range(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        low, high = 1.0, 0.0
    if not low <= high:
        msg = f"--fluence {text}: write LO:HI in mJ/cm², the lower one first, such as 0.3:0.9"
        raise UsageError(msg)
    return low, high


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    return f"{low:g}" if low == high else f"{low:g}-{high:g}"
