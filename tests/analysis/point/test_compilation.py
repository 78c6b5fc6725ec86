"""The process that compiles the estimator in the background."""

import subprocess
import sys

import pytest

from analysis.point import compilation

POPEN = subprocess.Popen


@pytest.fixture
def begin(monkeypatch):
    """Begin a compilation that is another program instead, for a cache that has it or not."""

    def start(kept, program="import time; time.sleep(60)"):
        def instead(command, **options):
            assert command == [sys.executable, "-m", "analysis.point.compilation"]
            return POPEN([sys.executable, "-c", program], **options)

        monkeypatch.setattr(compilation, "is_kept", lambda _: kept)
        monkeypatch.setattr(compilation.subprocess, "Popen", instead)
        compilation.compile_in_background.cache_clear()
        return compilation.compile_in_background()

    yield start
    compilation.compile_in_background.cache_clear()


def test_nothing_is_compiled_that_the_cache_has(begin):
    result = begin(kept=True)
    assert result.done
    result.wait()


def test_the_compilation_is_done_when_its_process_ends(begin, caplog):
    result = begin(kept=False, program="import time; time.sleep(0.5)")
    assert not result.done
    assert "background" in caplog.text
    result.wait()
    assert result.done
    assert "waiting" in caplog.text
    assert compilation.compile_in_background() is result


def test_the_process_finds_the_package_as_this_one_does(begin, tmp_path):
    witness = tmp_path / "imported"
    result = begin(
        kept=False,
        program=f"import analysis.probe_band; open({str(witness)!r}, 'w').close()",
    )
    result.wait()
    assert witness.exists()
