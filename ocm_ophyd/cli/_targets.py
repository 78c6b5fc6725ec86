"""Arguments of commands: files, runs, and where results may be written."""

import os
from pathlib import Path

from ocm_ophyd.errors import UsageError

__all__ = ["check_out", "is_file", "raw_files"]

_SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs")


def is_file(target: str) -> bool:
    """Whether `target` is a file and not a run.

    Raises
    ------
    UsageError
        Where it can only be meant as a file, and there is none that could be read.
    """
    path = Path(target)
    if path.is_file():
        return True
    if path.is_dir():
        msg = f"{target} is a directory: only `ocm reduce` takes all files in one"
        raise UsageError(msg)
    if path.exists():
        msg = f"{target} is a pipe, socket or device, not a file"
        raise UsageError(msg)
    if path.suffix or len(path.parts) > 1:
        msg = f"there is no file {target}"
        raise UsageError(msg)
    return False


def raw_files(targets: list[str]) -> list[Path]:
    """Return the raw files among files and directories, each once, a directory's by name.

    Reduced files that lie in a directory are passed over.

    Raises
    ------
    UsageError
        Something else is among them, or a directory holds no raw file.
    """
    files: list[Path] = []
    for target in targets:
        path = Path(target)
        if path.is_dir():
            inside = [p for p in sorted(path.iterdir()) if p.suffix in _SUFFIXES and p.is_file()]
            raw = [p for p in inside if not _is_reduced(p)]
            if not raw:
                msg = f"there is no raw file ({', '.join(_SUFFIXES)}) in {target}"
                raise UsageError(msg)
            files += raw
        elif is_file(target):
            files.append(path)
        else:
            msg = f"there is no file {target}; runs of the catalog are reduced one at a time"
            raise UsageError(msg)
    return list(dict.fromkeys(files))


def _is_reduced(path: Path) -> bool:
    """Whether this is a file that `ocm reduce` has written; damaged ones are not."""
    import h5py

    try:
        with h5py.File(path) as file:
            return bool(file.attrs.get("definition") == "ocm_reduced")
    except OSError:
        return False


def check_out(out: Path) -> None:
    """Refuse an output file that cannot be made, before the work is done.

    Raises
    ------
    UsageError
        Says why.
    """
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        msg = f"{out} cannot be written: {out.parent} is no directory that you may write to"
        raise UsageError(msg)
