"""The points of a scan, the devices that go there, and the checks before the first move."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ocm_ophyd.devices.failures import TargetError
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.errors import OcmError
from ocm_ophyd.samples import Sample

__all__ = [
    "POSITIONERS",
    "PlanError",
    "Point",
    "Positioner",
    "check_fluence",
    "check_points",
    "check_reference",
    "check_targets",
    "find_sample",
    "with_thickness",
]


class PlanError(OcmError):
    """A measurement that cannot be made, or did not give what the next step needs."""


class Point(NamedTuple):
    """The coordinates of one point; their names are data keys of `ocm_ophyd.frame_schema`."""

    delay: float
    """ps"""
    fluence: float
    """mJ/cm², peak"""
    probe_x: float
    """um"""
    probe_y: float
    """um"""


class Positioner(NamedTuple):
    """A device that is moved to the points of a scan.

    Attributes
    ----------
    device : str
        Name of the device in `Instrument`.
    coordinates : tuple of str
        Fields of `Point` that are its axes, in the order of its pseudo axes.
    """

    device: str
    coordinates: tuple[str, ...]

    def target(self, point: Point) -> tuple[float, ...]:
        """Return the position of the device at a point, in the units of `Point`."""
        return tuple(getattr(point, name) for name in self.coordinates)


POSITIONERS = (
    Positioner("delay", ("delay",)),
    Positioner("pump", ("fluence",)),
    Positioner("galvos", ("probe_x", "probe_y")),
)
"""All devices that are moved to points, and read at every point."""


def find_sample(samples: Mapping[str, Sample], name: str) -> Sample:
    """Return the sample of this name.

    Raises
    ------
    PlanError
        Names the samples that are known.
    """
    try:
        return samples[name]
    except (KeyError, TypeError):
        known = ", ".join(sorted(samples))
        msg = f"sample {name!r} is not known (known: {known}): add it to samples.yaml"
        raise PlanError(msg) from None


def with_thickness(instrument: Instrument, sample: Sample) -> Sample:
    """Return the sample with its thickness, the measured one where samples.yaml gives none.

    Raises
    ------
    PlanError
        Where nobody knows it.
    """
    if sample.thickness is not None:
        return sample
    stage = instrument.sample_stage
    if stage.thickness_of.get() != sample.name:
        msg = f"the thickness of {sample.name} is not known: run measure_thickness first"
        raise PlanError(msg)
    measured = {"thickness": stage.thickness.get(), "thickness_sigma": stage.thickness_sigma.get()}
    return sample.model_copy(update=measured)


def check_fluence(sample: Sample, fluence: float) -> None:
    """Refuse a peak fluence (mJ/cm²) that is no number, not above zero, or bad for the sample.

    Raises
    ------
    PlanError
        Names the fluence and its limit.
    """
    if not np.isfinite(fluence):
        msg = f"fluence is {fluence}: not a number"
        raise PlanError(msg)
    if fluence > sample.maximum_fluence:
        msg = (
            f"fluence {fluence:g} mJ/cm² is above the maximum of {sample.name}, "
            f"{sample.maximum_fluence:g} mJ/cm²"
        )
        raise PlanError(msg)
    if fluence <= 0:
        msg = f"fluence {fluence:g} mJ/cm² is not above zero: the shutter takes it to zero"
        raise PlanError(msg)


def check_reference(instrument: Instrument, sample: Sample) -> None:
    """Refuse to measure without dark and reference spectra of this geometry.

    Raises
    ------
    PlanError
        Says to record a reference.
    """
    spectra = instrument.spectrometer.spectra
    if not spectra.recorded:
        msg = "no dark and reference spectra are stored: run record_reference first"
        raise PlanError(msg)
    if spectra.geometry.get() != sample.geometry:
        msg = (
            f"the stored reference is of {spectra.geometry.get()} geometry and {sample.name} is "
            f"measured in {sample.geometry} geometry: run record_reference first"
        )
        raise PlanError(msg)


def check_points(instrument: Instrument, sample: Sample, points: Sequence[Point]) -> None:
    """Refuse points that are not finite, out of reach or too bright for the sample.

    Parameters
    ----------
    instrument : Instrument
        Whose limits and calibrations hold.
    sample : Sample
        Whose maximum fluence holds.
    points : sequence of Point
        All points of the run.

    Raises
    ------
    PlanError
        Names the first offending value and its limit.
    """
    if not points:
        msg = "there is nothing to measure: the list of points is empty"
        raise PlanError(msg)
    values = np.array(points, dtype=float)
    for name, column in zip(Point._fields, values.T, strict=True):
        if not np.isfinite(column).all():
            where = int(np.flatnonzero(~np.isfinite(column))[0])
            msg = f"{name} of point {where + 1} of {len(points)} is {column[where]}: not a number"
            raise PlanError(msg)
    fluences = [point.fluence for point in points]
    check_fluence(sample, max(fluences))
    check_fluence(sample, min(fluences))
    for positioner in POSITIONERS:
        device = getattr(instrument, positioner.device)
        check_targets(device, sorted({positioner.target(point) for point in points}))


def check_targets(device: Any, targets: Iterable[Any]) -> None:
    """Refuse targets that a device cannot reach.

    Parameters
    ----------
    device : Device
        Any device with a method `check_value`.
    targets : iterable
        Positions in the units of the device.

    Raises
    ------
    PlanError
        If a target is out of reach; the message names it and the range.
    """
    try:
        for target in targets:
            device.check_value(target)
    except TargetError as error:
        raise PlanError(str(error)) from None
