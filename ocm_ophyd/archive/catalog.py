"""The tiled client of the catalog, and databroker's profile of it."""

from pathlib import Path

import tiled.profiles
import yaml
from bluesky_tiled_plugins.clients.catalog_of_bluesky_runs import CatalogOfBlueskyRuns
from tiled.client import from_uri

from ocm_ophyd.archive.connection import (
    CatalogError,
    make_api_key,
    refusals_of,
    required_api_key,
    write_private,
)
from ocm_ophyd.settings import Settings

__all__ = [
    "connect",
    "write_profile",
]

PROFILE = "ocm"
_PROFILE_MARK = "# Written by `ocm serve`, which replaces it at every start.\n"


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
    key = required_api_key(settings)
    with refusals_of(settings.tiled_uri):
        return from_uri(settings.tiled_uri, api_key=key).sort(("start.time", 1))


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
