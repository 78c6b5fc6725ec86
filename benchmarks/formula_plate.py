"""Raw frames of a plate from two fields added pixel by pixel, and the bound to what they can say.

Nothing of the simulated microscope is in it: an envelope with ripples, two beams, a chopper, and
the noise model stated in `NOISE`.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

WAVELENGTH = np.arange(900.0, 1150.0, 0.72)  # nm, the QE Pro's pitch
CENTRE, HALF = 1025.0, 100.0  # nm
INDEX, GROUP_INDEX = 2.006, 2.070  # CsPbBr3 at 1050 nm (Brennan 2024, refractiveindex.info)
GAIN, READ_NOISE = 4.0, 12.0  # electrons/count, electrons
SLOT, CHOPPER = 1 / 120, 20.0  # s, Hz
OPEN = np.array([0.25, 1.0, 1.0, 0.75, 0.0, 0.0])  # edges fall inside exposures
NOISE = {"energy": 3e-3, "tilt": 1e-3}  # relative, a frame, beside shot and read noise
RATIO = 0.6  # of the two beams' amplitudes: visibility 0.88


@dataclass(frozen=True)
class FormulaPlate:
    """A plate of so many fringes over the probe's band; phase of the fringe in rad."""

    fringes: float
    phase: float = 0.0

    @property
    def thickness(self) -> float:
        """Of the plate, um: fringes = 2 n_g L (1/925 nm − 1/1125 nm)."""
        return self.fringes / (2 * GROUP_INDEX * (1 / 0.925 - 1 / 1.125))

    def spectrum(self, delta_n: float) -> np.ndarray:
        """Counts (K,) of |E_near + E_far|²."""
        k, k_centre = 2e3 * np.pi / WAVELENGTH, 2e3 * np.pi / CENTRE
        path = 2 * self.thickness * (GROUP_INDEX * (k - k_centre) + delta_n * k)
        return _light() * np.abs(1 + RATIO * np.exp(1j * (self.phase + path))) ** 2

    def dataset(self, delta_n: np.ndarray, frames: int, seed: int | None = None) -> xr.Dataset:
        """Raw dataset of points (P,) with `NOISE`, shot and read noise; without, for no seed."""
        points = len(delta_n)
        opened = np.tile(OPEN, frames // 6)
        off = self.spectrum(0.0)
        change = np.stack([self.spectrum(value) - off for value in delta_n])
        counts = off + opened[:, np.newaxis] * change[:, np.newaxis, :]
        if seed is not None:
            rng = np.random.default_rng(seed)
            energy, tilt = (
                NOISE[name] * rng.standard_normal((points, frames, 1)) for name in NOISE
            )
            counts = counts * (1 + energy) * (1 + tilt * _slope())
            electrons = rng.normal(counts * GAIN, np.sqrt(counts * GAIN + READ_NOISE**2))
            counts = electrons / GAIN
        dark = 1500.0
        by_frame = ("point", "frame")
        return xr.Dataset(
            {
                "frames": ((*by_frame, "wavelength"), np.rint(counts + dark).astype(np.uint32)),
                "frame_time": (by_frame, SLOT * np.arange(points * frames).reshape(points, -1)),
                "pump_open": (by_frame, np.tile(opened, (points, 1))),
                "dark": ("wavelength", np.full(len(WAVELENGTH), dark)),
                "reference": ("wavelength", _light() * (1 + RATIO**2) + dark),
                **{name: ("point", np.zeros(points)) for name in ("delay", "x", "y", "fluence")},
            },
            coords={"wavelength": WAVELENGTH},
            attrs={
                "exposure": 8e-3,
                "gain": GAIN,
                "read_noise": READ_NOISE,
                "chopper_frequency": CHOPPER,
                "geometry": "common-path",
                "sample_name": "plate",
                "material": "",
                "thickness": self.thickness,
                "refractive_index": INDEX,
            },
        )

    def bound(self, frames: int) -> float:
        """Cramér–Rao bound of σ(Δn) for a small Δn, RIU.

        The covariance of a frame is shot and read noise plus that of energy and tilt; the phase,
        the same in all frames, and Δn are to be found.
        """
        off = self.spectrum(0.0)
        slope = (self.spectrum(1e-6) - self.spectrum(-1e-6)) / 2e-6
        inside = np.abs(WAVELENGTH - CENTRE) <= HALF
        table = np.stack([slope, off, off * _slope()])[:, inside]
        variance = (off / GAIN + (READ_NOISE / GAIN) ** 2)[inside]
        known = np.diag([0.0, NOISE["energy"] ** -2, NOISE["tilt"] ** -2])
        frame = np.linalg.inv(table / variance @ table.T + known)[0, 0]
        return float(np.sqrt(frame / (frames * OPEN.var())))


def _light() -> np.ndarray:
    """Counts of the near beam alone: 60 000 at most."""
    envelope = np.exp(-(((WAVELENGTH - CENTRE) / 88) ** 6))
    return 55e3 * envelope * (1 + 0.1 * np.cos(2 * np.pi * WAVELENGTH / 23.0))


def _slope() -> np.ndarray:
    return (WAVELENGTH - CENTRE) / HALF
