"""The directive ``ocm-settings``: a table of a settings class."""

import importlib
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


def _row(cells: list[nodes.Node]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def _text(description: str) -> nodes.inline:
    """Return a text, its parts in backticks as code."""
    text = nodes.inline()
    for index, part in enumerate(description.split("`")):
        text += nodes.literal("", part) if index % 2 else nodes.Text(part)
    return text


class OcmSettings(Directive):
    """Describe the fields of the class ``MODULE:NAME``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return a table: variable, default, meaning."""
        module, name = self.arguments[0].split(":")
        settings: Any = getattr(importlib.import_module(module), name)
        prefix = settings.model_config["env_prefix"]
        titles = ("variable", "default", "meaning")
        group = nodes.tgroup(cols=len(titles))
        group += [nodes.colspec(colwidth=width) for width in (3, 3, 6)]
        group += nodes.thead("", _row([nodes.Text(title) for title in titles]))
        body = nodes.tbody()
        for field, about in settings.model_fields.items():
            default: nodes.Node = nodes.Text("none")
            if field == "data_dir":
                default = nodes.literal("", "~/ocm-data")  # depends on the user
            elif about.default is not None:
                default = nodes.literal("", str(about.default))
            variable = nodes.literal("", f"{prefix}{field}".upper())
            body += _row([variable, default, _text(about.description or "")])
        group += body
        return [nodes.table("", group)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("ocm-settings", OcmSettings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
