"""``ocm ioc``, ``ocm up``, ``ocm session``: the instrument, its catalog, and its user."""

import time
from typing import Annotated

import typer

from ocm_ophyd.cli._errors import one_line_errors

Scenario = Annotated[str | None, typer.Option(help="Scenario: a name or a YAML file.")]
TimeScale = Annotated[float, typer.Option(help="Faster than real time by this factor.", min=0.01)]


@one_line_errors
def ioc(
    scenario: Scenario = None,
    prefix: Annotated[str | None, typer.Option(help="First part of every PV name.")] = None,
    time_scale: TimeScale = 1.0,
    interfaces: Annotated[str, typer.Option(help="Comma-separated addresses.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Channel Access port.")] = None,
) -> None:
    """Serve the simulated instrument over Channel Access until Ctrl-C.

    Example: ocm ioc --scenario default --time-scale 10
    """
    from ocm_ophyd.iocs.main import serve
    from ocm_ophyd.settings import Settings

    settings = Settings()
    settings.make_home()
    serve(
        scenario=scenario,
        prefix=prefix or settings.prefix,
        time_scale=time_scale,
        interfaces=interfaces.split(","),
        port=port or settings.ca_port,
        raw_dir=settings.raw_dir,
    )


@one_line_errors
def up(scenario: Scenario = None, time_scale: TimeScale = 1.0) -> None:
    """Serve the simulated instrument and the catalog together until Ctrl-C.

    Example: ocm up --time-scale 10
    """
    from ocm_ophyd.processes.servers import (
        CatalogServer,
        InstrumentServer,
        ServerError,
        stop_on_signals,
    )
    from ocm_ophyd.settings import Settings

    stop_on_signals()
    settings = Settings()
    instrument = InstrumentServer(settings, scenario=scenario, time_scale=time_scale)
    with instrument, CatalogServer(settings) as catalog:
        try:
            instrument.wait()
            catalog.wait()
            typer.echo(
                f"instrument {settings.prefix}* on port {settings.ca_port}, catalog at "
                f"{settings.tiled_uri}, data in {settings.home}\n"
                "measure with: ocm session (Ctrl-C here stops both)"
            )
            while instrument.alive and catalog.alive:
                time.sleep(0.5)
        except KeyboardInterrupt:
            return
        ended = catalog if instrument.alive else instrument
        msg = f"a server ended by itself: see {ended.log}"
        raise ServerError(msg)


@one_line_errors
def session(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Arguments for IPython; write -- before them.")
    ] = None,
) -> None:
    """Measure: IPython with the devices, plans and catalog of the instrument.

    The instrument and the catalog are those that `ocm up` serves. History and your own startup
    files are kept in <data directory>/ipython.

    Example: ocm session
    """
    from IPython import start_ipython

    from ocm_ophyd.settings import Settings

    settings = Settings()
    settings.make_home()
    profile = f"--profile-dir={settings.home / 'ipython'}"
    extension = "--ext=ocm_ophyd.session.ipython"
    start_ipython(argv=[profile, extension, "--no-banner", *(arguments or [])])
