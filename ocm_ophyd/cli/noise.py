"""``ocm noise``: how noisy the microscope is, against the limit that the light sets."""

from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.cli._output import to_json, wide_console
from ocm_ophyd.cli._targets import check_out, is_file
from ocm_ophyd.errors import UsageError

if TYPE_CHECKING:
    import xarray as xr

    from analysis.noise.spectrum import Noise

_FIGURES = (".png", ".pdf", ".svg")
_ROWS = (0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # s, of the table


@one_line_errors
def noise(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Raw files, or runs in the journal (uid, scan id).")
    ] = None,
    sample: Annotated[
        str | None, typer.Option(help="Without targets: the sample to measure on, pump shut.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="How long to measure.", min=0.5)] = 60.0,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Figure to write, PNG, PDF or SVG; ocm-noise-DATE.png if none is said.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure the noise without the pump, or that of runs and raw files.

    Draws the spectrum of the fringe's phase and the sensitivity, sigma of delta_n (Allan deviation
    of the lock-in, period by period) against averaging time, beside the limit of shot and read
    noise; writes the same as JSON beside the figure. What is measured is kept as a run, the numbers
    as a fit of it. Of a scan every point is taken as a record of its own.

    Example: ocm noise --sample CsPbBr3-microplate --seconds 60 -o quiet.png

    Example: ocm noise before.h5 after.h5
    """
    out = out or Path(f"ocm-noise-{datetime.now():%Y%m%d-%H%M%S}.png")
    if out.suffix.lower() not in _FIGURES:
        msg = f"{out} is no figure: name it {' or '.join(f'*{suffix}' for suffix in _FIGURES)}"
        raise UsageError(msg)
    check_out(out)
    if targets:
        found = {target: _of_target(target) for target in targets}
    elif sample is not None:
        found = _measure(sample, seconds)
    else:
        msg = "say what: a raw file or a run, or --sample NAME to measure"
        raise UsageError(msg)
    from analysis.noise.figure import noise_figure

    noise_figure(found).savefig(out, dpi=150)
    answer = {name: record.as_json() for name, record in found.items()}
    out.with_suffix(".json").write_text(to_json(answer), "utf-8")
    if as_json:
        typer.echo(to_json(answer))
        return
    for name, record in found.items():
        _print(name, record)
    typer.echo(f"{out}, {out.with_suffix('.json')}")


def _of_target(target: str) -> "Noise":
    from analysis.noise.spectrum import noise_spectrum

    with _opened(target) as dataset:
        return noise_spectrum(dataset)


def _opened(target: str) -> "AbstractContextManager[xr.Dataset]":
    """Open a raw file, or the frames of a run in the journal."""
    from analysis.reduction.missing_metadata import open_raw

    if is_file(target):
        return open_raw(target, pumped=False)
    from analysis.documents.datasets import frame_record
    from analysis.documents.run_documents import RunDocuments
    from ocm_ophyd.archive.journal import journaled_runs, read_run
    from ocm_ophyd.settings import Settings

    directory = Settings().journal_dir
    runs = [
        run
        for run in journaled_runs(directory)
        if "raw_run" not in run.start
        and (str(run.start.get("scan_id")) == target or run.uid.startswith(target))
    ]
    if not runs:
        msg = f"there is no run {target} in the journal {directory}, and no file"
        raise UsageError(msg)
    latest = max(runs, key=lambda run: run.start["time"])
    return frame_record(RunDocuments.from_journal(read_run(latest.path)))


def _measure(sample: str, seconds: float) -> "dict[str, Noise]":
    """Take frames without the pump, with a reference where none is stored, and keep the result."""
    from analysis.documents.datasets import frame_record
    from analysis.documents.derived_runs import keep_fit
    from analysis.documents.run_documents import RunDocuments
    from analysis.noise.spectrum import noise_spectrum
    from ocm_ophyd.archive.journal import Journal, read_run
    from ocm_ophyd.session.session import Session
    from ocm_ophyd.settings import Settings
    from plans.stubs.points import PlanError, check_reference, find_sample

    settings = Settings()
    session = Session.start(settings)
    session.pause_on_signals()
    try:
        instrument, plans = session.instrument, session.plans()
        try:
            check_reference(instrument, find_sample(instrument.samples, sample))
        except PlanError:
            session.run(plans["record_reference"](sample=sample))
        frequency = instrument.chopper.frequency_readback.get()
        periods = max(round(seconds * frequency), 4)
        uid = session.run(plans["measure_noise"](sample=sample, periods=periods))
    finally:
        session.close()
    (path,) = settings.journal_dir.glob(f"*/{uid}.jsonl")
    documents = RunDocuments.from_journal(read_run(path))
    with frame_record(documents) as dataset:
        record = noise_spectrum(dataset)
    keep_fit(documents.start, record.estimates, Journal(settings.journal_dir))
    return {f"run {uid[:8]}": record}


def _print(name: str, record: "Noise") -> None:
    import numpy as np
    from rich.table import Table

    console = wide_console()
    columns = ("averaged (s)", "sigma of delta_n (RIU)", "68 %", "limit", "ratio", "drift alone")
    table = Table(*columns, title=name)
    rows = {int(np.argmin(np.abs(np.log(record.time / at)))) for at in _ROWS}
    for i in sorted(rows):
        sigma, limit = record.delta_n_sigma[i], record.limit[i]
        table.add_row(
            f"{record.time[i]:.3g}",
            f"{sigma:.3g}",
            " to ".join(f"{end:.2g}" for end in record.interval[:, i]),
            f"{limit:.3g}",
            f"{sigma / limit:.3g}",
            f"{record.drift[i]:.3g}",
        )
    console.print(table)
    for quantity, estimate in record.estimates.items():
        value = f"{estimate.value:.3g} ± {estimate.sigma:.1g} {estimate.unit}"
        console.print(f"{quantity}: {value}; {estimate.note}")
