"""The rate equations' solver against formulas and an independent integration."""

from dataclasses import replace

import numpy as np
import pytest
from microlaser import DENSE, PLATE, PROBE, PUMP, RATES, SIDE, follow
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from analysis.rate_equations import solver as rate_solver
from analysis.rate_equations.data import Plate


def only(**rates):
    """Rates of which all but the named ones are 0."""
    kept = np.zeros(7)
    for name, value in rates.items():
        kept[["A", "B", "C", "D", "loss", "gain", "coupling"].index(name)] = value
    return kept


@pytest.mark.parametrize(
    ("rates", "formula"),
    [
        (only(A=5e-3), lambda t: np.exp(-5e-3 * t)),
        (only(B=2e-21), lambda t: 1 / (1 + 2e-21 * DENSE * t)),
        (only(C=1e-41), lambda t: 1 / np.sqrt(1 + 2e-41 * DENSE**2 * t)),
    ],
    ids=["trapping", "radiative", "Auger"],
)
def test_single_channels_follow_their_formulas(rates, formula):
    times, density, photons, _ = follow(rates, profile=np.ones_like(PLATE.profile))
    np.testing.assert_allclose(density[:, 0], DENSE * formula(times), rtol=1e-9)
    assert not photons.any()


def test_the_probe_averages_local_recombination():
    """B only: each place decays by itself, and the probe's mean is an integral over the plate."""
    times, density, _, _ = follow(only(B=2e-21))
    r = np.linspace(0, 4, 4001)
    local = DENSE * np.exp(-2 * (r / PUMP) ** 2) * (1 + (PROBE / PUMP) ** 2)
    light = r * np.exp(-2 * (r / PROBE) ** 2)
    seen = local / (1 + 2e-21 * local * times[:, np.newaxis])
    np.testing.assert_allclose(density[:, 0], seen @ light / light.sum(), rtol=0, atol=1e-5 * DENSE)


@pytest.mark.parametrize("size", [(8.0, 8.0), (6.0, 10.0)])
def test_diffusion_conserves_carriers_and_ends_flat(size):
    plate = Plate(size, PUMP, PROBE)
    mean = replace(plate.nodes, probe=plate.nodes.area)
    _, kept, _, _ = follow(only(D=8e-5), plate=plate, nodes=mean, horizon=1e5)
    np.testing.assert_allclose(kept[:, 0], DENSE * plate.mean_density, rtol=1e-10)
    _, seen, _, _ = follow(only(D=1e-2), plate=plate, horizon=2e4)
    assert seen[-1, 0] == pytest.approx(DENSE * plate.mean_density, rel=1e-6)


def test_diffusion_widens_a_gaussian():
    """Away from the edges w² grows by 8 D t, and the probe adds its own w²."""
    times, density, _, _ = follow(only(D=8e-5), plate=Plate((14.0, 14.0), PUMP, PROBE))
    width = PUMP**2 + PROBE**2
    np.testing.assert_allclose(density[:, 0], DENSE * width / (width + 8 * 8e-5 * times), rtol=1e-4)


@pytest.mark.parametrize("waist", [1.6, 2.25, 2.9])
def test_mean_density_is_that_of_a_gaussian_on_the_rectangle(waist):
    fine = (np.arange(2000) + 0.5) / 2000 * SIDE / 2
    line = np.exp(-2 * (fine / waist) ** 2).mean()
    probe = np.exp(-2 * (fine / PROBE) ** 2)
    seen = (np.exp(-2 * (fine / waist) ** 2) * probe).sum() / probe.sum()
    share = Plate((SIDE, SIDE), waist, PROBE).mean_density
    assert share == pytest.approx((line / seen) ** 2, rel=1e-4)


def integrated(initial, waist, times, cells=20):
    """Density at the probe, photons and light by an explicit Runge–Kutta method on a square grid.

    A quadrant of the plate, whose inner edges are no-flux by symmetry.
    """
    trapping, radiative, auger, diffusion, loss, gain, coupling = RATES
    cell = SIDE / 2 / cells
    x = (np.arange(cells) + 0.5) * cell
    unit = 1e19
    line, probe = np.exp(-2 * (x / waist) ** 2), np.exp(-2 * (x / PROBE) ** 2)
    probe /= probe.sum()
    start = initial / unit * np.outer(line, line) / (line @ probe) ** 2

    def slope(_, state):
        n, m = state[:-3].reshape(cells, cells), state[-3]
        padded = np.pad(n, 1, mode="edge")
        across = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
        squares = (n**2).mean()
        change = diffusion * (across - 4 * n) / cell**2
        change -= n * (trapping + unit * n * (radiative + unit * auger * n) + unit * gain * m)
        emitted = unit * radiative * squares
        photons = (unit * gain * n.mean() - loss) * m + coupling * emitted
        return np.concatenate([change.ravel(), [photons, emitted, loss * m]])

    state = np.concatenate([start.ravel(), np.zeros(3)])
    solution = solve_ivp(
        slope, (0, times[-1]), state, "DOP853", t_eval=times, rtol=1e-8, atol=1e-11
    )
    cloud = solution.y[:-3].reshape(cells, cells, -1)
    return unit * np.einsum("i,ijt,j->t", probe, cloud, probe), *(unit * solution.y[-3:])


