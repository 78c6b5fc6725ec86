"""`ocm fit` on reduced files whose numbers are known."""

import json

import numpy as np
import pytest
from reduced_scans import FAST, biexponential, scan
from typer.testing import CliRunner

from analysis.io.reduced_file import write_reduced
from ocm_ophyd.cli import app

DELAY = np.concatenate([np.arange(2, 20, 1.0), np.geomspace(20, 400, 25)])
GOOD = scan("delay", [43], biexponential(DELAY), delay=DELAY)
ODD = scan("delay", [43], biexponential(DELAY) * (1 + 0.03 * np.sin(DELAY)), delay=DELAY)
STRETCHED = scan("delay", [43], 9e-3 * np.exp(-((DELAY / 40) ** 0.4)), delay=DELAY)


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """Write a reduced scan and fit it in a directory of its own; the command's result."""
    monkeypatch.chdir(tmp_path)

    def fit(reduced, *options):
        write_reduced(reduced, tmp_path / "scan.h5")
        done = CliRunner().invoke(app, ["fit", "scan.h5", *map(str, options)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return fit


def refused(done):
    """The one line with which a command ended."""
    assert done.exit_code == 1
    assert done.stderr.startswith("ocm: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_good_fit_is_a_table_and_nothing_else(fit, tmp_path):
    done = fit(GOOD)
    assert done.exit_code == 0
    assert "tau_lasing" in done.stdout
    assert done.stdout.count("window 2 to 400 ps") == 1, "the same note is printed once"
    assert "Residuals" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["scan.h5"]


def test_units_are_printed_with_superscripts_and_stored_without(fit, tmp_path):
    fluence = np.linspace(0.1, 1.0, 13)
    sweep = scan("fluence", [13], 1.75e-2 * fluence, fluence=fluence)
    assert "RIU cm²/mJ" in fit(sweep).stdout
    (tmp_path / "scan.h5").unlink()
    assert json.loads(fit(sweep, "--json").stdout)["threshold"]["unit"] == "mJ/cm^2"


def test_a_fit_that_misses_its_data_draws_residuals_and_names_a_better_model(fit, tmp_path):
    done = fit(STRETCHED, "--model", "exponential")
    assert done.exit_code == 0
    text = " ".join(done.stdout.split())
    assert "The exponential misses the data by more than their noise, chi2/dof" in text
    assert "The model stretched describes the data better, within the noise" in text
    assert f"Residuals: {tmp_path / 'scan-residuals.png'}" in text
    assert (tmp_path / "scan-residuals.png").read_bytes().startswith(b"\x89PNG")


def test_json_stays_json_where_there_is_more_to_say(fit, tmp_path):
    done = fit(ODD, "--json", "--figure", tmp_path / "odd.png")
    assert json.loads(done.stdout)["tau_lasing"]["value"] == pytest.approx(FAST, rel=0.3)
    assert "misses the data" in done.stderr
    assert (tmp_path / "odd.png").exists()


def test_a_figure_that_cannot_be_written_does_not_hide_the_numbers(fit, tmp_path):
    done = fit(ODD, "--figure", tmp_path / "none" / "odd.png")
    assert done.exit_code == 0
    assert "tau_lasing" in done.stdout
    assert "the residuals cannot be drawn to" in done.stderr


def test_a_model_of_a_file_is_fitted(fit, tmp_path):
    (tmp_path / "power.py").write_text(
        "import lmfit\n"
        "from analysis.kinetics.models import DecayModel\n"
        "class PowerLaw(DecayModel):\n"
        "    name = 'power_law'\n"
        "    equation = 'b / (1 + t/tau)'\n"
        "    units = {'b': 'RIU', 'tau': 'ps'}\n"
        "    def decay(self, time, b, tau):\n"
        "        return b / (1 + time / tau)\n"
        "    def guess(self, time, delta_n, sigma, response):\n"
        "        start = lmfit.Parameters()\n"
        "        start.add('b', delta_n[0])\n"
        "        start.add('tau', 30.0, min=0.1)\n"
        "        return start\n"
    )
    power = scan("delay", [43], 9e-3 / (1 + DELAY / 70), delay=DELAY)
    found = json.loads(fit(power, "--model", "power.py", "--json").stdout)
    assert abs(found["tau"]["value"] - 70) < 4 * found["tau"]["sigma"]
    assert found["tau"]["unit"] == "ps"


@pytest.mark.parametrize(
    ("reduced", "options", "message"),
    [
        (scan("delay", [1], [5e-3], delay=5.0), (), "nothing to fit: a single delay, 5 ps"),
        (scan("delay", [43], np.full(43, 2e-3), delay=DELAY), (), "Δn does not change with"),
        (
            scan("y x", (3, 3), np.zeros(9), x=np.tile([-1, 0, 1], 3), y=np.repeat([-1, 0, 1], 3)),
            (),
            "nothing to fit: the map shows no cloud",
        ),
        (GOOD, ("--model", "triple"), "there is no decay model triple: choose biexponential,"),
        (GOOD, ("--model", "none.py"), "there is no file none.py"),
        (GOOD, ("--window", 500, 600), "nothing to fit: no delay within 500 to 600 ps"),
        (GOOD, ("--window", 2, 5), "holds 4 points, the fit needs more than 6"),
    ],
)
def test_what_cannot_be_fitted_is_one_line_and_a_status(fit, reduced, options, message):
    assert message in refused(fit(reduced, *options))
