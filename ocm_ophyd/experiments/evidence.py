"""What an experiment holds: its runs, reduced, and what is known beside them."""

import platform
from collections.abc import Iterable, Iterator, Mapping
from math import hypot, nan, sqrt
from typing import Any

import numpy as np
import xarray as xr
from tiled.queries import Key

from analysis.diffusion.gaussian_cloud import PROBE_WAIST
from analysis.documents.datasets import raw_dataset, reduced_run
from analysis.documents.derived_runs import keep_fit
from analysis.estimate import Estimate
from analysis.paper.infer import Results
from analysis.paper.measurements import Known, PaperData
from analysis.reduction.scan import reduce_scan
from ocm_ophyd.archive.journal import Journal, JournaledRun, journaled_runs, read_run
from ocm_ophyd.devices.delay import MM_PER_PS
from ocm_ophyd.errors import OcmError
from ocm_ophyd.experiments.definition import SAMPLE, SILICON, TIME_SCALE, Experiment
from ocm_ophyd.samples import Sample, load_samples
from ocm_ophyd.settings import Settings

__all__ = ["calibration", "gather", "instrument_time", "keep_results", "reduced", "versions"]

FLUENCE_SCATTER = 7e-4
"""Relative standard deviation of one fluence by itself: the pump's energy is stable to half a per
cent from one exposure to the next, and a point has sixty with the pump on."""


def gather(
    experiment: Experiment, settings: Settings, catalog: Any
) -> tuple[PaperData, dict[str, str]]:
    """Return what was measured, reduced, from the catalog.

    Parameters
    ----------
    experiment : Experiment
        What was asked for.
    settings : Settings
        Of its laboratory.
    catalog : CatalogOfBlueskyRuns
        From `connect`; holds every run.

    Returns
    -------
    data : PaperData
        None for what was not measured or cannot be reduced.
    failures : dict
        Why a run cannot be reduced, by its step.
    """
    samples = load_samples(settings.home / "samples.yaml")
    runs = {name: run.uid for name, run in experiment.taken(settings.journal_dir).items()}
    scans: dict[str, xr.Dataset] = {}
    failures: dict[str, str] = {}
    for name, uid in runs.items():
        try:
            scans[name] = reduced(catalog, uid)
        except OcmError as error:
            failures[name] = str(error)
    known = _known(samples, experiment.alignments.get(SAMPLE, []))
    return PaperData(known=known, runs=runs, **scans), failures


def _known(samples: Mapping[str, Sample], calibration: list[dict[str, Any]]) -> Known:
    """Return what alignment and the samples' records say."""
    plate = samples[SAMPLE]
    stored = {entry["name"]: entry for entry in calibration}
    waist = Estimate(plate.pump_waist, 0.1 * plate.pump_waist, "um", note="not measured")
    if found := stored.get("steering_lens_focal_waist"):
        waist = Estimate(found["value"], found["sigma"], "um")
    power = stored.get("pump_fluence_sigma", {}).get("value", nan)
    zero = stored.get("delay_time_zero", {}).get("sigma", nan)
    return Known(
        size=plate.size,
        pump_waist=waist,
        probe_waist=PROBE_WAIST,
        fluence_scale=hypot(power, 2 * waist.sigma / waist.value),
        fluence_scatter=FLUENCE_SCATTER,
        time_zero_sigma=zero / MM_PER_PS,
        waveguide=samples[SILICON].size,
    )


def reduced(catalog: Any, uid: str) -> xr.Dataset:
    """Return a raw run's reduction: the one in the catalog, or else reduced again.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        From `connect`.
    uid : str
        Of the raw run.

    Raises
    ------
    ValueError
        Where the run cannot be reduced.
    """
    kept = catalog.search(Key("start.raw_run") == uid).search(Key("start.plan_name") == "reduce")
    complete = kept.search(Key("stop.exit_status") == "success")
    if len(complete):
        return reduced_run(complete.values().last())
    with raw_dataset(catalog[uid]) as raw:
        return reduce_scan(raw)


def calibration(experiment: Experiment) -> list[dict[str, Any]]:
    """Return the stored calibration: all of the first sample, of the other what is its own.

    Tables are one column after another.
    """
    first = experiment.alignments.get(SAMPLE, [])
    other = [entry for entry in experiment.alignments.get(SILICON, []) if entry not in first]
    both = [*first, *(entry | {"name": f"{entry['name']}, {SILICON}"} for entry in other)]
    return [
        entry | {"value": np.ravel(entry["value"]).tolist()}
        if isinstance(entry["value"], list)
        else entry
        for entry in both
    ]


def versions(runs: Iterable[JournaledRun]) -> dict[str, str]:
    """Return the versions of what measured (as the runs say) and of Python."""
    recorded = {name: text for run in runs for name, text in run.start["versions"].items()}
    return {"Python": platform.python_version()} | recorded


def keep_results(
    settings: Settings, data: PaperData, results: Results, runs: Mapping[str, JournaledRun]
) -> str:
    """Keep the table as a run of its own that names all the runs it comes from.

    Parameters
    ----------
    settings : Settings
        Of the laboratory; the run goes into its journal.
    data : PaperData
        What the table was made of.
    results : Results
        Its rows.
    runs : mapping
        Raw runs by step, at least one.

    Returns
    -------
    str
        uid of the run.
    """
    journal = Journal(settings.journal_dir)
    found = {name: row.estimate for name, row in results.rows.items()}
    more = {
        "purpose": "Table 1",
        "raw_runs": dict(data.runs),
        "upper95": {name: e.upper95 for name, e in found.items() if e.upper95 is not None},
    }

    def emit(name: str, doc: dict[str, Any]) -> None:
        journal(name, doc | more if name == "start" else doc)

    return keep_fit(next(iter(runs.values())).start, found, emit)


def instrument_time(settings: Settings) -> float:
    """Seconds that the real instrument would take for the complete runs of an experiment.

    Exposures and the delay stage's travel take their full time there, and everything that is the
    computer's own takes what it took here.
    """
    total = 0.0
    for run in journaled_runs(settings.journal_dir):
        if (
            "reproduce" in run.start
            and run.stop is not None
            and run.stop["exit_status"] == "success"
        ):
            simulated = _exposing(run.start) + sum(_travels(run))
            total += run.stop["time"] - run.start["time"] + simulated * (1 - 1 / TIME_SCALE)
    return float(total)


def _exposing(start: dict[str, Any]) -> float:
    """Seconds in which frames are taken; the power meter's readings need none."""
    if "periods_per_point" not in start:
        return 0.0
    return start["num_points"] * start["periods_per_point"] / start.get("chopper_frequency", 20.0)


def _travels(run: JournaledRun) -> Iterator[float]:
    """Yield the seconds of each move of the delay stage: trapezoids, as the motor record makes."""
    positions, velocity, ramp = [], 0.0, 0.0
    for name, doc in read_run(run.path):
        if name == "descriptor" and doc["name"] == "primary" and "delay_m1" in doc["data_keys"]:
            motor = doc["configuration"]["delay"]["data"]
            velocity, ramp = motor["delay_m1_velocity"], motor["delay_m1_acceleration"]
        elif name == "event" and velocity and "delay_m1" in doc["data"]:
            positions.append(doc["data"]["delay_m1"])
    for distance in np.abs(np.diff(positions)):
        if distance > 0:
            long = distance > velocity * ramp
            yield distance / velocity + ramp if long else 2 * sqrt(distance * ramp / velocity)
