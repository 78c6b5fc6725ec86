"""The experiment as formulas: what it measures and what its analysis finds, for figures and report.

Carriers follow Eq. 3 on rings of a Gaussian cloud that share one photon mode, without diffusion.
"""

from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import xarray as xr
from scipy.integrate import solve_ivp

from analysis.estimate import Estimate, not_determined
from analysis.kinetics.decay_fit import fit_decay, relaxation_time
from analysis.lasing.fluence_response import fit_fluence_response
from analysis.materials import find_material
from analysis.paper.infer import Results
from analysis.paper.measurements import ABOVE, WINDOW, Calibration, PaperData
from analysis.paper.published import compare

PUMP, PROBE, SIDE = 2.25, 0.5, 8.0
A, B, BETA, LOSS = 2e-4, 1.8e-21, 0.03, 0.8  # 1/ps, cm3/ps, 1, 1/ps
DENSITY = 2.007e19  # cm-3 per mJ/cm2
GAIN = LOSS / (0.561 * DENSITY * np.pi * PUMP**2 / 2 / SIDE**2)
RADII = np.linspace(0, 4, 33)
SHARE = np.gradient(np.pi * RADII**2) / SIDE**2
FLUENCES = np.array([0.20, 0.28, 0.35, 0.42, 0.49, 0.55, 0.60, 0.66, 0.72, 0.80, 0.88, 0.96])
DELAYS = np.concatenate([np.arange(-6, 21), np.arange(22, 61, 2), np.geomspace(70, 500, 13)])
FRAMES = np.array([-10, *range(0, 91, 10), 130, 180, 240, 320, 410, 500], float)
NOISE = 3.6e-5  # RIU


@lru_cache
def solved(initial: float):
    """Density by ring, photons over Γ, and light (spontaneous, mode) up to 600 ps."""

    def slope(_, state):
        density, photons = state[:-3], state[-3]
        mean, square = SHARE @ density, SHARE @ density**2
        change = -(A + GAIN * photons) * density - B * density**2
        rise = -LOSS * photons + GAIN * mean * photons + BETA * B * square
        return np.append(change, [rise, B * square, LOSS * photons])

    start = np.append(initial * np.exp(-2 * RADII**2 / PUMP**2), [0, 0, 0])
    return solve_ivp(slope, (0, 600), start, "LSODA", rtol=1e-6, atol=1e12, dense_output=True).sol


def at(initial: float, time, radius=0.0):
    """Density (cm-3) at times (ps, 0 before the pump) and distances from the axis (um)."""
    time = np.atleast_1d(np.asarray(time, float))
    rings = solved(float(initial))(np.clip(time, 0, 600))[:-3].T * (time >= 0)[:, np.newaxis]
    return np.array([np.interp(radius, RADII, ring) for ring in rings])


def light_of(initial: float) -> tuple[float, float]:
    """Light of the whole decay in cm-3: spontaneous, and out of the mode."""
    _, spontaneous, mode = solved(float(initial))(600.0)[-3:]
    return float(spontaneous), float(mode)


def scan(generator, name, density, noise, **coordinates) -> xr.Dataset:
    """Reduced points of a material with noise; `coordinates` are arrays over the points."""
    material = find_material(name)
    density = np.asarray(density, float)
    delta_n = material.delta_n(density, 1025.0) + generator.normal(0, noise, density.shape)
    up, down = (material.carrier_density(delta_n + s * noise, 1025.0) for s in (1, -1))
    columns = {
        "delta_n": delta_n,
        "delta_n_sigma": np.full(density.shape, noise),
        "carrier_density": material.carrier_density(delta_n, 1025.0),
        "carrier_density_sigma": np.abs(up - down) / 2,
        **{name: np.broadcast_to(values, density.shape) for name, values in coordinates.items()},
    }
    variables = {name: ("point", np.array(values)) for name, values in columns.items()}
    return xr.Dataset(variables, attrs={"material": name})


