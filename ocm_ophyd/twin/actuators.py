"""Actuators: where the hardware really goes for a command."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import c

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .scenario import Actuators

LIGHT = c * 1e-9
"""Speed of light, mm/ps."""


def delay(spec: Actuators, position: float) -> float:
    """Return the pump–probe delay in ps at a stage position in mm.

    The stage lengthens the pump's path twice, so the pump comes later and the delay falls.
    """
    return 2 * (spec.time_zero - position) / LIGHT


def probe_position(spec: Actuators, galvo_x: float, galvo_y: float) -> tuple[float, float]:
    """Return where the probe is in the laboratory's frame, um, at galvo voltages in V."""
    angle = math.radians(spec.galvo_rotation)
    x, y = spec.galvo_scale[0] * galvo_x, spec.galvo_scale[1] * galvo_y
    return (
        spec.galvo_offset[0] + x * math.cos(angle) - y * math.sin(angle),
        spec.galvo_offset[1] + x * math.sin(angle) + y * math.cos(angle),
    )


def pump_position(spec: Actuators, lens_x: float, lens_y: float) -> tuple[float, float]:
    """Return where the pump is in the laboratory's frame, um, at lens positions in mm."""
    return (
        spec.lens_offset[0] + spec.lens_scale[0] * lens_x,
        spec.lens_offset[1] + spec.lens_scale[1] * lens_y,
    )


def pump_waist(spec: Actuators, smallest: float, lens_z: float) -> float:
    """Return the pump's radius on the sample, um, with the steering lens at z, mm."""
    return smallest * math.hypot(1.0, (lens_z - spec.lens_focus) / spec.lens_range)


def transmission(spec: Actuators, voltage: ArrayLike) -> NDArray[np.float64]:
    """Share of the pump that the retarder and the polarising beam splitter let pass.

    The liquid crystal turns away from its rest above a threshold voltage; between crossed
    polarisers at 45° Malus gives sin² of half the retardance, down to a leak.
    """
    above = np.maximum(np.asarray(voltage) - spec.retarder_threshold, 0.0) / spec.retarder_half
    retardance = 2 * np.pi * spec.retardance / (1 + above**1.5)
    return spec.retarder_leak + (1 - spec.retarder_leak) * np.sin(retardance / 2) ** 2
