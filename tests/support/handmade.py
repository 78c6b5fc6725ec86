"""Raw scans made from formulas: an independent forward model, two fields added pixel by pixel."""

from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from analysis.reduction.missing_metadata import complete_metadata
from analysis.reduction.scan import reduce_scan

# nm: the QE Pro's pitch where there is light; the dark rest is left out to be quick
WAVELENGTH = np.concatenate([np.arange(500, 565, 0.72), np.arange(890, 1150, 0.72)])
GAIN, READ_NOISE = 4.0, 10.0  # electrons/count, electrons
DARK = 1500.0  # counts
EXPOSURE, SLOT, CHOPPER = 8e-3, 1 / 120, 20.0  # s, s, Hz
STEPS = 8  # of the path's walk in a slot, which the exposure fills but for a twentieth


def light() -> np.ndarray:
    """Counts of one arm: a supercontinuum with an envelope and ripple between 925 and 1125 nm."""
    envelope = np.exp(-(((WAVELENGTH - 1025) / 88) ** 6))
    ripple = 1 + 0.15 * np.cos(2 * np.pi * WAVELENGTH / 23.0)
    return 32e3 * envelope * ripple


def open_fraction(start: np.ndarray, phase: float, exposure: float = EXPOSURE) -> np.ndarray:
    """Fraction of each exposure with the pump on, which is while frac(20 Hz t + phase) < 1/2."""

    def on_until(time):
        cycles = CHOPPER * time + phase
        return (np.floor(cycles) / 2 + np.minimum(cycles % 1, 0.5)) / CHOPPER

    return (on_until(start + exposure) - on_until(start)) / exposure


