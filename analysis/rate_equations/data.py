"""What a fit of the rate equations is given, and what it tells of the constants together."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import ONE_SIDED, Estimate
from analysis.rate_equations.plate_average import Disc, disc

__all__ = [
    "Curve",
    "LightCurve",
    "Plate",
    "RateConstants",
    "curve_table",
    "diffusion_prior",
    "light_table",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Plate:
    """What the pump hits; its `size`, `pump_waist` and `probe_waist` (1/e² radii) in um."""

    size: tuple[float, float]
    pump_waist: float
    probe_waist: float

    @property
    def disc(self) -> Disc:
        """The plate's discretisation."""
        return disc(self.size, self.probe_waist)

    @property
    def profile(self) -> Floats:
        """(n,) fresh cloud at the disc's nodes; the probe sees 1."""
        shape = np.exp(-2 * (self.disc.radius / self.pump_waist) ** 2)
        return shape / (self.disc.sight @ shape)

    @property
    def share(self) -> float:
        """Plate's mean of a fresh cloud of which the probe sees 1."""
        return float(self.disc.area @ self.profile)


@dataclass(frozen=True)
class Curve:
    """One relaxation curve; (P,) arrays. Points that are not finite are left out.

    Attributes
    ----------
    fluence : float
        mJ/cm²; only a label, the initial density is fitted.
    delay : array
        Mean time at which the probe samples the plasma, ps after the pump.
    density, sigma : array
        What the probe sees and its standard deviation, cm⁻³.
    spread : array or float
        Standard deviation of the sampling times of one point, ps.
    """

    fluence: float
    delay: ArrayLike
    density: ArrayLike
    sigma: ArrayLike
    spread: ArrayLike = 0.0


@dataclass(frozen=True)
class LightCurve:
    """Light–light curve; (P,) arrays.

    Attributes
    ----------
    fluence : array
        mJ/cm²; only a label.
    intensity, sigma : array
        All light, of the band and of the laser lines, in any unit, and its standard deviation.
    density : array
        Initial density that the probe sees at each fluence, cm⁻³.
    scatter : float
        Relative standard deviation of each density by itself.
    scale : float
        Relative standard deviation that all densities share. Both are for points with scatter.
    """

    fluence: ArrayLike
    intensity: ArrayLike
    sigma: ArrayLike
    density: ArrayLike
    scatter: float = 0.0
    scale: float = 0.0


@dataclass(frozen=True)
class RateConstants:
    """What is known of A, B, C and D together: a Gaussian.

    Attributes
    ----------
    values : (4,) array
        1/s, cm³/s, cm⁶/s, cm²/s.
    information : (4, 4) array
        Inverse of their covariance; rows of zeros for what nothing is known of.
    """

    values: Floats
    information: Floats

    @classmethod
    def independent(cls, *known: Estimate) -> Self:
        """Known one by one, in the order of `values`; nothing is known of those left out.

        Of one with an upper limit only, 0 with the sigma of that limit.

        Raises
        ------
        ValueError
            A sigma of 0: nothing is known so well.
        """
        values, information = np.zeros((2, 4))
        for place, one in enumerate(known):
            if one.sigma == 0:
                raise ValueError(f"{one.value:g} {one.unit} has a sigma of 0: give one above it")
            if np.isfinite(one.value) and one.sigma > 0:
                values[place], information[place] = one.value, one.sigma**-2
            elif one.upper95 is not None:
                information[place] = (one.upper95 / ONE_SIDED) ** -2
        return cls(values, np.diag(information))


def curve_table(curve: Curve) -> Floats:
    """(P, 4) time, density, sigma and spread of what can be fitted, in order of time."""
    columns = np.broadcast_arrays(curve.delay, curve.density, curve.sigma, curve.spread)
    table = np.stack([np.asarray(c, np.float64).ravel() for c in columns], axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    if (table[:, 2] <= 0).any():
        raise ValueError(
            f"sigma of the curve at {curve.fluence:g} mJ/cm2 must be positive: "
            "a point without noise cannot be weighed"
        )
    table = table[table[:, 0] >= table[:, 3]]
    table = table[np.argsort(table[:, 0], kind="stable")]
    # The densities also give the start, which needs a first point clear of the noise.
    clear = len(table) and table[0, 1] > 5 * table[0, 2]
    return table if clear else table[:0]


def light_table(light: LightCurve) -> Floats:
    """(P, 3) intensity, sigma and density of the finite points."""
    columns = (light.intensity, light.sigma, light.density)
    table = np.stack([np.asarray(c, np.float64).ravel() for c in columns], axis=1)
    table = table[np.isfinite(table).all(axis=1)]
    if (table[:, 1:] <= 0).any():
        raise ValueError("sigma and density of the light-light curve must be positive")
    return table


def diffusion_prior(diffusion: Estimate) -> tuple[float, float]:
    """D and its standard deviation, cm²/s."""
    if np.isfinite([diffusion.value, diffusion.sigma]).all() and diffusion.sigma > 0:
        return diffusion.value, diffusion.sigma
    if diffusion.upper95 is not None:
        return diffusion.upper95 / 2, diffusion.upper95 / np.sqrt(12)
    raise ValueError(
        "the diffusion coefficient needs a value with a sigma, or an upper limit: "
        "without one it cannot be told from trapping"
    )
