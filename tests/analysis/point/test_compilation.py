"""The process that compiles the estimator in the background."""

import subprocess
import sys

import pytest

from analysis.point import compilation


@pytest.fixture
def begin(monkeypatch):
    """Begin a compilation that is another command instead, for a cache that has it or not."""

    def start(kept, command="import time; time.sleep(60)"):
        monkeypatch.setattr(compilation, "is_kept", lambda _: kept)
        monkeypatch.setattr(compilation, "_COMMAND", command)
        compilation.compile_in_background.cache_clear()
        return compilation.compile_in_background()

    yield start
    compilation.compile_in_background.cache_clear()


def test_nothing_is_compiled_that_the_cache_has(begin):
    result = begin(kept=True)
    assert result.done
    result.wait()


def test_the_compilation_is_done_when_its_process_ends(begin, caplog):
    result = begin(kept=False, command="import time; time.sleep(0.5)")
    assert not result.done
    assert "background" in caplog.text
    result.wait()
    assert result.done
    assert "waiting" in caplog.text
    assert compilation.compile_in_background() is result


def test_the_process_finds_the_package_as_this_one_does(begin):
    result = begin(kept=False, command="import analysis.point.reducer")
    assert result._process.wait() == 0
    assert sys.executable == result._process.args[0]
    assert isinstance(result._process, subprocess.Popen)
