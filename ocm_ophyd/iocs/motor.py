"""The EPICS motor record in front of a stepper axis with real motion."""

import asyncio
from dataclasses import dataclass
from typing import Any

from caproto import SkipWrite
from caproto.server import PvpropertyDouble, pvproperty

from ocm_ophyd.iocs.motion import Path, play
from ocm_ophyd.iocs.pv import Group

__all__ = ["Axis", "Motor"]

_UPDATE_PERIOD = 0.1  # s of wall clock between readbacks on the way
_OVERTRAVEL = 0.01  # the limit switches stand this part of the range beyond the soft limits
_REFUSED = {
    **dict.fromkeys(("MRES", "VBAS", "VMAX", "DHLM", "DLLM"), "is fixed by the hardware"),
    **dict.fromkeys(("HOMF", "HOMR"), "has no home switch to find"),
    **dict.fromkeys(
        ("DVAL", "RVAL", "RLV", "TWF", "TWR", "JOGF", "JOGR", "SPMG"),
        "is not served: move with VAL, end a motion with STOP",
    ),
}


@dataclass(frozen=True)
class Axis:
    """One axis: the knob of the microscope that it turns, and its data sheet.

    Lengths are in `units`, velocities in `units`/s, times in s.
    """

    knob: str
    meaning: str
    units: str
    low: float
    high: float
    resolution: float
    velocity: float
    precision: int = 4
    acceleration_time: float = 0.1
    backlash: float = 0.0
    lost_motion: float = 0.0
    start: float = 0.0


class _Position(PvpropertyDouble):
    """Value of the record; the limits are the motor's own affair, since LVIO reports them."""

    async def verify_value(self, value: float) -> Any:
        return await self.putter(self, value)


