"""What a user sees while a run is taken: progress bar, table and plot."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from bluesky import RunEngine
from bluesky.callbacks import LiveTable
from bluesky.callbacks.core import make_callback_safe
from event_model import RunRouter
from tqdm import tqdm

from analysis.documents.live_reduction import LiveReduction
from analysis.documents.live_table import ReductionTable
from ocm_ophyd.session.progress import PointCounter

__all__ = ["ProgressBar", "show_live"]


safely = partial(make_callback_safe, logger=logging.getLogger(__name__))


class ProgressBar:
    """A bar that grows with the points of a run, as a report of a `PointCounter`."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __call__(self, start: Any, done: int, ended: bool) -> None:
        """Show the points taken; take the bar away when the run has ended."""
        if self._bar is None:
            self._bar = tqdm(
                total=start["num_points"],
                desc=f"scan {start['scan_id']} {start['plan_name']}",
                unit="point",
                leave=False,
            )
        self._bar.update(done - self._bar.n)
        if ended:
            self._bar.close()
            self._bar = None


def _reduced_views(plots: bool) -> Callable[[str, dict[str, Any]], Any]:
    def factory(name: str, start: dict[str, Any]) -> tuple[list[Any], list[Any]]:  # noqa: ARG001
        axes = start["axes"]
        views: list[Any] = [safely(ReductionTable(axes, tqdm.write))]
        if plots:
            from bluesky.callbacks.mpl_plotting import (  # noqa: PLC0415 - matplotlib is slow
                LivePlot,
                LiveScatter,
            )

            if axes[-2:] == ["probe_y", "probe_x"]:
                plot: Any = LiveScatter("probe_x", "probe_y", "delta_n")
            else:
                plot = LivePlot("delta_n", axes[-1], marker=".")
            views.append(safely(plot))
        return views, []

    return RunRouter([factory])


def _power_table(name: str, start: dict[str, Any]) -> tuple[list[Any], list[Any]]:  # noqa: ARG001
    if start.get("purpose") != "pump power":
        return [], []
    return [safely(LiveTable(["pump_retarder", "power"], out=tqdm.write))], []


def show_live(engine: RunEngine, reduction: LiveReduction, *, plots: bool) -> None:
    """Attach the live views to a session.

    Parameters
    ----------
    engine : RunEngine
        Drives the progress bar, and the table of power calibrations.
    reduction : LiveReduction
        Drives table and plot of Δn.
    plots : bool
        Whether there is a screen to plot on.
    """
    if plots:
        from bluesky.callbacks.mpl_plotting import (  # noqa: PLC0415 - matplotlib is slow
            initialize_qt_teleporter,
        )
        from matplotlib import get_backend  # noqa: PLC0415

        if "qt" in get_backend().lower():
            initialize_qt_teleporter()  # plots are made in the RunEngine's thread
    # a view that fails must not take the reduction with it
    reduction.subscribe(safely(_reduced_views(plots)))
    engine.subscribe(RunRouter([_power_table]))
    engine.subscribe(safely(PointCounter(ProgressBar())))
