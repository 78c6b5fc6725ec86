"""The solver of Eq. 4 against solutions known otherwise."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from analysis.diffusion.solver import STEP, solve_diffusion

D = 15e-4  # um²/ps: silicon, 15 cm²/s (paper)
WAIST = 2.25  # um (paper)
PAIRS = 1.8e-21  # cm³/ps: B of Table 1
PEAK = 1.6e19  # cm⁻³, at 0.8 mJ/cm²


def centres(side, cells):
    return (np.arange(cells) + 0.5) * side / cells - side / 2


def gaussian(*axes, square=WAIST**2):
    """Unit peak, 1/e² radius √square, on the grid of the axes."""
    radius2 = sum(np.meshgrid(*[x**2 for x in axes], indexing="ij"))
    return np.exp(-2 * radius2 / square)


@pytest.mark.parametrize("dimensions", [1, 2])
def test_gaussian_spreads_freely(dimensions):
    """w² = w0² + 8 D t, the peak falls by w0²/w² in two dimensions, by its root in one."""
    axes = [centres(8.0, 100)] * dimensions
    times = np.array([0.0, 100.0, 500.0])
    density = solve_diffusion(
        gaussian(*axes), 0.08, times, diffusion=D, boundary="free", step=500.0
    )
    for t, found in zip(times, density, strict=True):
        square = WAIST**2 + 8 * D * t
        exact = (WAIST**2 / square) ** (dimensions / 2) * gaussian(*axes, square=square)
        # The grid ends at 4 um, where the cloud is 2e-3: what lies beyond comes in from there.
        middle = (slice(25, 75),) * dimensions
        assert found[middle] == pytest.approx(exact[middle], abs=1e-3)


def test_free_space_has_no_edge():
    """A grid that the cloud outgrows gives what a grid of four times its size gives."""
    narrow = centres(4.0, 40)
    cloud = gaussian(narrow, narrow, square=1.0)
    padded = np.pad(cloud, 60)
    given = {"times": [0.0, 800.0], "diffusion": D, "step": 800.0}
    found = solve_diffusion(cloud, 0.1, boundary="free", **given)[-1]
    exact = solve_diffusion(padded, 0.1, boundary="no-flux", **given)[-1]
    assert found == pytest.approx(exact[60:-60, 60:-60], abs=1e-7)


@pytest.mark.parametrize("mode", [1, 3])
def test_mode_between_absorbing_ends_decays(mode):
    """Sin(mπx/L) decays as exp(−D (mπ/L)² t)."""
    length, cells = 20.0, 400
    wave = mode * np.pi / length
    x = centres(length, cells) + length / 2
    times = np.array([0.0, 1e3, 1e4])
    density = solve_diffusion(
        1 + np.sin(wave * x), length / cells, times, diffusion=D, boundary="absorbing"
    ) - solve_diffusion(np.ones(cells), length / cells, times, diffusion=D, boundary="absorbing")
    exact = np.exp(-D * wave**2 * times)[:, np.newaxis] * np.sin(wave * x)
    assert density == pytest.approx(exact, abs=2e-5)


def test_absorbing_edges_of_a_plate():
    """The lowest mode of a plate is the product of its sides' modes."""
    x, y = centres(8.0, 80) + 4, centres(4.0, 40) + 2
    mode = np.outer(np.sin(np.pi * x / 8), np.sin(np.pi * y / 4))
    found = solve_diffusion(mode, 0.1, [0.0, 500.0], diffusion=D, boundary="absorbing")[-1]
    rate = D * np.pi**2 * (1 / 8**2 + 1 / 4**2)
    assert found == pytest.approx(np.exp(-rate * 500) * mode, abs=2e-4)


@pytest.mark.parametrize("loss", [0.0, 2e-4, 0.05])
def test_uniform_density_follows_bernoulli(loss):
    """N = N0 e^{−at} / (1 + q N0 (1 − e^{−at})/a), with q N0 t for a = 0."""
    times = np.array([0.0, 3.0, 40.0, 500.0])
    found = solve_diffusion(
        np.full((4, 4), PEAK), 0.2, times, diffusion=D, linear=loss, quadratic=PAIRS
    )
    passed = -np.expm1(-loss * times) / loss if loss else times
    exact = PEAK * np.exp(-loss * times) / (1 + PAIRS * PEAK * passed)
    assert found[:, 1, 2] == pytest.approx(exact, rel=1e-9)


