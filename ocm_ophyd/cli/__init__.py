"""The ``ocm`` command. Every command imports what it needs when it runs: --help stays fast."""

import typer

from ocm_ophyd.cli import (
    catalog,
    data,
    demo,
    instrument,
    noise,
    overnight,
    reduce,
    reproduce,
    speed,
)

app = typer.Typer(
    help="Control and analysis of an ultrafast pump-probe optical coherence microscope.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    demo.demo,
    reproduce.reproduce,
    instrument.ioc,
    catalog.serve,
    instrument.up,
    instrument.session,
    overnight.overnight,
    noise.noise,
    catalog.runs,
    catalog.show,
    data.export,
    reduce.reduce,
    data.fit,
    speed.bench,
):
    app.command()(command)
