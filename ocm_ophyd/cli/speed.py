"""``ocm bench``: how fast this installation is."""

import subprocess
import sys
from pathlib import Path

import typer

from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.errors import UsageError


@one_line_errors
def bench() -> None:
    """Run the benchmarks of speed of the checkout: ratios, each measured in one run.

    This takes about five minutes on two cores, and eight where py-pde (extra: bench) is installed.

    Example: ocm bench
    """
    directory = Path(__file__).parents[2] / "benchmarks" / "speed"
    scripts = sorted(directory.glob("bench_*.py"))
    if not scripts:
        msg = f"there are no benchmarks in {directory}: install from a checkout (pip install -e .)"
        raise UsageError(msg)
    for script in scripts:
        typer.echo(f"-- {script.name}")
        module = f"benchmarks.speed.{script.stem}"
        if subprocess.run(
            [sys.executable, "-m", module], cwd=directory.parents[1], check=False
        ).returncode:
            msg = f"{script.name} failed"
            raise UsageError(msg)
