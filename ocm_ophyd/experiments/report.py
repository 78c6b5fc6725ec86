"""Report of the experiment: Table 1, the figures, and the calibration and runs they come from.

The page contains its figures and loads nothing. The figures are also written beside it as PNG and
PDF.
"""

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from matplotlib.figure import Figure

from analysis.paper.figures.all_figures import CAPTIONS
from analysis.paper.infer import Results
from analysis.paper.measurements import Calibration, PaperData
from analysis.paper.published import TABLE, Row
from ocm_ophyd.formatting import QUANTITIES, duration, measured, stored, unit_of

__all__ = ["results_json", "write_report"]

TABLE_1 = (
    "A",
    "B",
    "C",
    "beta",
    "tau_lasing",
    "tau_fluor",
    "D",
    "N_threshold",
    "delta_n_threshold",
    "fluence_threshold",
)
"""Rows of the paper's Table 1, and the threshold fluence of its text; the others have a table of
their own."""

_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
"""Metadata that are not written into the figures, so that equal figures are equal files."""


def results_json(results: Results) -> dict[str, Any]:
    """Return the results in a form that JSON can represent: NaN becomes null.

    Returns
    -------
    dict
        Each quantity of Table 1 by its name: `value`, `sigma`, `unit`, `paper` (number),
        `paper_text`, `agrees` and `note`; `upper95` and `interval` where there are any. The further
        rows are under `more`, remarks under `notes`.
    """
    rows = {name: _row_json(name, row) for name, row in results.rows.items()}
    table: dict[str, Any] = {name: rows.pop(name) for name in TABLE_1 if name in rows}
    return table | {"more": rows, "notes": list(results.notes)}


def _row_json(name: str, row: Row) -> dict[str, Any]:
    """Return one row in a form that JSON can represent."""
    estimate = row.estimate
    entry: dict[str, Any] = {
        "value": _finite(estimate.value),
        "sigma": _finite(estimate.sigma),
        "unit": estimate.unit,
        "paper": TABLE[name].value if name in TABLE else None,
        "paper_text": row.paper or None,
        "agrees": row.agrees,
        "note": estimate.note,
    }
    if estimate.upper95 is not None:
        entry["upper95"] = _finite(estimate.upper95)
    if estimate.interval is not None:
        entry["interval"] = [_finite(end) for end in estimate.interval]
    return entry


def _finite(value: float) -> float | None:
    """Return a finite number, and None in place of any other."""
    return float(value) if math.isfinite(value) else None


def write_report(
    directory: Path,
    data: PaperData,
    results: Results,
    *,
    versions: Mapping[str, str],
    calibration: Sequence[Mapping[str, Any]],
    runs: Mapping[str, str],
    figures: Mapping[str, Figure],
    timing: Mapping[str, float],
) -> Path:
    """Write `report.html`, and each figure as PNG and PDF beside it.

    Parameters
    ----------
    directory : Path
        Created where it does not exist.
    data : PaperData
        Its calibration is listed.
    results : Results
        Rows and notes.
    versions : mapping of str to str
        Version by program.
    calibration : sequence of mapping
        Stored values (`stored_calibration`): `name`, `value`, `sigma`, `unit`, `version` and `run`.
    runs : mapping of str to str
        uid by the name of the scan.
    figures : mapping of str to Figure
        By the name of the file.
    timing : mapping of str to float
        Durations in seconds by their names.

    Returns
    -------
    Path
        Of the page.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(directory / f"{name}.png", dpi=250)
        figure.savefig(directory / f"{name}.pdf", dpi=300)
    rest = {name: row for name, row in results.rows.items() if name not in TABLE_1}
    main = {name: results.rows[name] for name in TABLE_1 if name in results.rows}
    page = _PAGE.substitute(
        table_1=_results_table(main),
        figures="\n".join(_figure(name, figure) for name, figure in figures.items()),
        further=_results_table(rest),
        notes=_list(results.notes),
        known=_table(("Quantity", "Value"), _known(data.calibration)),
        calibration=_table(
            ("Name", "Value", "σ", "Unit", "Version", "Run"),
            [_calibration_row(entry) for entry in calibration],
        ),
        runs=_table(("Run", "To open it"), [(name, _command(uid)) for name, uid in runs.items()]),
        timing=_table(("Part", "Time"), [(name, duration(s)) for name, s in timing.items()]),
        versions=_table(("Program", "Version"), versions.items()),
    )
    path = directory / "report.html"
    path.write_text(page, "utf-8")
    return path


class _Html(str):
    """Text that is already markup and is not escaped."""

    __slots__ = ()


def _cell(value: object) -> str:
    """Return the markup of a cell."""
    return value if isinstance(value, _Html) else escape(str(value))


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return the markup of a table whose first column has the names of the rows."""
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = []
    for name, *others in rows:
        cells = "".join(f"<td>{_cell(value)}</td>" for value in others)
        lines.append(f'<tr><th scope="row">{_cell(name)}</th>{cells}</tr>')
    if not lines:
        return "<p>None.</p>"
    body = "\n".join(lines)
    return f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _list(items: Sequence[str]) -> str:
    """Return the markup of a list."""
    if not items:
        return "<p>None.</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _results_table(rows: Mapping[str, Row]) -> str:
    """Return the markup of a table of results."""
    head = ("Quantity", "Measured", "Paper", "Agrees", "Method")
    lines = []
    for name, row in rows.items():
        estimate = row.estimate
        paper = f"{row.paper} {unit_of(estimate.unit)}".rstrip() if row.paper else "–"
        agrees = "–" if row.agrees is None else "yes" if row.agrees else "no"
        note = estimate.note if estimate.determined else ""
        lines.append((QUANTITIES.get(name, name), measured(estimate), paper, agrees, note))
    return _table(head, lines)


