"""What the alignment plans go on with: fits of the run that has just ended."""

from pathlib import Path

import numpy as np

from analysis.live import LiveReduction
from ocm_ophyd.archive.journal import read_run

__all__ = ["SessionAnalyst"]


class SessionAnalyst:
    """Fits runs of this session, from the live reduction and the journal.

    Parameters
    ----------
    reduction : LiveReduction
        Keeps the reduced runs.
    journal_dir : Path
        Holds the documents of runs without interferograms.
    """

    def __init__(self, reduction: LiveReduction, journal_dir: Path) -> None:
        self._reduction = reduction
        self._journal_dir = journal_dir

    def time_zero(self, run: str) -> tuple[float, float]:
        """Return the delay (ps) at which the pump arrives in a delay scan, and its sigma.

        Raises
        ------
        ValueError
            Where the run was not reduced or shows no rise.
        """
        from analysis.arrival import fit_arrival  # noqa: PLC0415 - scipy.optimize is slow to import

        scan = self._reduction.reduced.get(run)
        if scan is None or "delta_n" not in scan:
            msg = f"run {run[:8]} was not reduced: the log says why"
            raise ValueError(msg)
        fit = fit_arrival(
            scan["delay"].values, scan["wavelength"].values, scan["fluorescence"].values
        )
        return fit.time_zero, fit.time_zero_sigma

    def pump_power(self, run: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a monotonic table of retarder voltage (V) and fluence (mJ/cm²).

        Raises
        ------
        ValueError
            Where the measured curve cannot be inverted.
        """
        from analysis.pump_power import PowerCalibration  # noqa: PLC0415 - lmfit is slow to import

        documents = list(read_run(next(self._journal_dir.glob(f"*/{run}.jsonl"))))
        start = documents[0][1]
        primary = {
            doc["uid"]
            for name, doc in documents
            if name == "descriptor" and doc["name"] == "primary"
        }
        rows = [
            doc["data"]
            for name, doc in documents
            if name == "event" and doc["descriptor"] in primary
        ]
        columns = [
            np.array([row[key] for row in rows])
            for key in ("pump_retarder", "power", "power_sigma")
        ]
        return PowerCalibration(*columns).table(start["repetition_rate"], start["pump_waist"])
