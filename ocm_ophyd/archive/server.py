"""Serve the catalog: the tiled server as a child process, and the feeder beside it."""

import logging
import os
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import NoReturn, Self

from ocm_ophyd.archive.connection import CatalogError, catalog_lock, make_api_key, server_answers
from ocm_ophyd.settings import Settings

__all__ = ["TiledServer", "serve"]

START_TIMEOUT = 90.0  # s: tiled imports much, and slowly where no bytecode is kept
STOP_TIMEOUT = 10.0  # s

log = logging.getLogger(__name__)


class TiledServer:
    """A tiled server in a process of its own, for as long as the ``with`` block lasts.

    Parameters
    ----------
    settings : Settings
        Say where the catalog is kept and which address it is served on.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = settings.catalog_dir / "tiled.log"

    def __enter__(self) -> Self:
        """Start the server.

        Raises
        ------
        CatalogError
            If the address is taken.
        """
        if server_answers(self.settings):
            raise CatalogError(
                f"{self.settings.tiled_uri} is already served: stop that server, "
                "or set OCM_TILED_PORT to another port."
            )
        self.settings.raw_dir.mkdir(parents=True, exist_ok=True)
        make_api_key(self.settings)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ocm_ophyd.archive.tiled_app"],
                env=os.environ
                | self.settings.environment()
                # Frames are read while the spectrometer still writes them.
                | {"TILED_HDF5_SWMR_DEFAULT": "1"},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the parent: it stops the server in order
            )
        return self

    def wait_until_ready(self) -> None:
        """Wait until the server answers.

        Raises
        ------
        CatalogError
            If it does not come up.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while not server_answers(self.settings):
            if not self.alive:
                lines = self.log.read_text(errors="replace").splitlines() or ["no message"]
                raise CatalogError(f"tiled did not start: {lines[-1]} (see {self.log})")
            if time.monotonic() > deadline:
                raise CatalogError(f"tiled did not answer in {START_TIMEOUT:.0f} s: see {self.log}")
            time.sleep(0.1)

    @property
    def alive(self) -> bool:
        """Whether the server's process runs."""
        return self._process.poll() is None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()  # it finishes the requests that it has begun
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def serve(settings: Settings) -> None:
    """Serve the catalog and feed it from the journal, until SIGINT or SIGTERM.

    Parameters
    ----------
    settings : Settings
        Say where journal and catalog are kept and which address is served.

    Raises
    ------
    CatalogError
        If the catalog cannot be served, or the tiled server ends by itself.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        log.info("starting the catalog in %s", settings.catalog_dir)
        with catalog_lock(settings), TiledServer(settings) as server:
            # Server and client of tiled take seconds to import: let them do so side by side.
            from ocm_ophyd.archive.catalog import write_profile  # noqa: PLC0415
            from ocm_ophyd.archive.feeder import CatalogFeeder  # noqa: PLC0415

            server.wait_until_ready()
            try:
                write_profile(settings)
            except CatalogError as error:
                log.warning("%s Until then databroker does not find this catalog.", error)
            with CatalogFeeder(settings):
                log.info("the catalog is served at %s; Ctrl-C stops it", settings.tiled_uri)
                while server.alive:
                    time.sleep(0.2)
            raise CatalogError(f"the tiled server ended by itself: see {server.log}")
    except KeyboardInterrupt:
        log.info("the catalog is stopped")
