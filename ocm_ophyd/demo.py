"""The main job in a minute and a half: align, measure, reduce, fit and compare with the paper."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ocm_ophyd.progress import PointCounter
from ocm_ophyd.servers import CatalogServer, InstrumentServer, free_ports
from ocm_ophyd.session import Session
from ocm_ophyd.settings import Settings
from plans import linear_then_logarithmic

__all__ = ["DemoRuns", "Report", "laboratory", "measure"]

SAMPLE = "CsPbBr3-microplate"
TIME_SCALE = 20.0

SWEEP_DELAY = 2.5  # ps: by then the 5 ps chirped probe lies behind the pump as a whole
FLUENCES = np.linspace(0.1, 1.0, 13)
BELOW, ABOVE = 0.35, 0.8  # mJ/cm², the paper's kinetics
WINDOW = (3.0, 250.0)  # ps, of the fits: from where the whole chirped probe follows the pump
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
    time_zero: tuple[float, float]
    """Position of the delay stage and its sigma, mm."""
    power_sigma: float
    """Relative, of one reading of the power meter: what the fluences are uncertain by."""
    uids: list[str]
    """Raw runs, in order."""


@contextmanager
def laboratory(directory: Path, scenario: str | None) -> Iterator[tuple[Settings, CatalogServer]]:
    """Serve an instrument and a catalog of their own, on free ports, while the block runs.

    The catalog is started and not waited for: what is measured meanwhile waits in the journal.
    """
    ca_port, repeater_port, tiled_port = free_ports(3)
    settings = Settings(
        data_dir=directory,
        ca_port=ca_port,
        ca_repeater_port=repeater_port,
        ca_timeout=20,
        tiled_port=tiled_port,
    )
    with ExitStack() as stack:
        catalog = stack.enter_context(CatalogServer(settings))
        instrument = InstrumentServer(settings, scenario=scenario, time_scale=TIME_SCALE)
        stack.enter_context(instrument).wait()
        yield settings, catalog


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
    take("calibrate_pump_power")
    meter = session.instrument.power_meter
    power_sigma = float(meter.power_sigma.get() / meter.power.get())
    time_zero = take("find_time_zero", fluence=0.5)
    sweep = reduced("fluence_sweep", [float(f) for f in FLUENCES], delay=SWEEP_DELAY)
    delays = linear_then_logarithmic(-6, 20, 1.0, 250, 14)
    below = reduced("delay_scan", delays, fluence=BELOW)
    above = reduced("delay_scan", delays, fluence=ABOVE)
    side = [float(x) for x in MAP_SIDE]
    image = reduced("spatiotemporal_grid", [MAP_DELAY], side, side, fluence=BELOW, periods=6)
    return DemoRuns(sweep, below, above, image, time_zero, power_sigma, uids)
