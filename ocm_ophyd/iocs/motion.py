"""Motion of a stepper axis as a function of time: trapezoids, braking and lost motion."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

__all__ = ["Node", "Path", "play"]


class Node(NamedTuple):
    """State at the start of a stretch of constant acceleration: s, position, position/s."""

    time: float
    position: float
    velocity: float


@dataclass(frozen=True)
class Path:
    """Position over time, in stretches of constant acceleration; at rest before and after."""

    nodes: tuple[Node, ...]

    @classmethod
    def resting(cls, time: float, position: float) -> "Path":
        """Path of an axis that stands still."""
        return cls((Node(time, position, 0.0),))

    @property
    def target(self) -> float:
        """Where the path ends."""
        return self.nodes[-1].position

    @property
    def end(self) -> float:
        """When it ends, s."""
        return self.nodes[-1].time

    def at(self, time: float) -> Node:
        """Position and velocity at `time` (s)."""
        index = bisect_right(self.nodes, time, key=lambda node: node.time) - 1
        if index < 0 or index == len(self.nodes) - 1:
            return Node(time, self.nodes[max(index, 0)].position, 0.0)
        first, last = self.nodes[index], self.nodes[index + 1]
        elapsed = time - first.time
        acceleration = (last.velocity - first.velocity) / (last.time - first.time)
        return Node(
            time,
            first.position + elapsed * (first.velocity + acceleration * elapsed / 2),
            first.velocity + acceleration * elapsed,
        )

    def braked(self, time: float, acceleration: float, step: float) -> "Path":
        """Path from `time` on that brakes to rest on a whole `step`."""
        start = self.at(time)
        if start.velocity == 0:
            return Path.resting(time, start.position)
        duration = abs(start.velocity) / acceleration
        position = round((start.position + start.velocity * duration / 2) / step) * step
        return Path((start, Node(time + duration, position, 0.0)))

    def moved(self, target: float, velocity: float, acceleration: float) -> "Path":
        """Path continued from its end to `target`, with the given top speed (a trapezoid)."""
        distance = target - self.target
        if distance == 0:
            return self
        direction = 1.0 if distance > 0 else -1.0
        top = min(velocity, sqrt(abs(distance) * acceleration))
        ramp = top / acceleration
        cruise = max(abs(distance) / top - ramp, 0.0)  # a short move never reaches top speed
        reached = direction * top * ramp / 2
        return Path(
            (
                *self.nodes[:-1],
                Node(self.end, self.target, 0.0),
                Node(self.end + ramp, self.target + reached, direction * top),
                Node(self.end + ramp + cruise, target - reached, direction * top),
                Node(self.end + 2 * ramp + cruise, target, 0.0),
            )
        )


def play(follower: float, driver: Iterable[float], width: float) -> float:
    """Position of a part that is carried with lost motion, after the driver's turning points.

    Parameters
    ----------
    follower : float
        Its position before.
    driver : iterable of float
        The driver's turning points in their order.
    width : float
        Lost motion on reversal.
    """
    for position in driver:
        follower = min(max(follower, position - width / 2), position + width / 2)
    return follower
