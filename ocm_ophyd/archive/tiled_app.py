"""The tiled server itself: a database, local files, one API key. Run as a child process.

It ends when the pipe from its parent closes, so that no server is left behind holding the port
when ``ocm serve`` is killed.
"""

import sys
import threading

import uvicorn
from tiled.catalog import from_uri
from tiled.commandline._catalog import init
from tiled.config import Authentication
from tiled.server.app import build_app

from ocm_ophyd.archive.connection import make_api_key
from ocm_ophyd.archive.measurements import MeasurementCatalog
from ocm_ophyd.settings import Settings


def main(settings: Settings) -> None:
    """Serve the catalog until standard input closes.

    Parameters
    ----------
    settings : Settings
        Say where the catalog is kept and which address it is served on.
    """
    if settings.catalog_database is None:
        database = f"sqlite:///{settings.catalog_dir / 'catalog.sqlite'}"
        tables = f"sqlite:///{settings.catalog_dir / 'tables.sqlite'}"
    else:
        database = tables = settings.catalog_database.get_secret_value()
    # What `from_uri(..., init_if_not_exists=True)` does in 4 s in one more process.
    init(database, if_not_exists=True)
    stored = from_uri(
        database,
        specs=[{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
        writable_storage=[
            str(settings.database_dir / "arrays"),
            tables,
        ],
        readable_storage=[str(settings.raw_dir)],
    )
    tree = MeasurementCatalog(stored.context, stored.node)
    server = uvicorn.Server(
        uvicorn.Config(
            build_app(
                tree, authentication=Authentication(single_user_api_key=make_api_key(settings))
            ),
            host=settings.tiled_host,
            port=settings.tiled_port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )
    )

    def stop_with_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=stop_with_parent, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(Settings())
