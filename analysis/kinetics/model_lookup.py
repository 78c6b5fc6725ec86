"""Find a decay model by its name, in an installed package or in a Python file.

An installed package offers a model by an entry point of the group `ocm_ophyd.decay_models`, whose
value is a subclass of `DecayModel`::

    [project.entry-points."ocm_ophyd.decay_models"]
    power_law = "my_package.decays:PowerLaw"

A Python file offers the one subclass of `DecayModel` that it defines.
"""

import importlib.util
import inspect
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import lmfit
import numpy as np

from analysis.kinetics.models import DECAY_MODELS, DecayModel
from ocm_ophyd.errors import DataError

__all__ = ["GROUP", "MODEL_ERRORS", "decay_model", "model_names"]

GROUP = "ocm_ophyd.decay_models"
"""Group of the entry points."""

MODEL_ERRORS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors that code of a user's model may raise: they become one line that names the model."""


def model_names() -> list[str]:
    """Return the names of the built-in models and of those of installed packages."""
    return [*DECAY_MODELS, *(name for name in _installed() if name not in DECAY_MODELS)]


def decay_model(which: str) -> DecayModel:
    """Return the decay model of a name or of a Python file.

    Parameters
    ----------
    which : str
        One of `model_names`, or the path of a file that ends in ``.py``.

    Raises
    ------
    DataError
        One line: there is no such model, the file defines none or several, or the model cannot be
        evaluated.
    """
    if which in DECAY_MODELS:
        return DECAY_MODELS[which]
    if which.endswith(".py"):
        model = _instance(_class_of_file(Path(which)), which)
    elif which in (installed := _installed()):
        model = _instance(_class_of_entry_point(installed[which]), which)
    else:
        raise DataError(
            f"there is no decay model {which}: choose {', '.join(model_names())}, or give a Python "
            "file that defines one"
        )
    _check(model, which)
    return model


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _class_of_entry_point(point: EntryPoint) -> Any:
    try:
        return point.load()
    except MODEL_ERRORS as error:
        raise DataError(
            f"the decay model {point.name} ({point.value}) cannot be loaded: {_short(error)}"
        ) from error


def _class_of_file(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DataError(f"there is no file {path} with a decay model")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except MODEL_ERRORS as error:
        raise DataError(f"{path} cannot be loaded: {_short(error)}") from error
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, DecayModel)
        and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        names = ", ".join(one.__name__ for one in classes)
        none = "no decay model: a subclass of analysis.kinetics.models.DecayModel is needed"
        several = f"{len(classes)} decay models ({names}): keep one"
        raise DataError(f"{path} defines {several if classes else none}")
    return classes[0]


def _instance(candidate: Any, which: str) -> DecayModel:
    if not (inspect.isclass(candidate) and issubclass(candidate, DecayModel)):
        raise DataError(f"{which} is no subclass of analysis.kinetics.models.DecayModel")
    missing = [name for name in ("name", "equation", "units") if not hasattr(candidate, name)]
    missing += sorted(candidate.__abstractmethods__)
    if missing:
        raise DataError(f"the decay model {which} lacks {', '.join(missing)}")
    return candidate()


def _check(model: DecayModel, which: str) -> None:
    """Evaluate the guess and the decay of a user's model once, on a plain exponential.

    Raises
    ------
    DataError
        One line that names the model and what is wrong with it.
    """
    time = np.linspace(0.0, 100.0, 21)
    data = 1e-2 * np.exp(-time / 30)
    try:
        start = model.guess(time, data, np.full(21, 1e-4), 0.0)
        if not isinstance(start, lmfit.Parameters):
            raise TypeError(f"guess returns {type(start).__name__} instead of lmfit.Parameters")
        unknown = [name for name in model.units if name not in start]
        if unknown:
            raise ValueError(f"guess does not give {', '.join(unknown)}")
        values = {name: float(start[name].value) for name in model.units}
        for times in (time, time.reshape(3, 7)):
            curve = np.asarray(model.decay(times, **values), np.float64)
            if curve.shape != times.shape:
                raise ValueError(f"decay of times {times.shape} has the shape {curve.shape}")
            if not np.isfinite(curve).all():
                raise ValueError("decay is not finite at the start values")
    except MODEL_ERRORS as error:
        raise DataError(f"the decay model {which} cannot be evaluated: {_short(error)}") from error


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