def test_rates_that_change_in_time():
    """a = 0.3 e^{−t/15} has the integral 4.5 (1 − e^{−t/15}); pairs come with a rate of their own.

    With q(t) = a(t)/N0 the depletion is ∫ a e^{−∫a} dt = 1 − e^{−∫a}.
    """

    def pulse(t):
        return 0.3 * np.exp(-t / 15)

    times = np.array([0.0, 10.0, 60.0])
    found = solve_diffusion(
        np.full(3, PEAK),
        1.0,
        times,
        diffusion=D,
        linear=pulse,
        quadratic=lambda t: pulse(t) / PEAK,
    )
    left = np.exp(-4.5 * -np.expm1(-times / 15))
    assert found[:, 0] == pytest.approx(PEAK * left / (2 - left), rel=1e-9)


def test_carriers_are_conserved_and_never_negative():
    """All in one cell at the edge, steps far beyond any explicit limit."""
    initial = np.zeros((30, 20))
    initial[0, 3] = PEAK
    times = [0.0, 0.1, 10.0, 1e3, 1e6]
    found = solve_diffusion(initial, 0.05, times, diffusion=D, step=1e6)
    assert found.sum(axis=(1, 2)) == pytest.approx(PEAK, rel=1e-12)
    assert found.min() >= -1e-12 * PEAK
    assert found[-1] == pytest.approx(PEAK / 600, rel=1e-6)


def microlaser(cells, step):
    x = centres(8.0, cells)
    return solve_diffusion(
        PEAK * gaussian(x, x),
        8.0 / cells,
        [0.0, 40.0],
        diffusion=D,
        linear=lambda t: 0.05 * np.exp(-(((t - 12) / 10) ** 2)),
        quadratic=PAIRS,
        step=step,
    )[-1]


def test_second_order_in_time():
    exact = microlaser(40, 0.02)
    errors = [np.abs(microlaser(40, step) - exact).max() for step in (8.0, 4.0, 2.0, 1.0)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders == pytest.approx(2, abs=0.1)


def test_the_default_step_is_accurate_to_1e_5():
    error = np.abs(microlaser(40, STEP) - microlaser(40, 0.1)).max()
    assert error < 1e-5 * PEAK


def test_second_order_in_space():
    """Grids finer by three share the centres of the coarse cells."""
    fine = [microlaser(27 * 3**n, 4.0)[3**n // 2 :: 3**n, 3**n // 2 :: 3**n] for n in range(3)]
    errors = [np.abs(values - fine[2]).max() for values in fine[:2]]
    # Against the finest grid, of error ε, the others' are (81 − 1) ε and (9 − 1) ε.
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)


def test_agrees_with_an_integrator_that_knows_nothing_of_splitting():
    x = centres(8.0, 16)
    initial = gaussian(x - 1, x)  # off the centre: the edges matter

    def rate(t, flat):
        n = np.pad(flat.reshape(16, 16), 1, mode="edge")
        inner = n[1:-1, 1:-1]
        lap = n[2:, 1:-1] + n[:-2, 1:-1] + n[1:-1, 2:] + n[1:-1, :-2] - 4 * inner
        return (D / 0.25 * lap - 2e-4 * inner - 0.03 * inner**2).ravel()

    times = np.array([0.0, 50.0, 300.0])
    exact = solve_ivp(rate, (0, 300), initial.ravel(), "DOP853", times, rtol=1e-10, atol=1e-13).y.T
    found = solve_diffusion(initial, 0.5, times, diffusion=D, linear=2e-4, quadratic=0.03, step=1.0)
    assert found.reshape(3, -1) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": [0.0, 10.0, 10.0]}, "times must increase"),
        ({"initial": np.ones((2, 2, 2))}, "only a line or a plate"),
        ({"initial": [1.0, -1.0]}, "not negative"),
        ({"initial": [1.0, np.nan]}, "finite"),
        ({"diffusion": -1.0}, "not negative"),
    ],
)
def test_bad_input_is_told_in_a_line(change, message):
    given = {"initial": np.ones(4), "spacing": 0.1, "times": [0.0, 1.0], "diffusion": D, **change}
    with pytest.raises(ValueError, match=message):
        solve_diffusion(**given)
