"""PostgreSQL in place of SQLite: the same catalog, by one setting."""

import os
import subprocess
import sys

import numpy as np
import pytest
from catalog_helpers import Served, documents
from postgres import available, running_postgres
from processes import free_port

from ocm_ophyd.archive.catalog import connect
from ocm_ophyd.archive.connection import waiting_runs
from ocm_ophyd.archive.run_list import list_runs
from ocm_ophyd.archive.runs import find_run, show
from ocm_ophyd.settings import Settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="PostgreSQL is not installed"),
]

SAMPLE = {"name": "plate", "thickness": 1.5, "size": [8.0, 8.0], "Δn": "π µm"}


def scan(points, low, high, **metadata):
    """A run of a plan with a number and an array at every point, NaN among them."""
    keys = {
        "x": {"dtype": "number", "shape": [], "source": "test"},
        "spectrum": {"dtype": "array", "shape": [3], "source": "test", "dtype_numpy": "<f8"},
    }

    def values(i):
        return {"x": float(i) if i else float("nan"), "spectrum": [i, 0.1, 1e300]}

    return documents(
        points, keys, values, sample=SAMPLE, fluence_min=low, fluence_max=high, **metadata
    )


@pytest.fixture(scope="module")
def database():
    with running_postgres() as uri:
        yield uri


@pytest.fixture(scope="module")
def served(database, tmp_path_factory):
    """A catalog that was SQLite first, with one run, and is PostgreSQL now."""
    directory = tmp_path_factory.mktemp("data")
    before = Served(directory)
    before.start()
    before.take(scan(4, 0.1, 0.2, plan_name="delay_scan", purpose="with SQLite", scan_id=1))
    before.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OCM_CATALOG_DATABASE", database)
        served = Served(directory)
        served.start()
        yield served
        served.stop()


def test_what_the_journal_holds_is_in_the_new_database_too(served):
    served.wait_until_fed()
    (found,) = list_runs(served.settings, exactly={"purpose": "with SQLite"})
    assert found.points == 4
    assert waiting_runs(Settings(data_dir=served.settings.home)) == [], "SQLite has it as well"


def test_a_run_comes_back_as_it_went_in(served):
    sent = scan(5, 0.3, 0.9, plan_name="delay_scan", purpose="kinetics", scan_id=7)
    run = served.take(sent)
    assert run.metadata["start"] == dict(sent[0][1])
    assert run.metadata["stop"]["exit_status"] == "success"
    stream = run["primary"]
    np.testing.assert_array_equal(stream["x"].read(), [np.nan, 1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(
        stream["spectrum"].read(), [[i, 0.1, 1e300] for i in range(5)], strict=False
    )


def test_it_is_searched_as_before(served):
    served.take(scan(2, 0.5, 0.5, plan_name="fluence_sweep", purpose="search", scan_id=8))
    served.take(scan(2, 1.5, 1.9, plan_name="fluence_sweep", purpose="search", scan_id=9))
    exactly = {"purpose": "search"}
    found = list_runs(served.settings, exactly=exactly | {"sample.name": "plate"}, complete=True)
    assert [run.scan_id for run in found] == [9, 8], "the latest first"
    near = list_runs(served.settings, exactly=exactly, fluence=(0.4, 0.6))
    assert [run.scan_id for run in near] == [8]
    assert list_runs(served.settings, exactly=exactly, complete=False) == []
    details = show(served.catalog, "9")
    assert details.streams["primary"]["points"] == 2
    assert find_run(served.catalog, details.start["uid"][:8]).metadata["start"] == details.start


def test_it_outlives_the_server(served):
    before = len(served.catalog)
    assert before
    served.stop()
    served.start()
    assert len(connect(served.settings)) == before


def test_a_database_that_does_not_answer_is_one_line(tmp_path):
    settings = Settings(
        data_dir=tmp_path,
        tiled_port=free_port(),
        catalog_database=f"postgresql://ocm:pass-word@127.0.0.1:{free_port()}/ocm_catalog",
    )
    done = subprocess.run(
        [sys.executable, "-m", "ocm_ophyd.cli", "serve"],
        env=os.environ | settings.environment() | {"TILED_PROFILES": str(tmp_path / "profiles")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ocm: ")
    assert "Connect call failed" in last
    logs = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert "pass-word" not in done.stderr + logs
