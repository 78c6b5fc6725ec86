"""Runs of an experiment: reduced scans with their calibration, versions and durations."""

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
from analysis.documents.run_documents import RunDocuments
from analysis.estimate import Estimate
from analysis.paper.infer import Results
from analysis.paper.measurements import Calibration, PaperData
from analysis.reduction.scan import reduce_scan
from ocm_ophyd.archive.journal import Journal, JournaledRun, journaled_runs, read_run
from ocm_ophyd.devices.delay import MM_PER_PS
from ocm_ophyd.errors import OcmError
from ocm_ophyd.experiments.definition import SAMPLE, SILICON, TIME_SCALE, Experiment
from ocm_ophyd.samples import Sample, load_samples
from ocm_ophyd.settings import Settings

__all__ = ["calibration", "gather", "instrument_time", "keep_results", "reduced", "versions"]

FLUENCE_SCATTER = 7e-4
"""Relative standard deviation of the fluence of one point. The pump energy of single exposures
varies by half a per cent, and a point has sixty with the pump on."""

UNMEASURED_WAIST_SIGMA = 0.1
"""Relative standard deviation of a pump waist that is on record but was not measured."""


def gather(
    experiment: Experiment, settings: Settings, catalog: Any
) -> tuple[PaperData, dict[str, str]]:
    """Read and reduce the measurements of an experiment.

    Parameters
    ----------
    experiment : Experiment
        Requested measurements.
    settings : Settings
        Of the private laboratory.
    catalog : CatalogOfBlueskyRuns
        From `connect`, with all runs.

    Returns
    -------
    data : PaperData
        None for a scan that was not measured or cannot be reduced.
    failures : dict of str to str
        Reasons of the runs that cannot be reduced, by the name of the step.
    """
    samples = load_samples(settings.home / "samples.yaml")
    runs = experiment.complete_runs(settings.journal_dir)
    scans: dict[str, xr.Dataset] = {}
    failures: dict[str, str] = {}
    for name, run in runs.items():
        try:
            scans[name] = reduced(catalog, run.uid)
        except OcmError as error:
            failures[name] = str(error)
    data = PaperData(
        calibration=_calibration(samples, experiment.alignments.get(SAMPLE, [])),
        runs={name: run.uid for name, run in runs.items()},
        **scans,
    )
    return data, failures


def _calibration(samples: Mapping[str, Sample], calibration: list[dict[str, Any]]) -> Calibration:
    """Combine the stored calibration with the records of the samples."""
    plate = samples[SAMPLE]
    stored = {entry["name"]: entry for entry in calibration}
    sigma = UNMEASURED_WAIST_SIGMA * plate.pump_waist
    waist = Estimate(plate.pump_waist, sigma, "um", note="not measured")
    if entry := stored.get("steering_lens_focal_waist"):
        waist = Estimate(entry["value"], entry["sigma"], "um")
    power = stored.get("pump_fluence_sigma", {}).get("value", nan)
    zero = stored.get("delay_time_zero", {}).get("sigma", nan)
    return Calibration(
        size=plate.size,
        pump_waist=waist,
        probe_waist=PROBE_WAIST,
        fluence_scale=hypot(power, 2 * waist.sigma / waist.value),
        fluence_scatter=FLUENCE_SCATTER,
        time_zero_sigma=zero / MM_PER_PS,
        waveguide=samples[SILICON].size,
    )


def reduced(catalog: Any, uid: str) -> xr.Dataset:
    """Return the reduced scan of a raw run: from the catalog, or reduced now.

    Parameters
    ----------
    catalog : CatalogOfBlueskyRuns
        From `connect`.
    uid : str
        Of the raw run.

    Raises
    ------
    DataError
        The run cannot be reduced.
    """
    reductions = catalog.search(Key("start.raw_run") == uid).search(
        Key("start.plan_name") == "reduce"
    )
    complete = reductions.search(Key("stop.exit_status") == "success")
    if len(complete):
        return reduced_run(RunDocuments.from_catalog(complete.values().last()))
    with raw_dataset(RunDocuments.from_catalog(catalog[uid])) as raw:
        return reduce_scan(raw)


def calibration(experiment: Experiment) -> list[dict[str, Any]]:
    """Return the stored calibration: that of the plate, and what differs with silicon.

    The columns of tables follow each other in one list.
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
    """Return the versions of the measuring programs (start documents) and of Python."""
    recorded = {name: text for run in runs for name, text in run.start["versions"].items()}
    return {"Python": platform.python_version()} | recorded


def keep_results(
    settings: Settings, data: PaperData, results: Results, runs: Mapping[str, JournaledRun]
) -> str:
    """Write the results as a run of their own, which has the uids of all raw runs.

    Parameters
    ----------
    settings : Settings
        Of the laboratory; the run goes into its journal.
    data : PaperData
        Reduced scans from which the results were inferred.
    results : Results
        Rows of the table.
    runs : mapping of str to JournaledRun
        Raw runs by step, at least one.

    Returns
    -------
    str
        uid of the run.
    """
    journal = Journal(settings.journal_dir)
    estimates = {name: row.estimate for name, row in results.rows.items()}
    more = {
        "purpose": "Table 1",
        "raw_runs": dict(data.runs),
        "upper95": {name: e.upper95 for name, e in estimates.items() if e.upper95 is not None},
    }

    def emit(name: str, doc: dict[str, Any]) -> None:
        journal(name, doc | more if name == "start" else doc)

    return keep_fit(next(iter(runs.values())).start, estimates, emit)


def instrument_time(settings: Settings) -> float:
    """Return the seconds that the real instrument would need for the complete runs.

    Exposures and the travel of the delay stage take `TIME_SCALE` times as long there; everything
    else takes as long as here.
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
    """Return the seconds of exposures in a run; 0 for one without frames."""
    if "periods_per_point" not in start:
        return 0.0
    return start["num_points"] * start["periods_per_point"] / start.get("chopper_frequency", 20.0)


def _travels(run: JournaledRun) -> Iterator[float]:
    """Yield the seconds of each move of the delay stage, whose speed is a trapezoid in time."""
    primary = RunDocuments.from_journal(read_run(run.path)).streams.get("primary")
    if primary is None or "delay_m1" not in primary.data_keys:
        return
    motor = primary.configuration("delay")
    velocity, ramp = motor["delay_m1_velocity"], motor["delay_m1_acceleration"]
    for distance in np.abs(np.diff(primary.column("delay_m1"))):
        if distance > 0:
            long = distance > velocity * ramp
            yield distance / velocity + ramp if long else 2 * sqrt(distance * ramp / velocity)
