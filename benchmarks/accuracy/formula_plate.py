"""Raw frames of a plate from two fields added pixel by pixel, and the bound to what they can say.

Nothing of the simulated microscope is in it: an envelope with ripples, two beams, a chopper, and
the noise model stated in `NOISE`.
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.linalg import block_diag

WAVELENGTH = np.arange(900.0, 1150.0, 0.72)  # nm, the QE Pro's pitch
CENTRE, HALF = 1025.0, 100.0  # nm
INDEX, GROUP_INDEX = 2.006, 2.070  # CsPbBr3 at 1050 nm (Brennan 2024, refractiveindex.info)
GAIN, READ_NOISE = 4.0, 12.0  # electrons/count, electrons
SLOT, CHOPPER = 1 / 120, 20.0  # s, Hz
OPEN = np.array([0.25, 1.0, 1.0, 0.75, 0.0, 0.0])  # edges fall inside exposures
STEPS = 8  # of the path's walk in a slot; the exposure covers all but a twentieth of it
NOISE = {"energy": 3e-3, "tilt": 1e-3}  # relative, a frame, beside shot and read noise
_ANYWHERE = 100.0  # rad², of the path before the first frame
RATIO = 0.6  # of the two beams' amplitudes: visibility 0.88


def _gates() -> np.ndarray:
    """Share of the steps in the path (6, 2, STEPS) that a frame sees without pump, and with it."""
    pumped = np.arange(STEPS) / STEPS < OPEN[:, np.newaxis]
    pumped[0] = pumped[0, ::-1]  # the first frame's pump comes on, the fourth one's goes off
    parts = np.stack([~pumped, pumped], axis=1).astype(float)
    return parts / np.maximum(parts.sum(axis=2, keepdims=True), 1.0)


SHAPE = {
    "ratio": np.inf,
    "group_index": 0.1 * INDEX,
    "bend": 0.02,
    "level": np.inf,
    "tilt": 0.01,
    "curve": 0.002,
}
"""What a point has to find of its fringe's shape, and how well it is known beforehand."""