@pytest.mark.parametrize("waist", [1.6, 2.25, 2.9])
def test_lasing_agrees_with_an_independent_integration(waist):
    plate = Plate((SIDE, SIDE), waist, PROBE)
    initial = (
        DENSE * PLATE.mean_density / plate.mean_density
    )  # the same plate's mean for each waist
    horizon = float(rate_solver.steps(200.0)[0][-1])
    times, density, photons, light = follow(RATES, initial, horizon, plate)
    at = np.array([0.0, 1, 3, 5, 8, 12, 18, 30, 60, 120, horizon])
    seen, mode, emitted, lased = integrated(initial, waist, at)
    np.testing.assert_allclose(
        CubicSpline(times, density[:, 0])(at), seen, atol=1e-4 * initial, rtol=0
    )
    assert RATES[5] * mode.max() > 1 / 50  # 1/ps: it does lase
    np.testing.assert_allclose(
        CubicSpline(times, photons)(at), mode, atol=2e-3 * mode.max(), rtol=0
    )
    np.testing.assert_allclose(light[:, 0], [emitted[-1], lased[-1]], rtol=5e-4)


@pytest.mark.parametrize("index", range(8))
def test_derivatives_are_those_of_the_solution(index):
    step = 1e-4
    values = np.append(RATES, DENSE)
    results = []
    for sign in (1, -1):
        changed = values.copy()
        changed[index] *= 1 + sign * step
        _, density, _, light = follow(changed[:7], changed[7], horizon=300.0)
        results.append((density[:, 0], light[:, 0]))
    _, density, _, light = follow(RATES, horizon=300.0)
    for up, down, analytic in zip(*results, (density, light), strict=True):
        numeric = (up - down) / (2 * step)
        np.testing.assert_allclose(
            analytic[:, 1 + index] * values[index], numeric, atol=1e-6 * np.abs(numeric).max()
        )


def test_a_cloud_is_followed_as_well_beside_one_that_is_followed_for_longer():
    """Light is collected for 50 ns: a cubic through a curve's last times must find values there."""
    nodes, profile = PLATE.nodes, PLATE.profile
    scale, horizons = np.full(2, DENSE), np.array([500.0, 50e3])
    times, density, _, light = rate_solver.solve(
        scale, horizons, rate_solver.Rates(*map(float, RATES)), profile, nodes
    )
    late = rate_solver.interpolation(times, np.array([400.0, 480.0, 500.0]))
    np.testing.assert_allclose(late @ density[0, :, 0], late @ density[1, :, 0], rtol=1e-12)
    _, _, _, alone = follow(RATES, horizon=50e3)
    np.testing.assert_allclose(light[1, :, 0], alone[:, 0], rtol=1e-12)


def test_photons_that_leave_a_mode_are_those_that_were_born():
    """Of β B <N²> with nothing but the mode: the plasma stays, the mode fills with 1/γ."""
    loss, source = 0.8, 0.03 * 1e-30 * DENSE**2
    rates = only(B=1e-30, loss=loss, coupling=0.03)
    times, _, photons, light = follow(rates, profile=np.ones_like(PLATE.profile), horizon=5e3)
    end = times[np.searchsorted(times, 5e3)]
    gone = source * (end - (1 - np.exp(-loss * end)) / loss)
    assert light[1, 0] + photons[np.searchsorted(times, end)] == pytest.approx(
        source * end, rel=1e-3
    )
    assert light[1, 0] == pytest.approx(gone, rel=1e-3)


def test_halving_the_step_quarters_the_error_or_better():
    """Second order at least, on a grid that grows with time; at the default step 1e-5 is left."""
    at = np.array([2.0, 6, 10, 15, 30, 80])
    exact, coarse, default = (
        CubicSpline(times, density[:, 0])(at)
        for times, density, _, _ in (
            follow(RATES, horizon=100.0, first_step=step) for step in (1 / 64, 1 / 2, 1 / 8)
        )
    )
    error, left = (np.abs(y - exact).max() / DENSE for y in (coarse, default))
    assert left < 1e-5
    assert left < error / 16
