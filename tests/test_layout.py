"""Where tests are found: they mirror the packages that they test."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def behaves(path):
    """Whether a module does anything: has a function with a body, at the top or in a class."""
    tree = ast.parse(path.read_text("utf-8"))
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and len(node.body) > 1
        for node in ast.walk(tree)
    )


def imported(path):
    """Full names of the modules that a file may import."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


MODULES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "analysis").rglob("*.py")
    if path.name != "__init__.py" and behaves(path)
)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_of_the_analysis_is_tested_in_the_folder_of_its_package(module):
    """By a file of its own name, or by one that imports it."""
    path = Path(module)
    folder = ROOT / "tests" / path.parent
    name = ".".join(path.with_suffix("").parts)
    own = folder / f"test_{path.name}"
    beside = sorted(folder.glob("test_*.py"))
    assert own.exists() or any(name in imported(each) for each in beside), (
        f"no file in {folder.relative_to(ROOT)} tests {name}"
    )


def test_every_folder_of_tests_is_that_of_a_package():
    for folder in (ROOT / "tests").rglob("*"):
        if folder.is_dir() and any(folder.glob("test_*.py")):
            assert (ROOT / folder.relative_to(ROOT / "tests")).is_dir(), folder
