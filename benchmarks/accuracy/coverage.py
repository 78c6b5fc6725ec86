"""Coverage of the uncertainties: pulls of every number of Table 1 over random scenarios.

Run as ``python -m benchmarks.accuracy.coverage --seeds 61 120``, which writes the page
``docs/reference/coverage.md`` and ends with an error where a quantity of Table 1 does not keep the
bars. Results are kept, one line for each scenario, in a ``.jsonl`` file beside the page. They are
not computed again: the same command goes on after an interruption.

Every scenario is another instrument with another sample (`random_scenario`), measured in the
virtual laboratory as the published experiment is, and analysed with the data alone. A pull is
(estimate − truth)/sigma, and the truth is (`truth`):

- A, B, C, beta, D, photon_loss, pump_waist, time_zero: the scenario's own;
- tau_lasing, tau_fluor, relaxation_below: the same fits of the sample's Δn without noise, at the
  nominal fluences and at the times of the kinetics, with the probe in the middle of the pump;
- fluence_threshold: where ln(laser line) rises steepest with ln(fluence), without noise;
- fluence_onset: where gain equals loss right after the pump;
- N_threshold, delta_n_threshold, N_onset, delta_n_onset: what the probe sees right after a pump of
  that fluence, Δn at 1050 nm.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.diffusion.gaussian_cloud import PROBE_WAIST
from analysis.estimate import Estimate
from analysis.kinetics.decay_fit import fit_decay, relaxation_time
from analysis.paper.curves import probe_time
from analysis.paper.infer import infer
from analysis.paper.measurements import ABOVE, BELOW, WINDOW, Calibration, PaperData
from analysis.probe_band import CENTRE_WAVELENGTH
from benchmarks.accuracy.pulls import draw, misses, page
from benchmarks.accuracy.virtual_laboratory import MM_PER_PS, PUMP_WAIST, Laboratory
from ocm_ophyd.experiments.definition import (
    DELAYS,
    FLUENCES,
    KINETICS_FLUENCES,
    MOVIE_DELAYS,
    MOVIE_SIDE,
    PERIODS_KINETICS,
    PERIODS_MOVIE,
    PERIODS_SWEEP,
    SWEEP_DELAY,
)
from ocm_ophyd.twin import Scenario, load_scenario
from ocm_ophyd.twin.sample import NODE, Sample, Spot

WAIST_SIGMA = 0.05  # um, of the difference of the pump's waist from the stored one
METER_SIGMA = 0.0015  # relative: its zero wanders by 4 nW, half fluence is 2 uW
FLUENCE_SCATTER = 7e-4  # relative: half a per cent an exposure, sixty of them a point

TABLE_1 = ("A", "B", "C", "beta", "tau_lasing", "tau_fluor", "D")
TABLE_1 += ("N_threshold", "delta_n_threshold", "fluence_threshold")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def random_scenario(seed: int) -> Scenario:
    """Vary sample, chirp and alignment of the default scenario.

    Sample constants ± 30 %, evenly and independently; the lasing threshold ± 25 %, so that it is
    below the fluence of the movie. The pump's waist differs from the stored one.
    """
    rng = np.random.default_rng([seed, 3])

    def vary(value: float, by: float = 0.3) -> float:
        return float(value * rng.uniform(1 - by, 1 + by))

    def near(values: Iterable[float], by: float) -> tuple[float, ...]:
        return tuple(float(value + rng.uniform(-by, by)) for value in values)

    default = load_scenario()
    sample, probe, actuators = default.sample, default.probe, default.actuators
    lasing = sample.lasing.model_copy(
        update={
            "threshold_fluence": vary(sample.lasing.threshold_fluence, 0.25),
            "photon_loss": vary(sample.lasing.photon_loss),
            "coupling": vary(sample.lasing.coupling),
        }
    )
    names = ("trapping", "radiative", "auger", "diffusion", "density_per_fluence")
    constants = {name: vary(getattr(sample, name)) for name in names}
    chirp = {
        f"chirp_{name}": vary(getattr(probe, f"chirp_{name}")) for name in ("quadratic", "cubic")
    }
    chirp["chirp_span"] = vary(probe.chirp_span, 0.1)
    secrets = {
        "time_zero": near([actuators.time_zero], 1.0)[0],
        "galvo_offset": near(actuators.galvo_offset, 0.1),
        "lens_offset": near(actuators.lens_offset, 0.3),
        "retardance": vary(actuators.retardance, 0.05),
        "retarder_threshold": vary(actuators.retarder_threshold, 0.1),
        "retarder_half": vary(actuators.retarder_half, 0.1),
    }
    pump = default.pump.model_copy(
        update={"waist": PUMP_WAIST + WAIST_SIGMA * rng.standard_normal()}
    )
    chopper = default.chopper.model_copy(update={"phase_offset": float(rng.uniform())})
    return default.model_copy(
        update={
            "seed": seed,
            "sample": sample.model_copy(update=constants | {"lasing": lasing}),
            "pump": pump,
            "probe": probe.model_copy(update=chirp),
            "actuators": actuators.model_copy(update=secrets),
            "chopper": chopper,
        }
    )


def experiment(laboratory: Laboratory, size: tuple[float, float]) -> PaperData:
    """Calibrate, measure as the paper did, and return the data."""
    laboratory.record_reference()
    laboratory.calibrate_pump_power()
    arrival = laboratory.find_time_zero()
    spot = laboratory.overlap()
    waist = Estimate(spot.waist, spot.waist_sigma, "um")
    sweep = laboratory.scan({"fluence": FLUENCES}, PERIODS_SWEEP, delay=SWEEP_DELAY)
    kinetics = {"fluence": KINETICS_FLUENCES, "delay": DELAYS}
    movie = {"delay": MOVIE_DELAYS, "y": MOVIE_SIDE, "x": MOVIE_SIDE}
    return PaperData(
        Calibration(
            size=size,
            pump_waist=waist,
            probe_waist=PROBE_WAIST,
            fluence_scale=float(np.hypot(2 * waist.sigma / waist.value, METER_SIGMA)),
            fluence_scatter=FLUENCE_SCATTER,
            time_zero_sigma=arrival.time_zero_sigma,
        ),
        sweep,
        laboratory.scan(kinetics, PERIODS_KINETICS),
        laboratory.scan(movie, PERIODS_MOVIE, fluence=ABOVE),
    )


def truth(scenario: Scenario, x: float, y: float, kinetics: xr.Dataset) -> dict[str, float]:
    """Return the true values of the estimates, with the pump at (x, y) um on the plate.

    Decay times are those of the sample at the times (ps) of the kinetics.
    """
    sample, spec, actuators = Sample(scenario), scenario.sample, scenario.actuators
    # The steering lens is at z = 0, not quite in focus.
    widening = float(np.hypot(1.0, actuators.lens_focus / actuators.lens_range))
    spot = Spot(x, y, scenario.pump.waist * widening)

    def delta_n(delay: Any, fluence: float) -> np.ndarray:
        return sample.delta_n(delay, fluence, x, y, spot, CENTRE_WAVELENGTH)

    def created(fluence: float) -> tuple[float, float]:
        """Return the density (cm⁻³) under the probe right after the pump, and its Δn (RIU)."""
        cloud = sample.carriers(fluence, spot)
        density = 2 * float(sample.density(0.0, cloud, x, y))  # at 0 half of the pulse has arrived
        return density, float(sample.index_change(density))

    above, below = (_sampled_times(kinetics, fluence) for fluence in (ABOVE, BELOW))
    decay = fit_decay(above, delta_n(above, ABOVE), window=WINDOW, model="biexponential")
    onset = spec.lasing.threshold_fluence / widening**2  # as many carriers, in a wider spot
    threshold = _steepest(lambda fluence: sample.carriers(fluence, spot).coherent, onset)
    at_threshold, at_onset = created(threshold), created(onset)
    return {
        "A": spec.trapping,
        "B": spec.radiative,
        "C": spec.auger,
        "beta": spec.lasing.coupling,
        "tau_lasing": decay.values["tau_lasing"],
        "tau_fluor": decay.values["tau_fluor"],
        "D": spec.diffusion,
        "N_threshold": at_threshold[0],
        "delta_n_threshold": at_threshold[1],
        "fluence_threshold": threshold,
        "N_onset": at_onset[0],
        "delta_n_onset": at_onset[1],
        "fluence_onset": onset,
        "threshold_difference": threshold - onset,
        "photon_loss": spec.lasing.photon_loss,
        "relaxation_below": _relaxation(below, delta_n(below, BELOW)),
        "pump_waist": spot.waist,
        "time_zero": actuators.time_zero / MM_PER_PS,
    }


def _sampled_times(kinetics: xr.Dataset, fluence: float) -> np.ndarray:
    """Return the times (ps) at which the delay scan at a fluence sampled the sample."""
    near = np.abs(kinetics["fluence"].values - fluence) < 0.02 * fluence
    return probe_time(kinetics.isel(point=near))[0]


def _steepest(intensity: Callable[[float], float], near: float) -> float:
    """Return the fluence at which ln(intensity) rises steepest with ln(fluence)."""
    low, high = np.log([0.85 * near, 1.25 * near]) / NODE
    nodes = np.arange(np.floor(low), np.ceil(high)) * NODE
    slope = np.diff(np.log([intensity(float(np.exp(node))) for node in nodes]))
    around = int(np.argmax(slope)) + np.arange(-2, 3)
    bend, tilt, _ = np.polyfit(nodes[around] + NODE / 2, slope[around], 2)
    return float(np.exp(-tilt / (2 * bend)))


def _relaxation(delay: np.ndarray, delta_n: np.ndarray) -> float:
    window = (WINDOW[0], float(delay.max()))
    noise = np.full(len(delay), 5e-5)  # of a point of ten periods: decides on one decay or two
    return relaxation_time(fit_decay(delay, delta_n, noise, window)).value


def measured(seed: int) -> dict[str, Any]:
    """Measure a random scenario, and return its estimates and true values for JSON."""
    begin = time.perf_counter()
    scenario = random_scenario(seed)
    laboratory = Laboratory(scenario, seed)
    data = experiment(laboratory, (scenario.sample.length, scenario.sample.width))
    taken = time.perf_counter()
    rows = infer(data).rows
    inferred = time.perf_counter()
    estimates = {name: row.estimate for name, row in rows.items()}
    zero = laboratory.calibration.time_zero / MM_PER_PS
    estimates["time_zero"] = Estimate(zero, data.calibration.time_zero_sigma, "ps")
    estimates["pump_waist"] = data.calibration.pump_waist
    assert data.kinetics is not None
    true = truth(scenario, *laboratory.pump_position(), data.kinetics)
    return {
        "seed": seed,
        "seconds": [taken - begin, inferred - taken],
        "quantities": {
            name: {
                "value": estimates[name].value,
                "sigma": estimates[name].sigma,
                "upper95": estimates[name].upper95,
                "truth": true[name],
                "note": estimates[name].note,
            }
            for name in true
            if name in estimates
        },
    }


def records(path: Path, seeds: Iterable[int], jobs: int) -> list[dict[str, Any]]:
    """Return the results of scenarios; missing ones are computed and added to the file."""
    known = {}
    if path.exists():
        lines = (json.loads(line) for line in path.read_text().splitlines())
        known = {record["seed"]: record for record in lines}
    missing = [seed for seed in seeds if seed not in known]
    # The workers read this when they import numpy and numba: one core each.
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool, path.open("a") as file:
        for done in as_completed([pool.submit(measured, seed) for seed in missing]):
            record = done.result()
            known[record["seed"]] = record
            file.write(json.dumps(record) + "\n")
            file.flush()
            measuring, inferring = record["seconds"]
            print(f"scenario {record['seed']}: {measuring:.0f} + {inferring:.0f} s", flush=True)
    return [known[seed] for seed in seeds]


def main() -> None:
    """Run the scenarios of the command line, and write page and figure."""
    parser = argparse.ArgumentParser(description="Pulls of Table 1 over random scenarios.")
    parser.add_argument("--seeds", type=int, nargs=2, default=(61, 120), help="first and last")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("docs/reference/coverage.md"))
    options = parser.parse_args()
    first, last = options.seeds
    results = records(options.out.with_suffix(".jsonl"), range(first, last + 1), options.jobs)
    figure = options.out.parent / "figures" / f"{options.out.stem}.png"
    figure.parent.mkdir(exist_ok=True)
    draw(results, figure)
    options.out.write_text(page(results, f"figures/{figure.name}"))
    print(options.out)
    if missed := misses(results, TABLE_1):
        raise SystemExit("\n".join(missed))


if __name__ == "__main__":
    main()