@dataclass(frozen=True)
class FormulaPlate:
    """A plate of so many fringes over the probe's band.

    The fringe's phase at the centre is `phase` (rad); `drift` is that of its random walk (rad/√s).
    The amplitudes' ratio, the group index, its change with k (of an index linear in k), and level,
    tilt and curvature of the light beside the reference are the fringe's shape. The spectrometer
    has no slit.
    """

    fringes: float
    phase: float = 0.0
    drift: float = 0.0
    ratio: float = RATIO
    group_index: float = GROUP_INDEX
    bend: float = 1 - INDEX / GROUP_INDEX
    level: float = 0.0
    tilt: float = 0.0
    curve: float = 0.0

    @property
    def thickness(self) -> float:
        """Of the plate, um: fringes = 2 n_g L (1/925 nm − 1/1125 nm)."""
        return self.fringes / (2 * GROUP_INDEX * (1 / 0.925 - 1 / 1.125))

    def spectrum(self, delta_n: float, walked: np.ndarray | float = 0.0) -> np.ndarray:
        """Counts (..., K) of |E_near + E_far|², the path `walked` by so many rad (...)."""
        k, k_centre = 2e3 * np.pi / WAVELENGTH, 2e3 * np.pi / CENTRE
        index = self.group_index * (1 + self.bend * (k / k_centre - 1))
        path = 2 * self.thickness * (index * (k - k_centre) + delta_n * k)
        moved = np.asarray(walked)[..., np.newaxis] * k / k_centre
        envelope = _light() * (1 + self.level + _slope() * (self.tilt + _slope() * self.curve))
        return envelope * np.abs(1 + self.ratio * np.exp(1j * (self.phase + path + moved))) ** 2

    def dataset(self, delta_n: np.ndarray, frames: int, seed: int | None = None) -> xr.Dataset:
        """Raw dataset of points (P,) with drift, `NOISE`, shot and read noise.

        Without a seed there is none of these, and counts are a thousand times finer: rounding is
        noise too.
        """
        points, fine = len(delta_n), 1 if seed is not None else 1000
        opened = np.tile(OPEN, frames // 6)
        rng = np.random.default_rng(seed)
        walked = np.zeros((2, points, 1))
        if seed is not None and self.drift:
            size = points, frames // 6, 6, STEPS
            walk = rng.normal(0, self.drift * np.sqrt(SLOT / STEPS), size)
            walk = walk.reshape(points, -1).cumsum(axis=1).reshape(size)
            walked = np.einsum("fgs,pcfs->gpcf", _gates(), walk).reshape(2, points, frames)
        off = self.spectrum(0.0, walked[0])
        on = np.stack([self.spectrum(n, w) for n, w in zip(delta_n, walked[1], strict=True)])
        counts = off + opened[:, np.newaxis] * (on - off)
        if seed is not None:
            energy, tilt = (
                NOISE[name] * rng.standard_normal((points, frames, 1)) for name in NOISE
            )
            counts = counts * (1 + energy) * (1 + tilt * _slope())
            electrons = rng.normal(counts * GAIN, np.sqrt(counts * GAIN + READ_NOISE**2))
            counts = electrons / GAIN
        dark = 1500.0 * fine
        counts = np.rint(counts * fine + dark)
        by_frame = ("point", "frame")
        return xr.Dataset(
            {
                "frames": ((*by_frame, "wavelength"), counts.astype(np.uint32)),
                "frame_time": (by_frame, SLOT * np.arange(points * frames).reshape(points, -1)),
                "pump_open": (by_frame, np.tile(opened, (points, 1))),
                "dark": ("wavelength", np.full(len(WAVELENGTH), dark)),
                "reference": ("wavelength", _light() * (1 + RATIO**2) * fine + dark),
                **{name: ("point", np.zeros(points)) for name in ("delay", "x", "y", "fluence")},
            },
            coords={"wavelength": WAVELENGTH},
            attrs={
                "exposure": 8e-3,
                "gain": GAIN / fine,
                "saturation": 2**18 * fine,
                "read_noise": READ_NOISE,
                "resolution": 0.0,
                "chopper_frequency": CHOPPER,
                "geometry": "common-path",
                "sample_name": "plate",
                "material": "",
                "thickness": self.thickness,
                "refractive_index": INDEX,
            },
        )

    def bound(
        self,
        frames: int,
        delta_n: float = 0.0,
        *,
        same_light: bool = False,
        one_plate: bool = False,
    ) -> float:
        """Cramér–Rao bound of σ(Δn), RIU, or with `one_plate` its part that points scatter by.

        A frame has shot and read noise, and energy and tilt with the noise that is stated. The path
        is a random walk from anywhere, of which the pump-off and the pump-on part of an exposure
        show their own means; the fringe's shape is the same in all frames, and to be found. So are
        level and tilt of the light with the pump, as carriers absorb; with `same_light` they are
        known to be those without it.

        With the information J of the frames and the precision P of what is known beforehand, the
        covariance is C = (J + P)⁻¹ = C J C + C P C. Points of one plate scatter by the first part;
        the second is the error of what is known beforehand, which all of them share.
        """
        one = [self._information(delta_n, on, same_light) for on in OPEN]
        every = one * (frames // len(OPEN))
        by_path = block_diag(*(information[:2, :2] for information in every))
        crossed = np.concatenate([information[:2, 2:] for information in every])
        total = np.sum([information[2:, 2:] for information in every], axis=0)
        known = np.array([0.0, *(width**-2.0 for width in SHAPE.values())])
        known = np.pad(known, (0, len(total) - len(known)))
        total += np.diag(known)
        steps = SLOT / STEPS * np.arange(1, frames * STEPS + 1)
        means = block_diag(*np.tile(_gates(), (frames // len(OPEN), 1, 1)))
        walk = means @ (self.drift**2 * np.minimum.outer(steps, steps) + _ANYWHERE) @ means.T
        left = np.linalg.solve(np.eye(2 * frames) + by_path @ walk, crossed)
        covariance = np.linalg.inv(total - crossed.T @ walk @ left)[0]
        shared = covariance**2 @ known if one_plate else 0.0
        return float(np.sqrt(covariance[0] - shared))

    def _information(self, delta_n: float, on: float, same_light: bool) -> np.ndarray:
        """Of both parts' path, Δn, shape and pumped light, of a frame that is open for a part."""
        inside = np.abs(WAVELENGTH - CENTRE) <= HALF

        def frame(
            off_path: float = 0.0,
            on_path: float = 0.0,
            by: float = 0.0,
            pumped: tuple[float, float] = (0.0, 0.0),
            **changed: float,
        ) -> np.ndarray:
            like = replace(self, **{name: getattr(self, name) + v for name, v in changed.items()})
            level, tilt = pumped
            light = on * (1 + level + tilt * _slope())
            seen = (1 - on) * like.spectrum(0.0, off_path)
            return (seen + light * like.spectrum(delta_n + by, on_path))[inside]

        steps = {"off_path": 1e-4, "on_path": 1e-4, "by": 1e-6, **dict.fromkeys(SHAPE, 1e-4)}
        table = [(frame(**{n: h}) - frame(**{n: -h})) / (2 * h) for n, h in steps.items()]
        if not same_light:
            table += [frame(pumped=(1.0, 0.0)) - frame(), frame(pumped=(0.0, 1.0)) - frame()]
        light = frame()
        table = np.stack([*table, light, light * _slope()[inside]])
        full = table / (light / GAIN + (READ_NOISE / GAIN) ** 2) @ table.T
        pulse = full[-2:, -2:] + np.diag([NOISE["energy"] ** -2, NOISE["tilt"] ** -2])
        known = full[:-2, -2:]
        return full[:-2, :-2] - known @ np.linalg.solve(pulse, known.T)


def _light() -> np.ndarray:
    """Counts of the near beam alone: 60 000 at most."""
    envelope = np.exp(-(((WAVELENGTH - CENTRE) / 88) ** 6))
    return 55e3 * envelope * (1 + 0.1 * np.cos(2 * np.pi * WAVELENGTH / 23.0))


def _slope() -> np.ndarray:
    return (WAVELENGTH - CENTRE) / HALF
