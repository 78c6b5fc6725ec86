"""What tests of the analysis share."""

import pytest


@pytest.fixture
def without_installation(monkeypatch):
    """The version is the installed package's; tests also run from a bare checkout."""
    monkeypatch.setattr("analysis.reduction.scan.metadata.version", lambda _: "0")
