"""Sensitivity, bias and time resolution: the published reduction and this project's side by side.

Run as ``python -m benchmarks.accuracy.sensitivity``; with ``--out docs/reference/sensitivity.md``
it writes the page and its figure. Both reductions get the same frames: of the simulated
microscope's default scenario, of the same with a steady spectrum of the light, and of plates
computed from formulas.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.noise.phase_record import virtual_chopper
from analysis.noise.spectrum import noise_spectrum
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.reduction.missing_metadata import complete_metadata
from analysis.reduction.scan import reduce_scan
from benchmarks.accuracy.formula_plate import GROUP_INDEX, SHAPE, FormulaPlate
from benchmarks.accuracy.paper_baseline import reduce_as_published
from benchmarks.accuracy.sensitivity_page import draw, page
from benchmarks.accuracy.virtual_laboratory import CHOPPER, PUMP_WAIST, Laboratory
from ocm_ophyd.twin import Scenario, load_scenario
from ocm_ophyd.twin.sample import Spot

QUIET_PERIODS = 1200  # a minute
AVERAGED = (1, 2, 5, 20, 60)  # chopper periods
FRINGES = (0.4, 0.7, 1.2, 2.0, 4.0, 8.0, 20.0)
PHASES = np.linspace(0, 2 * np.pi, 8, endpoint=False)
DELTA_N = 3e-3  # of the biases
SIZES = (1e-4, 1e-3, 1e-2, 3e-2)  # of the effects beside drift
DRIFTS = (0.0, 0.03, 0.1)  # rad/√s
POINTS, FRAMES = 400, 60  # of the scatters: known to 3.5 %
LARGE = (1e-3, 1e-2, 3e-2)  # effects in plates that differ
PLATES = 200  # of these: known to 5 %
STEP_FLUENCE, PLATEAU = 0.35, (4.0, 8.0)  # mJ/cm²; ps, where Δn has risen and hardly fallen
STEP_DELAYS = np.arange(-6.0, 8.01, 0.25)  # ps


@dataclass(frozen=True)
class Found:
    """Everything that the page and the figure show.

    `sensitivity` by scenario: averaging time (s), then σ(Δn) as published, of this project, as it
    states it, the bound with the drift and the limit of shot and read noise, each a list. `steps`
    by method: delays (ps), Δn, rise (ps) and plateau over the truth. `plates`: a row for every
    number of fringes with the bound, scatters and biases. `effects`: a row for each number of
    fringes, size of Δn and drift. `unlike`: see `unlike_plates`.
    """

    sensitivity: Mapping[str, Mapping[str, list[float]]]
    steps: Mapping[str, Mapping[str, Any]]
    plates: list[dict[str, float]]
    effects: list[dict[str, float]]
    unlike: list[dict[str, float]]


def measure() -> Found:
    """Make all frames and reduce them both ways."""
    default = load_scenario(None)
    steady = default.probe.model_copy(update={"slow_tilt_noise": 0.0})
    scenarios = {
        "default scenario": default,
        "steady spectrum": default.model_copy(update={"probe": steady}),
    }
    return Found(
        {name: sensitivity(scenario) for name, scenario in scenarios.items()},
        _steps(default),
        [_plate(fringes) for fringes in FRINGES],
        [
            _effect(FormulaPlate(fringes, 1.0, drift), delta_n)
            for fringes in (0.4, 1.2, 4.0, 20.0)
            for delta_n in SIZES
            for drift in DRIFTS
        ],
        [
            unlike_plates(fringes, delta_n, PLATES)
            for fringes in (0.4, 0.7, 1.2, 4.0, 20.0)
            for delta_n in LARGE
        ],
    )


def sensitivity(
    scenario: Scenario, periods: int = QUIET_PERIODS, averaged: tuple[int, ...] = AVERAGED
) -> dict[str, list[float]]:
    """Scatter of points of so many periods without the pump, columns as in `Found`."""
    laboratory = Laboratory(scenario, seed=1)
    laboratory.record_reference()
    columns: dict[str, list[float]] = {
        name: [] for name in ("time", "published", "project", "stated", "bound", "limit")
    }
    record = laboratory.frames(periods)
    noise = noise_spectrum(record)
    interval = float(np.diff(record["frame_time"].values[0]).mean())
    shot = np.sqrt(noise.density_limit / (2 * interval))
    optics = scenario.interferometer
    # what wanders slowly is a walk as well over the time of a point
    drift = np.hypot(optics.walk, optics.thermal * np.sqrt(2 / optics.thermal_time))
    scale = CENTRE_WAVELENGTH * 1e-3 / (4 * np.pi * scenario.sample.thickness)
    for together in averaged:
        points = _cut(record, 6 * together)
        time = together / CHOPPER
        reduced = reduce_scan(complete_metadata(points))
        columns["time"].append(time)
        columns["published"].append(float(reduce_as_published(points).delta_n.std()))
        columns["project"].append(float(reduced["delta_n"].std()))
        columns["stated"].append(_root_mean_square(reduced["delta_n_sigma"]))
        opened = points["pump_open"].values[0]
        columns["bound"].append(scale * drift_bound(opened, shot, drift * np.sqrt(interval)))
        columns["limit"].append(float(noise.limit[0] * np.sqrt(noise.time[0] / time)))
    return columns


def drift_bound(opened: np.ndarray, white: float, step: float) -> float:
    """Cramér–Rao bound of an on–off phase difference under white noise and a random walk, rad.

    Parameters
    ----------
    opened : (F,) array
        Open fractions of the frames.
    white, step : float
        Standard deviation of a frame's own noise, and of the walk from a frame to the next, rad.
    """
    frame = np.arange(len(opened))
    covariance = white**2 * np.eye(len(frame)) + step**2 * np.minimum.outer(frame, frame)
    table = np.stack([np.ones_like(opened), opened])  # the phase without the pump is not known
    return float(np.sqrt(np.linalg.inv(table @ np.linalg.solve(covariance, table.T))[1, 1]))


def _root_mean_square(sigma: xr.DataArray) -> float:
    return float(np.sqrt((sigma**2).mean()))


def _own_sigma(reduced: xr.Dataset) -> float:
    """Stated sigma of points of one plate, without what all of them share."""
    variance = reduced["delta_n_sigma"] ** 2 - reduced["delta_n_systematic"] ** 2
    return float(np.sqrt(variance.mean()))


def _cut(record: xr.Dataset, frames: int) -> xr.Dataset:
    """Cut a record of one point into points of so many frames, chopped in name only."""
    points = record.sizes["frame"] // frames
    by_frame = ("point", "frame")

    def cut(values: np.ndarray) -> np.ndarray:
        return values[: points * frames].reshape(points, frames, *values.shape[1:])

    times = record["frame_time"].values[0]
    opened = virtual_chopper(times, record.attrs["exposure"], CHOPPER)
    return record.drop_dims("point").assign(
        frames=((*by_frame, "wavelength"), cut(record["frames"].values[0])),
        frame_time=(by_frame, cut(times)),
        pump_open=(by_frame, cut(opened)),
        **{name: ("point", np.zeros(points)) for name in ("delay", "x", "y", "fluence")},
    )


def _steps(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """Rise of Δn at the pump, seen by either reduction."""
    laboratory = Laboratory(scenario, seed=1)
    laboratory.record_reference()
    laboratory.calibrate_pump_power()
    laboratory.find_time_zero()
    raw = laboratory.raw({"delay": STEP_DELAYS}, periods=20, fluence=STEP_FLUENCE)
    reduced = reduce_scan(complete_metadata(raw))
    delay = reduced["delay"].values
    methods = {
        "FFT bin, as published": (delay, reduce_as_published(raw).delta_n),
        "phase of the whole band": (delay, reduced["delta_n"].values),
        "chirp-resolved": (
            reduced["chirp_resolved_delay"].values,
            reduced["chirp_resolved_delta_n"].values,
        ),
    }
    sample = laboratory.microscope.sample
    spot = Spot(*laboratory.pump_position(), PUMP_WAIST)
    steps = {}
    for name, (time, delta_n) in methods.items():
        late = (time >= PLATEAU[0]) & (time <= PLATEAU[1])
        truth = sample.delta_n(
            time, STEP_FLUENCE, *laboratory.probe_position(), spot, CENTRE_WAVELENGTH
        )
        steps[name] = {
            "time": time,
            "delta_n": delta_n,
            "rise": rise(time, delta_n / delta_n[late].mean()),
            "plateau": float(delta_n[late].mean() / truth[late].mean()),
        }
    return steps


def rise(time: np.ndarray, step: np.ndarray) -> float:
    """10–90 % rise, ps, of a step from 0 to 1: between the last crossings before it is up."""
    up = int(np.flatnonzero(step >= 0.9)[0])
    start = int(np.flatnonzero(step[:up] < 0.1)[-1])

    def crossing(after: int, level: float) -> float:
        share = (level - step[after - 1]) / (step[after] - step[after - 1])
        return float(time[after - 1] + share * (time[after] - time[after - 1]))

    return crossing(up, 0.9) - crossing(start + 1, 0.1)


def _plate(fringes: float) -> dict[str, float]:
    """Scatter among points of one plate, its bound, and bias over all phases of the fringe."""
    plate = FormulaPlate(fringes, phase=1.0)
    noisy = plate.dataset(np.zeros(POINTS), FRAMES, seed=1)
    reduced = reduce_scan(noisy)
    clean = [FormulaPlate(fringes, phase).dataset(np.array([DELTA_N]), FRAMES) for phase in PHASES]
    biases = {
        "published": [reduce_as_published(point).delta_n[0] / DELTA_N - 1 for point in clean],
        "project": [float(reduce_scan(point)["delta_n"][0]) / DELTA_N - 1 for point in clean],
    }
    return {
        "fringes": fringes,
        "bound": plate.bound(FRAMES, one_plate=True),
        "bound_same_light": plate.bound(FRAMES, same_light=True, one_plate=True),
        "scatter_published": float(reduce_as_published(noisy).delta_n.std()),
        "scatter_project": float(reduced["delta_n"].std()),
        "stated_project": _own_sigma(reduced),
        **{f"bias_{name}": float(np.abs(values).max()) for name, values in biases.items()},
    }


def _effect(plate: FormulaPlate, delta_n: float) -> dict[str, float]:
    """Scatter among points of one plate beside drift, its bound; bias without noise."""
    reduced = reduce_scan(plate.dataset(np.full(POINTS, delta_n), FRAMES, seed=2))
    found = []
    if plate.drift == 0:
        clean = [FormulaPlate(plate.fringes, phase) for phase in PHASES]
        points = [each.dataset(np.array([delta_n]), FRAMES) for each in clean]
        found = [float(reduce_scan(point)["delta_n"][0]) / delta_n - 1 for point in points]
    return {
        "fringes": plate.fringes,
        "delta_n": delta_n,
        "drift": plate.drift,
        "bound": plate.bound(FRAMES, delta_n, one_plate=True),
        "scatter": float(reduced["delta_n"].std()),
        "stated": _own_sigma(reduced),
        "bias": float(np.abs(found).max(initial=0.0)),
    }


def unlike_plates(fringes: float, delta_n: float, plates: int) -> dict[str, float]:
    """Errors of points that each have a plate of its own, of any phase.

    Shapes differ as `SHAPE` says, group indices by 3 %: they exceed indices by 3 to 8 %. Errors are
    over the whole bound of their plate, and over the stated sigma.
    """
    rng = np.random.default_rng(5)
    errors, pulls, biases = [], [], []
    for seed in range(plates):
        plate = FormulaPlate(
            fringes,
            phase=rng.uniform(0, 2 * np.pi),
            group_index=rng.normal(GROUP_INDEX, 0.03 * GROUP_INDEX),
            bend=rng.normal(0.02, SHAPE["bend"]),
            tilt=rng.normal(0, SHAPE["tilt"]),
            curve=rng.normal(0, SHAPE["curve"]),
        )
        point = reduce_scan(plate.dataset(np.array([delta_n]), FRAMES, seed))
        error = float(point["delta_n"][0]) - delta_n
        bounds = [plate.bound(FRAMES, delta_n, same_light=same) for same in (False, True)]
        errors.append([error / bound for bound in bounds])
        pulls.append(error / float(point["delta_n_sigma"][0]))
        biases.append(error / delta_n)
    free, same = np.sqrt(np.mean(np.square(errors), axis=0))
    return {
        "fringes": fringes,
        "delta_n": delta_n,
        "error": float(free),
        "error_same_light": float(same),
        "pull": float(np.std(pulls)),
        "largest": float(np.abs(pulls).max()),
        "bias": float(np.mean(biases)),
        "bias_sigma": float(np.std(biases) / np.sqrt(plates)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="page to write; the figure goes to figures/")
    out = parser.parse_args().out
    found = measure()
    text = page(found, "figures/sensitivity.png")
    print(text)
    if out is not None:
        figure = out.parent / "figures" / "sensitivity.png"
        figure.parent.mkdir(exist_ok=True)
        draw(found, figure)
        out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