def _known(calibration: Calibration) -> list[tuple[str, str]]:
    """Return names and values of the calibration that the analysis uses."""
    guide = calibration.waveguide
    return [
        ("Plate", f"{calibration.size[0]:g} × {calibration.size[1]:g} µm²"),
        ("Silicon waveguide", f"{guide[0]:g} × {guide[1]:g} µm²" if guide else "not known"),
        ("Pump, 1/e² radius", measured(calibration.pump_waist)),
        ("Probe, 1/e² radius", f"{calibration.probe_waist:g} µm"),
        ("Common relative error of all fluences", f"± {calibration.fluence_scale:.1%}"),
        ("Independent relative error of each fluence", f"± {calibration.fluence_scatter:.1%}"),
        ("Time zero", f"± {calibration.time_zero_sigma:.2g} ps"),
    ]


def _calibration_row(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """Return the cells of one stored value."""
    run = _command(entry["run"]) if entry.get("run") else "–"
    sigma = "–" if entry.get("sigma") is None else stored(entry["sigma"])
    return (
        entry["name"],
        stored(entry["value"]),
        sigma,
        unit_of(str(entry.get("unit") or "")),
        entry.get("version", "–"),
        run,
    )


def _command(uid: str) -> _Html:
    """Return the markup of the command that shows a run."""
    return _Html(f"<code>ocm show {escape(uid)}</code>")


def _figure(name: str, figure: Figure) -> str:
    """Return the markup of a figure, an SVG whose ids are unique in the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", dpi=200, metadata=_NO_METADATA)
    svg = buffer.getvalue()
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg[svg.index("<svg") :])
    caption = CAPTIONS.get(name, name)
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    files = " ".join(f'<a href="{name}.{kind}">{kind.upper()}</a>' for kind in ("png", "pdf"))
    return (
        f'<figure id="{escape(name)}">\n{svg}\n'
        f"<figcaption>{escape(caption)} {files}</figcaption>\n</figure>"
    )


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Carrier imaging in a perovskite microlaser, reproduced</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
th { font-weight: 600; } tbody th { font-weight: 400; }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
figure { margin: 1.5rem 0; break-inside: avoid; }
figure svg { width: 100%; height: auto; background: white; }
figcaption { font-size: 0.9rem; }
@media print { body { max-width: none; margin: 0; font-size: 9pt; } tr { break-inside: avoid; } }
</style>
</head>
<body>
<h1>Carrier imaging in a perovskite microlaser, reproduced</h1>
<p>This is the experiment of “Direct ultrafast carrier imaging in a perovskite microlaser with
optical coherence microscopy”, <a
href="https://doi.org/10.1364/OPTICA.498746">10.1364/OPTICA.498746</a>, on a simulated microscope.
The analysis uses the calibration and the data, and has no access to the parameters of the
simulation. Uncertainties are one standard deviation; limits are one-sided. A value agrees with the
paper if they differ by at most the uncertainty, or rounding, of the paper plus two standard
deviations.</p> <section id="table-1"> <h2>Table 1</h2> $table_1 </section> <section id="figures">
<h2>Figures</h2> $figures </section> <section id="further"> <h2>Further results</h2> $further
</section> <section id="notes"> <h2>Notes</h2> $notes </section> <section id="calibration">
<h2>Calibration</h2> <h3>Used by the analysis</h3> $known <h3>Stored values</h3> $calibration
</section> <section id="runs"> <h2>Runs in the catalog</h2> $runs </section> <section id="timing">
<h2>Time</h2> $timing </section> <section id="versions"> <h2>Versions</h2> $versions </section>
</body> </html> """)
