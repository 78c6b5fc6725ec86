"""Decay models by name, from a Python file and from an installed package."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from analysis.kinetics import model_lookup
from analysis.kinetics.decay_fit import fit_decay
from analysis.kinetics.model_lookup import GROUP, decay_model, model_names
from analysis.kinetics.models import DECAY_MODELS
from ocm_ophyd.errors import DataError

POWER_LAW = '''"""Power law of bimolecular recombination."""

import lmfit
import numpy as np

from analysis.kinetics.models import DecayModel


class PowerLaw(DecayModel):
    """Recombination of pairs."""

    name = "power_law"
    equation = "Δn(t) = b / (1 + t/τ)"
    units = {"b": "RIU", "tau": "ps"}

    def decay(self, time, **parameters):
        return parameters["b"] / (1 + time / parameters["tau"])

    def guess(self, time, delta_n, sigma, response):
        start = lmfit.Parameters()
        start.add("b", delta_n[0])
        start.add("tau", np.median(time), min=0.1, max=1e5)
        return start
'''
DELAY = np.linspace(1, 300, 40)


@pytest.fixture
def write(tmp_path):
    """Write a file with a model, some text replaced; its path."""

    def write(old="", new=""):
        assert old in POWER_LAW
        path = tmp_path / "my_model.py"
        path.write_text(POWER_LAW.replace(old, new) if old else POWER_LAW, "utf-8")
        return str(path)

    return write


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Make a package offer the model of a file by an entry point; the entry point's name."""
    (tmp_path / "my_package_of_decays.py").write_text(POWER_LAW, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [
        EntryPoint("recombination", "my_package_of_decays:PowerLaw", GROUP),
        EntryPoint("gone", "my_package_of_decays:Missing", GROUP),
    ]
    monkeypatch.setattr(
        model_lookup, "entry_points", lambda group: points if group == GROUP else []
    )
    return "recombination"


def test_built_in_models_have_names():
    for name, model in DECAY_MODELS.items():
        assert decay_model(name) is model
    assert model_names() == list(DECAY_MODELS)


def test_a_model_in_a_file_is_fitted(write):
    data = 8e-3 / (1 + DELAY / 40)
    fit = fit_decay(DELAY, data, np.full(40, 1e-5), model=write())
    assert fit.model.name == "power_law"
    assert fit.estimates["tau"].value == pytest.approx(40, rel=1e-4)
    assert fit.estimates["tau"].unit == "ps"


def test_an_installed_model_has_the_name_of_its_entry_point(installed):
    assert model_names() == [*DECAY_MODELS, installed, "gone"]
    assert decay_model(installed).equation == "Δn(t) = b / (1 + t/τ)"
    with pytest.raises(DataError, match=r"gone \(my_package_of_decays:Missing\) cannot be loaded"):
        decay_model("gone")


def test_an_unknown_name_lists_those_that_there_are():
    with pytest.raises(DataError, match="no decay model triple: choose biexponential, exponential"):
        decay_model("triple")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(DecayModel)", "", "defines no decay model: a subclass of"),
        ("import lmfit", "import lmfitt", "cannot be loaded: ModuleNotFoundError: No module"),
        ("class PowerLaw", "class  :", "cannot be loaded: SyntaxError"),
        ("def decay", "def decayed", "lacks decay"),
        ('    equation = "Δn(t) = b / (1 + t/τ)"\n', "", "lacks equation"),
        ('parameters["b"] /', 'parameters["a"] /', "cannot be evaluated: KeyError: 'a'"),
        ('start.add("tau"', 'start.add("t"', "cannot be evaluated: .* does not give tau"),
        ("        return start", "        return {}", "guess returns dict instead of"),
        ('(1 + time / parameters["tau"])', "time", "decay is not finite at the start values"),
        ("1 + time /", "1 + time.sum() /", r"decay of times \(21,\) has the shape \(\)"),
        ("import numpy as np", "import numpy as np\n1 / 0", "cannot be loaded: ZeroDivisionError"),
    ],
)
def test_a_file_whose_model_is_unusable_is_refused_in_one_line(write, old, new, message):
    with np.errstate(all="ignore"), pytest.raises(DataError, match=message) as caught:
        decay_model(write(old, new))
    assert "my_model.py" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_several_models_in_one_are_refused(write, tmp_path):
    with pytest.raises(DataError, match=r"no file .*none.py"):
        decay_model(str(tmp_path / "none.py"))
    second = "\n\nclass Second(PowerLaw):\n    pass\n"
    path = write("        return start\n", "        return start\n" + second)
    with pytest.raises(DataError, match=r"defines 2 decay models \(PowerLaw, Second\): keep one"):
        decay_model(path)


def test_a_model_that_fails_in_the_fit_is_named(write):
    fragile = 'parameters["b"] / (1 + time[:21] / parameters["tau"])'
    path = write('parameters["b"] / (1 + time / parameters["tau"])', fragile)
    with pytest.raises(DataError, match="the decay model power_law cannot be fitted: ValueError"):
        fit_decay(DELAY, np.exp(-DELAY), np.full(40, 1e-5), model=path)
