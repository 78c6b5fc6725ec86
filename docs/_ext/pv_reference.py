"""The directive ``ocm-pvs``: the process variables of every instrument, from their source."""

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

from ocm_ophyd.iocs.pv_table import pv_table


def _row(cells: list[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


class OcmPvs(Directive):
    """Describe the process variables that the simulated instrument serves."""

    def run(self) -> list[nodes.Node]:
        """Return a table for each instrument: name, unit, limits, meaning."""
        answer: list[nodes.Node] = []
        for title, rows in pv_table().items():
            group = nodes.tgroup(cols=4)
            group += [nodes.colspec(colwidth=width) for width in (5, 2, 3, 6)]
            heads = ("process variable", "unit", "limits", "meaning")
            group += nodes.thead("", _row([nodes.Text(head) for head in heads]))
            body = nodes.tbody()
            for row in rows:
                cells = [nodes.Text(cell) for cell in row[1:]]
                body += _row([nodes.literal("", row.name), *cells])
            group += body
            answer.append(nodes.table("", nodes.title("", title), group))
        return answer


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("ocm-pvs", OcmPvs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