@dataclass
class Plate:
    """A scan of a plate; every field is what nature knows and the analysis does not."""

    delta_n: np.ndarray | float = 1e-2  # (P,) RIU
    thickness: float = 1.5  # um
    index: float = 2.006
    group_excess: float = 0.032  # n_g / n - 1
    bend: float = 0.0  # curvature of the phase; r = (n_g - n)/n_g for an index linear in frequency
    phase: float = 0.7  # rad, interferometer's phase at 1025 nm
    ratio: float = 0.6  # amplitude of the signal over that of the reference beam
    reference_factor: float = 1.07
    reference_tilt: float = 0.0  # relative, at the band's edges
    path_difference: float | None = None  # um, reference-mirror geometry
    frames: int = 120
    chopper_phase: float = 0.13
    energy_noise: float = 0.0  # relative, per frame
    tilt_noise: float = 0.0  # relative at the band's edges, per frame
    drift: float = 0.0  # rad/sqrt(s), random walk
    stepwise: bool = False  # the path walks as much, but pump on and off see the same of it
    slow_drift: float = 0.0  # rad/s
    shot_noise: bool = False
    fluorescence: float = 0.0  # counts at 530 nm while the pump is on
    chirp: np.ndarray | None = None  # (K,) ps, then delta_n is a function of time
    delay: np.ndarray | None = None  # (P,) ps
    fluence: np.ndarray | float = 0.5
    attrs: dict = field(default_factory=dict)

    def _spectrum(self, delta_n, drift):
        """Counts of |E_ref + E_sig|² for index changes (..., 1 or K) and drifts (..., 1)."""
        turns = 2 * np.pi * 1e3 / WAVELENGTH  # k in rad/um
        centre = 2 * np.pi / 1.025
        path = self.path_difference or 0.0
        path += 2 * self.index * (1 + self.group_excess) * self.thickness
        phase = self.phase + path * (turns - centre) * (1 + self.bend * (turns / centre - 1))
        phase = phase + 2 * turns * self.thickness * delta_n + drift * turns / centre
        return light() * np.abs(1 + self.ratio * np.exp(1j * phase)) ** 2

    def gates(self, start):
        """Share of the steps (..., STEPS) in the path that a frame sees without, with pump (2).

        They are means over their own part of the exposure, and 0 where there is no such part.
        """
        steps = start[..., np.newaxis] + np.arange(STEPS) * EXPOSURE / STEPS
        on = open_fraction(steps, self.chopper_phase, EXPOSURE / STEPS)
        parts = np.stack([np.ones_like(on)] * 2 if self.stepwise else [1 - on, on], axis=-2)
        return parts / np.maximum(parts.sum(axis=-1, keepdims=True), 1e-9)

    def dataset(self, seed: int = 0) -> xr.Dataset:
        """The raw dataset, in the layout of `analysis.io.schema`."""
        rng = np.random.default_rng(seed)
        delay = np.zeros(np.size(self.delta_n)) if self.delay is None else self.delay
        points, count = len(delay), self.frames
        start = np.arange(points * count).reshape(points, count) * SLOT
        opened = open_fraction(start, self.chopper_phase)
        step = SLOT / STEPS
        walk = rng.normal(size=(points, count * STEPS)) * np.sqrt(step) * self.drift
        walk = np.cumsum(walk + self.slow_drift * step, axis=1).reshape(points, count, STEPS)
        # Pump on and pump off see the path of their own part of the exposure.
        walk = np.einsum("pfgs,pfs->gpf", self.gates(start), walk)[..., np.newaxis]
        if self.chirp is None:
            change = np.broadcast_to(self.delta_n, points)[:, np.newaxis, np.newaxis]
        else:
            change = self.delta_n(delay[:, np.newaxis] + self.chirp)[:, np.newaxis, :]
        o = opened[..., np.newaxis]
        counts = (1 - o) * self._spectrum(0.0, walk[0]) + o * self._spectrum(change, walk[1])
        energy = 1 + self.energy_noise * rng.normal(size=o.shape)
        tilt = self.tilt_noise * rng.normal(size=o.shape) * (WAVELENGTH - 1025) / 100
        counts = counts * (energy + tilt)
        glow = self.fluorescence * np.exp(-(((WAVELENGTH - 530) / 10) ** 2))
        counts = counts + o * glow + DARK
        if self.shot_noise:
            electrons = rng.normal(counts * GAIN, np.sqrt(counts * GAIN + READ_NOISE**2))
            counts = electrons / GAIN
        mean = light() * (1 + self.ratio**2)
        mean = mean * (1 + self.reference_tilt * (WAVELENGTH - 1025) / 100)
        attrs = {
            "exposure": EXPOSURE,
            "gain": GAIN,
            "read_noise": READ_NOISE,
            "chopper_frequency": CHOPPER,
            "geometry": "common-path" if self.path_difference is None else "reference-mirror",
            "sample_name": "plate",
            "material": "CsPbBr3",
            "thickness": self.thickness,
            "refractive_index": self.index,
        }
        if self.path_difference is not None:
            attrs["path_difference"] = self.path_difference
        if self.chirp is not None:
            attrs["chirp_wavelength"], attrs["chirp_delay"] = WAVELENGTH[100:], self.chirp[100:]
        return xr.Dataset(
            {
                "frames": (("point", "frame", "wavelength"), np.rint(counts).astype(np.uint32)),
                "frame_time": (("point", "frame"), start),
                "pump_open": (("point", "frame"), opened),
                "dark": ("wavelength", np.full(len(WAVELENGTH), DARK)),
                "reference": ("wavelength", mean * self.reference_factor + DARK),
                "delay": ("point", np.asarray(delay, float)),
                "x": ("point", np.zeros(points)),
                "y": ("point", np.zeros(points)),
                "fluence": ("point", np.broadcast_to(self.fluence, points).astype(float)),
            },
            coords={"wavelength": WAVELENGTH},
            attrs=attrs | self.attrs,
        )


def phase_of(delta_n, thickness: float) -> np.ndarray:
    """Δφ in rad at 1025 nm: 4πLΔn/λ."""
    return 4 * np.pi * thickness * np.asarray(delta_n) / 1.025


def reduce_complete(raw: xr.Dataset) -> xr.Dataset:
    """Complete a raw dataset that was never in a file, and reduce it."""
    return reduce_scan(complete_metadata(raw))
