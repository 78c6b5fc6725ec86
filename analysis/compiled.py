"""Compiled functions that are kept on disk for as long as none of their sources changes.

Numba keeps a function for as long as the file that it stands in is the same; what it calls in other
files may have changed since, and would not be noticed. Here the place on disk is named after the
contents of all files that this package compiles from.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

__all__ = ["compiled"]

_HERE = Path(__file__).parent
_config: Any = numba.config
_MATHS = {"reassoc", "contract", "arcp", "nsz"}


def _place() -> str:
    contents = (path.read_bytes() for path in sorted(_HERE.glob("*.py")))
    sources = [text for text in contents if b"analysis.compiled" in text]
    digest = sha256(b"".join(sources)).hexdigest()[:16]
    return str(Path(_config.CACHE_DIR or _HERE / "__pycache__") / digest)


_PLACE = _place()


def compiled(function: Callable[..., Any]) -> Any:
    """`numba.njit` without the interpreter's lock, and with sums in any order.

    Numbers that are not finite are as in numpy: damaged data make them, and they must be seen.
    """
    before, _config.CACHE_DIR = _config.CACHE_DIR, _PLACE
    try:
        return numba.njit(cache=True, fastmath=_MATHS, nogil=True, error_model="numpy")(function)
    finally:
        _config.CACHE_DIR = before
