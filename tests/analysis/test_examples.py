"""The examples in the docstrings of the interface give what they say."""

import doctest
from importlib import import_module

import numpy as np
import pytest
from handmade import Plate

import analysis
import plans
from analysis.io.raw_file import write_raw
from analysis.io.reduced_file import write_reduced
from analysis.reduction.missing_metadata import open_raw
from analysis.reduction.scan import reduce_scan

# what they need is no matter of two lines: the tutorials and the how-to pages show it
ELSEWHERE = {"fit_movie", "fit_rate_equations", "open_run", "RawFileError"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A directory with the files that the examples read: a fluence sweep, raw and reduced."""
    place = tmp_path_factory.mktemp("examples")
    fluence = np.linspace(0.125, 1.0, 8)
    plate = Plate(0.02 * fluence, fluence=fluence, frames=36, drift=0.03, shot_noise=True)
    sweep = plate.dataset().assign(delay=("point", np.full(8, 5.0)))
    write_raw(sweep.assign_attrs(shape=np.array([8]), axes="fluence"), place / "sweep.h5")
    with open_raw(place / "sweep.h5") as raw:
        write_reduced(reduce_scan(raw), place / "sweep-reduced.h5")
    return place


def examples(place, name):
    """The examples of a name that a package offers, all as one."""
    value = getattr(place, name)
    module = value if name == "materials" else import_module(value.__module__)
    return [
        found
        for found in doctest.DocTestFinder(recurse=name != "materials").find(
            value, name, module=module, globs={}
        )
        if found.examples
    ]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        *((analysis, name) for name in analysis.__all__ if name not in ELSEWHERE),
        (plans, "linear_then_logarithmic"),
    ],
)
def test_the_examples_of_the_interface_are_right(place, name, directory, tmp_path, monkeypatch):
    for file in directory.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    found = examples(place, name)
    assert found, f"{name} has no example"
    for one in found:
        failed, _ = doctest.DocTestRunner().run(one)
        assert not failed, "see the captured output"
