"""What the instruments share: the microscope, simulated time and where the hardware stands."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ocm_ophyd.errors import UsageError
from ocm_ophyd.twin import Knobs, Microscope

__all__ = ["Bench", "SimulatedClock"]

P = ParamSpec("P")
T = TypeVar("T")


class SimulatedClock:
    """Simulated seconds that run `scale` times faster than the wall clock.

    The clock starts at Unix time, so that times of different sessions never collide.

    Parameters
    ----------
    scale : float
        Simulated seconds a wall-clock second; 1 is real time.
    """

    def __init__(self, scale: float) -> None:
        if not 0 < scale <= 1e4:
            msg = f"the time scale must be above 0 and at most 10000, not {scale:g}"
            raise UsageError(msg)
        self.scale = scale
        self._epoch = time.time()
        self._wall = time.monotonic()

    def now(self) -> float:
        """Present simulated time, s."""
        return self._epoch + (time.monotonic() - self._wall) * self.scale

    async def sleep(self, seconds: float) -> None:
        """Wait for simulated `seconds`."""
        await asyncio.sleep(max(seconds, 0.0) / self.scale)

    async def sleep_until(self, moment: float) -> None:
        """Wait until the simulated time `moment` (s)."""
        await self.sleep(moment - self.now())


class Bench:
    """The optical table: a microscope, its clock and the positions of its actuators.

    An actuator that moves gives its position as a function of simulated time, so that an
    exposure sees it where it is then, however seldom its readback is published.

    Parameters
    ----------
    microscope : Microscope
        Computes frames and powers from `Knobs`.
    knobs : Knobs
        Where the hardware stands at the start.
    clock : SimulatedClock
        The one clock of all instruments.
    raw_dir : Path
        Directory below which the spectrometer may write.
    """

    def __init__(
        self, microscope: Microscope, knobs: Knobs, clock: SimulatedClock, raw_dir: Path
    ) -> None:
        self.microscope = microscope
        self.clock = clock
        self.raw_dir = raw_dir.expanduser().resolve()
        self._knobs = knobs
        self._moving: dict[str, Callable[[float], Any]] = {}
        # one thread: the microscope's noise is one sequence, and HDF5 wants one writer
        self._closed = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="microscope")

    def update(self, **changes: Any) -> None:
        """Set knobs that stand still."""
        self._knobs = replace(self._knobs, **changes)

    def follow(self, **positions: Callable[[float], float]) -> None:
        """Let knobs follow functions of simulated time (s) from now on."""
        self._moving |= positions

    def knobs(self, moment: float) -> Knobs:
        """Where the hardware stands at the simulated time `moment` (s)."""
        return replace(self._knobs, **{name: at(moment) for name, at in self._moving.items()})

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Compute in the worker thread, while Channel Access goes on.

        Raises
        ------
        asyncio.CancelledError
            After `close`: a server that ends takes no further frames.
        """
        if self._closed:
            raise asyncio.CancelledError
        call = self._worker.submit(work, *args, **kwargs)
        return await asyncio.wrap_future(call)

    def close(self) -> None:
        """Wait for the work in hand and end the worker thread."""
        self._closed = True
        self._worker.shutdown()
