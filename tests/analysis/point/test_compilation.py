"""The compilation of the estimator in another process."""

import subprocess
import sys

import pytest

from analysis.point import compilation
from analysis.point.compilation import BackgroundCompilation, compile_in_background


@pytest.fixture(autouse=True)
def _fresh():
    compile_in_background.cache_clear()
    yield
    compile_in_background.cache_clear()


def test_nothing_is_started_where_the_cache_has_the_estimator(monkeypatch, caplog):
    monkeypatch.setattr(compilation, "is_kept", lambda _: True)
    done = compile_in_background()
    assert done.done
    done.wait()
    assert not caplog.records


def test_another_process_compiles_once_and_says_so_in_a_line(monkeypatch, caplog):
    monkeypatch.setattr(compilation, "is_kept", lambda _: False)
    running = compile_in_background()  # the cache has the estimator: this takes seconds
    assert compile_in_background() is running
    (line,) = caplog.messages
    assert line.startswith("compiling the estimator in the background")
    running.wait()
    assert running.done
    assert running._process.returncode == 0


def test_the_wait_is_announced(caplog):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    running = BackgroundCompilation(process)
    assert not running.done
    process.stdin.close()
    running.wait()
    assert running.done
    assert len(caplog.messages) <= 1
