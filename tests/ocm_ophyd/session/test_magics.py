"""%mov in a session: it moves, and says in one line why it does not."""

import pytest
from bluesky.magics import BlueskyMagics
from IPython.core.interactiveshell import InteractiveShell
from processes import end

from ocm_ophyd.errors import OcmError
from ocm_ophyd.session.ipython import EXPECTED, one_line
from ocm_ophyd.session.magics import register_magics


@pytest.fixture
def shell(session):
    """A shell with the session's devices and magics."""
    before = BlueskyMagics.RE
    shell = InteractiveShell()
    shell.user_ns.update(session.instrument.devices())
    register_magics(shell, session.RE)
    shell.set_custom_exc(EXPECTED, one_line)
    yield shell
    end(BlueskyMagics.RE)
    BlueskyMagics.RE = before


def test_it_moves(shell, session):
    shell.run_cell("%mov galvos.probe_x 0.4 probe_shutter 'open'")
    assert session.instrument.galvos.position.probe_x == pytest.approx(0.4, abs=2e-3)
    shell.run_cell("%movr galvos.probe_x -0.4")
    assert session.instrument.galvos.position.probe_x == pytest.approx(0.0, abs=2e-3)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%mov galvos.probe_x 99", "TargetError: probe position (99"),
        ("%mov delay 1e6", "TargetError: delay 1e+06 ps is out of reach"),
        ("%mov pulse_picker.divider 1", "TargetError: pulse_picker_divider"),
        ("%mov delay", "UsageError: %mov needs pairs"),
        ("%mov laser 3", "UsageError: %mov: laser is not a device that can be moved"),
        ("%mov dealy 3", "UsageError: %mov: dealy is not known"),
        ("%movr delay.tau 5+", "UsageError: %movr: 5+ is not known"),
    ],
)
def test_what_cannot_be_moved_is_one_line(shell, capsys, line, says):
    shell.run_cell(line)
    printed = capsys.readouterr()
    assert printed.err.startswith(says)
    assert printed.err.count("\n") == 1
    assert BlueskyMagics.RE.state == "idle"
    assert BlueskyMagics.RE.waiting_hook is None


def test_a_defect_keeps_its_traceback(shell, capsys, session, monkeypatch):
    def defect(*_):
        raise ValueError("operands could not be broadcast")

    monkeypatch.setattr(session.instrument.galvos, "forward", defect)
    result = shell.run_cell("%mov galvos.probe_x 0.1")
    assert isinstance(result.error_in_exec, ValueError)
    assert not isinstance(result.error_in_exec, OcmError)
    assert "Traceback" in capsys.readouterr().out


def test_every_device_is_listed(shell, session, capsys):
    shell.run_cell("%wa")
    printed = capsys.readouterr()
    for name in session.instrument.devices():
        assert f" {name} " in printed.out
    assert "Error" not in printed.out + printed.err
    shell.run_cell("%wa delay")
    assert " pump " not in capsys.readouterr().out
    shell.run_cell("%wa dealy")
    assert capsys.readouterr().err.startswith("UsageError: %wa: dealy is neither")
