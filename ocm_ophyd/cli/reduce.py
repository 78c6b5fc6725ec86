"""``ocm reduce``: raw files and runs to delta_n, one or a night of them, here or on a cluster."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console
from ocm_ophyd.cli._targets import check_out, is_file, raw_files
from ocm_ophyd.errors import UsageError
from ocm_ophyd.frame_schema import SCAN_AXES

if TYPE_CHECKING:
    import xarray as xr


@one_line_errors
def reduce(
    targets: Annotated[
        list[str],
        typer.Argument(help="Raw files, directories of them, or one run (uid, its beginning, id)."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Reduced HDF5 file to write; for many, a directory."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Send the files to the dask.distributed cluster of this address."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Reduce runs or raw files to delta_n with its uncertainty, point by point.

    A run's reduction is kept in the catalog too, as a run that names its raw run. Of several files
    or a directory each is written to OUT/NAME-reduced.h5; one that is refused does not stop the
    others. A cluster's workers need the same installation, and the files under the same paths.

    Example: ocm reduce scan.h5 -o reduced.h5

    Example: ocm reduce night/ -o reduced/ --scheduler tcp://10.0.0.5:8786
    """
    if len(targets) == 1 and not Path(targets[0]).is_dir():
        _reduce_one(targets[0], out, scheduler, as_json)
    else:
        _reduce_many(raw_files(targets), out, scheduler, as_json)


def _reduce_one(target: str, out: Path | None, scheduler: str | None, as_json: bool) -> None:
    """Reduce a file or a run, write every point and print a summary."""
    if out is not None:
        check_out(out)
    if is_file(target):
        reduced, kept, known = _reduce_file(Path(target), scheduler), None, False
    elif scheduler is not None:
        msg = f"{target} is no file: write the run as one with `ocm export {target} -o FILE` first"
        raise UsageError(msg)
    else:
        reduced, kept, known = _reduce_run(target)
    if out is not None:
        from analysis.io.reduced_file import write_reduced

        write_reduced(reduced, out)
    if as_json:
        axes = [axis.name for axis in SCAN_AXES if axis.name in reduced]
        names = (*axes, *_NUMBERS, *_LIMITS, *_LEFT_OUT)
        columns = {name: reduced[name].values.tolist() for name in names}
        typer.echo(to_json({"reduced_run": kept, **columns, "chirp": _chirp(reduced)}))
        return
    lines = [*_about_numbers(reduced), *_about_frames(reduced), *_about_chirp(_chirp(reduced), out)]
    for line in lines:
        typer.echo(line)
    typer.echo(f"every point: {out}" if out else "-o FILE writes every point, --json prints them")
    if kept:
        typer.echo(
            f"reduced run {kept}, which the catalog had already: same code, same parameters"
            if known
            else f"stored as run {kept}"
        )


_NUMBERS = ("delta_n", "delta_n_sigma", "delta_phi", "frames_used")

_LIMITS = ("delta_n_limit", "delta_n_systematic", "drift_share", "source_share")

_LEFT_OUT = {
    "frames_saturated": "saturated frames",
    "frames_rejected": "frames lost or sent twice",
    "frames_slipped": "frames of a chopper that slipped",
    "pixels_masked": "odd pixels",
    "pixels_repaired": "samples hit by a cosmic ray",
}


_SOURCES = {
    "shot": "shot and read noise",
    "drift": "drift of the path",
    "source": "noise of the light",
    "fringe": "the uncertainty of the fringe and its reference",
}


