"""``ocm export`` and ``ocm fit``: runs to raw files, and what is fitted to either."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console
from ocm_ophyd.cli._targets import check_out, is_file

if TYPE_CHECKING:
    import xarray as xr

Target = Annotated[str, typer.Argument(help="A run (uid, its beginning, or scan id) or a file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@one_line_errors
def export(
    run: Annotated[str, typer.Argument(help="A run: uid, its beginning, or scan id.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="HDF5 file to write.")],
) -> None:
    """Write a catalogued run as one self-contained raw file (docs/reference/raw-format.md).

    Example: ocm export 3f2a91 -o scan.h5
    """
    from analysis.documents.datasets import raw_dataset
    from analysis.io.raw_file import write_raw
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    check_out(out)
    with raw_dataset(find_run(connect(Settings()), run)) as dataset:
        write_raw(dataset, out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@one_line_errors
def fit(
    target: Target,
    window: Annotated[
        tuple[float, float] | None, typer.Option(help="Delays of the decay fits, ps.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a run, a raw file or a reduced file: what its axes ask for.

    Delay scans give the biexponential decay, fluence sweeps slope and threshold, maps the cloud.

    Example: ocm fit reduced.h5 --window 3 250
    """
    from analysis.scan_fits import fit_scan

    estimates = fit_scan(_load(target), window)
    if as_json:
        typer.echo(to_json(estimates))
        return
    from rich.table import Table

    table = Table("quantity", "value", "sigma", "unit", "note")
    for name, e in estimates.items():
        table.add_row(name, f"{e.value:.5g}", f"{e.sigma:.2g}", e.unit, e.note)
    wide_console().print(table)


def _load(target: str) -> "xr.Dataset":
    """Return a reduced dataset from a reduced file, a raw file or a run."""
    from analysis.io.raw_file import open_raw
    from analysis.io.schema import RawFileError
    from analysis.reduction.scan import read_reduced, reduce_scan

    if is_file(target):
        try:
            return read_reduced(target)
        except RawFileError:
            with open_raw(target) as dataset:
                return reduce_scan(dataset)
    from analysis.documents.datasets import raw_dataset, reduced_run
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    run = find_run(connect(Settings()), target)
    if "raw_run" in run.metadata["start"]:
        return reduced_run(run)
    with raw_dataset(run) as dataset:
        return reduce_scan(dataset)
