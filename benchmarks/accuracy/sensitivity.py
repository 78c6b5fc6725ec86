"""Sensitivity, bias and time resolution of the published reduction and of this project.

Run as ``python -m benchmarks.accuracy.sensitivity``; with ``--out docs/reference/sensitivity.md``
it writes the page and its figure. Both reductions get the same frames: those of the simulated
microscope with the default scenario, of the same scenario with a steady spectrum of the light, and
of plates computed from formulas.
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

QUIET_PERIODS = 1200  # chopper periods of the record without the pump: a minute
AVERAGED = (1, 2, 5, 20, 60)  # chopper periods of a point cut from it
FRINGES = (0.4, 0.7, 1.2, 2.0, 4.0, 8.0, 20.0)  # in the band, of the plates without drift
PHASES = np.linspace(0, 2 * np.pi, 8, endpoint=False)  # rad, of the fringe, for biases
DELTA_N = 3e-3  # RIU, for biases
SIZES = (1e-4, 1e-3, 1e-2, 3e-2)  # RIU, of Δn with drift
DRIFTS = (0.0, 0.03, 0.1)  # rad/√s
POINTS, FRAMES = 400, 60  # points of a scatter, which is then known to 3.5 %; frames of a point
LARGE = (1e-3, 1e-2, 3e-2)  # RIU, of Δn in different plates
PLATES = 200  # different plates: their root mean square error is known to 5 %
STEP_FLUENCE, PLATEAU = 0.35, (4.0, 8.0)  # mJ/cm²; ps, after the rise and before the decay
STEP_DELAYS = np.arange(-6.0, 8.01, 0.25)  # ps


@dataclass(frozen=True)
class Comparison:
    """Numbers that the page and the figure show.

    Attributes
    ----------
    sensitivity : mapping
        By scenario the columns `time` (averaging time, s), and in RIU `published` and `project`
        (scatter of the points), `stated` (sigma of this project), `bound` (with drift) and `limit`
        (shot and read noise).
    steps : mapping
        By method `time` (ps), `delta_n` (RIU), `rise` (ps) and `plateau` (over the truth).
    plates : list
        A row for every number of fringes: see `_plate`.
    effects : list
        A row for every number of fringes, Δn and drift: see `_effect`.
    different_plates : list
        A row for every number of fringes and Δn: see `different_plates`.
    """

    sensitivity: Mapping[str, Mapping[str, list[float]]]
    steps: Mapping[str, Mapping[str, Any]]
    plates: list[dict[str, float]]
    effects: list[dict[str, float]]
    different_plates: list[dict[str, float]]


def measure() -> Comparison:
    """Make all frames, apply both reductions to them, and return the comparison."""
    default = load_scenario(None)
    steady = default.probe.model_copy(update={"slow_tilt_noise": 0.0})
    scenarios = {
        "default scenario": default,
        "steady spectrum": default.model_copy(update={"probe": steady}),
    }
    return Comparison(
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
            different_plates(fringes, delta_n, PLATES)
            for fringes in (0.4, 0.7, 1.2, 4.0, 20.0)
            for delta_n in LARGE
        ],
    )


def sensitivity(
    scenario: Scenario, periods: int = QUIET_PERIODS, averaged: tuple[int, ...] = AVERAGED
) -> dict[str, list[float]]:
    """Return the columns of `Comparison.sensitivity` for one scenario.

    Parameters
    ----------
    scenario : Scenario
    periods : int
        Chopper periods of the record.
    averaged : tuple of int
        Chopper periods of a point.
    """
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
    # Over the time of a point, a slow fluctuation is a random walk too.
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
    """Return the Cramér–Rao bound, rad, of a pump-on minus pump-off phase with noise and drift.

    Parameters
    ----------
    opened : (F,) array
        Open fractions of the frames.
    white, step : float
        Standard deviation of a frame's white noise, and of the random walk between frames, rad.
    """
    frame = np.arange(len(opened))
    covariance = white**2 * np.eye(len(frame)) + step**2 * np.minimum.outer(frame, frame)
    table = np.stack([np.ones_like(opened), opened])  # the phase without the pump is not known
    return float(np.sqrt(np.linalg.inv(table @ np.linalg.solve(covariance, table.T))[1, 1]))


def _root_mean_square(sigma: xr.DataArray) -> float:
    return float(np.sqrt((sigma**2).mean()))


def _own_sigma(reduced: xr.Dataset) -> float:
    """Return the stated sigma, RIU, of points of one plate without the error that they share."""
    variance = reduced["delta_n_sigma"] ** 2 - reduced["delta_n_systematic"] ** 2
    return float(np.sqrt(variance.mean()))


def _cut(record: xr.Dataset, frames: int) -> xr.Dataset:
    """Cut a record without the pump into points of so many frames with a virtual chopper."""
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
    """Return `Comparison.steps`: the rise of Δn at the pump in both reductions."""
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
    """Return the 10–90 % rise in ps of a step from 0 to 1.

    It is the time from the last crossing of 0.1 to the first one of 0.9.

    Parameters
    ----------
    time, step : (n,) array
        ps; the step.
    """
    up = int(np.flatnonzero(step >= 0.9)[0])
    start = int(np.flatnonzero(step[:up] < 0.1)[-1])

    def crossing(after: int, height: float) -> float:
        share = (height - step[after - 1]) / (step[after] - step[after - 1])
        return float(time[after - 1] + share * (time[after] - time[after - 1]))

    return crossing(up, 0.9) - crossing(start + 1, 0.1)


def _plate(fringes: float) -> dict[str, float]:
    """Return scatter of the points of one plate, its bound, and bias over all fringe phases."""
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
    """Return scatter of the points of one plate with drift, its bound, and bias without noise."""
    reduced = reduce_scan(plate.dataset(np.full(POINTS, delta_n), FRAMES, seed=2))
    biases = []
    if plate.drift == 0:
        clean = [FormulaPlate(plate.fringes, phase) for phase in PHASES]
        points = [each.dataset(np.array([delta_n]), FRAMES) for each in clean]
        biases = [float(reduce_scan(point)["delta_n"][0]) / delta_n - 1 for point in points]
    return {
        "fringes": plate.fringes,
        "delta_n": delta_n,
        "drift": plate.drift,
        "bound": plate.bound(FRAMES, delta_n, one_plate=True),
        "scatter": float(reduced["delta_n"].std()),
        "stated": _own_sigma(reduced),
        "bias": float(np.abs(biases).max(initial=0.0)),
    }


def different_plates(fringes: float, delta_n: float, plates: int) -> dict[str, float]:
    """Return the errors of single points of plates with different shapes and any phase.

    The shapes have the standard deviations of `SHAPE`, but the group indices one of 3 %, because
    they exceed the indices by 3 to 8 %. Errors are divided by the whole bound of their plate, and
    by the stated sigma.

    Parameters
    ----------
    fringes : float
        In the band, for the nominal group index.
    delta_n : float
        RIU.
    plates : int
        Number of plates.
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
    results = measure()
    text = page(results, "figures/sensitivity.png")
    print(text)
    if out is not None:
        figure = out.parent / "figures" / "sensitivity.png"
        figure.parent.mkdir(exist_ok=True)
        draw(results, figure)
        out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
