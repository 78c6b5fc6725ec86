"""Machine code on disk is never older than any file that it was compiled from."""

import ast
from pathlib import Path

import pytest

import analysis
from analysis.numerics.jit import compiled_sources, digest

PACKAGE = Path(analysis.__file__).parent
TREE = {
    "__init__.py": "",
    "jit.py": "def compiled(function): ...\n",
    "alone.py": "UNRELATED = 1.0\n",
    "kernels/__init__.py": "from .shapes import WIDTH\n",
    "kernels/shapes.py": "WIDTH = 1.0\n",
    "kernels/limits.py": "MOST = 5\n",
    "kernels/solver.py": (
        "from sample.jit import compiled\n"
        "from sample.kernels import (\n    limits,\n)\n"
        "import sample.tables.indices\n"
        "@compiled\ndef solve(): return limits.MOST\n"
    ),
    "kernels/caller.py": "from .solver import solve\nfrom ..jit import compiled\n",
    "tables/__init__.py": "",
    "tables/indices.py": "def late():\n    from sample.tables.deep import ROW\n",
    "tables/deep.py": "ROW = 3\n",
}


@pytest.fixture
def package(tmp_path):
    """A package of a compiled solver that takes constants from everywhere."""
    for name, text in TREE.items():
        path = tmp_path / "sample" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return tmp_path / "sample"


UNUSED = {"__init__.py", "tables/__init__.py", "alone.py"}  # nothing is imported out of them


@pytest.mark.parametrize("name", sorted(set(TREE) - UNUSED))
def test_a_change_in_any_source_changes_the_digest(package, name):
    before = digest(package, "sample.jit")
    (package / name).write_text(TREE[name] + "CONSTANT = 2\n")
    assert digest(package, "sample.jit") != before


def test_a_moved_source_changes_the_digest(package):
    before = digest(package, "sample.jit")
    (package / "kernels" / "caller.py").rename(package / "kernels" / "calls.py")
    assert digest(package, "sample.jit") != before


def test_other_files_leave_the_digest(package):
    before = digest(package, "sample.jit")
    (package / "alone.py").write_text("UNRELATED = 2.0\n")
    assert digest(package, "sample.jit") == before


def test_every_file_of_the_package_that_compiles_is_a_source():
    """Asked of the syntax: whatever has a function that is decorated for compilation."""
    decorated = {
        path
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
        and any(
            ast.unparse(each).rpartition(".")[2].startswith("compiled")
            for each in node.decorator_list
        )
    }
    assert decorated
    assert decorated <= compiled_sources(PACKAGE)