def _about_numbers(reduced: "xr.Dataset") -> list[str]:
    """Return the range of delta_n, and its median standard deviation with the main cause."""
    from analysis.documents.live_table import compare_with_limit

    found = reduced[["delta_n", "delta_n_sigma", *_LIMITS]].to_dataframe().dropna()
    lines = [f"{len(found)} of {reduced.sizes['point']} points have a delta_n"]
    if found.empty:
        return lines
    low, high = found["delta_n"].min(), found["delta_n"].max()
    lines[0] += f", from {low:.4g} to {high:.4g} RIU"
    compared = [compare_with_limit(row) for row in found.to_dict("records")]
    causes = Counter(str(point["limited_by"]) for point in compared)
    cause, count = causes.most_common(1)[0]
    ratio = sorted(float(point["sigma_over_limit"]) for point in compared)[len(compared) // 2]
    lines.append(
        f"median sigma {found['delta_n_sigma'].median():.2g} RIU, {ratio:.1f} times the limit of "
        f"shot and read noise; in {count} points most of it is {_SOURCES[cause]}"
    )
    return lines


def _about_frames(reduced: "xr.Dataset") -> list[str]:
    """Return what was left out, and how many points have no result."""
    counts = {what: int(reduced[name].sum()) for name, what in _LEFT_OUT.items()}
    found = [f"{count} {what}" for what, count in counts.items() if count]
    lines = [f"left out or repaired: {', '.join(found)}" if found else "nothing was left out"]
    if none := int(reduced["delta_n"].isnull().sum()):
        lines.append(
            f"{none} of {reduced.sizes['point']} points have no delta_n: they show no fringe that "
            "their wavelengths and path difference can make, no modulation, or have too few frames "
            "(five or more) that are not left out"
        )
    return lines


def _chirp(reduced: "xr.Dataset") -> dict[str, Any]:
    """Return what became of the probe's chirp in a delay scan; empty for other scans."""
    if "chirp_resolved_note" in reduced.attrs:
        return {"not_undone": reduced.attrs["chirp_resolved_note"]}
    if "chirp_resolved_delay" not in reduced:
        return {}
    about = reduced["chirp_resolved_delay"].attrs
    finest = float(reduced["chirp_resolved_resolution"].min())
    found: dict[str, Any] = {"source": about["chirp_source"], "resolution": finest}
    if "chirp" in about:
        found |= {name: about[name].tolist() for name in ("chirp", "chirp_sigma")}
        found["units"] = about["chirp_units"]
    return found


def _about_chirp(chirp: dict[str, Any], out: Path | None) -> list[str]:
    if "not_undone" in chirp:
        return [f"delta_n against time without the chirp: {chirp['not_undone']}"]
    if not chirp:
        return []
    lines = [
        f"chirp undone with that of {chirp['source']}: resolution {chirp['resolution']:.2f} ps "
        f"where it is finest; /chirp_resolved in {out or 'the file that -o writes'}"
    ]
    if "chirp" in chirp:
        terms = zip(chirp["chirp"], chirp["chirp_sigma"], strict=True)
        shown = ", ".join(f"{value:.4f} ± {sigma:.4f}" for value, sigma in terms)
        lines.append(f"chirp of this scan, {chirp['units']}: {shown}")
    return lines


def _reduce_file(path: Path, scheduler: str | None) -> "xr.Dataset":
    from analysis.reduction.batch import reduce_files

    ((_, reduced),) = reduce_files([path], scheduler)
    if isinstance(reduced, Exception):
        raise reduced
    return reduced


def _reduce_run(which: str) -> "tuple[xr.Dataset, str, bool]":
    """Reduce a run of the catalog.

    Returns
    -------
    xr.Dataset
        The reduction.
    str
        Uid of the reduced run in the catalog.
    bool
        Whether the catalog had it already; otherwise it is stored now.
    """
    from analysis.documents.datasets import raw_dataset
    from analysis.documents.derived_runs import keep_reduction, reduction_parameters
    from analysis.documents.run_documents import RunDocuments
    from analysis.reduction.scan import reduce_scan
    from ocm_ophyd.archive.catalog import connect
    from ocm_ophyd.archive.journal import Journal
    from ocm_ophyd.archive.runs import find_reduction, find_run
    from ocm_ophyd.settings import Settings

    settings = Settings()
    catalog = connect(settings)
    run = RunDocuments.from_catalog(find_run(catalog, which))
    with raw_dataset(run) as dataset:
        reduced = reduce_scan(dataset)
    known = find_reduction(catalog, run.uid, reduction_parameters())
    if known is not None:
        return reduced, known, True
    return reduced, keep_reduction(run.start, reduced, Journal(settings.journal_dir)), False


def _reduce_many(files: list[Path], out: Path | None, scheduler: str | None, as_json: bool) -> None:
    """Reduce files, write each, and print a line of each; fails at the end where one was refused.

    Raises
    ------
    UsageError
        What cannot be written is refused before anything is reduced.
    """
    from rich.console import Console
    from rich.progress import track

    from analysis.io.reduced_file import write_reduced
    from analysis.reduction.batch import reduce_files

    names = _outputs(files, out)
    lines: dict[Path, dict[str, Any]] = {}
    done = reduce_files(files, scheduler)
    for path, reduced in track(
        done, "reduce", len(files), console=Console(stderr=True), transient=True
    ):
        line: dict[str, Any] = {"file": str(path)}
        if isinstance(reduced, Exception):
            lines[path] = line | {"error": " ".join(str(reduced).split())}
            continue
        write_reduced(reduced, names[path])
        lines[path] = line | {"reduced": str(names[path]), **_summary(reduced)}
    ordered = [lines[path] for path in files]
    if as_json:
        typer.echo(to_json(ordered))
    else:
        _print(ordered, out)
    if any("error" in line for line in ordered):
        raise typer.Exit(1)


def _outputs(files: list[Path], out: Path | None) -> dict[Path, Path]:
    """Return what each file's reduction is to be called; makes the directory."""
    if out is None:
        msg = "of several files each is written: say into which directory, with -o"
        raise UsageError(msg)
    names = {path: out / f"{path.stem}-reduced.h5" for path in files}
    name, count = Counter(names.values()).most_common(1)[0]
    if count > 1:
        msg = f"{count} of the files would all be written as {name}: reduce them apart"
        raise UsageError(msg)
    if there := [name for name in names.values() if name.exists()]:
        msg = f"{there[0]} exists and is not overwritten; choose another directory"
        raise UsageError(msg)
    try:
        out.mkdir(exist_ok=True)
    except OSError as error:
        msg = f"{out} cannot be made ({error.strerror}): choose another directory"
        raise UsageError(msg) from None
    check_out(out / "any")
    return names


def _summary(reduced: "xr.Dataset") -> dict[str, Any]:
    return {
        "points": reduced.sizes["point"],
        "points_without_number": int(reduced["delta_n"].isnull().sum()),
        **{name: int(reduced[name].sum()) for name in ("frames_used", *_LEFT_OUT)},
        "median_delta_n_sigma": float(reduced["delta_n_sigma"].median()),
    }


def _print(lines: list[dict[str, Any]], out: Path | None) -> None:
    from rich.table import Table

    title = f"reduced files in {out}"
    columns = ("file", "points", "without number", "frames used", "left out", "sigma (RIU)", "")
    table = Table(*columns, title=title)
    for line in lines:
        name = Path(line["file"]).name
        if "error" in line:
            table.add_row(name, *[""] * 5, f"refused: {line['error']}")
        else:
            numbers = [line[key] for key in ("points", "points_without_number", "frames_used")]
            numbers.append(sum(line[key] for key in _LEFT_OUT if key.startswith("frames")))
            sigma = f"{line['median_delta_n_sigma']:.3g}"
            table.add_row(name, *map(str, numbers), sigma, Path(line["reduced"]).name)
    wide_console().print(table)
