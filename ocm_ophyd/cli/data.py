"""``ocm export``, ``ocm reduce`` and ``ocm fit``: runs and raw files, out and through analysis."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console

if TYPE_CHECKING:
    import xarray as xr

Target = Annotated[str, typer.Argument(help="A run (uid, its beginning, or scan id) or a file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@one_line_errors
def export(
    run: Annotated[str, typer.Argument(help="A run: uid, its beginning, or scan id.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="HDF5 file to write.")],
) -> None:
    """Write a catalogued run as one self-contained raw file (docs/raw_format.md).

    Example: ocm export 3f2a91 -o scan.h5
    """
    from analysis.raw import write_raw
    from analysis.runs import raw_dataset
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    _check_out(out)
    with raw_dataset(find_run(connect(Settings()), run)) as dataset:
        write_raw(dataset, out)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


@one_line_errors
def reduce(
    target: Target,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Reduced HDF5 file to write.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reduce a run or a raw file to delta_n with its uncertainty, point by point.

    A run's reduction is kept in the catalog too, as a run that names its raw run.

    Example: ocm reduce scan.h5 -o reduced.h5
    """
    from analysis.reduction import write_reduced

    if out is not None:
        _check_out(out)
    reduced, kept = _reduce(target)
    if out is not None:
        write_reduced(reduced, out)
    names = ("delay", "x", "y", "fluence", "delta_n", "delta_n_sigma", "delta_phi", "frames_used")
    columns = {name: reduced[name].values.tolist() for name in names}
    if as_json:
        typer.echo(to_json({"reduced_run": kept, **columns}))
        return
    from rich.table import Table

    table = Table(*(f"{name} ({reduced[name].attrs.get('units', '1')})" for name in names))
    for row in zip(*columns.values(), strict=True):
        table.add_row(*(f"{value:.5g}" for value in row))
    wide_console().print(table)
    left_out = int(reduced["frames_saturated"].sum())
    typer.echo(f"{left_out} saturated frames were left out" if left_out else "no saturated frame")
    if kept:
        typer.echo(f"kept as run {kept}")


def _is_file(target: str) -> bool:
    """Whether `target` is a file and not a run.

    Raises
    ------
    ValueError
        Where it can only be meant as a file, and there is none.
    """
    path = Path(target)
    if path.is_file():
        return True
    if path.is_dir() or path.suffix or len(path.parts) > 1:
        msg = f"there is no file {target}"
        raise ValueError(msg)
    return False


def _check_out(out: Path) -> None:
    """Refuse an output file that cannot be made, before the work is done.

    Raises
    ------
    ValueError
        Says why.
    """
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        msg = f"{out} cannot be written: {out.parent} is no directory that you may write to"
        raise ValueError(msg)


def _reduce(target: str) -> "tuple[xr.Dataset, str | None]":
    """Reduce a file, or a run whose reduction is then kept; returns it and the kept run's uid."""
    from analysis.raw import open_raw
    from analysis.reduction import reduce_scan

    if _is_file(target):
        with open_raw(target) as dataset:
            return reduce_scan(dataset), None
    from analysis.derived import keep_reduction
    from analysis.runs import raw_dataset
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.journal import Journal
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    settings = Settings()
    run = find_run(connect(settings), target)
    with raw_dataset(run) as dataset:
        reduced = reduce_scan(dataset)
    return reduced, keep_reduction(run.metadata["start"], reduced, Journal(settings.journal_dir))


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
    from analysis.layout import RawFileError
    from analysis.raw import open_raw
    from analysis.reduction import read_reduced, reduce_scan

    if _is_file(target):
        try:
            return read_reduced(target)
        except RawFileError:
            with open_raw(target) as dataset:
                return reduce_scan(dataset)
    from analysis.runs import raw_dataset, reduced_run
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.runs import find_run
    from ocm_ophyd.settings import Settings

    run = find_run(connect(Settings()), target)
    if "raw_run" in run.metadata["start"]:
        return reduced_run(run)
    with raw_dataset(run) as dataset:
        return reduce_scan(dataset)
