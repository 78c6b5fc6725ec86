"""Compiled functions that are kept on disk for as long as none of their sources changes.

Numba keeps a function for as long as the file that it stands in is the same; what it calls in other
files may have changed since, and would not be noticed. Here the place on disk is named after the
contents of all files that this package compiles from.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numba

__all__ = ["compiled", "compiled_within", "is_kept"]

_HERE = Path(__file__).parent
_config: Any = numba.config
_MATHS = {"reassoc", "contract", "arcp", "nsz"}


def _sources() -> set[Path]:
    """Files that are compiled from, and those whose constants and types these take."""
    waiting = [path for path in _HERE.glob("*.py") if b"analysis.compiled" in path.read_bytes()]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            names = re.findall(
                r"^from analysis\.(\w+) import", path.read_text("utf-8"), re.MULTILINE
            )
            waiting += [_HERE / f"{name}.py" for name in names]
    return found


def _place() -> str:
    contents = b"".join(path.read_bytes() for path in sorted(_sources()))
    digest = sha256(contents).hexdigest()[:16]
    return str(Path(_config.CACHE_DIR or _HERE / "__pycache__") / digest)


_PLACE = _place()


def compiled(function: Callable[..., Any]) -> Any:
    """`numba.njit` without the interpreter's lock, and with sums in any order.

    Numbers that are not finite are as in numpy: damaged data make them, and they must be seen.
    """
    return _compiled(function, inline="never")


def compiled_within(function: Callable[..., Any]) -> Any:
    """`compiled` as a part of each function that calls it, for long ones with one caller.

    Compiled by itself it would be a second time within the caller, a third in the caller's caller.
    """
    return _compiled(function, inline="always")


def is_kept(function: Any) -> bool:
    """Whether a `compiled` function is on disk as its sources are now, for some arguments."""
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}-*.nbi"
    return any(Path(_PLACE).rglob(name))


def _compiled(function: Callable[..., Any], inline: Literal["never", "always"]) -> Any:
    before, _config.CACHE_DIR = _config.CACHE_DIR, _PLACE
    try:
        return numba.njit(
            cache=True,
            fastmath=_MATHS,
            nogil=True,
            error_model="numpy",
            inline=inline,
        )(function)
    finally:
        _config.CACHE_DIR = before