def sweep(generator) -> xr.Dataset:
    """19 fluences at 2.5 ps with spectra: a broad band, stray pump light, two lines."""
    fluence = np.linspace(0.1, 1.0, 19)
    density = [float(at(f * DENSITY, 2.5)[0]) for f in fluence]
    data = scan(generator, "CsPbBr3", density, NOISE, fluence=fluence, delay=2.5, x=0.0, y=0.0)
    wavelength = np.linspace(400, 1150, 1044)

    def peak(centre, width):
        return np.exp(-4 * np.log(2) * ((wavelength - centre) / width) ** 2)

    spectra = []
    for f in fluence:
        spontaneous, mode = light_of(f * DENSITY)
        lasing = max(mode / 1e18 - 0.15, 0.0)
        counts = 2e3 * spontaneous / 1e18 * peak(530, 18) + 2e3 * f * peak(525, 2.2)
        counts += 6e4 * lasing * (0.7 * peak(538.5, 1.6) + 0.3 * peak(541.5, 1.6))
        spectra.append(counts + generator.normal(0, 4 + np.sqrt(counts / 4)))
    data["differential_spectrum"] = ("point", "wavelength"), np.array(spectra)
    return data.assign_coords(wavelength=wavelength)


def kinetics(generator, fluences=FLUENCES) -> xr.Dataset:
    """Delay scans; the chirped probe sees the sample 0.6 ps later, spread over 1.2 ps."""
    pieces = []
    for f in fluences:
        seen = (at(f * DENSITY, DELAYS - 0.6)[:, ...] + at(f * DENSITY, DELAYS + 1.8)) / 2
        piece = scan(generator, "CsPbBr3", seen.ravel(), 1.4 * NOISE, fluence=f, delay=DELAYS)
        pieces.append(piece.assign(x=piece["delay"] * 0, y=piece["delay"] * 0))
    whole = xr.concat(pieces, "point")
    return whole.assign(probe_delay=whole["delay"] * 0 + 0.6, probe_spread=whole["delay"] * 0 + 1.2)


def movie(generator, frames=FRAMES) -> xr.Dataset:
    """Maps of 11 x 11 points at `ABOVE`."""
    side = np.linspace(-2.5, 2.5, 11)
    time, y, x = (grid.ravel() for grid in np.meshgrid(frames, side, side, indexing="ij"))
    density = cloud(frames, side, side).ravel()
    return scan(generator, "CsPbBr3", density, 2.2 * NOISE, fluence=ABOVE, delay=time, x=x, y=y)


def cloud(time, x, y):
    """Density (T, Y, X) of the movie, cm-3."""
    grid_x, grid_y = np.meshgrid(x, y)
    return at(ABOVE * DENSITY, time, np.hypot(grid_x, grid_y))


def line(time, x, y=0.0):
    """Density (T, 1, X) seen in the silicon waveguide, cm-3: it widens with 15 cm2/s."""
    start = PUMP**2 + PROBE**2
    square = start + 8 * 15e-4 * np.asarray(time)[:, np.newaxis, np.newaxis]
    shape = np.sqrt(start / square) * np.exp(-2 * (np.asarray(x) ** 2 + 0 * y) / square)
    return 2e18 * shape * (np.asarray(time) >= 0)[:, np.newaxis, np.newaxis]


def silicon(generator) -> xr.Dataset:
    """Line scans along the waveguide at nine delays."""
    frames, x = np.array([-10, 5, 20, 50, 100, 150, 220, 300, 400], float), np.linspace(-6, 6, 25)
    time, place = (grid.ravel() for grid in np.meshgrid(frames, x, indexing="ij"))
    density = line(frames, x).ravel()
    return scan(generator, "Si", density, NOISE, delay=time, x=place, y=0.0, fluence=0.4)


def parabola(diffusion, value, sigma) -> xr.DataArray:
    """Likelihood of D as the movie's fit returns it."""
    rise = ((diffusion - value) / sigma) ** 2
    return xr.DataArray(
        rise, dims="diffusion", coords={"diffusion": diffusion}, attrs={"upper95": 2.706}
    )


def paper_data(seed: int = 1) -> PaperData:
    """Everything that the experiment takes."""
    generator = np.random.default_rng(seed)
    calibration = Calibration(
        (SIDE, SIDE), Estimate(PUMP, 0.02, "um"), PROBE, 0.01, 0.004, 0.03, (20.0, 2.0)
    )
    runs = {name: f"{name}-uid" for name in ("sweep", "kinetics", "movie", "silicon")}
    return PaperData(
        calibration,
        sweep(generator),
        kinetics(generator),
        movie(generator),
        silicon(generator),
        runs,
    )


