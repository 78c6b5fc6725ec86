"""A session in IPython, as a user starts it."""

import os
import subprocess
import sys

import pytest
from bluesky.run_engine import RunEngineResult
from IPython.core.interactiveshell import InteractiveShell

from analysis.estimate import Estimate
from ocm_ophyd.session import ipython

SCRIPT = """
print("position:", delay.position.tau)
get_ipython().run_line_magic("wa", "delay")
print(catalog)
"""


def test_ocm_session_is_ipython_with_the_instrument(lab_settings, instrument, tmp_path):
    """From another directory: it needs no checkout."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "ocm_ophyd.cli", "session", "--", "script.py"],
        env=os.environ | lab_settings.environment() | {"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("OCM, simulated instrument ")
    assert f"position: {instrument.delay.position.tau}" in done.stdout
    assert "m1.user_readback" in done.stdout
    assert "no catalog at" in done.stdout
    assert "repeater" not in done.stderr
    assert (lab_settings.home / "ipython").is_dir()


@pytest.fixture
def printed(monkeypatch):
    """What a shell prints of a result."""
    monkeypatch.setattr(ipython, "begin", lambda _: {})
    shell = InteractiveShell()
    ipython.load_ipython_extension(shell)

    def text(plan_result, exit_status="success"):
        result = RunEngineResult(("0123456789ab",), plan_result, exit_status, False, "", None)
        return shell.display_formatter.format(result)[0]["text/plain"]

    return text


def test_estimates_are_printed_as_a_table(printed):
    text = printed(
        {
            "time_zero": Estimate(284.7123, 8.3e-4, "mm", note="1 um is 6.7 fs"),
            "offset": Estimate(0.1, 0.01, "um"),
        }
    )
    assert "284.71230 ± 0.00083 mm" in text
    assert "1 um is 6.7 fs" in text
    assert "0.100 ± 0.010 µm" in text
    assert "RunEngineResult" not in text


def test_other_results_are_one_line(printed):
    assert printed("0123456789ab") == "success; runs: 01234567"
    assert printed(None, "abort") == "abort; runs: 01234567"
    assert printed([1, 2]) == "success; runs: 01234567; result: [1, 2]"


def test_plans_describe_what_a_user_gives(session):
    plans = session.plans()
    for plan in plans.values():
        assert "instrument : " not in plan.__doc__
        assert "analyst : " not in plan.__doc__
    text = plans["align"].__doc__
    assert "sample : str\n    Name of the sample." in text
    assert "Returns\n-------" in text
