"""The way to the catalog for its clients, what it still lacks, and databroker's profile."""

import os
from pathlib import Path

import httpx
import tiled.profiles
import yaml
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from tiled.client import from_uri

from ocm_ophyd.archive.connection import (
    CatalogError,
    api_key,
    make_api_key,
    server_answers,
    write_private,
)
from ocm_ophyd.settings import Settings

__all__ = [
    "connect",
    "waiting_runs",
    "write_profile",
]

PROFILE = "ocm"
_PROFILE_MARK = "# Written by `ocm serve`, which replaces it at every start.\n"


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
        If the server does not answer, or refuses the key.
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
        If there is a profile of this name that was not written here, or none can be written.
    """
    directory = directory or tiled.profiles.paths[-1]
    try:
        return _write_profile(settings, directory)
    except (OSError, yaml.YAMLError) as error:
        raise CatalogError(
            f"no tiled profile can be kept in {directory}: {' '.join(str(error).split())}. "
            "Mend it, or set TILED_PROFILES to another directory."
        ) from error


def _write_profile(settings: Settings, directory: Path) -> Path:
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
    write_private(ours, _PROFILE_MARK + yaml.safe_dump(content))
    return ours
