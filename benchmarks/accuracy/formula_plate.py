"""Raw frames of a plate from the sum of two fields, and the Cramér–Rao bound of their Δn.

It is independent of the simulated microscope: an envelope with ripples, two beams, a chopper, and
the noise of `NOISE`.
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
OPEN = np.array([0.25, 1.0, 1.0, 0.75, 0.0, 0.0])  # fractions; edges fall inside exposures
STEPS = 8  # steps of the path's random walk in a slot, which the exposure nearly fills
NOISE = {"energy": 3e-3, "tilt": 1e-3}  # relative noise of a frame, besides shot and read noise
_START_VARIANCE = 100.0  # rad², of the path before the first frame: it is unknown
RATIO = 0.6  # of the two beams' amplitudes: visibility 0.88


def _gates() -> np.ndarray:
    """Return the weights (6, 2, STEPS) of the path's steps in a frame without and with the pump."""
    pumped = np.arange(STEPS) / STEPS < OPEN[:, np.newaxis]
    pumped[0] = pumped[0, ::-1]  # in the first frame the pump goes on, in the fourth one off
    parts = np.stack([~pumped, pumped], axis=1).astype(float)
    return parts / np.maximum(parts.sum(axis=2, keepdims=True), 1.0)


SHAPE = {
    "ratio": np.inf,
    "group_index": 0.1 * INDEX,
    "bend": 0.02,
    "brightness": np.inf,
    "tilt": 0.01,
    "curve": 0.002,
}
"""Prior standard deviations of the shape of the fringe, which a point has to determine."""


