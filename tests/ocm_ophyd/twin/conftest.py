"""One quiet and one noisy microscope for the whole folder: their solutions are cached."""

from collections.abc import Iterator

import numpy as np
import pytest
from scipy.optimize import brentq

from ocm_ophyd.twin import Microscope, Scenario, load_scenario


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return load_scenario()


@pytest.fixture(scope="session")
def quiet(scenario: Scenario) -> Microscope:
    """Without noise and drift: safe to share, its frames do not depend on what was taken before."""
    return Microscope(scenario.noiseless())


@pytest.fixture(scope="session")
def clock() -> Iterator[float]:
    """Seconds on the simulated clock, always later than before."""
    return iter(np.arange(0.0, 1e7, 10.0).tolist())


@pytest.fixture(scope="session")
def voltage(quiet: Microscope):
    """Retarder voltage for a fluence in mJ/cm²."""
    return lambda fluence: brentq(lambda v: quiet.true_fluence(v) - fluence, 1.6, 9.9)
