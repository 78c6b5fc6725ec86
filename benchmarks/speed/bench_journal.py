"""Time that the journal takes for each event on the RunEngine's thread (target: at most 5 ms).

Run ``python -m benchmarks.speed.bench_journal``. The catalog takes none of this time: another
process feeds it from the journal's files.
"""

import tempfile
import time
from pathlib import Path

import bluesky.plan_stubs as bps
import numpy as np
from bluesky import RunEngine

from ocm_ophyd.archive.journal import Journal

PIXELS = 1044
POINTS = 300


class Detector:
    """Detector with 20 scalars, and with a mean spectrum if `spectrum` is set."""

    name = "detector"
    parent = None

    def __init__(self, spectrum: bool):
        self.values = {f"scalar_{i}": np.float64(1 / 3) for i in range(20)}
        if spectrum:
            self.values["spectrum"] = np.random.default_rng(1).normal(size=PIXELS)

    def describe(self):
        return {
            key: {
                "source": "bench",
                "dtype": "array" if np.ndim(value) else "number",
                "shape": list(np.shape(value)),
            }
            for key, value in self.values.items()
        }

    def read(self):
        now = time.time()
        return {key: {"value": value, "timestamp": now} for key, value in self.values.items()}

    def describe_configuration(self):
        return {}

    def read_configuration(self):
        return {}


def measure(spectrum: bool, directory: Path) -> tuple[float, float, float]:
    """Return mean and 99th percentile of the journal's time per event, and the RunEngine's, s."""
    journal, spent = Journal(directory), []

    def timed(name, doc):
        began = time.perf_counter()
        journal(name, doc)
        if name == "event":
            spent.append(time.perf_counter() - began)

    def plan():
        yield from bps.open_run()
        for _ in range(POINTS):
            yield from bps.checkpoint()
            yield from bps.create("primary")
            yield from bps.read(detector)
            yield from bps.save()
        yield from bps.close_run()

    detector = Detector(spectrum)
    engine = RunEngine({}, context_managers=[])
    began = time.perf_counter()
    engine(plan())
    bare = (time.perf_counter() - began) / POINTS
    engine.subscribe(timed)
    engine(plan())
    return float(np.mean(spent)), float(np.percentile(spent, 99)), bare


def main():
    for spectrum in (False, True):
        with tempfile.TemporaryDirectory() as directory:
            mean, slow, bare = measure(spectrum, Path(directory))
        label = f"20 scalars{f' and {PIXELS} pixels' if spectrum else ''}"
        print(
            f"journal, {label}: {mean * 1e3:.2f} ms an event (99 %: {slow * 1e3:.2f} ms), "
            f"{mean / bare:.2f} of the RunEngine's own {bare * 1e3:.2f} ms"
        )


if __name__ == "__main__":
    main()
