"""The 2-D solver of Eq. 4, compared with py-pde at equal accuracy (target: 5 times faster).

Run ``python -m benchmarks.speed.bench_diffusion`` with the ``bench`` extra installed. It takes
minutes, nearly all of them for the compilation by py-pde, which is not counted: each setting is
compiled and run once before it is timed, and the shortest of many runs counts. Both solvers get the
same cloud, the same rates, the same cells and the same second differences with no-flux edges. The
reference is the same system of equations, integrated by scipy's DOP853 to ten digits, independently
of both. py-pde takes adaptive Runge–Kutta steps (numba backend), the fastest of its solvers here.
"""

import time

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.integrate import solve_ivp

from analysis.diffusion.solver import solve_diffusion

try:
    import pde
except ModuleNotFoundError:
    pde = None

SIDE, CELLS = 8.0, 40  # um (the paper's plate) and cells along it
WAIST = 2.25  # um, the paper's pump
TRAPPING, PAIRS = 2e-4, 0.029  # 1/ps: A, and B N at the first peak density (Table 1, 1.6e19 cm⁻³)
DURATION = 500.0  # ps, as in Fig. 4
PROBLEMS = {"perovskite, 0.8 cm²/s": 0.8e-4, "silicon, 15 cm²/s": 15e-4}  # um²/ps
STEPS = (100.0, 50.0, 20.0, 10.0, 5.0)  # ps, longest step of the splitting
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7)  # of py-pde's adaptive steps
WANTED = 1e-5  # largest error at the end, relative to the initial peak
RUNS = 50


def stimulated(t):
    """Return the rate of stimulated emission, 1/ps, at a time in ps: a pulse after a build-up."""
    return 0.05 * np.exp(-(((t - 12) / 10) ** 2))


def cloud():
    """Return the initial density (CELLS, CELLS) with a peak of 1."""
    x = (np.arange(CELLS) + 0.5) * SIDE / CELLS - SIDE / 2
    beam = np.exp(-2 * (x / WAIST) ** 2)
    return np.outer(beam, beam)


def reference(diffusion):
    """Return the final density to ten digits."""
    h = SIDE / CELLS

    def rate(t, flat):
        n = flat.reshape(CELLS, CELLS)
        edged = np.pad(n, 1, mode="edge")
        curvature = edged[2:, 1:-1] + edged[:-2, 1:-1] + edged[1:-1, 2:] + edged[1:-1, :-2] - 4 * n
        change = diffusion / h**2 * curvature - (TRAPPING + stimulated(t)) * n - PAIRS * n**2
        return change.ravel()

    solution = solve_ivp(
        rate, (0, DURATION), cloud().ravel(), "DOP853", rtol=1e-10, atol=1e-13, max_step=5.0
    )
    return solution.y[:, -1].reshape(CELLS, CELLS)


def ours(diffusion, step):
    """Return a function that solves once."""

    def solve():
        return solve_diffusion(
            cloud(),
            SIDE / CELLS,
            [0.0, DURATION],
            diffusion=diffusion,
            linear=lambda t: TRAPPING + stimulated(t),
            quadratic=PAIRS,
            step=step,
        )[-1]

    return solve


def theirs(diffusion, tolerance):
    """Return a function that solves once, with a stepper that is compiled beforehand."""
    grid = pde.CartesianGrid([[-SIDE / 2, SIDE / 2]] * 2, CELLS)
    loss = f"({TRAPPING} + 0.05 * exp(-((t - 12) / 10)**2)) * n"
    equation = pde.PDE(
        {"n": f"{diffusion} * laplace(n) - {loss} - {PAIRS} * n**2"}, bc={"derivative": 0}
    )
    solver = pde.RungeKuttaSolver(equation, backend="numba", adaptive=True, tolerance=tolerance)
    step = solver.make_stepper(pde.ScalarField(grid, cloud()), dt=0.1)

    def solve():
        state = pde.ScalarField(grid, cloud())
        step(state, 0.0, DURATION)
        return state.data

    return solve


def measure(solve, exact):
    """Return the largest error, and the shortest time in ms."""
    error = np.abs(solve() - exact).max()
    taken = []
    for _ in range(RUNS):
        began = time.perf_counter()
        solve()
        taken.append(time.perf_counter() - began)
    return error, 1e3 * min(taken)


def main():
    console = Console()
    if pde is None:
        console.print("skipped: py-pde is missing, pip install -e '.[bench]'", markup=False)
        return
    for name, diffusion in PROBLEMS.items():
        exact = reference(diffusion)
        table = Table("solver", "setting", "largest error", "ms", title=f"{name}, {CELLS}² cells")
        fastest = []
        for solver, make, settings, unit in (
            ("analysis.diffusion.solver", ours, STEPS, "ps steps"),
            ("py-pde", theirs, TOLERANCES, "tolerance"),
        ):
            rows = [(setting, *measure(make(diffusion, setting), exact)) for setting in settings]
            for setting, error, taken in rows:
                table.add_row(solver, f"{setting:g} {unit}", f"{error:.1e}", f"{taken:.3f}")
            fastest.append(min(taken for _, error, taken in rows if error <= WANTED))
        console.print(table)
        console.print(
            f"to {WANTED:g}: {fastest[0]:.3f} against {fastest[1]:.3f} ms, "
            f"{fastest[1] / fastest[0]:.1f} times faster (target: at least 5)\n"
        )


if __name__ == "__main__":
    main()
