"""``ocm serve``, ``ocm runs``, ``ocm show``: the catalog from the command line."""

from datetime import datetime
from typing import Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console
from ocm_ophyd.errors import UsageError

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
    since: Annotated[datetime | None, typer.Option(help="Started at this time or later.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Started before this time.")] = None,
    fluence: Annotated[
        str | None, typer.Option(metavar="LO:HI", help="With data in this range, mJ/cm².")
    ] = None,
    complete: Annotated[
        bool | None,
        typer.Option("--complete/--incomplete", help="Came to the planned end, or did not."),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many of the latest.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List and search runs, the latest first.

    Example: ocm runs --plan delay_scan --since 2026-03-01 --fluence 0.3:0.9 --complete
    """
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import search
    from ocm_ophyd.settings import Settings

    between = _fluence_range(fluence) if fluence else None
    found = search(
        connect(Settings()),
        sample=sample,
        plan=plan,
        purpose=purpose,
        since=since,
        until=until,
        fluence=between,
        complete=complete,
        limit=limit,
    )
    if as_json:
        typer.echo(to_json(found))
        return

    from rich.table import Table

    table = Table(box=None)
    for title in ("uid", "scan", "started", "plan", "purpose", "sample"):
        table.add_column(title, overflow="fold")
    table.add_column("mJ/cm²", justify="right", no_wrap=True)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for run in found:
        table.add_row(
            run.uid[:8],
            _text(run.scan_id),
            f"{datetime.fromtimestamp(run.time):%Y-%m-%d %H:%M}",
            _text(run.plan),
            _text(run.purpose),
            _text(run.sample),
            _range(run.fluence_min, run.fluence_max),
            _text(run.points),
            run.exit_status or "not ended",
        )
    wide_console().print(table)


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