def paper_results(data: PaperData) -> Results:
    """What the analysis finds: fits where one line makes them, stand-ins for the others."""
    fluence = data.sweep["fluence"].values
    columns = (data.sweep[name].values for name in ("carrier_density", "carrier_density_sigma"))
    lights = np.array([light_of(f * DENSITY) for f in fluence])
    mode = 6e4 * np.maximum(lights[:, 1] / 1e18 - 0.15, 1e-3)
    decays, times = {}, []
    for f in FLUENCES:
        one = data.kinetics.isel(point=data.kinetics["fluence"].values == f)
        arrays = [one[name].values for name in ("delay", "delta_n", "delta_n_sigma")]
        decays[float(f)] = fit_decay(*arrays, window=WINDOW, model="biexponential")
        relaxation = relaxation_time(fit_decay(*arrays, window=(4.0, 500.0)))
        times.append((relaxation.value, relaxation.sigma))
    windows = [(s, e) for s in (3.0, 4.0, 6.0) for e in (100.0, 150.0, 250.0, 500.0)]
    grid = np.linspace(0.45, 1.11, 13)
    silicon_grid = np.linspace(14.2, 16, 13)
    estimates = {
        "A": Estimate(2.04e8, 0.05e8, "s-1"),
        "B": Estimate(1.79e-9, 0.02e-9, "cm3/s", interval=(1.77e-9, 1.81e-9)),
        "C": Estimate(np.nan, np.nan, "cm6/s", upper95=3.4e-30),
        "beta": Estimate(0.0312, 0.0013, "1"),
        "tau_lasing": Estimate(13.5, 0.3, "ps", note="window 4 to 150 ps"),
        "tau_fluor": Estimate(178.0, 4.0, "ps", note="window 4 to 150 ps"),
        "D": Estimate(0.78, 0.11, "cm2/s", upper95=0.96),
        "N_threshold": Estimate(1.13e19, 0.01e19, "cm-3", note="Eq. 1"),
        "delta_n_threshold": Estimate(1.03e-2, 1e-4, "RIU"),
        "fluence_threshold": Estimate(0.565, 0.006, "mJ/cm2"),
        "photon_loss": Estimate(0.81, 0.02, "ps-1"),
        "D_silicon": Estimate(15.1, 0.3, "cm2/s"),
        "relaxation_below": not_determined("ps", "the sweep was <broken> off & never ended"),
    }
    return Results(
        rows={name: compare(name, estimate) for name, estimate in estimates.items()},
        response=fit_fluence_response(fluence, *columns),
        line=SimpleNamespace(
            line=mode,
            line_sigma=0.01 * mode + 20,
            broad=2e4 * lights[:, 0] / 1e18,
            broad_sigma=np.full(len(mode), 30.0),
        ),
        s_curve=SimpleNamespace(
            threshold=estimates["fluence_threshold"],
            evaluate=lambda f: np.exp(np.interp(f, fluence, np.log(mode))),
        ),
        rates=SimpleNamespace(
            initial=FLUENCES * DENSITY,
            density=lambda initial, time: at(initial, time).ravel(),
            photons=lambda initial, time: solved(float(initial))(time)[-3],
            light=lambda initial: tuple(np.array([light_of(n) for n in initial]).T),
        ),
        decays=decays,
        windows=xr.Dataset(
            {
                "tau_lasing": ("window", [12.0 + e / 80 + s / 9 for s, e in windows]),
                "tau_lasing_sigma": ("window", [0.3] * len(windows)),
                "tau_fluor": ("window", [150 + e / 4 + s for s, e in windows]),
                "tau_fluor_sigma": ("window", [5.0] * len(windows)),
            },
            coords={
                "start": ("window", [s for s, _ in windows]),
                "stop": ("window", [e for _, e in windows]),
            },
        ),
        relaxation=xr.Dataset(
            {
                "time": ("fluence", [t for t, _ in times]),
                "sigma": ("fluence", [s for _, s in times]),
            },
            coords={"fluence": FLUENCES},
        ),
        movie=SimpleNamespace(
            diffusion=estimates["D"], profile=parabola(grid, 0.78, 0.11), evaluate=cloud
        ),
        silicon=SimpleNamespace(
            diffusion=estimates["D_silicon"],
            profile=parabola(silicon_grid, 15.1, 0.3),
            evaluate=line,
        ),
        notes=("Γ is not identified: it scales the photons, which Δn does not see",),
    )
