"""A PostgreSQL server of its own, for tests; none where its programs are not installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from processes import free_port

USER = "postgres"  # the server refuses to run as root


def _programs():
    """The directory with initdb and pg_ctl, or None."""
    found = shutil.which("pg_ctl")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if found:
        return Path(found).resolve().parent
    return next((path for path in reversed(installed) if (path / "pg_ctl").exists()), None)


def available():
    """Whether a server can be started here."""
    if _programs() is None:
        return False
    return os.geteuid() != 0 or USER in {entry.pw_name for entry in pwd.getpwall()}


@contextmanager
def running_postgres():
    """Start a server with an empty database; yields its address."""
    programs, port = _programs(), free_port()
    directory = Path(tempfile.mkdtemp(prefix="ocm-postgres-"))
    as_user = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    if as_user:
        shutil.chown(directory, USER)

    def run(program, *arguments):
        subprocess.run(
            [programs / program, *arguments],
            check=True,
            cwd=directory,
            stdout=subprocess.DEVNULL,
            **as_user,
        )

    try:
        run("initdb", "-D", "data", "-U", "ocm", "-A", "trust", "--no-sync")
        options = f"-p {port} -h 127.0.0.1 -k {directory} -F"
        run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")
        try:
            run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "ocm", "ocm_catalog")
            yield f"postgresql://ocm:secret@127.0.0.1:{port}/ocm_catalog"
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