@dataclass(frozen=True)
class FormulaPlate:
    """A plate in front of a spectrometer without a slit.

    Attributes
    ----------
    fringes : float
        Fringes over the probe's band for the nominal group index: determines the thickness.
    phase : float
        Phase of the fringe at the band's centre, rad.
    drift : float
        Rate of the random walk of the phase, rad/√s.
    ratio : float
        Of the two beams' amplitudes.
    group_index, bend : float
        Group index, and its relative change with k/k_c, that of an index linear in k.
    brightness, tilt, curve : float
        Relative change of the light against the reference: constant, slope and curvature over half
        the band.
    """

    fringes: float
    phase: float = 0.0
    drift: float = 0.0
    ratio: float = RATIO
    group_index: float = GROUP_INDEX
    bend: float = 1 - INDEX / GROUP_INDEX
    brightness: float = 0.0
    tilt: float = 0.0
    curve: float = 0.0

    @property
    def thickness(self) -> float:
        """Thickness L of the plate, um: fringes = 2 n_g L (1/925 nm − 1/1125 nm)."""
        return self.fringes / (2 * GROUP_INDEX * (1 / 0.925 - 1 / 1.125))

    def spectrum(self, delta_n: float, drift_phase: np.ndarray | float = 0.0) -> np.ndarray:
        """Return the counts (..., K) of |E_near + E_far|².

        Parameters
        ----------
        delta_n : float
            RIU.
        drift_phase : float or (...) array
            Phase by the drift of the path at the band's centre, rad.
        """
        k, k_centre = 2e3 * np.pi / WAVELENGTH, 2e3 * np.pi / CENTRE
        index = self.group_index * (1 + self.bend * (k / k_centre - 1))
        path = 2 * self.thickness * (index * (k - k_centre) + delta_n * k)
        drifted = np.asarray(drift_phase)[..., np.newaxis] * k / k_centre
        envelope = _light() * (1 + self.brightness + _slope() * (self.tilt + _slope() * self.curve))
        return envelope * np.abs(1 + self.ratio * np.exp(1j * (self.phase + path + drifted))) ** 2

    def dataset(self, delta_n: np.ndarray, frames: int, seed: int | None = None) -> xr.Dataset:
        """Return a raw dataset with drift, `NOISE`, shot and read noise.

        Parameters
        ----------
        delta_n : (P,) array
            Of the points, RIU.
        frames : int
            Of a point; a multiple of six.
        seed : int, optional
            Without it there is no noise, and counts are a thousand times finer, because rounding is
            noise too.
        """
        points, fine = len(delta_n), 1 if seed is not None else 1000
        opened = np.tile(OPEN, frames // 6)
        rng = np.random.default_rng(seed)
        drifted = np.zeros((2, points, 1))
        if seed is not None and self.drift:
            size = points, frames // 6, 6, STEPS
            walk = rng.normal(0, self.drift * np.sqrt(SLOT / STEPS), size)
            walk = walk.reshape(points, -1).cumsum(axis=1).reshape(size)
            drifted = np.einsum("fgs,pcfs->gpcf", _gates(), walk).reshape(2, points, frames)
        off = self.spectrum(0.0, drifted[0])
        on = np.stack([self.spectrum(n, w) for n, w in zip(delta_n, drifted[1], strict=True)])
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
        """Return the Cramér–Rao bound of σ(Δn), RIU.

        A frame has shot and read noise, and the noise of energy and tilt in `NOISE`. The path is a
        random walk from an unknown start; the pump-off and the pump-on part of an exposure each
        have the mean over their own time. The shape of the fringe is unknown and the same in all
        frames. Brightness and tilt of the light with the pump are unknown too, because carriers
        absorb.

        With the information J of the frames and the precision P of the priors, the covariance is
        C = (J + P)⁻¹ = C J C + C P C. The first part is the scatter of points of one plate; the
        second is the error of the priors, which all of them share.

        Parameters
        ----------
        frames : int
            Of a point; a multiple of six.
        delta_n : float
            RIU.
        same_light : bool
            Whether brightness and tilt with the pump are known to be those without it.
        one_plate : bool
            Return the first part alone.
        """
        period = [self._information(delta_n, on, same_light) for on in OPEN]
        every = period * (frames // len(OPEN))
        by_path = block_diag(*(information[:2, :2] for information in every))
        coupling = np.concatenate([information[:2, 2:] for information in every])
        total = np.sum([information[2:, 2:] for information in every], axis=0)
        precision = np.array([0.0, *(sigma**-2.0 for sigma in SHAPE.values())])
        precision = np.pad(precision, (0, len(total) - len(precision)))
        total += np.diag(precision)
        steps = SLOT / STEPS * np.arange(1, frames * STEPS + 1)
        means = block_diag(*np.tile(_gates(), (frames // len(OPEN), 1, 1)))
        walk = means @ (self.drift**2 * np.minimum.outer(steps, steps) + _START_VARIANCE) @ means.T
        # The path is eliminated: Schur complement with its prior covariance `walk`.
        weighted = np.linalg.solve(np.eye(2 * frames) + by_path @ walk, coupling)
        covariance = np.linalg.inv(total - coupling.T @ walk @ weighted)[0]
        shared = covariance**2 @ precision if one_plate else 0.0
        return float(np.sqrt(covariance[0] - shared))

    def _information(self, delta_n: float, on: float, same_light: bool) -> np.ndarray:
        """Return the information matrix of one frame.

        Its parameters are the path without and with the pump (rad), Δn (RIU), those of `SHAPE`,
        and brightness and tilt with the pump, unless `same_light`. `on` is the open fraction.
        """
        inside = np.abs(WAVELENGTH - CENTRE) <= HALF

        def frame(
            off_path: float = 0.0,
            on_path: float = 0.0,
            by: float = 0.0,
            pumped: tuple[float, float] = (0.0, 0.0),
            **changed: float,
        ) -> np.ndarray:
            plate = replace(self, **{name: getattr(self, name) + v for name, v in changed.items()})
            brightness, tilt = pumped
            light = on * (1 + brightness + tilt * _slope())
            unpumped = (1 - on) * plate.spectrum(0.0, off_path)
            return (unpumped + light * plate.spectrum(delta_n + by, on_path))[inside]

        steps = {"off_path": 1e-4, "on_path": 1e-4, "by": 1e-6, **dict.fromkeys(SHAPE, 1e-4)}
        table = [(frame(**{n: h}) - frame(**{n: -h})) / (2 * h) for n, h in steps.items()]
        if not same_light:
            table += [frame(pumped=(1.0, 0.0)) - frame(), frame(pumped=(0.0, 1.0)) - frame()]
        light = frame()
        table = np.stack([*table, light, light * _slope()[inside]])
        full = table / (light / GAIN + (READ_NOISE / GAIN) ** 2) @ table.T
        # Energy and tilt of the frame itself are eliminated with their priors.
        pulse = full[-2:, -2:] + np.diag([NOISE["energy"] ** -2, NOISE["tilt"] ** -2])
        coupling = full[:-2, -2:]
        return full[:-2, :-2] - coupling @ np.linalg.solve(pulse, coupling.T)


def _light() -> np.ndarray:
    """Return the counts (K,) of the near beam alone, 60 000 at most."""
    envelope = np.exp(-(((WAVELENGTH - CENTRE) / 88) ** 6))
    return 55e3 * envelope * (1 + 0.1 * np.cos(2 * np.pi * WAVELENGTH / 23.0))


def _slope() -> np.ndarray:
    return (WAVELENGTH - CENTRE) / HALF
