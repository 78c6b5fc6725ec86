"""What tests of the analysis share."""

import sys

import pytest


@pytest.fixture
def without_installation(monkeypatch):
    """The version is the installed package's; tests also run from a bare checkout."""
    monkeypatch.setattr("analysis.reduction.scan.metadata.version", lambda _: "0")


@pytest.fixture
def interpreted(request, monkeypatch):
    """Kernels as plain Python functions, which need no compilation and count for the coverage.

    What the compiler makes of them is tested by the reduction of whole scans.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith("analysis.")]
    for module in [*modules, request.module]:
        for name, value in list(vars(module).items()):
            if hasattr(value, "py_func"):
                monkeypatch.setattr(module, name, value.py_func)
