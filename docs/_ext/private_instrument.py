"""A simulated instrument and a catalog for each tutorial, on free loopback ports, while it runs.

A page takes part by ``private_instrument: SPEED`` in its front matter: its cells then run with the
settings of a laboratory in a temporary directory, whose instrument is SPEED times faster than real
time. Nothing of a page is visible in another one, or in the user's own data directory.
"""

import logging
import os
import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from ocm_ophyd.processes.private_lab import laboratory
from ocm_ophyd.processes.servers import InstrumentServer

_ASKED = re.compile(
    r"\A---\n.*?^private_instrument: *([0-9.]+) *$.*?^---$", re.MULTILINE | re.DOTALL
)


class PrivateInstrument:
    """Starts servers before a page is read, which runs its cells, and stops them afterwards."""

    def __init__(self) -> None:
        self._running = ExitStack()

    def start(self, _app: Sphinx, _page: str, source: list[str]) -> None:
        """Start an instrument and a catalog if the page asks for them."""
        asked = _ASKED.match(source[0])
        if asked is None:
            return
        directory = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
        # The catalog's server writes its profile, and the page reads it: not the user's own.
        self._set_environment(TILED_PROFILES=str(directory / "profiles"))
        settings, catalog = self._running.enter_context(laboratory(directory / "ocm-data"))
        self._set_environment(
            **settings.environment(),
            MPLBACKEND="module://matplotlib_inline.backend_inline",
            COLUMNS="120",
        )
        instrument = InstrumentServer(settings, time_scale=float(asked[1]))
        self._running.enter_context(instrument).wait()
        catalog.wait()

    def _set_environment(self, **variables: str) -> None:
        """Hand settings to the kernel, a child process, until the page is done."""
        before = {name: os.environ.get(name) for name in [*variables, "DISPLAY"]}

        def restore() -> None:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

        self._running.callback(restore)
        os.environ.update(variables)
        os.environ.pop("DISPLAY", None)  # plots go into the page, never into a window

    def stop(self, *_: object) -> None:
        """Stop what runs."""
        self._running.close()


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to the events around the reading of a page, and to the end of the build."""
    for chatty in ("caproto", "httpx", "traitlets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    servers = PrivateInstrument()
    app.connect("source-read", servers.start)
    app.connect("doctree-read", servers.stop)
    app.connect("build-finished", servers.stop)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
