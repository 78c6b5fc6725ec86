"""A laboratory of its own: settings, ports and a catalog for one directory."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ocm_ophyd.archive.catalog import connect
from ocm_ophyd.archive.connection import CatalogError, waiting_runs
from ocm_ophyd.processes.servers import CatalogServer, free_ports
from ocm_ophyd.settings import Settings

__all__ = ["laboratory", "wait_for_runs"]


@contextmanager
def laboratory(directory: Path) -> Iterator[tuple[Settings, CatalogServer]]:
    """Serve a catalog of its own, on free ports, while the block runs.

    The catalog is started and not waited for: what is measured meanwhile waits in the journal.
    An `InstrumentServer` with these settings is the instrument to it.

    Parameters
    ----------
    directory : Path
        Where all data go.
    """
    ca_port, repeater_port, tiled_port = free_ports(3)
    settings = Settings(
        data_dir=directory,
        ca_port=ca_port,
        ca_repeater_port=repeater_port,
        ca_timeout=20,
        tiled_port=tiled_port,
    )
    with CatalogServer(settings) as catalog:
        yield settings, catalog


def wait_for_runs(settings: Settings, uids: Sequence[str], timeout: float = 60.0) -> int:
    """Wait until the catalog holds everything that the journal holds.

    Parameters
    ----------
    settings : Settings
        Of the laboratory; its catalog answers.
    uids : sequence of str
        Runs that must be among them.
    timeout : float
        Seconds that may pass without another run.

    Returns
    -------
    int
        How many runs the catalog holds, reduced runs included.

    Raises
    ------
    CatalogError
        If a run does not arrive.
    """
    last, deadline = -1, 0.0
    while waiting := waiting_runs(settings):
        if len(waiting) != last:
            last, deadline = len(waiting), time.monotonic() + timeout
        if time.monotonic() > deadline:
            msg = f"{len(waiting)} runs did not reach the catalog: see {settings.home / 'logs'}"
            raise CatalogError(msg)
        time.sleep(0.2)
    catalog = connect(settings)
    missing = [uid for uid in uids if uid not in catalog]
    if missing:
        msg = f"run {missing[0][:8]} is not in the catalog: see {settings.home / 'logs'}"
        raise CatalogError(msg)
    return len(catalog)
