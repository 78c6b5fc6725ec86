"""The report page: well-formed, alone, complete, with nothing in it that was not meant as markup.

Data and results are those of `paper_handmade`, the figures small ones.
"""

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from paper_handmade import paper_data, paper_results

from analysis.estimate import Estimate, not_determined
from analysis.paper.published import compare
from ocm_ophyd.experiments.report import TABLE_1, results_json, write_report
from ocm_ophyd.formatting import QUANTITIES, duration, measured, stored, unit_of

VOID = {"meta", "link", "br", "img", "hr", "input"}
UID = "0b7a1c52-11aa-4d2c-9d5e-0123456789ab"


class Page(HTMLParser):
    """Checks that elements are nested, and collects what the tests ask for."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.sections: dict[str, list[list[str]]] = {}
        self.elements: set[str] = set()
        self._section = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.elements.add(tag)
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]
        self.ids += [known["id"]] if "id" in known else []
        if tag == "section":
            self._section = known["id"]
            self.sections[self._section] = []
        if tag == "tr":
            self.sections[self._section].append([])
        if tag in {"th", "td"}:
            self.sections[self._section][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"th", "td"} & set(self.open):
            self.sections[self._section][-1][-1] += data


@pytest.fixture(scope="module")
def data():
    return paper_data()


@pytest.fixture(scope="module")
def results(data):
    return paper_results(data)


@pytest.fixture(scope="module")
def path(data, results, tmp_path_factory):
    figures = {}
    for name in ("fig2", "extra"):
        figures[name] = Figure(figsize=(3, 2))
        axes = figures[name].subplots()
        axes.pcolormesh([[1, 2], [3, 4]], rasterized=True)
        axes.set(xlabel="x (µm)", ylim=(0.5, 1.5))  # something to clip
    return write_report(
        tmp_path_factory.mktemp("report") / "new",
        data,
        results,
        versions={"ocm-ophyd": "0.1.0", "numpy": "2.4.0"},
        calibration=[
            {"name": "zero", "value": 12.5, "sigma": 4e-4, "unit": "mm", "version": 7, "run": UID},
            {"name": "chirp", "value": [1.0, 2.0, 3.0, 4.0, 5.0], "unit": "ps", "version": 8},
            {"name": "sample", "value": "<b>bold</b>", "sigma": None, "unit": "", "run": None},
        ],
        runs={"sweep": UID, "movie": "<script>alert(1)</script>"},
        figures=figures,
        timing={"here": 612.0, "real instrument": 4.2 * 3600},
    )


@pytest.fixture(scope="module")
def page(path):
    return Page(path.read_text("utf-8"))


def test_the_page_is_well_formed_and_its_ids_are_unique(page):
    assert len(page.ids) == len(set(page.ids))
    assert {"table-1", "figures", "further", "calibration", "runs", "versions"} <= set(page.ids)


def test_the_page_loads_nothing(page):
    inside = ("#", "data:image/png;base64,")
    beside = {f"{name}.{kind}" for name in ("fig2", "extra") for kind in ("png", "pdf")}
    others = [link for link in page.links if not link.startswith(inside) and link not in beside]
    assert others == ["https://doi.org/10.1364/OPTICA.498746"]
    assert "link" not in page.elements


def test_references_inside_the_figures_lead_somewhere(path, page):
    text = path.read_text("utf-8")
    asked = set(re.findall(r"url\(#([^)]+)\)", text))
    asked |= {link[1:] for link in page.links if link.startswith("#")}
    assert asked
    assert asked <= set(page.ids)


def test_what_users_wrote_is_text(path, page):
    text = path.read_text("utf-8")
    assert "script" not in page.elements
    assert "b" not in page.elements
    assert "&lt;script&gt;" in text
    assert "not determined: the sweep was &lt;broken&gt; off &amp; never ended" in text


def test_every_row_is_there_with_its_unit_and_the_papers_value(page, results):
    rows = {row[0]: row for row in page.sections["table-1"] + page.sections["further"]}
    for name, row in results.rows.items():
        cells = rows[QUANTITIES.get(name, name)]
        assert cells[1] == measured(row.estimate)
        assert cells[2].startswith(row.paper or "–")
        assert cells[3] == {True: "yes", False: "no", None: "–"}[row.agrees]
    assert len(page.sections["table-1"]) == 1 + len(TABLE_1)


def test_calibration_and_runs_say_how_to_open_the_runs(page):
    calibration = {row[0]: row[1:] for row in page.sections["calibration"]}
    assert calibration["zero"] == ["12.5", "0.0004", "mm", "7", f"ocm show {UID}"]
    assert calibration["chirp"] == ["1, 2 … 5 (5 values)", "–", "ps", "8", "–"]
    assert ["sweep", f"ocm show {UID}"] in page.sections["runs"]
    assert ["real instrument", "4 h 12 min"] in page.sections["timing"]


def test_figures_lie_beside_the_page(path):
    for name in ("fig2", "extra"):
        assert (path.parent / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (path.parent / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_json_has_table_1_and_the_others_under_more(results):
    answer = results_json(results)
    assert set(answer) == {*TABLE_1, "more", "notes"}
    for name in TABLE_1:
        assert {"value", "sigma", "unit", "paper"} <= set(answer[name])
    assert answer["tau_lasing"]["paper"] == 13.4
    assert answer["C"]["upper95"] == 3.4e-30
    assert "upper95" not in answer["A"]
    assert answer["more"]["D_silicon"]["value"] == 15.1
    missing = answer["more"]["relaxation_below"]
    assert (missing["value"], missing["sigma"]) == (None, None)
    assert missing["note"].startswith("not determined")
    json.dumps(answer, allow_nan=False)


def test_nothing_determined_still_makes_a_page(data, results, tmp_path):
    rows = {name: compare(name, not_determined("1", "no data")) for name in TABLE_1}
    empty = {"versions": {}, "calibration": [], "runs": {}, "figures": {}, "timing": {}}
    path = write_report(tmp_path, data, replace(results, rows=rows, notes=[]), **empty)
    page = Page(path.read_text("utf-8"))
    assert [row[1] for row in page.sections["table-1"][1:]] == ["not determined: no data"] * 10


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(2.036e8, 4.9e6, "s-1"), "(2.036 ± 0.049)·10⁸ s⁻¹"),
        (Estimate(1.79e-9, 2e-11, "cm3/s"), "(1.790 ± 0.020)·10⁻⁹ cm³/s"),
        (Estimate(math.nan, math.nan, "cm6/s", upper95=3.42e-30), "≤ 3.4·10⁻³⁰ cm⁶/s (95 %)"),
        (Estimate(0.78, 0.11, "cm2/s", upper95=0.96), "0.78 ± 0.11 cm²/s, ≤ 0.96 cm²/s (95 %)"),
        (Estimate(0.0312, 0.0013, "1"), "0.0312 ± 0.0013"),
        (Estimate(171.3, 21.0, "ps"), "171 ± 21 ps"),
        (Estimate(-0.004, 0.006, "mJ/cm2"), "−0.0040 ± 0.0060 mJ/cm²"),
        (Estimate(9.97e18, 4e17, "cm-3"), "(9.97 ± 0.40)·10¹⁸ cm⁻³"),
        (Estimate(2.25, 0.0, "um"), "2.250 ± 0.000 µm"),
        (not_determined("ps", "too few delays"), "not determined: too few delays"),
    ],
)
def test_numbers_have_the_digits_that_their_sigma_leaves(estimate, text):
    assert measured(estimate) == text


def test_units_times_and_stored_values_in_print():
    assert unit_of("RIU cm^2/mJ") == "RIU cm²/mJ"
    assert unit_of("um2/ps") == "µm²/ps"
    assert unit_of("1/s") == "1/s"
    assert [duration(s) for s in (4.25, 75, 59.96, 3600 * 26)] == [
        "4.2 s",
        "1 min 15 s",
        "1 min 00 s",
        "26 h 00 min",
    ]
    assert stored([0.25, 4.0]) == "0.25, 4"
