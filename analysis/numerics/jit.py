"""Compiled functions that are kept on disk for as long as none of their sources changes.

Numba keeps a compiled function for as long as the file that it stands in is unchanged; a change in
another file, of a constant or of a function that it calls, goes unnoticed. Here the folder on disk
is named after the contents of all files that this package compiles from, sub-packages too.
"""

import ast
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numba

__all__ = ["compiled", "compiled_sources", "compiled_within", "digest", "is_kept"]

_PACKAGE = Path(__file__).parents[1]
_config: Any = numba.config
_MATHS = {"reassoc", "contract", "arcp", "nsz"}


def compiled_sources(package: Path, decorators: str = __name__) -> set[Path]:
    """Return the files that are compiled from, and those whose constants and types they import.

    Parameters
    ----------
    package : Path
        Folder of the package to search, with all its sub-packages.
    decorators : str
        Name of the module that compiles: the search begins at the files that import `compiled` or
        `compiled_within` from it.

    Returns
    -------
    set of Path
        Imports are followed through sub-packages, in all their forms, within `package` only.
    """
    marks = {f"{decorators}.{name}" for name in ("compiled", "compiled_within")}
    waiting = [
        path
        for path in package.rglob("*.py")
        if b"compiled" in path.read_bytes()
        and marks & {name for name, _ in _imported(path, package)}
    ]
    sources: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in sources:
            sources.add(path)
            waiting += [file for _, file in _imported(path, package) if file is not None]
    return sources


def _imported(path: Path, package: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield the modules that a file may import, as written out in full, with their files."""
    parents = path.relative_to(package.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            place = package.parent.joinpath(*name.split("."))
            files = place.with_suffix(".py"), place / "__init__.py"
            file = next((each for each in files if each.is_file()), None)
            inside = file is not None and file.is_relative_to(package)
            yield name, file if inside else None


def digest(package: Path, decorators: str = __name__) -> str:
    """Return a name for the contents of all `compiled_sources` and for where they stand."""
    whole = sha256()
    for path in sorted(compiled_sources(package, decorators)):
        whole.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()[:16]


def _place() -> str:
    return str(Path(_config.CACHE_DIR or _PACKAGE / "__pycache__") / digest(_PACKAGE))


_PLACE = _place()


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function as `numba.njit` does, without the interpreter's lock.

    Sums may be computed in any order. Numbers that are not finite are treated as by numpy: damaged
    data produce them, and they must be noticed.

    Each compiled function is optimised by itself, and again as a part of each function that calls
    it. A long chain of calls is therefore expensive to compile: the estimator is a function whose
    steps are compiled (`fit_with_drift`, `measure_frames` and others), and whose shorter parts are
    `compiled_within`.
    """
    return _compiled(function, inline="never")


def compiled_within(function: Callable[..., Any]) -> Any:
    """Compile a function as a part of each function that calls it: for a part with one caller.

    In a function with many such parts the time to insert them grows as the square of its length:
    see `compiled`.
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
