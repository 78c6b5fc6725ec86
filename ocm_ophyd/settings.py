"""Where this installation keeps its data and finds its servers.

Every field can be set by an environment variable (``OCM_DATA_DIR``, ``OCM_CA_PORT``, ...).
The defaults are one machine, loopback only.
"""

import os
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ocm_ophyd.errors import UsageError

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Settings of one installation, read from the environment.

    Raises
    ------
    UsageError
        If an environment variable has an impossible value; the message names the variable.
    """

    model_config = SettingsConfigDict(env_prefix="OCM_", frozen=True)

    data_dir: Path = Field(
        default_factory=lambda: Path.home() / "ocm-data",
        description="Raw frames, journal, catalog and calibrations live below this directory.",
    )
    prefix: str = Field(default="OCM:", description="First part of every PV name.")
    ca_address: str = Field(
        default="127.0.0.1", description="EPICS_CA_ADDR_LIST of the control side."
    )
    ca_port: int = Field(default=5064, description="Channel Access server port.")
    ca_repeater_port: int = Field(default=5065, description="Channel Access repeater port.")
    ca_timeout: float = Field(default=5.0, description="Seconds to wait for a PV before giving up.")
    tiled_host: str = Field(
        default="127.0.0.1", description="Interface that the tiled server listens on."
    )
    tiled_port: int = Field(default=8020, description="Port of the tiled server.")
    tiled_api_key: SecretStr | None = Field(
        default=None,
        description="API key; without it the key that `ocm serve` made in data_dir is used.",
    )
    catalog_database: SecretStr | None = Field(
        default=None,
        description="PostgreSQL database of the catalog, postgresql://USER:PASSWORD@HOST:PORT/"
        "DATABASE; without it the catalog is SQLite files in data_dir.",
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            # the value is not printed: it may hold a password
            faults = (
                f"OCM_{'_'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
                for fault in error.errors()
            )
            raise UsageError("; ".join(faults)) from None

    @field_validator("catalog_database")
    @classmethod
    def _is_postgresql(cls, uri: SecretStr | None) -> SecretStr | None:
        if uri is not None and not uri.get_secret_value().startswith("postgresql://"):
            # neither the value nor a part of it: it holds a password
            msg = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            raise PydanticCustomError("not_postgresql", msg)
        return uri

    @cached_property
    def home(self) -> Path:
        """Absolute data directory."""
        return self.data_dir.expanduser().resolve()

    def make_home(self) -> None:
        """Make the data directory, before anything that needs it is started.

        Raises
        ------
        UsageError
            If it cannot be made or written.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.home):
                pass
        except OSError as error:
            msg = (
                f"the data directory {self.home} cannot be written ({error.strerror}): make it "
                "writable, or set OCM_DATA_DIR to another one"
            )
            raise UsageError(msg) from None

    @property
    def raw_dir(self) -> Path:
        """Where the spectrometer's IOC writes frames."""
        return self.home / "raw"

    @property
    def journal_dir(self) -> Path:
        """Append-only documents, one file a run."""
        return self.home / "journal"

    @property
    def catalog_dir(self) -> Path:
        """Everything that the tiled server owns."""
        return self.home / "catalog"

    @property
    def database_dir(self) -> Path:
        """Files that belong to the present database: its arrays, and marks of the runs it holds.

        Each database has a directory of its own, so that another one begins empty and gets every
        run from the journal.
        """
        if self.catalog_database is None:
            return self.catalog_dir
        _, _, server = self.catalog_database.get_secret_value().rpartition("@")
        return self.catalog_dir / f"postgresql-{sha256(server.encode()).hexdigest()[:12]}"

    @property
    def calibration_dir(self) -> Path:
        """Versioned calibrations of the session."""
        return self.home / "calibration"

    @property
    def tiled_uri(self) -> str:
        """Address of the tiled server's API."""
        return f"http://{self.tiled_host}:{self.tiled_port}/api/v1"

    def environment(self) -> dict[str, str]:
        """Environment variables that hand these settings to a child process."""
        env = {
            "OCM_DATA_DIR": str(self.home),
            "OCM_PREFIX": self.prefix,
            "OCM_CA_ADDRESS": self.ca_address,
            "OCM_CA_PORT": str(self.ca_port),
            "OCM_CA_REPEATER_PORT": str(self.ca_repeater_port),
            "OCM_CA_TIMEOUT": str(self.ca_timeout),
            "OCM_TILED_HOST": self.tiled_host,
            "OCM_TILED_PORT": str(self.tiled_port),
        }
        if self.tiled_api_key is not None:
            env["OCM_TILED_API_KEY"] = self.tiled_api_key.get_secret_value()
        if self.catalog_database is not None:
            env["OCM_CATALOG_DATABASE"] = self.catalog_database.get_secret_value()
        return env

    def use_channel_access(self) -> None:
        """Point EPICS clients of this process at the instrument; call before importing ophyd."""
        os.environ.update(
            EPICS_CA_ADDR_LIST=f"{self.ca_address}:{self.ca_port}",
            EPICS_CA_AUTO_ADDR_LIST="NO",
            EPICS_CA_SERVER_PORT=str(self.ca_port),
            EPICS_CA_REPEATER_PORT=str(self.ca_repeater_port),
            EPICS_CA_MAX_ARRAY_BYTES="10000000",
        )
