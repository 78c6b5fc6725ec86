"""The names that a user imports from `analysis`."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import analysis


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_name_is_defined_in_the_module_that_the_type_checker_sees(name):
    """The lazy imports and those for the type checker are the same."""
    tree = ast.parse(Path(analysis.__file__).read_text("utf-8"))
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    modules = {alias.name: node.module for node in checked.body for alias in node.names}
    assert sorted(modules) == sorted(analysis.__all__)
    value = getattr(analysis, name)
    assert value is getattr(import_module(modules[name]), name)
    if name != "materials":
        assert value.__module__ == modules[name], "a name is imported from where it is defined"
    assert name in dir(analysis)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="fit_everything"):
        _ = analysis.fit_everything


def test_importing_the_package_imports_nothing_else():
    code = "import analysis, sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    modules = done.stdout.split()
    assert not {"numpy", "xarray", "scipy", "h5py"} & set(modules)
    assert not [name for name in modules if name.startswith("analysis.")]
