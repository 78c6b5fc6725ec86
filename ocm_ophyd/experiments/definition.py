"""The published experiment on the simulated microscope: what is measured, and what is there.

A directory holds one experiment. Which scenario it is of stands in ``reproduce.json`` with what the
alignments found; which measurements are complete, the journal says: every run carries the name of
its step and a digest of everything that was asked for.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
import yaml

from analysis.paper.measurements import ABOVE
from ocm_ophyd.archive.journal import JournaledRun, journaled_runs
from ocm_ophyd.errors import OcmError
from ocm_ophyd.twin import Scenario, load_scenario

__all__ = [
    "ALIGNMENT",
    "SAMPLE",
    "SILICON",
    "STEPS",
    "TIME_SCALE",
    "Experiment",
    "ExperimentError",
    "Step",
]

TIME_SCALE = 50.0
"""Simulated seconds a second. Beyond it nothing gets faster, for a point takes its round trips over
Channel Access, and drift between points grows."""

SAMPLE = "CsPbBr3-microplate"
ALIGNMENT_FLUENCE = 0.5  # mJ/cm², below the lasing threshold

SWEEP_DELAY = 5.0  # ps: the whole chirped probe is behind the pump, with any chirp up to 8 ps
FLUENCES = [float(f) for f in np.linspace(0.1, 1.0, 19).round(3)]  # mJ/cm²
PERIODS_SWEEP = 20  # of the chopper a point: one second, as for the paper's sensitivity

KINETICS_FLUENCES = [0.2, 0.28, 0.35, 0.42, 0.49, 0.55, 0.6, 0.66, 0.72, 0.8, 0.88, 0.96]
DELAYS = [
    *(float(delay) for delay in range(-6, 21)),
    *(float(delay) for delay in range(22, 61, 2)),
    *(float(delay) for delay in np.geomspace(60, 500, 14)[1:].round(2)),
]
"""ps, of the kinetics: the stage rounds to its steps and records where it was."""
PERIODS_KINETICS = 10

MOVIE_DELAYS = [
    *(float(delay) for delay in range(-10, 91, 10)),
    *(130.0, 180.0, 240.0, 320.0, 410.0, 500.0),
]
MOVIE_SIDE = [float(x) for x in np.linspace(-2.5, 2.5, 11)]  # um, the paper's 5 x 5 um²
PERIODS_MOVIE = 12

SILICON = "Si-waveguide"
SILICON_FLUENCE = 1.0  # mJ/cm²: nothing lases, and the mirror's drift asks for signal
SILICON_DELAYS = [-10.0, 5.0, 15.0, 30.0, 60.0, 100.0, 150.0, 200.0, 270.0, 350.0, 430.0, 500.0]
SILICON_LINE = [float(x) for x in np.linspace(-6.0, 6.0, 25)]  # um, along the waveguide
PERIODS_SILICON = 40
SILICON_ALIGNMENT_PERIODS = 40


class ExperimentError(OcmError):
    """An experiment that cannot be begun or continued."""


@dataclass(frozen=True)
class Step:
    """One measurement, a run of its own.

    Attributes
    ----------
    name : str
        As in `PaperData`.
    sample, plan : str
        Their names.
    points : int
        How many it takes.
    arguments : dict
        Of the plan, JSON-able.
    """

    name: str
    sample: str
    plan: str
    points: int
    arguments: dict[str, Any]


STEPS = (
    Step(
        "sweep",
        SAMPLE,
        "fluence_sweep",
        len(FLUENCES),
        {"fluences": FLUENCES, "delay": SWEEP_DELAY, "periods": PERIODS_SWEEP},
    ),
    Step(
        "kinetics",
        SAMPLE,
        "fluence_delay_map",
        len(KINETICS_FLUENCES) * len(DELAYS),
        {"fluences": KINETICS_FLUENCES, "delays": DELAYS, "periods": PERIODS_KINETICS},
    ),
    Step(
        "movie",
        SAMPLE,
        "spatiotemporal_grid",
        len(MOVIE_DELAYS) * len(MOVIE_SIDE) ** 2,
        {
            "delays": MOVIE_DELAYS,
            "xs": MOVIE_SIDE,
            "ys": MOVIE_SIDE,
            "fluence": ABOVE,
            "periods": PERIODS_MOVIE,
        },
    ),
    Step(
        "silicon",
        SILICON,
        "spatiotemporal_grid",
        len(SILICON_DELAYS) * len(SILICON_LINE),
        {
            "delays": SILICON_DELAYS,
            "xs": SILICON_LINE,
            "ys": [0.0],
            "fluence": SILICON_FLUENCE,
            "periods": PERIODS_SILICON,
        },
    ),
)
"""What is measured, in this order: all of one sample, then the other."""

ALIGNMENT = "alignment"
"""Step of the runs that come before the measurements of a sample."""

_FILE = "reproduce.json"


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Experiment:
    """One directory and what was asked for in it.

    Attributes
    ----------
    directory : Path
        Where everything goes.
    scenario : str
        Digest of the simulated instrument.
    alignments : dict
        By sample, the calibration that its alignment stored: a list of values with their sigmas.
    aligned : str, optional
        The sample that the stored calibration belongs to now.
    """

    directory: Path
    scenario: str
    alignments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    aligned: str | None = None

    @classmethod
    def open(cls, directory: Path, scenario: str | None, seed: int | None) -> Self:
        """Begin an experiment in a new directory, or go on with the one that is in it.

        Parameters
        ----------
        directory : Path
            New, empty, or of an earlier call with the same scenario and seed.
        scenario : str, optional
            Packaged name or a file that names the keys that differ from the default.
        seed : int, optional
            Replaces the scenario's own.

        Raises
        ------
        ExperimentError
            Where the scenario cannot be used, or the directory is not this experiment's.
        """
        truth = load_scenario(scenario)
        if seed is not None:
            truth = truth.model_copy(update={"seed": seed})
        scenarios = {SAMPLE: truth, SILICON: _waveguide(truth)}
        dumps = {sample: scene.model_dump(mode="json") for sample, scene in scenarios.items()}
        asked = cls(directory, _digest(dumps))
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            asked._go_on()
            return asked
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for sample, dump in dumps.items():
                asked.scenario_file(sample).write_text(yaml.safe_dump(dump), "utf-8")
            asked._write()
        except OSError as error:
            msg = f"{directory} cannot be written ({error.strerror}): choose another --out"
            raise ExperimentError(msg) from None
        return asked

    def _go_on(self) -> None:
        path = self.directory / _FILE
        try:
            kept = json.loads(path.read_text("utf-8"))
            scenario, self.alignments, self.aligned = (
                kept[key] for key in ("scenario", "alignments", "aligned")
            )
        except (FileNotFoundError, NotADirectoryError):
            msg = f"{self.directory} is not empty and holds no experiment: choose another --out"
            raise ExperimentError(msg) from None
        except (OSError, KeyError, TypeError, ValueError) as error:
            msg = f"{path} cannot be read ({error}): choose another --out"
            raise ExperimentError(msg) from None
        if scenario != self.scenario:
            msg = (
                f"{self.directory} holds an experiment with another scenario or seed, or of "
                "another version of the simulated instrument: give the same --scenario and "
                "--seed to go on with it, or choose another --out"
            )
            raise ExperimentError(msg)

    def _write(self) -> None:
        path = self.directory / _FILE
        kept = {key: value for key, value in asdict(self).items() if key != "directory"}
        new = path.with_suffix(".new")
        new.write_text(json.dumps(kept, indent=1), "utf-8")
        new.replace(path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process work on this directory while the block runs.

        Raises
        ------
        ExperimentError
            Where one does already.
        """
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                msg = f"another `ocm reproduce` works on {self.directory}: wait until it is done"
                raise ExperimentError(msg) from None
            yield
        finally:
            os.close(fd)

    def scenario_file(self, sample: str) -> Path:
        """Return the file that the simulated instrument with this sample reads."""
        return self.directory / f"scenario-{sample}.yaml"

    def tags(self, name: str, step: Step | None = None) -> dict[str, str]:
        """Return what the runs of a step carry in their start documents."""
        asked = _digest([self.scenario, None if step is None else asdict(step)])
        return {"reproduce": name, "asked": asked}

    def taken(self, journal_dir: Path) -> dict[str, JournaledRun]:
        """Return the complete runs by step; of several the last."""
        wanted = {step.name: self.tags(step.name, step) for step in STEPS}
        return {
            run.start["reproduce"]: run
            for run in sorted(journaled_runs(journal_dir), key=lambda run: run.start["time"])
            if run.start.get("reproduce") in wanted
            and wanted[run.start["reproduce"]]["asked"] == run.start.get("asked")
            and run.stop is not None
            and run.stop["exit_status"] == "success"
        }

    def begin_alignment(self) -> None:
        """Note that the stored calibration is about to change."""
        self.aligned = None
        self._write()

    def keep_alignment(self, sample: str, calibration: list[dict[str, Any]]) -> None:
        """Keep what the alignment of a sample stored; the calibration is now this sample's."""
        self.alignments[sample] = calibration
        self.aligned = sample
        self._write()


def _waveguide(truth: Scenario) -> Scenario:
    """Put the second sample into the same microscope: everything of it that is no sample stays."""
    plate, waveguide = load_scenario(None), load_scenario("silicon")
    optics = {
        name: value
        for name, value in waveguide.interferometer
        if value != getattr(plate.interferometer, name)
    }
    return truth.model_copy(
        update={
            "sample": waveguide.sample,
            "fluorescence": waveguide.fluorescence,
            "interferometer": truth.interferometer.model_copy(update=optics),
        }
    )
