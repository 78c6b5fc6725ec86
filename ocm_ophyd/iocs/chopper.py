"""Optical chopper in the pump beam, with its phase-locked loop."""

from math import exp
from typing import Any

import numpy as np

from ocm_ophyd.iocs.pv import Group, counter, integer, readback, setpoint

__all__ = ["Chopper"]

FREQUENCY = 20.0  # Hz, paper
LOOP_TIME = 0.2  # s, critically damped loop: a change locks in about 2 s
LOCKED = 1 / 360  # periods, phase error below which the controller reports lock
SLOWEST = 0.5  # Hz
UPDATE_PERIOD = 0.1  # s of wall clock


class Chopper(Group):
    """A wheel whose phase is locked to the simulated clock: periods = f t + phase/360.

    After a change the phase error of the critically damped loop is (a + b t) exp(-t/T), so the
    frequency swings until the wheel has locked again. Stopped, the wheel parks with the beam
    open.
    """

    run = integer("Run", 1, "1 turns the wheel, 0 parks it with the beam open")
    frequency = setpoint("Frequency", FREQUENCY, "Hz", 3, (4.0, 100.0), "Frequency to lock to")
    frequency_rbv = readback("Frequency_RBV", FREQUENCY, "Hz", 3, "Frequency of the wheel")
    phase = setpoint("Phase", 0.0, "deg", 2, (-180.0, 180.0), "Phase to lock to")
    phase_rbv = readback("Phase_RBV", 0.0, "deg", 2, "Phase of the wheel")
    locked = counter("Locked_RBV", 1, "Whether frequency and phase are locked")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turning, self._set_frequency, self._set_phase = True, FREQUENCY, 0.0
        self._since, self._error, self._slope = 0.0, 0.0, 0.0
        self._locked_from = 0.0
        self.bench.follow(chopper_frequency=self._frequency_at, chopper_phase=self._offset_at)

    # --- the wheel as a function of time ----------------------------------------------------

    def _error_at(self, moment: float) -> float:
        """Phase error, periods."""
        elapsed = max(moment - self._since, 0.0)
        return (self._error + self._slope * elapsed) * exp(-elapsed / LOOP_TIME)

    def _frequency_at(self, moment: float) -> float:
        if not self._turning:
            return 0.0
        elapsed = max(moment - self._since, 0.0)
        rate = self._slope - (self._error + self._slope * elapsed) / LOOP_TIME
        # the loop brakes the wheel but never turns it backwards
        return max(self._set_frequency - rate * exp(-elapsed / LOOP_TIME), SLOWEST)

    def _turns_at(self, moment: float) -> float:
        """Phase of the wheel within a period."""
        return (self._set_frequency * moment + self._set_phase - self._error_at(moment)) % 1

    def _offset_at(self, moment: float) -> float:
        """Phase that a wheel of the present frequency would have had at time 0, periods."""
        return (self._turns_at(moment) - self._frequency_at(moment) * moment) % 1

    # --- what clients write -----------------------------------------------------------------

    @run.putter
    async def _put_run(self, _: Any, value: int) -> None:
        await self._relock(turning=bool(value))

    @frequency.putter
    async def _put_frequency(self, _: Any, value: float) -> None:
        await self._relock(frequency=value)

    @phase.putter
    async def _put_phase(self, _: Any, value: float) -> None:
        await self._relock(phase=value / 360)

    async def _relock(
        self,
        *,
        turning: bool | None = None,
        frequency: float | None = None,
        phase: float | None = None,
    ) -> None:
        now = self.bench.clock.now()
        turns, speed = self._turns_at(now), self._frequency_at(now)
        self._turning = self._turning if turning is None else turning
        self._set_frequency = self._set_frequency if frequency is None else frequency
        self._set_phase = self._set_phase if phase is None else phase
        error = self._set_frequency * now + self._set_phase - turns
        self._since = now
        self._error = error - round(error)
        self._slope = self._set_frequency - speed + self._error / LOOP_TIME
        elapsed = np.linspace(0, 50 * LOOP_TIME, 5001)
        errors = (self._error + self._slope * elapsed) * np.exp(-elapsed / LOOP_TIME)
        late = elapsed[np.abs(errors) > LOCKED]
        self._locked_from = now + (late[-1] if late.size else 0.0)
        await self._publish()

    # --- what clients read ------------------------------------------------------------------

    async def _publish(self) -> None:
        now = self.bench.clock.now()
        values = (
            (self.frequency_rbv, round(self._frequency_at(now), 6)),
            (self.phase_rbv, round(360 * (self._set_phase - self._error_at(now)), 3)),
            (self.locked, int(self._turning and now >= self._locked_from)),
        )
        for pv, value in values:
            if pv.value != value:
                await pv.write(value)

    @frequency_rbv.scan(period=UPDATE_PERIOD)
    async def _watch(self, *_: Any) -> None:
        await self._publish()
