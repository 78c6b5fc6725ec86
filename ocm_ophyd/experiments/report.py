"""The report of the experiment: Table 1, the figures, and where every number comes from.

The page stands alone: figures are drawn into it, nothing is loaded. Beside it lie the figures as
PNG and PDF.
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
from analysis.paper.measurements import PaperData
from analysis.paper.published import TABLE, Row
from ocm_ophyd.experiments.formatting import QUANTITIES, duration, measured, stored, unit_of

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
"""Rows of the paper's Table 1 and the threshold fluence of its text; the others follow apart."""

_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def results_json(results: Results) -> dict[str, Any]:
    """Return the results as JSON can hold them: NaN becomes null.

    Returns
    -------
    dict
        Every quantity of Table 1 by its name: `value`, `sigma`, `unit`, `paper` (number), and
        `paper_text`, `agrees`, `note`; `upper95` and `interval` where there are any. The further
        rows are under `more`, remarks under `notes`.
    """
    rows = {name: _row_json(name, row) for name, row in results.rows.items()}
    answer: dict[str, Any] = {name: rows.pop(name) for name in TABLE_1 if name in rows}
    return answer | {"more": rows, "notes": list(results.notes)}


def _row_json(name: str, row: Row) -> dict[str, Any]:
    found = row.estimate
    entry: dict[str, Any] = {
        "value": _finite(found.value),
        "sigma": _finite(found.sigma),
        "unit": found.unit,
        "paper": TABLE[name].value if name in TABLE else None,
        "paper_text": row.paper or None,
        "agrees": row.agrees,
        "note": found.note,
    }
    if found.upper95 is not None:
        entry["upper95"] = _finite(found.upper95)
    if found.interval is not None:
        entry["interval"] = [_finite(end) for end in found.interval]
    return entry


def _finite(value: float) -> float | None:
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
        Made when it does not exist.
    data : PaperData
        What was known beforehand is listed.
    results : Results
        The rows and the notes.
    versions : mapping
        Version by program.
    calibration : sequence of mapping
        `name`, `value`, `sigma`, `unit`, `version` and `run` (uid) of each stored value.
    runs : mapping
        uid by name.
    figures : mapping
        By the name of its file.
    timing : mapping
        Seconds by what took, or would take, so long.

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
        known=_table(("Quantity", "Value"), _known(data)),
        calibration=_table(
            ("Name", "Value", "σ", "Unit", "Version", "Run"),
            [_calibration_row(entry) for entry in calibration],
        ),
        runs=_table(("Run", "To open it"), [(name, _command(uid)) for name, uid in runs.items()]),
        timing=_table(("What", "Time"), [(name, duration(s)) for name, s in timing.items()]),
        versions=_table(("Program", "Version"), versions.items()),
    )
    path = directory / "report.html"
    path.write_text(page, "utf-8")
    return path


class _Html(str):
    """Text that is markup already."""

    __slots__ = ()


def _cell(value: object) -> str:
    return value if isinstance(value, _Html) else escape(str(value))


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Table whose first column names the rows."""
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
    if not items:
        return "<p>None.</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _results_table(rows: Mapping[str, Row]) -> str:
    head = ("Quantity", "Measured", "Paper", "Agrees", "How")
    lines = []
    for name, row in rows.items():
        found = row.estimate
        paper = f"{row.paper} {unit_of(found.unit)}".rstrip() if row.paper else "–"
        agrees = "–" if row.agrees is None else "yes" if row.agrees else "no"
        note = found.note if found.determined else ""
        lines.append((QUANTITIES.get(name, name), measured(found), paper, agrees, note))
    return _table(head, lines)


def _known(data: PaperData) -> list[tuple[str, str]]:
    known = data.known
    waveguide = "{:g} × {:g} µm²".format(*known.waveguide) if known.waveguide else "not known"
    return [
        ("Plate", f"{known.size[0]:g} × {known.size[1]:g} µm²"),
        ("Silicon waveguide", waveguide),
        ("Pump, 1/e² radius", measured(known.pump_waist)),
        ("Probe, 1/e² radius", f"{known.probe_waist:g} µm"),
        ("Scale of all fluences", f"± {known.fluence_scale:.1%}"),
        ("Scatter of single fluences", f"± {known.fluence_scatter:.1%}"),
        ("Time zero", f"± {known.time_zero_sigma:.2g} ps"),
    ]


def _calibration_row(entry: Mapping[str, Any]) -> tuple[object, ...]:
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
    return _Html(f"<code>ocm show {escape(uid)}</code>")


def _figure(name: str, figure: Figure) -> str:
    """Figure as SVG with ids of its own, so that several can stand in one page."""
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
<p>The experiment of “Direct ultrafast carrier imaging in a perovskite microlaser with optical
coherence microscopy”, <a href="https://doi.org/10.1364/OPTICA.498746">10.1364/OPTICA.498746</a>,
measured blind on a simulated microscope: the analysis knows calibration and data, never the
simulation’s parameters. Uncertainties are one standard deviation, limits one-sided. A value agrees
that lies within the paper’s own uncertainty, or rounding, and two standard deviations.</p>
<section id="table-1">
<h2>Table 1</h2>
$table_1
</section>
<section id="figures">
<h2>Figures</h2>
$figures
</section>
<section id="further">
<h2>Further results</h2>
$further
</section>
<section id="notes">
<h2>Notes</h2>
$notes
</section>
<section id="calibration">
<h2>Calibration</h2>
<h3>Known before the measurements</h3>
$known
<h3>Stored values</h3>
$calibration
</section>
<section id="runs">
<h2>Runs in the catalog</h2>
$runs
</section>
<section id="timing">
<h2>Time</h2>
$timing
</section>
<section id="versions">
<h2>Versions</h2>
$versions
</section>
</body>
</html>
""")
