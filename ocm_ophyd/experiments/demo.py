"""Measurements of the demo: alignment, fluence sweep, kinetics and a map."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.documents.datasets import raw_dataset
from analysis.documents.run_documents import RunDocuments
from analysis.estimate import Estimate
from analysis.paper.measurements import ABOVE, BELOW
from analysis.reduction.scan import reduce_scan
from ocm_ophyd.session.progress import PointCounter
from ocm_ophyd.session.session import Session
from plans import linear_then_logarithmic

__all__ = ["TIME_SCALE", "DemoRuns", "Report", "measure", "with_resolved_rise"]

SAMPLE = "CsPbBr3-microplate"
"""Sample of all measurements."""

TIME_SCALE = 20.0
"""Simulated seconds in one second."""

SWEEP_DELAY = 2.5
"""Delay of the fluence sweep, ps: all colours of the chirped probe then sample the plasma after the
pump."""

FLUENCES = np.linspace(0.1, 1.0, 13)
"""Fluences of the sweep, mJ/cm^2."""

MAP_DELAY = 5.0
"""Delay of the map, ps."""

MAP_SIDE = np.linspace(-2.5, 2.5, 11)
"""Positions of the map along x and y, um: the paper's 5 x 5 um²."""

Report = Callable[[str, int, int], None]
"""Function of a measurement's purpose, its measured points and their total number."""


@dataclass(frozen=True)
class DemoRuns:
    """Reduced runs of the demo.

    Attributes
    ----------
    sweep : xr.Dataset
        Fluence sweep.
    below, above : xr.Dataset
        Delay scans below and above the lasing threshold.
    map : xr.Dataset
        Map below the threshold.
    time_zero : Estimate
        Position of the delay stage, mm.
    power_sigma : float
        Relative standard deviation of the power calibration, hence of all fluences.
    uids : list of str
        Raw runs, in order.
    """

    sweep: xr.Dataset
    below: xr.Dataset
    above: xr.Dataset
    map: xr.Dataset
    time_zero: Estimate
    power_sigma: float
    uids: list[str]


def measure(session: Session, report: Report) -> DemoRuns:
    """Align the instrument and make the demo's measurements.

    Parameters
    ----------
    session : Session
        Connected to the simulated instrument.
    report : callable
        Receives the progress of each measurement.
    """
    RE, plans = session.RE, session.plans()
    RE.subscribe(
        PointCounter(lambda start, done, _: report(start["purpose"], done, start["num_points"]))
    )
    uids: list[str] = []
    RE.subscribe(lambda _, doc: uids.append(doc["uid"]), "start")

    def run(name: str, *args: Any, **kwargs: Any) -> Any:
        return session.run(plans[name](*args, sample=SAMPLE, **kwargs))

    def reduced(name: str, *args: Any, **kwargs: Any) -> xr.Dataset:
        return session.reduction.reduced[run(name, *args, **kwargs)]

    run("record_reference")
    power_sigma = run("calibrate_pump_power")["fluence_scale"].sigma
    time_zero = run("find_time_zero", fluence=0.5)["time_zero"]
    sweep = reduced("fluence_sweep", [float(f) for f in FLUENCES], delay=SWEEP_DELAY)
    delays = linear_then_logarithmic(-6, 20, 1.0, 250, 14)
    below = reduced("delay_scan", delays, fluence=BELOW)
    above = reduced("delay_scan", delays, fluence=ABOVE)
    side = [float(x) for x in MAP_SIDE]
    image = reduced("spatiotemporal_grid", [MAP_DELAY], side, side, fluence=BELOW, periods=6)
    return DemoRuns(
        sweep=sweep,
        below=below,
        above=above,
        map=image,
        time_zero=time_zero,
        power_sigma=power_sigma,
        uids=uids,
    )


def with_resolved_rise(runs: DemoRuns, catalog: Any) -> DemoRuns:
    """Reduce the kinetics again as whole scans: the inversion of the chirp needs all points.

    Parameters
    ----------
    runs : DemoRuns
        Reduced point by point during the measurement.
    catalog : CatalogOfBlueskyRuns
        With their raw runs.
    """

    def whole(scan: xr.Dataset) -> xr.Dataset:
        with raw_dataset(RunDocuments.from_catalog(catalog[scan.attrs["raw_run"]])) as raw:
            return reduce_scan(raw)

    return replace(runs, below=whole(runs.below), above=whole(runs.above))
