"""The whole microscope: from where the hardware stands to what the instruments read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import actuators
from .chopper import open_fraction
from .detector import Pixels, Sensor
from .drift import RandomWalk, Wander
from .fluorescence import emission, stray_line
from .interferometer import Arms, Interferometer
from .sample import Sample, Spot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .carriers import Cloud
    from .scenario import Scenario

_RATE = 50_000.0
"""Hz, repetition rate at which the scenario states its electrons."""


@dataclass(frozen=True)
class Knobs:
    """Where the hardware stands, in its own units. The defaults are safe: no pump."""

    delay_position: float = 0.0
    """mm, carriage of the delay stage (0–300) in the pump arm: further is a later pump."""
    galvo_x: float = 0.0
    """V, nominally 2 um/V."""
    galvo_y: float = 0.0
    """V, nominally 2 um/V."""
    retarder_voltage: float = 0.0
    """V that the liquid crystal has settled to."""
    lens_x: float = 0.0
    """mm, steering lens, nominally 10 um/mm."""
    lens_y: float = 0.0
    """mm, steering lens, nominally 10 um/mm."""
    lens_z: float = 0.0
    """mm, steering lens: widens the pump away from its best focus."""
    mirror_position: float = 0.0
    """um, nominal path by which the sample arm is longer than the mirror arm."""
    mirror_blocked: bool = True
    """True is common-path geometry."""
    sample_x: float = 0.0
    """mm, sample stage; the plate is centred at 0 and its substrate is bare 20 um aside."""
    sample_y: float = 0.0
    """mm, sample stage."""
    sample_z: float = 0.0
    """mm, sample stage, focus."""
    pump_shutter_open: bool = False
    probe_shutter_open: bool = True
    sample_arm_open: bool = True
    laser_on: bool = True
    repetition_rate: float = 50_000.0
    """Hz after the pulse picker."""
    chopper_frequency: float = 20.0
    """Hz at which the wheel turns now; 0 is parked open."""
    chopper_phase: float = 0.0
    """Periods by which the wheel is ahead at t = 0 of the simulated clock."""
    sensor_temperature: float = -10.0
    """°C."""


@dataclass(frozen=True)
class Exposure:
    """What one acquisition gives: F frames of K pixels."""

    frames: NDArray[np.uint32]
    """(F, K) counts."""
    pump_open: NDArray[np.float64]
    """(F,) 0–1, share of the exposure with the pump on the sample, as the photodiode reads it."""
    saturated: int
    """Saturated pixels in all frames."""


class Microscope:
    """Simulated hardware with a memory: drifts, noise and what the sample has suffered.

    `expose` is for one thread. `sample`, `interferometer` and the ``true_`` methods give the truth
    without noise, for tests and figures; nothing that measures may use them.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        probe, light, chip = scenario.probe, scenario.interferometer, scenario.detector
        self._pixels = Pixels(chip)
        self.wavelength = self._pixels.wavelength
        self.exposure, self.slot = chip.exposure, chip.slot
        self.gain, self.read_noise, self.resolution = chip.gain, chip.read_noise, chip.slit
        sensor, path, source, self._pump_rng, self._diode_rng, self._meter_rng = (
            np.random.Generator(np.random.SFC64(seed))
            for seed in np.random.SeedSequence(scenario.seed).spawn(6)
        )
        self._sensor = Sensor(chip, sensor)
        self.saturation_counts = self._sensor.saturation_counts
        self.sample = Sample(scenario)
        self.interferometer = Interferometer(scenario, self._pixels)
        self._stray = chip.stray_pump * stray_line(scenario.pump, self._pixels)
        self._walk = RandomWalk(light.walk, path)
        self._thermal = Wander(light.thermal, light.thermal_time, path)
        self._energy = Wander(probe.slow_energy_noise, probe.slow_time, source)
        self._tilt = Wander(probe.slow_tilt_noise, probe.slow_time, source)
        self._source_rng = source
        self._clock: float | None = None

    def expose(self, knobs: Knobs, start_times: NDArray[np.float64]) -> Exposure:
        """Take frames while the hardware stands still.

        Parameters
        ----------
        knobs
            Where the hardware stands.
        start_times
            (F,) s, starts of the exposures on one simulated clock that never goes back.

        Raises
        ------
        ValueError
            The times do not increase, or lie before those of the last call.
        """
        start = np.asarray(start_times, dtype=float)
        steps = np.diff(start, prepend=start[:1] if self._clock is None else self._clock)
        if np.any(steps < 0) or np.any(steps[1:] == 0):
            raise ValueError("exposures must start one after the other on a clock that runs on")
        if not start.size:
            return Exposure(np.zeros((0, len(self.wavelength)), np.uint32), start, 0)
        self._clock = float(start[-1])
        scale = knobs.laser_on * knobs.repetition_rate / _RATE
        spot, fluence = self._pump(knobs)
        pump_on = knobs.pump_shutter_open and scale > 0
        opened = self._opened(knobs, start) if pump_on else np.zeros(len(start))
        pump = opened * (
            1 + self._scenario.pump.energy_noise * self._pump_rng.standard_normal(len(start))
        )
        cloud = None
        if pump_on and self.sample.coverage(spot.x, spot.y, spot.waist) > 1e-6:
            cloud = self.sample.carriers(fluence, spot)
        light = np.outer(pump, self._emitted(fluence, cloud) * knobs.sample_arm_open)
        # Drift and source noise run on whether or not their light is let through.
        light[:, self.interferometer.band] += knobs.probe_shutter_open * self._probe_light(
            knobs, cloud, pump, steps
        )
        frames = self._sensor.read(scale * light, knobs.sensor_temperature)
        if pump_on:
            self.sample.irradiate(fluence, spot, float(opened.sum()) * self.exposure * scale)
        diode = self._scenario.chopper.photodiode_noise * self._diode_rng.standard_normal(
            len(start)
        )
        measured = np.clip(opened + diode, 0.0, 1.0) if pump_on else opened
        return Exposure(frames, measured, int(np.count_nonzero(frames >= self.saturation_counts)))

    def pump_power(self, knobs: Knobs, time: float) -> float:
        """Average pump power at the sample, W, as the meter before the chopper reads it."""
        spec = self._scenario.pump
        noise = 1 + spec.meter_noise * self._meter_rng.standard_normal()
        zero = spec.meter_offset * math.cos(2 * math.pi * time / spec.meter_period)
        if not (knobs.pump_shutter_open and knobs.laser_on):
            return zero
        # 2E/(πw²) is the peak fluence; 1 mJ/cm² is 1e-11 J/um².
        energy = self.true_fluence(knobs.retarder_voltage) * 1e-11 * math.pi * spec.waist**2 / 2
        return energy * knobs.repetition_rate * noise + zero

    def true_delay(self, position: float) -> float:
        """Pump–probe delay of the band's centre, ps, at a stage position in mm."""
        return actuators.delay(self._scenario.actuators, position)

    def true_fluence(self, voltage: float) -> float:
        """Peak fluence, mJ/cm², at a retarder voltage, with the pump at its smallest waist."""
        transmitted = actuators.transmission(self._scenario.actuators, voltage)
        return float(self._scenario.pump.full_fluence * transmitted)

    def true_probe_position(self, galvo_x: float, galvo_y: float) -> tuple[float, float]:
        """Probe position in the laboratory's frame, um, at galvo voltages."""
        return actuators.probe_position(self._scenario.actuators, galvo_x, galvo_y)

    def true_pump_position(self, lens_x: float, lens_y: float) -> tuple[float, float]:
        """Pump position in the laboratory's frame, um, at steering lens positions in mm."""
        return actuators.pump_position(self._scenario.actuators, lens_x, lens_y)

    def _pump(self, knobs: Knobs) -> tuple[Spot, float]:
        """Pump spot in the sample's frame and its peak fluence."""
        smallest = self._scenario.pump.waist
        waist = actuators.pump_waist(self._scenario.actuators, smallest, knobs.lens_z)
        x, y = self.true_pump_position(knobs.lens_x, knobs.lens_y)
        # To the nanometre, so that the same place finds the same solution.
        spot = Spot(
            round(x - 1e3 * knobs.sample_x, 3), round(y - 1e3 * knobs.sample_y, 3), round(waist, 4)
        )
        return spot, self.true_fluence(knobs.retarder_voltage) * (smallest / waist) ** 2

    def _opened(self, knobs: Knobs, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """(F,) true open fraction of the chopper."""
        spec = self._scenario.chopper
        return open_fraction(
            start,
            self.exposure,
            knobs.chopper_frequency,
            knobs.chopper_phase + spec.phase_offset,
            spec.edge_time,
        )

    def _emitted(self, fluence: float, cloud: Cloud | None) -> NDArray[np.float64]:
        """(K,) electrons per exposure at 50 kHz from fluorescence and leaking pump."""
        leak = self._stray * fluence
        if cloud is None or self._scenario.fluorescence is None:
            return leak
        rates = self.sample.rates
        gain = rates.gain * cloud.density[0].mean() / rates.photon_loss if rates.gain else 0.0
        return leak + emission(self._scenario.fluorescence, cloud, float(gain), self._pixels)

    def _probe_light(
        self,
        knobs: Knobs,
        cloud: Cloud | None,
        pump: NDArray[np.float64],
        steps: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """(F, B) electrons per exposure at 50 kHz in the probe's pixels."""
        optics, spec = self.interferometer, self._scenario.interferometer
        lab_x, lab_y = self.true_probe_position(knobs.galvo_x, knobs.galvo_y)
        x, y = lab_x - 1e3 * knobs.sample_x, lab_y - 1e3 * knobs.sample_y
        with_mirror = not knobs.mirror_blocked
        arms = Arms(
            coverage=self.sample.coverage(x, y),
            defocus=1e3 * (knobs.sample_z - spec.focus_offset),
            sample_open=knobs.sample_arm_open,
            path_difference=knobs.mirror_position + spec.path_offset if with_mirror else None,
        )
        level, fringe = optics.spectra(arms)
        levels, fringes = level[None, :], fringe[None, :]
        if cloud is not None:
            time = self.true_delay(knobs.delay_position) + optics.probe.time
            density = self.sample.density(time, cloud, x, y)
            delta_n = self.sample.index_change(density, optics.probe.centre)
            pumped_level, pumped_fringe = optics.spectra(arms, delta_n)
            # A chopped exposure is a mixture, and a stronger pulse changes the index in proportion.
            levels = level + np.outer(pump, pumped_level - level)
            fringes = fringe + np.outer(pump, pumped_fringe - fringe)
        phase = self._walk.follow(steps) + self._thermal.follow(steps)
        phase *= spec.mirror_drift if with_mirror else 1.0
        drifted = np.outer(phase, optics.relative_wavenumber)
        light = levels + fringes.real * np.cos(drifted) - fringes.imag * np.sin(drifted)
        return light * self._source_noise(knobs, steps)

    def _source_noise(self, knobs: Knobs, steps: NDArray[np.float64]) -> NDArray[np.float64]:
        """(F, B) energy of the frames, 1 on average: pulse noise averaged, and its slow part."""
        spec = self._scenario.probe
        pulses = max(knobs.repetition_rate * self.exposure, 1.0)
        noise = self._source_rng.standard_normal((2, len(steps))) / math.sqrt(pulses)
        energy = spec.pulse_energy_noise * noise[0] + self._energy.follow(steps)
        tilt = spec.pulse_tilt_noise * noise[1] + self._tilt.follow(steps)
        band = self.wavelength[self.interferometer.band]
        return (1 + energy[:, None]) * (
            1 + np.outer(tilt, (band - self.interferometer.probe.centre) / 100)
        )
