"""The main job in a minute and a half: align, measure, reduce, fit and compare with the paper."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.documents.datasets import raw_dataset
from analysis.documents.run_documents import RunDocuments
from analysis.estimate import Estimate
from analysis.reduction.scan import reduce_scan
from ocm_ophyd.session.progress import PointCounter
from ocm_ophyd.session.session import Session
from plans import linear_then_logarithmic

__all__ = ["TIME_SCALE", "DemoRuns", "Report", "measure", "with_resolved_rise"]

SAMPLE = "CsPbBr3-microplate"
TIME_SCALE = 20.0

SWEEP_DELAY = 2.5  # ps: by then the 5 ps chirped probe lies behind the pump as a whole
FLUENCES = np.linspace(0.1, 1.0, 13)
BELOW, ABOVE = 0.35, 0.8  # mJ/cm², the paper's kinetics
WINDOW = (4.0, 150.0)  # ps, of the fits: the one for which the published decay times are recovered
MAP_DELAY = 5.0  # ps
MAP_SIDE = np.linspace(-2.5, 2.5, 11)  # um, the paper's 5 x 5 um²

#: What is done, and how many points it takes: for the progress display.
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class DemoRuns:
    """Reduced runs of the demo."""

    sweep: xr.Dataset
    below: xr.Dataset
    above: xr.Dataset
    map: xr.Dataset
    time_zero: Estimate
    """Position of the delay stage and its sigma, mm."""
    power_sigma: float
    """Relative, of the power calibration: what the fluences are uncertain by."""
    uids: list[str]
    """Raw runs, in order."""


def measure(session: Session, report: Report) -> DemoRuns:
    """Align the instrument and take the demo's measurements."""
    RE, plans = session.RE, session.plans()
    RE.subscribe(
        PointCounter(lambda start, done, _: report(start["purpose"], done, start["num_points"]))
    )
    uids: list[str] = []
    RE.subscribe(lambda _, doc: uids.append(doc["uid"]), "start")

    def take(name: str, *args: Any, **kwargs: Any) -> Any:
        return session.run(plans[name](*args, sample=SAMPLE, **kwargs))

    def reduced(name: str, *args: Any, **kwargs: Any) -> xr.Dataset:
        return session.reduction.reduced[take(name, *args, **kwargs)]

    take("record_reference")
    power_sigma = take("calibrate_pump_power")["fluence_scale"].sigma
    zero = take("find_time_zero", fluence=0.5)["time_zero"]
    sweep = reduced("fluence_sweep", [float(f) for f in FLUENCES], delay=SWEEP_DELAY)
    delays = linear_then_logarithmic(-6, 20, 1.0, 250, 14)
    below = reduced("delay_scan", delays, fluence=BELOW)
    above = reduced("delay_scan", delays, fluence=ABOVE)
    side = [float(x) for x in MAP_SIDE]
    image = reduced("spatiotemporal_grid", [MAP_DELAY], side, side, fluence=BELOW, periods=6)
    return DemoRuns(sweep, below, above, image, zero, power_sigma, uids)


def with_resolved_rise(runs: DemoRuns, catalog: Any) -> DemoRuns:
    """Reduce the kinetics again, as whole scans: the chirp can only be undone with all points.

    Parameters
    ----------
    runs : DemoRuns
        As reduced point by point while they were taken.
    catalog : CatalogOfBlueskyRuns
        Holds their raw runs.
    """

    def whole(scan: xr.Dataset) -> xr.Dataset:
        with raw_dataset(RunDocuments.from_catalog(catalog[scan.attrs["raw_run"]])) as raw:
            return reduce_scan(raw)

    return replace(runs, below=whole(runs.below), above=whole(runs.above))
