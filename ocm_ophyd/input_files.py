"""Files that a user writes in YAML: read without the traps of YAML, checked against a model.

YAML 1.1 reads ``yes`` as true, ``1e1`` as text, ``1:30`` as ninety and ``010`` as eight, and of a
key that is given twice the last one counts. All of these are refused here with their line number.
"""

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ocm_ophyd.errors import UsageError

__all__ = ["check_values", "describe_faults", "parse_yaml", "read_text"]

M = TypeVar("M", bound=BaseModel)

_AMBIGUOUS = "tag:ocm,ambiguous"

#: What plain (unquoted) words mean: tag, pattern and possible first characters, first match first.
_PLAIN_WORDS = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    (
        _AMBIGUOUS,
        r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF"
        r"|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?[0-9]+_[0-9_]*(\.[0-9_]*)?|[-+]?0[0-9]+"
        r"|[-+]?0[xob][0-9a-fA-F_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9]*)?",
        list("yYnNoO-+0123456789"),
    ),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses ambiguous words and repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping; its keys are compared before merges (``<<``) add to them."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    _refuse(key_node, f"the key {key_node.value!r} is given twice: remove one")
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _refuse(node: yaml.Node, problem: str) -> NoReturn:
    raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


def _refuse_ambiguous(_: _Loader, node: yaml.ScalarNode) -> NoReturn:
    word = node.value
    if word.lower() in {"yes", "on"}:
        hint = 'write true, or "' + word + '" for text'
    elif word.lower() in {"no", "off"}:
        hint = 'write false, or "' + word + '" for text'
    elif re.fullmatch(r"[-+]?[0-9]+[eE][-+]?[0-9]+", word):
        mantissa, exponent = re.split("[eE]", word)
        hint = f"write the number with a point, {mantissa}.0e{int(exponent):+d}"
    else:
        hint = f'write the number in plain decimal digits, or "{word}" for text'
    _refuse(node, f"{word} means different things to different readers of YAML: {hint}")


_Loader.yaml_implicit_resolvers = {}  # none of YAML 1.1
for _tag, _pattern, _first in _PLAIN_WORDS:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor(_AMBIGUOUS, _refuse_ambiguous)


def read_text(path: Path, what: str) -> str:
    """Return the text of a file that a user has named.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the file is for, in the message of an error: "the series file".

    Raises
    ------
    UsageError
        If the file cannot be read or is not text in UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        msg = f"{what} {path} cannot be read: {error.strerror}"
        raise UsageError(msg) from None
    except UnicodeDecodeError:
        msg = f"{what} {path} is not a text file in UTF-8"
        raise UsageError(msg) from None


def parse_yaml(text: str, source: str) -> Any:
    """Return the content of YAML text.

    Parameters
    ----------
    text : str
        YAML.
    source : str
        File name, for the message of an error.

    Raises
    ------
    UsageError
        If the text is not YAML, a key is given twice, or a word means different things to
        different readers; the message names the line.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        refused = isinstance(error, yaml.constructor.ConstructorError)
        msg = f"{source}{where}: {'' if refused else 'not YAML, '}{error.problem or error.context}"
        raise UsageError(msg) from None
    except yaml.YAMLError as error:
        msg = f"{source} is not YAML: {' '.join(str(error).split())}"
        raise UsageError(msg) from None


def check_values(model: type[M], values: Any, source: str) -> M:
    """Return values that were read from a file as a model.

    Numbers must be numbers: neither text nor true and false are converted.

    Parameters
    ----------
    model : type
        Pydantic model that describes the values.
    values : dict
        Content of the file, from `parse_yaml`.
    source : str
        File name, for the message of an error.

    Raises
    ------
    UsageError
        If a value is missing, not known to the model or not possible; the message names the key.
    """
    try:
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        msg = f"{source}: {describe_faults(error)}"
        raise UsageError(msg) from None


def describe_faults(error: ValidationError) -> str:
    """Return one line that names every key that pydantic refuses, what it is, and why."""
    faults = []
    for fault in error.errors():
        where = ".".join(map(str, fault["loc"]))
        given = fault["input"]
        shown = f" (given: {given!r})" if isinstance(given, str | int | float) else ""
        faults.append(f"{where + ': ' if where else ''}{fault['msg']}{shown}")
    return "; ".join(faults)
