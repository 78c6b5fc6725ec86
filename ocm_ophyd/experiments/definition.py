"""Definition of the published experiment on the simulated microscope, and its directory.

A directory holds one experiment. The file ``reproduce.json`` in it has a digest of the scenario and
the calibrations that the alignments stored. The journal shows which measurements are complete: the
start document of every run has the name of its step and a digest of the requested scenario, plan
and arguments.
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
"""Simulated seconds in one second. With more, measurements do not become faster, because the round
trips over Channel Access of each point remain, and the drift between points grows."""

SAMPLE = "CsPbBr3-microplate"
"""Sample of all measurements but the line scans."""

ALIGNMENT_FLUENCE = 0.5
"""Pump fluence of the alignment, mJ/cm^2: below the lasing threshold."""

SWEEP_DELAY = 5.0
"""Delay of the fluence sweep, ps: all colours of the probe then sample the plasma after the pump,
with any chirp up to 8 ps."""
FLUENCES = [float(f) for f in np.linspace(0.1, 1.0, 19).round(3)]
"""Fluences of the sweep, mJ/cm^2."""

PERIODS_SWEEP = 20
"""Chopper periods of each point of the sweep: one second, as for the paper's sensitivity."""

KINETICS_FLUENCES = [0.2, 0.28, 0.35, 0.42, 0.49, 0.55, 0.6, 0.66, 0.72, 0.8, 0.88, 0.96]
"""Fluences of the kinetics, mJ/cm^2: the paper's two, and others on both sides of the threshold."""

DELAYS = [
    *(float(delay) for delay in range(-6, 21)),
    *(float(delay) for delay in range(22, 61, 2)),
    *(float(delay) for delay in np.geomspace(60, 500, 14)[1:].round(2)),
]
"""Delays of the kinetics, ps. The stage moves in whole steps and records its position."""

PERIODS_KINETICS = 10
"""Chopper periods of each point of the kinetics."""

MOVIE_DELAYS = [
    *(float(delay) for delay in range(-10, 91, 10)),
    *(130.0, 180.0, 240.0, 320.0, 410.0, 500.0),
]
"""Delays of the movie, ps: those of the paper's Fig. 4 and more at late times, where diffusion
shows."""

MOVIE_SIDE = [float(x) for x in np.linspace(-2.5, 2.5, 11)]
"""Positions of the maps along x and y, um: the paper's 5 x 5 um²."""

PERIODS_MOVIE = 12
"""Chopper periods of each point of the movie."""

SILICON = "Si-waveguide"
"""Sample with which the measurement with the reference mirror is made."""

SILICON_FLUENCE = 1.0
"""Pump fluence on silicon, mJ/cm^2: it does not lase, and the drift of the reference mirror makes a
large signal necessary."""

SILICON_DELAYS = [-10.0, 5.0, 15.0, 30.0, 60.0, 100.0, 150.0, 200.0, 270.0, 350.0, 430.0, 500.0]
"""Delays of the line scans, ps."""

SILICON_LINE = [float(x) for x in np.linspace(-6.0, 6.0, 25)]
"""Positions along the waveguide, um."""

PERIODS_SILICON = 40
"""Chopper periods of each point of the line scans."""

SILICON_ALIGNMENT_PERIODS = 40
"""Chopper periods of each point of the search for time zero with silicon."""


@dataclass(frozen=True)
class Step:
    """One measurement, which is one run.

    Attributes
    ----------
    name : str
        As in `PaperData`.
    sample, plan : str
        Names of the sample and of the plan.
    points : int
        Number of points.
    arguments : dict
        Arguments of the plan that JSON can represent.
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
"""Measurements in their order: all of one sample, then those of the other."""

ALIGNMENT = "alignment"
"""Name of the step of the runs that align the instrument with a sample."""

_FILE = "reproduce.json"


class ExperimentError(OcmError):
    """A directory or scenario with which the experiment cannot be made."""


def _digest(value: Any) -> str:
    """Return a digest of a value that JSON can represent."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@dataclass
