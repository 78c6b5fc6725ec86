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
    "open_catalog",
    "refusals_of",
    "required_api_key",
    "server_answers",
    "waiting_runs",
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


@contextmanager
def open_catalog(settings: Settings) -> Iterator[httpx.Client]:
    """Open the HTTP interface of the catalog for the time of a `with` block.

    Yields
    ------
    httpx.Client
        Its addresses are relative to ``/api/v1``; the key is sent with every request.

    Raises
    ------
    CatalogError
        If the server does not answer, or refuses a request.
    """
    headers = {"Authorization": f"Apikey {required_api_key(settings)}"}
    with (
        httpx.Client(
            base_url=settings.tiled_uri, headers=headers, timeout=60.0, trust_env=False
        ) as client,
        refusals_of(settings.tiled_uri),
    ):
        yield client


@contextmanager
def refusals_of(address: str) -> Iterator[None]:
    """Raise what the catalog at `address` refuses, and its loss, as a CatalogError.

    Raises
    ------
    CatalogError
        If a request within the `with` block fails.
    """
    try:
        yield
    except httpx.HTTPError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CatalogError(f"the catalog at {address} fails: {reason}") from error


def required_api_key(settings: Settings) -> str:
    """Return the key of a catalog that answers.

    Raises
    ------
    CatalogError
        If no server answers, or no key is known.
    """
    if not server_answers(settings):
        raise CatalogError(
            f"no catalog at {settings.tiled_uri}: start it with `ocm up`. Nothing is lost: "
            f"{len(waiting_runs(settings))} run(s) wait in {settings.journal_dir}."
        )
    key = api_key(settings)
    if key is None:
        raise CatalogError(
            f"no API key for {settings.tiled_uri}: set OCM_TILED_API_KEY, "
            f"or OCM_DATA_DIR to the directory that `ocm serve` uses (now {settings.home})."
        )
    return key


def waiting_runs(settings: Settings, day: str | None = None) -> list[Path]:
    """List the journalled runs that are not in the catalog yet, or not completely.

    Parameters
    ----------
    settings : Settings
        Say where the journal is, and the marks of the runs that the catalog holds.
    day : str, optional
        Look only at this day, ``YYYY-MM-DD``.
    """
    journal, fed = settings.journal_dir, settings.database_dir / "fed"
    waiting = []
    for name in [day] if day else _names(journal):
        done = set(_names(fed / name))
        waiting += [
            path
            for path in (journal / name / file for file in _names(journal / name))
            if path.suffix == ".jsonl" and path.stem not in done
        ]
    return waiting


def _names(directory: Path) -> list[str]:
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - thousands of names, no Path each
    except (FileNotFoundError, NotADirectoryError):
        return []


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
    except OSError as error:
        msg = f"the API key in {_key_file(settings)} cannot be read: {error.strerror}"
        raise CatalogError(msg) from None


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
