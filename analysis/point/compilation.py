"""Compiles the estimator in another process, so that this one can work meanwhile."""

import atexit
import logging
import os
import subprocess
import sys
from functools import cache

from analysis.numerics.jit import is_kept
from analysis.point.pipeline import estimate
from analysis.point.reducer import warm_up

__all__ = ["BackgroundCompilation", "compile_in_background"]

PRIORITY = 10
"""Niceness of the process: whatever measures has the processors first."""

log = logging.getLogger(__name__)


class BackgroundCompilation:
    """A process of low priority that compiles the estimator for the cache on disk.

    Parameters
    ----------
    process : subprocess.Popen or None
        The process; None if there is nothing to compile.
    """

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def done(self) -> bool:
        """Whether the estimator can be used without a wait."""
        return self._process is None or self._process.poll() is not None

    def wait(self) -> None:
        """Wait until the estimator can be used.

        If the process has failed, the estimator is compiled in this process at its first use.
        """
        if not self.done:
            log.warning("waiting for the estimator, which is still being compiled")
        if self._process is not None:
            self._process.wait()


@cache
def compile_in_background() -> BackgroundCompilation:
    """Begin to compile the estimator, unless the cache on disk has it.

    Returns
    -------
    BackgroundCompilation
        The same for every call in this process. The compilation is ended with this process.
    """
    if is_kept(estimate):
        return BackgroundCompilation(None)
    log.warning(
        "compiling the estimator in the background, once after an installation: it takes a minute "
        "or two, and what is measured meanwhile is reduced afterwards"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal pauses a plan, and nothing else
    )
    atexit.register(process.terminate)
    return BackgroundCompilation(process)


if __name__ == "__main__":
    os.nice(PRIORITY)
    warm_up()
