"""A user's error is one line and status 1; a defect keeps its traceback."""

import os

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ocm_ophyd.archive.connection import CatalogError
from ocm_ophyd.archive.journal import JournalError
from ocm_ophyd.archive.metadata import MetadataError
from ocm_ophyd.cli import app
from ocm_ophyd.cli._errors import one_line_errors
from ocm_ophyd.devices.failures import InstrumentError, TargetError
from ocm_ophyd.devices.spectrometer import AcquisitionError
from ocm_ophyd.errors import DataError, OcmError, UsageError
from ocm_ophyd.experiments.definition import ExperimentError
from ocm_ophyd.iocs.main import PortTakenError
from ocm_ophyd.processes.servers import ServerError
from ocm_ophyd.session.calibration_store import CalibrationError
from ocm_ophyd.session.ipython import EXPECTED
from ocm_ophyd.session.lock import BusyError
from ocm_ophyd.session.session import Interrupted
from plans import PlanError

USER_ERRORS = [
    AcquisitionError,
    BusyError,
    CalibrationError,
    CatalogError,
    DataError,
    ExperimentError,
    InstrumentError,
    Interrupted,
    JournalError,
    MetadataError,
    PlanError,
    PortTakenError,
    ServerError,
    TargetError,
    UsageError,
]


def command_that_raises(error):
    command = typer.Typer(pretty_exceptions_enable=False)

    @command.command()
    @one_line_errors
    def fail():
        raise error

    return CliRunner().invoke(command, [])


@pytest.mark.parametrize("kind", USER_ERRORS)
def test_each_error_of_a_user_is_one_line(kind):
    done = command_that_raises(kind("the first line\n and the second"))
    assert done.exit_code == 1
    assert done.stderr == "ocm: the first line and the second\n"
    assert (OcmError,) == EXPECTED
    assert issubclass(kind, EXPECTED)


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, OSError, KeyError, TypeError])
def test_a_defect_keeps_its_traceback(kind):
    done = command_that_raises(kind("a defect"))
    assert isinstance(done.exception, kind)
    assert done.exc_info[2] is not None
    assert "ocm:" not in done.stderr


def test_an_error_of_numpy_inside_a_command_keeps_its_traceback(monkeypatch):
    def defect(*_):
        return np.ones(2) + np.ones(3)

    monkeypatch.setattr("ocm_ophyd.samples.load_samples", defect)
    done = CliRunner().invoke(app, ["overnight", "--check", "night.yaml"])
    assert isinstance(done.exception, ValueError)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["overnight", "none.yaml"], "the series file none.yaml cannot be read"),
        (["overnight", "."], "the series file . cannot be read"),
        (["ioc", "--scenario", "nowhere"], "there is no scenario nowhere"),
        (["ioc", "--interfaces", "no-such-host"], "cannot listen on no-such-host"),
        (["demo", "--out", "taken"], "taken exists and is not empty"),
        (["demo", "--out", "taken/file/below"], "cannot be made"),
        (["reproduce", "--out", "taken"], "is not empty and holds no experiment"),
        (["reproduce", "--out", "new", "--scenario", "nowhere"], "there is no scenario nowhere"),
        (["reduce", "none.h5"], "there is no file none.h5"),
        (["reduce", "."], "no raw file"),
        (["fit", "none.h5"], "there is no file none.h5"),
        (["noise", "none.h5", "-o", "none/x.png"], "cannot be written"),
        (["noise", "--sample", "a", "-o", "x.txt"], "no figure"),
        (["noise"], "say what"),
        (["runs"], "no catalog at"),
        (["runs", "--fluence", "0.9:0.3"], "--fluence 0.9:0.3"),
        (["runs", "--fluence", "nan:1"], "--fluence nan:1"),
        (["show", "abc"], "no catalog at"),
        (["export", "abc", "-o", "none/x.h5"], "cannot be written"),
    ],
)
def test_what_a_user_can_get_wrong(tmp_path, monkeypatch, lab_settings, arguments, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    env = lab_settings.environment() | {"OCM_DATA_DIR": str(tmp_path / "data")}
    done = CliRunner().invoke(app, arguments, env=env)
    assert done.exit_code == 1, done.exception
    assert says in done.stderr
    assert done.stderr.startswith("ocm: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["serve"], ["ioc"], ["overnight", "--check", "x.yaml"]])
def test_a_wrong_setting_is_one_line(command):
    done = CliRunner().invoke(app, command, env={"OCM_CA_PORT": "many"})
    assert done.exit_code == 1
    assert done.stderr.startswith("ocm: OCM_CA_PORT: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_directory_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    done = CliRunner().invoke(app, ["ioc"], env={"OCM_DATA_DIR": str(tmp_path / "data")})
    assert "cannot be written" in done.stderr
    tmp_path.chmod(0o700)