class Motor(Group):
    """Motor record: trapezoidal motion in whole steps, limits, backlash, lost motion.

    Dial positions are counted steps times MRES; user positions are DIR * dial + OFF. With
    BDST set, targets are approached from one side as the EPICS motor record does it. What
    the axis carries follows the counted position with lost motion after a reversal.

    Parameters
    ----------
    axis : Axis
        The axis behind the record.
    """

    record = pvproperty(value=0.0, name="", record="motor", dtype=_Position, doc="Position")

    def __init__(self, *args: Any, axis: Axis, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.axis = axis
        margin = _OVERTRAVEL * (axis.high - axis.low)
        self._switches = axis.low - margin, axis.high + margin
        self._limits = axis.low, axis.high  # dial
        self._offset, self._direction = 0.0, 1
        self._path = Path.resting(self.bench.clock.now(), axis.start)
        self._carried = axis.start  # what the axis carries, where the present path began
        self._motion: asyncio.Task[None] | None = None
        self._still = asyncio.Event()
        self._still.set()
        self.bench.follow(**{axis.knob: self._true_position})
        putters = {
            "STOP": self._put_stop,
            "HLM": self._put_limit,
            "LLM": self._put_limit,
            "OFF": self._put_offset,
            "DIR": self._put_direction,
            "VELO": self._put_rate,
            "BVEL": self._put_rate,
            "ACCL": self._put_rate,
            "BACC": self._put_rate,
            **dict.fromkeys(_REFUSED, self._refuse),
        }
        for name, putter in putters.items():
            self.record.fields[name].putter = putter

    async def initialise(self) -> None:
        """Fill the fields from the axis."""
        axis = self.axis
        for pv in (self.record, *self.record.fields.values()):
            if hasattr(pv, "precision"):
                await pv.write_metadata(units=axis.units, precision=axis.precision)
        await self._publish(
            EGU=axis.units,
            MRES=axis.resolution,
            RDBD=axis.resolution,
            VELO=axis.velocity,
            VMAX=axis.velocity,
            BVEL=axis.velocity,
            ACCL=axis.acceleration_time,
            BACC=axis.acceleration_time,
            BDST=axis.backlash,
            LVIO=0,
        )
        await self._publish_frame()

    # --- positions ------------------------------------------------------------------------

    def _dial(self, user: float) -> float:
        return (user - self._offset) * self._direction

    def _user(self, dial: float) -> float:
        return round(dial * self._direction + self._offset, 9)  # sums of steps end in ...0002

    def _field(self, name: str) -> Any:
        return self.record.fields[name].value

    def _true_position(self, moment: float) -> float:
        turns = (node.position for node in self._path.nodes if node.time <= moment)
        position = self._path.at(moment).position
        return play(self._carried, (*turns, position), self.axis.lost_motion)

    # --- what clients write ---------------------------------------------------------------

    @record.putter
    async def _put_value(self, _: Any, value: float) -> None:
        low, high = self._field("LLM"), self._field("HLM")
        margin = self.axis.resolution / 2  # the target is rounded to whole steps
        if self._field("SET") == "Set":
            if self._field("FOFF") == "Frozen":
                msg = "the offset is frozen: set FOFF to Variable to redefine the position"
                raise ValueError(msg)
            await self._put_offset(None, value - self._direction * self._path.target)
        elif not low - margin <= value <= high + margin:
            await self._publish(LVIO=1)
            msg = f"{value:g} {self.axis.units} is outside the limits {low:g} to {high:g}"
            raise ValueError(msg)
        else:
            await self._publish(LVIO=0)
            self._begin(self._approach(self._dial(value)))
            await self._publish_target(value)
            await self._still.wait()
        raise SkipWrite  # published already, and a later put may have replaced it

    async def _put_stop(self, _: Any, value: int) -> int:
        if value and not self._still.is_set():
            path = self._brake()
            self._begin(path)
            await self._publish_target(self._user(path.target))
        return 0

    async def _put_limit(self, instance: Any, value: float) -> None:
        low, high = self._field("LLM"), self._field("HLM")
        low, high = (value, high) if instance.pvspec.name == "LLM" else (low, value)
        if not low < high:
            msg = f"the low limit {low:g} must be below the high limit {high:g}"
            raise ValueError(msg)
        self._limits = tuple(sorted((self._dial(low), self._dial(high))))  # type: ignore[assignment]
        await self._publish_frame()
        raise SkipWrite

    async def _put_offset(self, _: Any, value: float) -> None:
        self._require_rest()
        self._offset = value
        await self._publish_frame()
        raise SkipWrite

    async def _put_direction(self, _: Any, value: str) -> None:
        self._require_rest()
        self._direction = -1 if value == "Neg" else 1
        await self._publish_frame()

    async def _put_rate(self, instance: Any, value: float) -> None:
        name, fastest = instance.pvspec.name, self._field("VMAX")
        if not 0 < value < float("inf") or (name in {"VELO", "BVEL"} and value > fastest):
            msg = (
                f"{name} must be above 0, and a velocity at most VMAX = {fastest:g}: not {value:g}"
            )
            raise ValueError(msg)

    async def _refuse(self, instance: Any, _: Any) -> None:
        name = instance.pvspec.name
        msg = f"{self.record.pvname}.{name} {_REFUSED[name]}"
        raise ValueError(msg)

    def _require_rest(self) -> None:
        if not self._still.is_set():
            msg = f"{self.record.pvname} moves: stop it before its position is redefined"
            raise ValueError(msg)

    # --- motion ---------------------------------------------------------------------------

    def _brake(self) -> Path:
        acceleration = self._field("VELO") / self._field("ACCL")
        return self._path.braked(self.bench.clock.now(), acceleration, self.axis.resolution)

    def _approach(self, dial: float) -> Path:
        """Path to a dial position, with backlash correction as in motorRecord.cc."""
        step = self.axis.resolution
        low, high = self._switches
        target = min(max(round(dial / step) * step, low), high)
        slew = self._field("VELO"), self._field("VELO") / self._field("ACCL")
        slow = self._field("BVEL"), self._field("BVEL") / self._field("BACC")
        backlash = self._field("BDST")
        path = self._brake()
        preferred = (target > path.target) == (backlash > 0)
        if target == path.target or abs(backlash) < step or (preferred and slew == slow):
            return path.moved(target, *slew)
        if preferred and abs(target - path.target) <= abs(backlash):
            return path.moved(target, *slow)
        return path.moved(target - backlash, *slew).moved(target, *slow)

    def _begin(self, path: Path) -> None:
        """Replace the present path; the readback follows in a task of its own."""
        self._carried = self._true_position(path.nodes[0].time)
        self._path = path
        self._still.clear()
        if self._motion is not None:
            self._motion.cancel()
        self._motion = asyncio.create_task(self._travel(path))

    async def _travel(self, path: Path) -> None:
        clock = self.bench.clock
        await self._publish(DMOV=0, MOVN=1)
        while (now := clock.now()) < path.end:
            await self._publish_position(now)
            await clock.sleep(min(path.end - now, _UPDATE_PERIOD * clock.scale))
        await self._publish_position(now)
        self._motion = None
        await self._publish(MOVN=0, DMOV=1)
        self._still.set()

    # --- what clients read ----------------------------------------------------------------

    async def _publish(self, **values: Any) -> None:
        for name, value in values.items():
            await self.record.fields[name].write(value, verify_value=False)

    async def _publish_frame(self) -> None:
        """Everything that depends on OFF and DIR."""
        low, high = sorted(self._user(limit) for limit in self._limits)
        await self.record.write_metadata(
            lower_ctrl_limit=low, upper_ctrl_limit=high, lower_disp_limit=low, upper_disp_limit=high
        )
        await self._publish(
            LLM=low, HLM=high, DLLM=self._limits[0], DHLM=self._limits[1], OFF=self._offset
        )
        await self._publish_target(self._user(self._path.target))
        await self._publish_position(self.bench.clock.now())

    async def _publish_target(self, user: float) -> None:
        dial = self._dial(user)
        await self._publish(DVAL=dial, RVAL=round(dial / self.axis.resolution))
        await self.record.write(user, verify_value=False)

    async def _publish_position(self, moment: float) -> None:
        step = self.axis.resolution
        _, position, velocity = self._path.at(moment)
        steps = round(position / step)
        low, high = (steps * step <= self._switches[0], steps * step >= self._switches[1])
        if self._direction < 0:
            low, high = high, low
        if velocity:
            await self._publish(TDIR=int(velocity * self._direction > 0))
        await self._publish(
            RRBV=steps,
            DRBV=round(steps * step, 9),
            RBV=self._user(steps * step),
            LLS=int(low),
            HLS=int(high),
        )
