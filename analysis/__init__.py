"""The user's interface to the analysis: files and runs, reduction, and fits.

Every name below is defined in one module, which is imported when the name is used for the first
time, so that `import analysis` takes no time.

Files and runs: `open_raw`, `write_raw`, `open_run`, `read_reduced`, `write_reduced`.
Reduction: `reduce_scan`, `reduce_files`, and `noise_spectrum` of a record. Fits of reduced scans:
`fit_scan`, and by quantity `fit_decay`, `fit_fluence_response`, `fit_lasing_threshold`,
`fit_cloud`, `fit_rate_equations`, `fit_movie`. `Estimate` is a value with its uncertainty,
`materials` the module of the registered materials, `RawFileError` the error for which a file is
refused.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis import materials
    from analysis.diffusion.gaussian_cloud import fit_cloud
    from analysis.diffusion.movie_fit import fit_movie
    from analysis.documents.datasets import open_run
    from analysis.estimate import Estimate
    from analysis.io.raw_file import write_raw
    from analysis.io.reduced_file import read_reduced, write_reduced
    from analysis.io.schema import RawFileError
    from analysis.kinetics.decay_fit import fit_decay
    from analysis.lasing.fluence_response import fit_fluence_response
    from analysis.lasing.fluorescence_threshold import fit_lasing_threshold
    from analysis.noise.spectrum import noise_spectrum
    from analysis.rate_equations.fit import fit_rate_equations
    from analysis.reduction.batch import reduce_files
    from analysis.reduction.missing_metadata import open_raw
    from analysis.reduction.scan import reduce_scan
    from analysis.scan_fits import fit_scan

__all__ = [
    "Estimate",
    "RawFileError",
    "fit_cloud",
    "fit_decay",
    "fit_fluence_response",
    "fit_lasing_threshold",
    "fit_movie",
    "fit_rate_equations",
    "fit_scan",
    "materials",
    "noise_spectrum",
    "open_raw",
    "open_run",
    "read_reduced",
    "reduce_files",
    "reduce_scan",
    "write_raw",
    "write_reduced",
]

_MODULES = {
    "Estimate": "analysis.estimate",
    "RawFileError": "analysis.io.schema",
    "fit_cloud": "analysis.diffusion.gaussian_cloud",
    "fit_decay": "analysis.kinetics.decay_fit",
    "fit_fluence_response": "analysis.lasing.fluence_response",
    "fit_lasing_threshold": "analysis.lasing.fluorescence_threshold",
    "fit_movie": "analysis.diffusion.movie_fit",
    "fit_rate_equations": "analysis.rate_equations.fit",
    "fit_scan": "analysis.scan_fits",
    "noise_spectrum": "analysis.noise.spectrum",
    "open_raw": "analysis.reduction.missing_metadata",
    "open_run": "analysis.documents.datasets",
    "read_reduced": "analysis.io.reduced_file",
    "reduce_files": "analysis.reduction.batch",
    "reduce_scan": "analysis.reduction.scan",
    "write_raw": "analysis.io.raw_file",
    "write_reduced": "analysis.io.reduced_file",
}
"""The module that defines each name."""


def __getattr__(name: str) -> Any:
    """Import the module that defines a name of the interface, and return the object."""
    if name == "materials":
        return import_module("analysis.materials")
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the names of the interface."""
    return sorted({*globals(), *__all__})
