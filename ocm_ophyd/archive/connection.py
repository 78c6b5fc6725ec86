"""What server and clients of the catalog share: address, key and lock. Nothing of tiled in it."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from ocm_ophyd.errors import OcmError
from ocm_ophyd.settings import Settings

__all__ = [
    "CatalogError",
    "api_key",
    "catalog_lock",
    "make_api_key",
    "server_answers",
    "write_private",
]


class CatalogError(OcmError):
    """The catalog cannot be used; the message says why and what to do."""


def server_answers(settings: Settings) -> bool:
    """Whether a tiled server answers at the address in the settings."""
    base = settings.tiled_uri.removesuffix("/api/v1")
    try:
        return httpx.get(f"{base}/healthz", timeout=3.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _key_file(settings: Settings) -> Path:
    return settings.catalog_dir / "api_key"


def api_key(settings: Settings) -> str | None:
    """Return the API key in the settings, or the one that the server made, or None."""
    if settings.tiled_api_key is not None:
        return settings.tiled_api_key.get_secret_value()
    try:
        return _key_file(settings).read_text().strip()
    except FileNotFoundError:
        return None


def make_api_key(settings: Settings) -> str:
    """Return the server's API key: the one in the settings, or one made once and kept.

    Parameters
    ----------
    settings : Settings
        The key is kept in ``<catalog_dir>/api_key``, for its owner only.
    """
    if key := api_key(settings):
        return key
    settings.catalog_dir.mkdir(parents=True, exist_ok=True)
    key = secrets.token_hex(32)
    write_private(_key_file(settings), key)
    return key


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


@contextmanager
def catalog_lock(settings: Settings) -> Iterator[None]:
    """Let one process serve and feed a catalog.

    Parameters
    ----------
    settings : Settings
        The lock is the file ``<catalog_dir>/lock``; it ends with the process, however that ends.

    Raises
    ------
    CatalogError
        If another process holds it.
    """
    settings.catalog_dir.mkdir(parents=True, exist_ok=True)
    with (settings.catalog_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CatalogError(
                f"another `ocm serve` runs on {settings.catalog_dir}: use that one, or stop it"
            ) from None
        yield
