"""Carriers and lasing photons: Eq. 3 of the paper in space, with diffusion.

One photon mode of uniform profile is coupled to every carrier of the plate, so that the photons
see the mean over the plate, ``<N>``::

    dN/dt = D ∇²N − A N − B N² − C N³ − g m N           g = Γ v_g G
    dm/dt = −v_gγ m + g m <N> + β B <N²>                m = n_ph / Γ

Photons are counted as ``m = n_ph / Γ`` (per volume of the plate), which takes Γ out of Eq. 3.
Inside this module time is in ps, length in um and density in cm⁻³.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dct

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMES = np.concatenate(
    [
        np.arange(0.0, 20.0, 0.25),
        np.arange(20.0, 60.0, 0.5),
        np.geomspace(60.0, 2100.0, 54),
        np.geomspace(2600.0, 50_000.0, 8),
    ]
)
"""(T,) ps: when a solution is kept. The delay stage reaches 2 ns; the spectrometer collects light
until nothing glows any more, and a tenth of what a weak pump makes comes later than 2 ns."""


@dataclass(frozen=True)
class Rates:
    """Constants of Eq. 3."""

    trapping: float
    """A, 1/ps."""
    radiative: float
    """B, cm³/ps."""
    auger: float
    """C, cm⁶/ps."""
    diffusion: float
    """D, um²/ps."""
    photon_loss: float = 0.0
    """v_g γ, 1/ps."""
    gain: float = 0.0
    """Γ v_g G, cm³/ps."""
    coupling: float = 0.0
    """β, fraction of the spontaneous emission that enters the mode."""


@dataclass(frozen=True)
class Cloud:
    """Carriers of one plate after one pump pulse."""

    times: NDArray[np.float64]
    """(T,) ps after the pump."""
    density: NDArray[np.float32]
    """(T, X, Y) cm⁻³."""
    photons: NDArray[np.float64]
    """(T,) photons in the mode per volume of the plate, cm⁻³."""
    spontaneous: float
    """∫ B <N²> dt, cm⁻³: all spontaneous emission."""
    coherent: float
    """Photons that left the mode while it lased, cm⁻³."""
    incoherent: float
    """Photons that left the mode as amplified spontaneous emission, cm⁻³."""

    def mixed(self, other: Cloud, share: float) -> Cloud:
        """Interpolate linearly: ``share`` (0–1) of `other`, the rest of this one."""
        mixed = {
            f.name: (1 - share) * getattr(self, f.name) + share * getattr(other, f.name)
            for f in fields(self)
            if f.name != "times"
        }
        return replace(self, **mixed)


def solve(
    initial: NDArray[np.float64],
    size: tuple[float, float],
    rates: Rates,
    times: NDArray[np.float64] = TIMES,
    step: float = 0.05,
) -> Cloud:
    """Follow the carriers from their creation at ``times[0]``.

    Strang splitting, second order in time, in three parts, each exact by itself: diffusion with
    no-flux edges (cosine modes of the five-point Laplacian, hence positive and conserving),
    photons in a frozen plasma, plasma under a frozen photon density.

    Parameters
    ----------
    initial
        (X, Y) density at ``times[0]``, cm⁻³.
    size
        Sides of the plate along X and Y, um.
    rates
        Constants of Eq. 3.
    times
        (T,) ps, increasing: when to keep the density.
    step
        Longest step, ps; it grows with time as the plasma calms down: 0.6 % of it to 300 ps, 3 %
        of it from then on.
    """
    plasma = _Plasma(np.array(initial, dtype=float), rates)
    density = np.empty((len(times), *initial.shape), np.float32)
    photons = np.zeros(len(times))
    density[0] = initial
    for index, (start, stop) in enumerate(pairwise(times), 1):
        variance = rates.diffusion * (stop - start) / 2
        left, right = (
            _spread(cells, side / cells, variance)
            for cells, side in zip(initial.shape, size, strict=True)
        )
        plasma.density = left @ plasma.density @ right
        pace = 0.12 if start < 300.0 else 0.6
        steps = math.ceil((stop - start) / max(step, pace * step * start) - 1e-9)
        plasma.react((stop - start) / steps, steps)
        plasma.density = left @ plasma.density @ right
        density[index] = plasma.density
        photons[index] = plasma.photons
    return Cloud(
        times,
        density,
        photons,
        plasma.spontaneous,
        plasma.coherent,
        plasma.emitted - plasma.coherent,
    )


class _Plasma:
    """Density, photons and the emission so far."""

    def __init__(self, density: NDArray[np.float64], rates: Rates) -> None:
        self.density = density
        self.rates = rates
        self.photons = self.spontaneous = self.coherent = self.emitted = 0.0

    def react(self, step: float, steps: int) -> None:
        """Take `steps` steps of photons (half), plasma, photons (half)."""
        mean, radiative = self._moments()
        for _ in range(steps):
            self._amplify(mean, radiative, step / 2)
            self.density = _decay(self.density, self.rates, self.photons, step)
            before = radiative
            mean, radiative = self._moments()
            self.spontaneous += (before + radiative) * step / 2
            self._amplify(mean, radiative, step / 2)

    def _moments(self) -> tuple[float, float]:
        """Means over the mode: <N>, and the spontaneous emission B <N²>."""
        flat = self.density.ravel()
        square = float(flat @ flat) / flat.size
        return float(flat.sum()) / flat.size, self.rates.radiative * square

    def _amplify(self, mean: float, radiative: float, step: float) -> None:
        """Photons for one step: the exact solution of their linear equation."""
        rates = self.rates
        source = rates.coupling * radiative
        if not source and not self.photons:
            return
        growth = rates.gain * mean - rates.photon_loss
        x = growth * step
        first = math.expm1(x) / x if abs(x) > 1e-6 else 1 + x / 2
        second = (first - 1) / x if abs(x) > 1e-4 else 0.5 + x / 6
        slope = growth * self.photons + source
        emitted = rates.photon_loss * step * (self.photons + slope * step * second)
        self.photons += slope * step * first
        # One photon in the mode doubles the rate of emission into it; the light turns coherent
        # at about 1/√β photons (Rice and Carmichael, Phys. Rev. A 50, 4318, 1994).
        number = rates.gain * mean * self.photons / source if source else math.inf
        self.emitted += emitted
        self.coherent += emitted / (1 + 1 / (rates.coupling * number**2)) if number else 0.0


def _decay(
    density: NDArray[np.float64], rates: Rates, photons: float, step: float
) -> NDArray[np.float64]:
    """Exact Bernoulli step of N' = −a N − b N², with b = B + C N taken at mid-step."""
    loss = rates.trapping + rates.gain * photons
    pair: float | NDArray[np.float64] = rates.radiative
    if rates.auger:
        middle = density * np.exp(-(loss + pair * density) * (step / 2))
        pair = pair + rates.auger * middle
    weight = -math.expm1(-loss * step) / loss if loss else step
    return density * math.exp(-loss * step) / (1 + (pair * weight) * density)


def _spread(cells: int, cell: float, variance: float) -> NDArray[np.float64]:
    """(cells, cells) matrix that diffuses along one axis, `variance` = D t in um²."""
    modes = dct(np.eye(cells), norm="ortho", axis=0)
    wavenumber = 2 / cell * np.sin(np.pi * np.arange(cells) / (2 * cells))
    return (modes.T * np.exp(-variance * wavenumber**2)) @ modes
