"""``ocm export`` and ``ocm fit``: runs to raw files, and what is fitted to either."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console
from ocm_ophyd.cli._targets import check_out, is_file

if TYPE_CHECKING:
    import xarray as xr

    from analysis.scan_fits import ScanFit

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
    from analysis.documents.run_documents import RunDocuments
    from analysis.io.raw_file import write_raw
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    check_out(out)
    documents = RunDocuments.from_catalog(find_run(connect(Settings()), run))
    with raw_dataset(documents) as dataset:
        write_raw(dataset, out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@one_line_errors
def fit(
    target: Target,
    window: Annotated[
        tuple[float, float] | None, typer.Option(help="Delays of the decay fits, ps.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Decay model, by default biexponential: a name (an unknown one lists all of them) "
            "or a Python file that defines one."
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(help="PNG file of the residuals; default NAME-residuals.png, here."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a run, a raw file or a reduced file, as its axes ask for.

    Delay scans give a decay, fluence sweeps slope and threshold, maps the cloud. Where chi2/dof is
    far above 1 the residuals are drawn, and decays are compared with the other models. With nothing
    to fit the exit status is 1.

    Example: ocm fit reduced.h5 --window 3 250 --model stretched
    """
    from analysis.kinetics.model_lookup import decay_model
    from analysis.scan_fits import fit_scan

    chosen = None if model is None else decay_model(model)  # refused before the reduction
    result = fit_scan(_load(target), window, chosen)
    if as_json:
        typer.echo(to_json(result.estimates))
    else:
        _print_table(result)
    if result.misfits:
        _report_misfits(result, figure or Path(f"{Path(target).stem}-residuals.png"), as_json)
    if not any(estimate.determined for estimate in result.estimates.values()):
        raise typer.Exit(1)


def _print_table(result: "ScanFit") -> None:
    from rich.table import Table

    from ocm_ophyd.formatting import unit_of

    table = Table("quantity", "value", "sigma", "unit", "note")
    above = ""  # the note of the line before is not repeated
    for name, e in result.estimates.items():
        note = "" if e.note == above else e.note
        table.add_row(name, f"{e.value:.5g}", f"{e.sigma:.2g}", unit_of(e.unit), note)
        above = e.note
    wide_console().print(table)


def _report_misfits(result: "ScanFit", path: Path, as_json: bool) -> None:
    """Write the residuals of the fits that miss their data, and say which model does better."""
    from analysis.figures import residuals_figure
    from analysis.kinetics.model_comparison import describe_comparison

    for place, one in result.misfits.items():
        where = f" {place}" if place else ""
        better = describe_comparison(result.decays[place]) if place in result.decays else ""
        line = (
            f"The {one.fit}{where} misses the data by more than their noise, chi2/dof "
            f"{one.reduced_chi2:.3g}. {better}"
        )
        typer.echo(line.rstrip(), err=as_json)
    try:
        residuals_figure(result.misfits).savefig(path, dpi=150)
    except OSError as error:
        typer.echo(f"the residuals cannot be drawn to {path}: {error.strerror}", err=True)
    else:
        typer.echo(f"Residuals: {path.resolve()}", err=as_json)


def _load(target: str) -> "xr.Dataset":
    """Return a reduced dataset from a reduced file, a raw file or a run."""
    from analysis.io.reduced_file import read_reduced
    from analysis.io.schema import RawFileError
    from analysis.reduction.missing_metadata import open_raw
    from analysis.reduction.scan import reduce_scan

    if is_file(target):
        try:
            return read_reduced(target)
        except RawFileError:
            with open_raw(target) as dataset:
                return reduce_scan(dataset)
    from analysis.documents.datasets import raw_dataset, reduced_run
    from analysis.documents.run_documents import RunDocuments
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    run = RunDocuments.from_catalog(find_run(connect(Settings()), target))
    if "raw_run" in run.start:
        return reduced_run(run)
    with raw_dataset(run) as dataset:
        return reduce_scan(dataset)
