"""The simulated microscope without EPICS: the same frames in a fraction of the time.

Direct calls replace the plans' Channel Access: the same calibrations in the same order, with the
same analysis functions and the knowledge of an experimenter. Only the scale of the galvo mirrors is
the true one, with the error of a calibration at the plate's edges (`GALVO_SCALE_SIGMA`,
`GALVO_ROTATION_SIGMA`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import xarray as xr
from scipy.constants import speed_of_light
from scipy.interpolate import PchipInterpolator

from analysis.calibration.pump_fluence import peak_fluence
from analysis.calibration.pump_spot import PumpSpot, fit_pump_spot
from analysis.calibration.retarder_curve import corrected_power, fit_retarder
from analysis.chirp.group_delay import chirp_delay
from analysis.chirp.time_zero import Arrival, fit_arrival
from analysis.probe_band import PROBE_BAND
from analysis.reduction.missing_metadata import complete_metadata
from analysis.reduction.scan import reduce_scan
from ocm_ophyd.twin import Knobs, Microscope, Scenario

MM_PER_PS = speed_of_light * 1e-12 / 2 * 1e3  # of carriage travel: one double pass
STEP = 0.004  # mm, full step of the delay stage (OSMS26-300)
STORED_TIME_ZERO = 285.0  # mm, of the delay stage, before the first calibration
CHOPPER = 20.0  # Hz
PERIODS = 20  # chopper periods of a point
REFERENCE_PERIODS = 100
DEAD_TIME = 0.1  # s between points, for moves and files
SUBSTRATE = 0.03  # mm, sample stage: bare glass beside the crystal
PUMP_WAIST = 2.25  # um, stated in the paper: turns power into fluence
LENS_SCALE = 10.0  # um/mm, nominal
GALVO_SCALE_SIGMA = 0.002  # relative: 0.01 um on either edge of 8 um
GALVO_ROTATION_SIGMA = 0.1  # deg
METER_READINGS, METER_INTERVAL = 10, 0.01  # readings a power, s between them


@dataclass
class Calibration:
    """Calibration of the instrument; the defaults are those before the first measurement."""

    time_zero: float = STORED_TIME_ZERO
    """mm, delay stage."""
    arrival: Arrival | None = None
    """Last fitted rise, on the scale of delays before time zero was corrected by it."""
    voltage: np.ndarray | None = None
    """V, retarder."""
    fluence: np.ndarray | None = None
    """mJ/cm² at `voltage`."""
    spot: PumpSpot | None = None
    """The pump after its last move."""


class Laboratory:
    """A microscope, its clock, and what has been calibrated.

    Parameters
    ----------
    scenario
        The truth.
    seed
        Of the time of the first measurement and of the errors of the galvo calibration; the noise
        has the scenario's own seed.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.microscope = Microscope(scenario)
        self.calibration = Calibration()
        self._record = {
            "exposure": self.microscope.exposure,
            "gain": self.microscope.gain,
            "read_noise": self.microscope.read_noise,
            "saturation": float(self.microscope.saturation_counts),
            "chopper_frequency": CHOPPER,
            "geometry": "common-path",
            "sample_name": scenario.sample.name,
            "material": scenario.sample.material,
            "thickness": scenario.sample.thickness,
            "refractive_index": scenario.sample.refractive_index,
        }
        self._spectra: dict[str, np.ndarray] = {}
        self._knobs = Knobs(delay_position=280.0)
        self._now = rng.uniform(0, 3600)
        origin = np.array(self.microscope.true_probe_position(0, 0))
        galvo = [np.array(self.microscope.true_probe_position(*v)) for v in ((1, 0), (0, 1))]
        turn = np.deg2rad(GALVO_ROTATION_SIGMA) * rng.standard_normal()
        wrong = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        scale = 1 + GALVO_SCALE_SIGMA * rng.standard_normal(2)
        self._galvo = wrong @ (np.stack(galvo, axis=1) - origin[:, None]) * scale

    def record_reference(self) -> None:
        """Record a dark frame, and the bare substrate as the spectrum without interference."""
        for name, probe, place in (("dark", False, 0.0), ("reference", True, SUBSTRATE)):
            self._set(pump_shutter_open=False, probe_shutter_open=probe, sample_x=place)
            self._spectra[name] = self._expose(REFERENCE_PERIODS)[0].mean(axis=0)
        self._set(probe_shutter_open=True, sample_x=0.0)

    def calibrate_pump_power(self) -> None:
        """Measure the pump power against the voltage, with zeros of the meter in between."""
        self._set(sample_x=SUBSTRATE)
        rows = []
        for i, voltage in enumerate(np.linspace(0, 10, 41)):
            self._set(retarder_voltage=float(voltage))
            for opened in (False, True) if i % 5 == 0 else (True,):
                self._set(pump_shutter_open=opened)
                rows.append((voltage, opened, *self._power()))
        self._set(sample_x=0.0, pump_shutter_open=False)
        voltage, opened, moment, power, sigma = np.array(rows).T
        power, sigma = corrected_power(moment, power, sigma, opened == 0)
        curve = fit_retarder(voltage[opened == 1], power, sigma)
        self.calibration.voltage = curve.voltage
        self.calibration.fluence = peak_fluence(
            curve.power, self._knobs.repetition_rate, PUMP_WAIST
        )

    def find_time_zero(self, fluence: float = 0.5) -> Arrival:
        """Measure time zero by a coarse scan over 40 ps, then time zero and chirp by a fine one."""
        for half, step in ((20.0, 2.0), (6.0, 0.5)):
            delays = np.linspace(-half, half, round(2 * half / step) + 1)
            scan = self.scan({"delay": delays}, periods=10, fluence=fluence)
            names = ("delay", "wavelength", "differential_spectrum", "phase", "path")
            arrival = fit_arrival(*(scan[name].values for name in names))
            self.calibration.time_zero -= arrival.time_zero * MM_PER_PS
        self.calibration.arrival = arrival
        return arrival

    def overlap(self, fluence: float = 0.5, delay: float = 5.0) -> PumpSpot:
        """Steer the pump to the probe's origin within 0.1 um, and correct fluences by its waist."""
        side = np.linspace(-2.5, 2.5, 9)
        for _ in range(4):
            image = self.scan({"y": side, "x": side}, periods=6, fluence=fluence, delay=delay)
            columns = (image[name].values for name in ("x", "y", "delta_n", "delta_n_sigma"))
            self.calibration.spot = spot = fit_pump_spot(*columns)
            if np.hypot(spot.x, spot.y) < 0.1:
                self.calibration.fluence *= (PUMP_WAIST / spot.waist) ** 2
                return spot
            self._set(
                lens_x=self._knobs.lens_x - spot.x / LENS_SCALE,
                lens_y=self._knobs.lens_y - spot.y / LENS_SCALE,
            )
        raise RuntimeError("pump and probe do not overlap after four corrections")

    def scan(
        self, axes: Mapping[str, Sequence[float]], periods: int = PERIODS, **at: float
    ) -> xr.Dataset:
        """Take the points of a grid and reduce them, a slice of the slowest axis at a time.

        Parameters
        ----------
        axes
            Values of `fluence` (mJ/cm²), `delay` (ps), `y` or `x` (um), the slowest axis first.
        periods
            Chopper periods of a point.
        at
            Values of the other axes; 0 by default.
        """
        points = _grid(axes, at)
        shape = [len(values) for values in axes.values()]
        size = len(points) // shape[0] if len(shape) > 1 else len(points)
        parts = []
        for first in range(0, len(points), size):
            part = reduce_scan(complete_metadata(self._raw(points[first : first + size], periods)))
            parts.append(part.drop_dims("time", errors="ignore"))
        self._set(pump_shutter_open=False)
        whole = xr.concat(parts, "point", data_vars="minimal", join="exact")
        whole.attrs |= {"axes": " ".join(axes), "shape": np.array(shape)}
        return whole

    def raw(
        self, axes: Mapping[str, Sequence[float]], periods: int = PERIODS, **at: float
    ) -> xr.Dataset:
        """Take the points of a grid, as `scan` does, and return them as a raw dataset."""
        raw = self._raw(_grid(axes, at), periods)
        self._set(pump_shutter_open=False)
        return raw

    def frames(self, periods: int) -> xr.Dataset:
        """Take frames without a gap, the pump shut: a raw dataset of one point."""
        self._set(pump_shutter_open=False)
        frames, opened, times = self._expose(periods)
        return xr.Dataset(
            {
                "frames": (("point", "frame", "wavelength"), frames[np.newaxis]),
                "frame_time": (("point", "frame"), times[np.newaxis]),
                "pump_open": (("point", "frame"), opened[np.newaxis]),
                **{name: ("wavelength", values) for name, values in self._spectra.items()},
            },
            coords={"wavelength": self.microscope.wavelength},
            attrs=dict(self._record),
        )

    def probe_position(self) -> tuple[float, float]:
        """Return the true position of the probe at its origin, um from the centre of the plate."""
        return self.microscope.true_probe_position(0.0, 0.0)

    def pump_position(self) -> tuple[float, float]:
        """Return the true position of the pump, um from the centre of the plate."""
        return self.microscope.true_pump_position(self._knobs.lens_x, self._knobs.lens_y)

    def _raw(self, points: Sequence[Mapping[str, float]], periods: int) -> xr.Dataset:
        """Measure some points, and return them as a raw dataset (`analysis.io.schema`)."""
        readings, taken = [], []
        for point in points:
            readings.append(self._move(**point))
            taken.append(self._expose(periods))
        frames, opened, times = (np.stack(column) for column in zip(*taken, strict=True))
        by_frame = ("point", "frame")
        raw = xr.Dataset(
            {
                "frames": ((*by_frame, "wavelength"), frames),
                "frame_time": (by_frame, times),
                "pump_open": (by_frame, opened),
                **{name: ("wavelength", values) for name, values in self._spectra.items()},
                **{name: ("point", [r[name] for r in readings]) for name in readings[0]},
            },
            coords={"wavelength": self.microscope.wavelength},
            attrs=dict(self._record),
        )
        if self.calibration.arrival is not None:
            wavelength = np.linspace(*PROBE_BAND, 41)
            delay = chirp_delay(wavelength, self.calibration.arrival.chirp)
            raw.attrs |= {"chirp_wavelength": wavelength, "chirp_delay": delay}
        return raw

    def _move(self, delay: float, x: float, y: float, fluence: float) -> dict[str, float]:
        """Move the hardware to a point, and return the readbacks."""
        known = self.calibration
        order = np.argsort(known.fluence)
        voltage = float(PchipInterpolator(known.fluence[order], known.voltage[order])(fluence))
        position = round((known.time_zero - delay * MM_PER_PS) / STEP) * STEP
        galvo_x, galvo_y = np.linalg.solve(self._galvo, [x, y])
        self._set(
            retarder_voltage=voltage,
            delay_position=position,
            galvo_x=float(galvo_x),
            galvo_y=float(galvo_y),
            pump_shutter_open=True,
        )
        return {
            "delay": (known.time_zero - position) / MM_PER_PS,
            "x": x,
            "y": y,
            "fluence": float(PchipInterpolator(known.voltage, known.fluence)(voltage)),
        }

    def _power(self) -> tuple[float, float, float]:
        """Read the power meter: return time (s), power (W) and its standard deviation (W)."""
        times = self._now + METER_INTERVAL * np.arange(METER_READINGS)
        readings = [self.microscope.pump_power(self._knobs, time) for time in times]
        self._now = times[-1] + DEAD_TIME
        sigma = np.std(readings, ddof=1) / np.sqrt(METER_READINGS)
        return float(times.mean()), float(np.mean(readings)), float(sigma)

    def _set(self, **changes: float) -> None:
        self._knobs = replace(self._knobs, **changes)

    def _expose(self, periods: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take the frames of a point: return frames, open fractions, and times in s."""
        slot = self.microscope.slot
        first = np.ceil((self._now + DEAD_TIME) / slot)
        times = slot * (first + np.arange(round(periods / (CHOPPER * slot))))
        exposure = self.microscope.expose(self._knobs, times)
        self._now = times[-1] + slot
        return exposure.frames, exposure.pump_open, times


def _grid(axes: Mapping[str, Sequence[float]], at: Mapping[str, float]) -> list[dict[str, float]]:
    """Return the points of a grid, the slowest axis first; other axes are 0 unless in `at`."""
    still = {"delay": 0.0, "x": 0.0, "y": 0.0, "fluence": 0.0} | dict(at)
    return [still | dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
