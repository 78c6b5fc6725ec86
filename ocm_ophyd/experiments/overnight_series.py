"""Overnight series: the file that describes one, and what of it is already measured."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from ocm_ophyd.archive.journal import journaled_runs
from ocm_ophyd.input_files import check_values, parse_yaml, read_text
from ocm_ophyd.samples import Sample
from plans import check_series

__all__ = ["Series", "completed", "load_series"]


class Series(BaseModel):
    """A list of measurements to take unattended."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(description="In the metadata of every run; names the series when restarted.")
    alignment_fluence: PositiveFloat = Field(description="mJ/cm², for time zero")
    retake_every: PositiveFloat = Field(7200.0, description="s between references and time zeros")
    measurements: list[dict[str, Any]] = Field(min_length=1)


def load_series(path: Path, samples: dict[str, Sample]) -> Series:
    """Read a series from a YAML file and check it against the plans and the samples.

    Raises
    ------
    UsageError
        If the file cannot be read or a value is impossible; the message names it.
    PlanError
        If a measurement of the series cannot be taken; the message names it.
    """
    values = parse_yaml(read_text(path, "the series file"), str(path))
    series = check_values(Series, values, str(path))
    check_series(samples, series.name, series.measurements, series.alignment_fluence)
    return series


def completed(journal_dir: Path, series: Series) -> set[int]:
    """Return the indices of the measurements that the journal holds complete.

    A measurement counts when a run of this series has its index, the same plan and arguments
    and ended in success: an entry that was changed since is measured again.
    """
    done = set()
    for run in journaled_runs(journal_dir):
        index = run.start.get("series_index")
        if (
            run.start.get("series") != series.name
            or index is None
            or index >= len(series.measurements)
            or run.stop is None
            or run.stop["exit_status"] != "success"
        ):
            continue
        entry = series.measurements[index]
        arguments = run.start.get("plan_args", {})
        same = all(arguments.get(key) == value for key, value in entry.items() if key != "plan")
        if run.start["plan_name"] == entry["plan"] and same:
            done.add(index)
    return done
