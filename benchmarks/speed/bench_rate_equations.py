"""Global fit of the rate equations, compared with lmfit and LSODA on the same model.

Run as ``python -m benchmarks.speed.bench_rate_equations``. It takes a minute or more, nearly all of
it in lmfit. Both fit 12 curves of 60 points with the same prior of D. The fit of this project
determines its start from the data, lmfit starts 10 % off the truth. Targets: 2 s, and a tenth of
lmfit's time. CPU seconds are printed with the wall seconds, which other work of the machine
lengthens.
"""

import time

import lmfit
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from analysis.estimate import Estimate
from analysis.rate_equations import solver as rate_solver
from analysis.rate_equations.data import Curve, Plate
from analysis.rate_equations.fit import fit_rate_equations

PLATE = Plate((8.0, 8.0), 2.25, 0.5)
FLUENCE = np.array([0.20, 0.28, 0.35, 0.42, 0.49, 0.55, 0.60, 0.66, 0.72, 0.80, 0.88, 0.96])
DELAY = np.concatenate([np.arange(3.0, 21), np.arange(22.0, 61, 2), np.geomspace(64, 500, 22)])
UNIT = 1e19  # cm⁻³
SIGMA = 5.5e16
PRIOR = Estimate(0.8, 0.1, "cm2/s")
TRUTH = {
    "A": 2e8,
    "B": 1.8e-9,
    "C": 5e-30,
    "beta": 0.03,
    "photon_loss": 0.8,
    "threshold_density": 1.07e19,
}
START = 1.1  # times the truth: closer than prior knowledge


def rates(values, diffusion):
    """Return the solver's constants."""
    a, b, c, coupling, loss, threshold = values
    gain = loss / (threshold * PLATE.mean_density)
    return rate_solver.Rates(
        a * 1e-12, b * 1e-12, c * 1e-12, diffusion * 1e-4, loss, gain, coupling
    )


def measured():
    """Return curves of the solver's own model with noise, and their initial densities."""
    rng = np.random.default_rng(1)
    initial = FLUENCE * 1.913e19
    horizon = np.full(len(FLUENCE), 501.0)
    constants = rates(TRUTH.values(), 0.8)
    times, density, *_ = rate_solver.solve(initial, horizon, constants, PLATE.profile, PLATE.nodes)
    clean = CubicSpline(times, density[:, :, 0], axis=1)(DELAY)
    noisy = clean + SIGMA * rng.normal(size=clean.shape)
    sigma = np.full(len(DELAY), SIGMA)
    return [Curve(f, DELAY, y, sigma) for f, y in zip(FLUENCE, noisy, strict=True)], initial


def lsoda(initial, constants):
    """Return the density under the probe at `DELAY`, in `UNIT`."""
    nodes, profile = PLATE.nodes, PLATE.profile
    a, b, c, diffusion, loss, gain, coupling = constants
    laplacian = (nodes.modes * nodes.decay) @ nodes.inverse

    def slope(_, state):
        n, m = state[:-1], state[-1]
        squares = n * n
        change = diffusion * (laplacian @ n) - (a + gain * UNIT * m) * n
        change -= b * UNIT * squares + c * UNIT**2 * squares * n
        growth = gain * UNIT * (nodes.area @ n) - loss
        return np.append(change, growth * m + coupling * b * UNIT * (nodes.area @ squares))

    state = np.append(initial / UNIT * profile, 0.0)
    solved = solve_ivp(slope, (0, DELAY[-1]), state, "LSODA", t_eval=DELAY, rtol=1e-8, atol=1e-10)
    return nodes.probe @ solved.y[:-1]


def fit_with_lmfit(curves, initial):
    """Fit the same parameters with lmfit; returns its result."""
    parameters = lmfit.Parameters()
    for name, value in TRUTH.items():
        parameters.add(name, START, user_data=value)  # in units of the truth
    parameters.add("D", PRIOR.value)
    for i, value in enumerate(initial):
        parameters.add(f"initial_{i}", value / UNIT)

    def residuals(p):
        values = [p[name].value * truth for name, truth in TRUTH.items()]
        constants = rates(values, p["D"].value)
        model = [lsoda(p[f"initial_{i}"].value * UNIT, constants) for i in range(len(curves))]
        away = [(m * UNIT - c.density) / SIGMA for m, c in zip(model, curves, strict=True)]
        return np.concatenate([*away, [(p["D"].value - PRIOR.value) / PRIOR.sigma]])

    # Finite differences have to exceed the integrator's tolerance.
    return lmfit.minimize(residuals, parameters, scale_covar=False, epsfcn=1e-9, ftol=1e-8)


def timed(job):
    """Return the result of a job, and its wall and CPU time in s."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = job()
    return result, np.array([time.perf_counter() - wall, time.process_time() - cpu])


def compare():
    """Time both fits, and print a table."""
    curves, initial = measured()

    def ours(profiles):
        return fit_rate_equations(curves, PLATE, None, PRIOR, profiles=profiles)

    ours(False)  # compiles, or loads the cache
    taken = np.median([timed(lambda: ours(False))[1] for _ in range(5)], axis=0)
    fit, with_profiles = timed(lambda: ours(True))
    theirs, lmfit_taken = timed(lambda: fit_with_lmfit(curves, initial))

    table = Table("", "truth", "this fit", "lmfit + LSODA")
    for name, truth in TRUTH.items():
        own, other = fit.estimates[name], theirs.params[name]
        number = (
            f"{own.value:.4g} ± {own.sigma:.2g}"
            if np.isfinite(own.value)
            else f"< {own.upper95:.3g} (95 %)"
        )
        table.add_row(
            f"{name}, {own.unit}" if own.unit else name,
            f"{truth:.4g}",
            number,
            f"{other.value * truth:.4g} ± {other.stderr * truth:.2g}",
        )
    table.add_row("chi2", "", f"{fit.chi2:.2f}", f"{theirs.chisqr:.2f}")
    table.add_section()
    for i, clock in enumerate(("wall", "CPU")):
        table.add_row(f"{clock} s", "", f"{taken[i]:.2f}", f"{lmfit_taken[i]:.1f}")
        table.add_row(f"{clock} s with profile likelihoods", "", f"{with_profiles[i]:.2f}", "")
        table.add_row(f"{clock} ratio", "", f"{lmfit_taken[i] / taken[i]:.0f}", "")
    table.add_row("evaluations of all curves", "", "", f"{theirs.nfev}")
    Console().print(table)


if __name__ == "__main__":
    compare()
