"""The directive ``ocm-commands``: every command of a typer application, as sections of a page."""

import importlib
from inspect import cleandoc
from typing import Any

import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


def _paragraph(text: str) -> nodes.paragraph:
    return nodes.paragraph("", " ".join(text.split()))


def _description(text: str) -> list[nodes.Node]:
    """Return the paragraphs of a help text, its examples as code."""
    made: list[nodes.Node] = []
    for block in cleandoc(text).split("\n\n"):
        if block.startswith("Example: "):
            code = block.removeprefix("Example: ")
            made.append(nodes.literal_block(code, code, language="text"))
        else:
            made.append(_paragraph(block))
    return made


def _parameters(command: Any, context: Any) -> nodes.definition_list:
    """Return arguments and options, each with the text that ``--help`` shows."""
    listed = nodes.definition_list(classes=["command-parameters"])
    for parameter in command.params:
        names, text = parameter.get_help_record(context)
        term = nodes.term("", "", nodes.literal("", names))
        listed += nodes.definition_list_item("", term, nodes.definition("", _paragraph(text)))
    return listed


class OcmCommands(Directive):
    """Describe the commands of the application ``MODULE:NAME``, called as ``PROGRAM``.

    Usage: ``{ocm-commands} ocm_ophyd.cli:app ocm``.
    """

    required_arguments = 2

    def run(self) -> list[nodes.Node]:
        """Return one section for each command, in the order of ``--help``."""
        module, name = self.arguments[0].split(":")
        group: Any = typer.main.get_command(getattr(importlib.import_module(module), name))
        program = self.arguments[1]
        context = group.context_class(group, info_name=program)
        return [
            self._section(group.get_command(context, command), command, context)
            for command in group.list_commands(context)
        ]

    def _section(self, command: Any, name: str, parent: Any) -> nodes.section:
        context = command.context_class(command, info_name=name, parent=parent)
        title = f"{parent.info_name} {name}"
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title("", "", nodes.Text(title))
        usage = " ".join([title, *command.collect_usage_pieces(context)])
        section += nodes.literal_block(usage, usage, language="text")
        section += _description(command.help or "")
        if command.params:
            section += _parameters(command, context)
        self.state.document.note_explicit_target(section)
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("ocm-commands", OcmCommands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
