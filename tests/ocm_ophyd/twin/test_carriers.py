"""Eq. 3 in space against analytic solutions, an independent solver and bookkeeping."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import simpson, solve_ivp

from ocm_ophyd.twin.carriers import TIMES, Rates, solve

# Table 1 of the paper in ps and cm⁻³, with Auger at the paper's limit.
TABLE = Rates(
    trapping=2e-4,
    radiative=1.8e-21,
    auger=1e-41,
    diffusion=8e-5,
    photon_loss=1.2,
    gain=1.2 / 1.1e19,
    coupling=0.03,
)
SMALL = (2.0, 2.0)
NOTHING = Rates(trapping=0.0, radiative=0.0, auger=0.0, diffusion=0.0)


def gaussian(cells: int, cell: float, waist: float, peak: float = 1.5e19) -> np.ndarray:
    x = (np.arange(cells) + 0.5 - cells / 2) * cell
    profile = np.exp(-2 * (x / waist) ** 2)
    return peak * np.outer(profile, profile)


def test_pairs_alone_decay_as_one_over_one_plus_b_n_t():
    start = gaussian(20, 0.4, 2.25)
    cloud = solve(start, (8.0, 8.0), replace(NOTHING, radiative=1.8e-21))
    expected = start / (1 + 1.8e-21 * start * TIMES[:, None, None])
    np.testing.assert_allclose(cloud.density, expected, rtol=1e-6)


@pytest.mark.parametrize("peak", [0.7e19, 1.5e19, 2.5e19])
def test_uniform_plasma_follows_an_independent_solver(peak):
    def slope(_, state):
        n, m = state
        spontaneous = TABLE.radiative * n**2
        stimulated = TABLE.gain * m * n
        return [
            -TABLE.trapping * n - spontaneous - TABLE.auger * n**3 - stimulated,
            -TABLE.photon_loss * m + stimulated + TABLE.coupling * spontaneous,
        ]

    cloud = solve(np.full((2, 2), peak), SMALL, TABLE)
    truth = solve_ivp(slope, (0, TIMES[-1]), [peak, 0], "LSODA", TIMES, rtol=1e-9, atol=1e6)
    np.testing.assert_allclose(cloud.density[:, 0, 0], truth.y[0], atol=2e-4 * peak)
    np.testing.assert_allclose(cloud.photons, truth.y[1], atol=2e-3 * truth.y[1].max())


@pytest.mark.parametrize("peak", [0.7e19, 1.5e19, 2.1e19])
def test_every_pair_is_accounted_for(peak):
    start = gaussian(40, 0.2, 2.25, peak)
    rates = replace(TABLE, gain=1.2 / gaussian(40, 0.2, 2.25, 1.1e19).mean())
    times = np.concatenate([TIMES[TIMES < 2000], np.geomspace(2000, 50_000, 60)])
    cloud = solve(start, (8.0, 8.0), rates, times)
    density = cloud.density.astype(float)
    trapped = rates.trapping * simpson(density.mean((1, 2)), times)
    auger = rates.auger * simpson((density**3).mean((1, 2)), times)
    left = density[-1].mean() + cloud.photons[-1]
    emitted = (1 - rates.coupling) * cloud.spontaneous + cloud.coherent + cloud.incoherent
    assert left + trapped + auger + emitted == pytest.approx(start.mean(), rel=5e-4)


def test_photons_that_leave_are_those_in_the_mode_times_its_loss():
    cloud = solve(np.full((2, 2), 1.5e19), SMALL, TABLE)
    leaving = TABLE.photon_loss * simpson(cloud.photons, TIMES)
    assert cloud.coherent + cloud.incoherent == pytest.approx(leaving, rel=2e-3)


def test_diffusion_widens_a_gaussian_by_8_d_t():
    cells, cell, waist = 60, 0.5, 2.25
    cloud = solve(gaussian(cells, cell, waist), (30.0, 30.0), replace(NOTHING, diffusion=1.5e-3))
    x = (np.arange(cells) + 0.5 - cells / 2) * cell
    profile = cloud.density.astype(float).sum(axis=2)
    # The variance of exp(−2x²/w²) is w²/4.
    width = 4 * (profile * x**2).sum(axis=1) / profile.sum(axis=1)
    early = TIMES < 800  # later the edges of the grid are felt
    np.testing.assert_allclose(width[early], (waist**2 + 8 * 1.5e-3 * TIMES)[early], rtol=1e-3)
    np.testing.assert_allclose(cloud.density.mean((1, 2)), cloud.density[0].mean(), rtol=1e-5)


def test_plasma_fills_a_closed_plate_evenly_and_stays_positive():
    start = np.zeros((10, 10))
    start[0, 0] = 1e19
    cloud = solve(start, (8.0, 8.0), replace(NOTHING, diffusion=0.1))
    assert cloud.density.min() > -1e-12 * start.max()  # rounding
    np.testing.assert_allclose(cloud.density[-1], 1e17, rtol=1e-3)


def test_reaction_steps_are_second_order():
    start, times = np.full((2, 2), 1.5e19), np.linspace(0, 30, 11)
    truth = solve(start, SMALL, TABLE, times, step=0.003).photons
    errors = [
        np.abs(solve(start, SMALL, TABLE, times, step).photons - truth).max()
        for step in (0.3, 0.15, 0.075)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2, atol=0.25)


def test_splitting_off_diffusion_is_second_order():
    start, rates = gaussian(20, 0.4, 1.0), replace(NOTHING, radiative=1.8e-21, diffusion=0.01)

    def end(intervals: int) -> np.ndarray:
        times = np.linspace(0, 64, intervals + 1)
        return solve(start, (8.0, 8.0), rates, times).density[-1].astype(float)

    truth = end(512)
    errors = [np.abs(end(intervals) - truth).max() for intervals in (8, 16, 32)]
    np.testing.assert_allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2, atol=0.25)


def test_mode_amplifies_above_threshold_only():
    # Without spontaneous losses, photons outgrow what the mode loses just when g <N> > v_gγ.
    rates = replace(TABLE, trapping=0.0, coupling=1e-12)
    times = np.array([0.0, 5.0, 10.0])
    growth = {}
    for ratio in (0.9, 1.1):
        photons = solve(np.full((2, 2), ratio * 1.1e19), SMALL, rates, times, 0.01).photons
        growth[ratio] = photons[2] / photons[1]
    assert growth[0.9] < 1 < growth[1.1]
