"""The way to the catalog: its address, its key, what it still lacks, and databroker's profile."""

import os
import secrets
from pathlib import Path

import httpx
import tiled.profiles
import yaml
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from tiled.client import from_uri

from ocm_ophyd.settings import Settings

__all__ = [
    "CatalogError",
    "connect",
    "make_api_key",
    "server_answers",
    "waiting_runs",
    "write_profile",
]

PROFILE = "ocm"
_PROFILE_MARK = "# Written by `ocm serve`, which replaces it at every start.\n"


class CatalogError(RuntimeError):
    """The catalog cannot be used; the message says why and what to do."""


def server_answers(settings: Settings) -> bool:
    """Whether a tiled server answers at the address in the settings, within a second."""
    base = settings.tiled_uri.removesuffix("/api/v1")
    try:
        return httpx.get(f"{base}/healthz", timeout=1.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _key_file(settings: Settings) -> Path:
    return settings.catalog_dir / "api_key"


def _api_key(settings: Settings) -> str | None:
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
    if key := _api_key(settings):
        return key
    settings.catalog_dir.mkdir(parents=True, exist_ok=True)
    key = secrets.token_hex(32)
    _write_private(_key_file(settings), key)
    return key


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


def waiting_runs(settings: Settings, day: str | None = None) -> list[Path]:
    """List the journalled runs that are not in the catalog yet, or not completely.

    Parameters
    ----------
    settings : Settings
        Say where the journal is, and the marks of the runs that the catalog holds.
    day : str, optional
        Look only at this day, ``YYYY-MM-DD``.
    """
    journal, fed = settings.journal_dir, settings.catalog_dir / "fed"
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


def connect(settings: Settings) -> CatalogOfBlueskyRuns:
    """Connect to the catalog.

    Parameters
    ----------
    settings : Settings
        Say where it is served, and the API key.

    Returns
    -------
    CatalogOfBlueskyRuns
        In the order in which the runs were started: ``catalog[-1]`` is the latest.

    Raises
    ------
    CatalogError
        If the server does not answer (found out within a second), or refuses the key.
    """
    if not server_answers(settings):
        raise CatalogError(
            f"no catalog at {settings.tiled_uri}: start it with `ocm up`. Nothing is lost: "
            f"{len(waiting_runs(settings))} run(s) wait in {settings.journal_dir}."
        )
    key = _api_key(settings)
    if key is None:
        raise CatalogError(
            f"no API key for {settings.tiled_uri}: set OCM_TILED_API_KEY, "
            f"or OCM_DATA_DIR to the directory that `ocm serve` uses (now {settings.home})."
        )
    try:
        catalog = from_uri(settings.tiled_uri, api_key=key)
    except httpx.HTTPError as error:
        raise CatalogError(f"the catalog at {settings.tiled_uri} refuses: {error}") from error
    return catalog.sort(("start.time", 1))


def write_profile(settings: Settings, directory: Path | None = None) -> Path:
    """Write the tiled profile that makes this catalog ``databroker.catalog["ocm"]``.

    Parameters
    ----------
    settings : Settings
        Say where the catalog is served, and the API key.
    directory : Path, optional
        Where tiled looks for profiles; by default the user's (``TILED_PROFILES`` where set).

    Returns
    -------
    Path
        The profile's file, readable by its owner only.

    Raises
    ------
    CatalogError
        If there is a profile of this name that was not written here.
    """
    directory = directory or tiled.profiles.paths[-1]
    directory.mkdir(parents=True, exist_ok=True)
    ours = directory / f"{PROFILE}.yml"
    for path in (*directory.glob("*.yml"), *directory.glob("*.yaml")):
        text = path.read_text()
        if path == ours and text.startswith(_PROFILE_MARK):
            continue
        if path == ours or PROFILE in (yaml.safe_load(text) or {}):
            raise CatalogError(
                f"{path} already defines a tiled profile {PROFILE!r} that is not ours: "
                "rename it, or set TILED_PROFILES to another directory."
            )
    content = {PROFILE: {"uri": f"{settings.tiled_uri}?api_key={make_api_key(settings)}"}}
    _write_private(ours, _PROFILE_MARK + yaml.safe_dump(content))
    return ours
