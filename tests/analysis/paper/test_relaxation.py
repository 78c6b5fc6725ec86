"""Decay times of two exponentials, and what the fluence's uncertainty adds."""

import numpy as np
import pytest
import xarray as xr

from analysis.estimate import Estimate
from analysis.paper.attempt import Attempt
from analysis.paper.curves import kinetics_curves
from analysis.paper.measurements import Calibration
from analysis.paper.relaxation import (
    decay_fits,
    decay_rows,
    decay_times,
    decay_windows,
    delta_n_curve,
    relaxation_rows,
    relaxation_times,
)
from ocm_ophyd.errors import DataError

FLUENCES = np.array([0.35, 0.72, 0.8, 0.88])
DELAYS = np.concatenate([np.arange(-5.0, 21), np.arange(22.0, 61, 2), np.geomspace(70, 500, 13)])
NOISE = 2e-5


def calibration(scale=0.01, scatter=0.0):
    waist = Estimate(2.25, 0.02, "um")
    return Calibration((8.0, 8.0), waist, 0.5, scale, scatter, 0.03)


def tau_lasing(fluence):
    return 13.4 - 40 * (fluence - 0.8)  # ps


@pytest.fixture(scope="module")
def kinetics():
    """One exponential at 0.35 mJ/cm², two above; τ_lasing falls by 4 ps per 0.1 mJ/cm²."""
    generator, pieces = np.random.default_rng(1), []
    for fluence in FLUENCES:
        late = np.maximum(DELAYS, 0)
        fast = 0.006 * np.exp(-late / tau_lasing(fluence)) if fluence > 0.5 else 0
        delta_n = (fast + 0.008 * np.exp(-late / 170)) * (DELAYS >= 0)
        delta_n = delta_n + NOISE * generator.normal(size=len(DELAYS))
        pieces.append(
            xr.Dataset(
                {
                    "fluence": ("point", np.full(len(DELAYS), fluence)),
                    "delay": ("point", DELAYS),
                    "delta_n": ("point", delta_n),
                    "delta_n_sigma": ("point", np.full(len(DELAYS), NOISE)),
                    "carrier_density": ("point", delta_n * 1.1e21),
                    "carrier_density_sigma": ("point", np.full(len(DELAYS), NOISE * 1.1e21)),
                }
            )
        )
    return xr.concat(pieces, "point")


@pytest.fixture(scope="module")
def curves(kinetics):
    return kinetics_curves(kinetics)


def test_a_curve_has_one_sigma_for_all_points(kinetics):
    curve = delta_n_curve(kinetics, 0.8)
    assert len(curve.delay) == len(DELAYS)
    np.testing.assert_array_equal(curve.sigma, NOISE)


def test_decay_times_are_those_of_the_exponentials(kinetics, curves):
    decays = decay_fits(kinetics, curves)
    times = decay_times(calibration(0.0), kinetics, curves, decays)
    for name, true in (("tau_lasing", 13.4), ("tau_fluor", 170.0)):
        assert abs(times[name].value - true) < 3 * times[name].sigma
        assert "window 4 to 150 ps, 0.8 mJ/cm^2" in times[name].note


def test_an_uncertain_fluence_widens_the_decay_time_by_its_slope(kinetics, curves):
    """σ² = σ_noise² + (dτ/dF σ_F)², with dτ/dF = −40 ps cm²/mJ and σ_F = 5 % of 0.8 mJ/cm²."""
    decays = decay_fits(kinetics, curves)
    exact = decay_times(calibration(0.0), kinetics, curves, decays)["tau_lasing"]
    uncertain = decay_times(calibration(0.03, 0.04), kinetics, curves, decays)["tau_lasing"]
    added = np.sqrt(uncertain.sigma**2 - exact.sigma**2)
    assert added == pytest.approx(40 * 0.05 * 0.8, rel=0.1)


def test_relaxation_to_1_over_e(kinetics, curves):
    relaxation = relaxation_times(kinetics, curves)
    rows = relaxation_rows(calibration(0.0), Attempt(relaxation))
    below = rows["relaxation_below"]
    assert abs(below.value - 170) < 3 * below.sigma
    assert rows["relaxation_above"].note == "0.88 mJ/cm^2"  # the largest fluence


def test_windows_need_a_scan_above_threshold(kinetics, curves):
    windows = decay_windows(kinetics, curves)
    assert ((windows["start"] == 4.0) & (windows["stop"] == 150.0)).any()
    with pytest.raises(DataError, match=r"no complete delay scan at 0\.8"):
        decay_windows(kinetics, curves[:2])


def test_reasons_become_rows():
    for row in decay_rows(Attempt(reason="no kinetics was measured")).values():
        assert row.note == "not determined: no kinetics was measured"
    rows = relaxation_rows(calibration(), Attempt(reason="too short"))
    assert {row.note for row in rows.values()} == {"not determined: too short"}