class Experiment:
    """Directory of one experiment, and the state of its calibrations.

    Attributes
    ----------
    directory : Path
        Contains all files of the experiment.
    scenario : str
        Digest of the simulated instrument.
    alignments : dict of str to list
        By sample, the calibration that its alignment stored (`stored_calibration`).
    aligned : str, optional
        Sample to which the stored calibration of the instrument belongs at present.
    """

    directory: Path
    scenario: str
    alignments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    aligned: str | None = None

    @classmethod
    def open(cls, directory: Path, scenario: str | None, seed: int | None) -> Self:
        """Begin an experiment in a new directory, or continue the one in an existing directory.

        Parameters
        ----------
        directory : Path
            New, empty, or of an earlier call with the same scenario and seed.
        scenario : str, optional
            Name of a packaged scenario, or a file with the keys that differ from the default.
        seed : int, optional
            Replaces the seed of the scenario.

        Raises
        ------
        ExperimentError
            The directory cannot be written, or belongs to something else.
        """
        truth = load_scenario(scenario)
        if seed is not None:
            truth = truth.model_copy(update={"seed": seed})
        scenarios = {SAMPLE: truth, SILICON: _waveguide(truth)}
        dumps = {sample: scene.model_dump(mode="json") for sample, scene in scenarios.items()}
        experiment = cls(directory, _digest(dumps))
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            experiment._resume()
            return experiment
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for sample, dump in dumps.items():
                experiment.scenario_file(sample).write_text(yaml.safe_dump(dump), "utf-8")
            experiment._write()
        except OSError as error:
            raise ExperimentError(
                f"{directory} cannot be written ({error.strerror}): choose another --out"
            ) from None
        return experiment

    def _resume(self) -> None:
        """Read the state of the experiment in the directory."""
        path = self.directory / _FILE
        try:
            state = json.loads(path.read_text("utf-8"))
            scenario, self.alignments, self.aligned = (
                state[key] for key in ("scenario", "alignments", "aligned")
            )
        except (FileNotFoundError, NotADirectoryError):
            raise ExperimentError(
                f"{self.directory} is not empty and holds no experiment: choose another --out"
            ) from None
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ExperimentError(
                f"{path} cannot be read ({error}): choose another --out"
            ) from None
        if scenario != self.scenario:
            raise ExperimentError(
                f"{self.directory} holds an experiment with another scenario or seed, or of "
                "another version of the simulated instrument: give the same --scenario and "
                "--seed to continue it, or choose another --out"
            )

    def _write(self) -> None:
        """Write the state of the experiment into the directory, atomically."""
        path = self.directory / _FILE
        state = {key: value for key, value in asdict(self).items() if key != "directory"}
        new = path.with_suffix(".new")
        new.write_text(json.dumps(state, indent=1), "utf-8")
        new.replace(path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the directory against other processes while the block runs.

        Raises
        ------
        ExperimentError
            Another process has locked it.
        """
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ExperimentError(
                    f"another `ocm reproduce` works on {self.directory}: wait until it is done"
                ) from None
            yield
        finally:
            os.close(fd)

    def scenario_file(self, sample: str) -> Path:
        """Return the scenario file of the simulated instrument with this sample."""
        return self.directory / f"scenario-{sample}.yaml"

    def tags(self, name: str, step: Step | None = None) -> dict[str, str]:
        """Return the entries that the start documents of a step's runs get.

        `reproduce` is the name of the step, `asked` a digest of scenario, plan and arguments.
        """
        digest = _digest([self.scenario, None if step is None else asdict(step)])
        return {"reproduce": name, "asked": digest}

    def complete_runs(self, journal_dir: Path) -> dict[str, JournaledRun]:
        """Return the last complete run of each step, by the name of the step."""
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
        """Record that the stored calibration is about to change."""
        self.aligned = None
        self._write()

    def keep_alignment(self, sample: str, calibration: list[dict[str, Any]]) -> None:
        """Record the calibration that the alignment of a sample has stored."""
        self.alignments[sample] = calibration
        self.aligned = sample
        self._write()


def _waveguide(truth: Scenario) -> Scenario:
    """Return the scenario of the same microscope with the silicon waveguide as its sample."""
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
