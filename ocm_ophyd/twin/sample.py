"""The crystal: what a pump pulse makes of it and what a probe spot sees of that."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr

from .carriers import Cloud, Rates, solve
from .materials import INDEX_CHANGE, WAVELENGTH

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .scenario import Scenario

CELL = 0.2
"""um: side of a cell of the carrier grid, well below the probe's radius."""
NODE = 0.015
"""Spacing of the solved fluences, in ln F; between them the solution is interpolated."""
KEPT = 60
"""Solutions kept, 1.4 MB each for the default plate."""


@dataclass(frozen=True)
class Spot:
    """A Gaussian beam in the sample's frame: centre and 1/e² radius, um."""

    x: float
    y: float
    waist: float


class Sample:
    """The crystal of a scenario; bleaching by too much light is its only memory.

    Positions are in the sample's frame, um, with the plate's centre at (0, 0).

    Attributes
    ----------
    rates
        Constants of Eq. 3.
    index_change
        Δn of a carrier density in cm⁻³, at a wavelength in nm (1050 without one).
    """

    def __init__(self, scenario: Scenario) -> None:
        self._spec = spec = scenario.sample
        self._probe_waist = scenario.probe.waist
        # Carriers appear along the integral of the pump's Gaussian intensity.
        self._rise = scenario.pump.duration / math.sqrt(8 * math.log(2))
        self._default = Spot(0.0, 0.0, scenario.pump.waist)
        self._x = _centres(spec.length)
        self._y = _centres(spec.width)
        self._yield = np.ones((len(self._x), len(self._y)))
        self._solved: OrderedDict[tuple[int, Spot], Cloud] = OrderedDict()
        self.index_change = INDEX_CHANGE[spec.material]
        self.rates = self._rates()

    def _rates(self) -> Rates:
        """Eq. 3 in ps, um and cm⁻³, with the gain that puts the threshold where it belongs."""
        spec = self._spec
        rates = Rates(
            spec.trapping * 1e-12, spec.radiative * 1e-12, spec.auger * 1e-12, spec.diffusion * 1e-4
        )
        if spec.lasing is None:
            return rates
        threshold = float(self.created(spec.lasing.threshold_fluence, self._default).mean())
        return replace(
            rates,
            photon_loss=spec.lasing.photon_loss,
            gain=spec.lasing.photon_loss / threshold,
            coupling=spec.lasing.coupling,
        )

    def created(self, fluence: float, spot: Spot) -> NDArray[np.float64]:
        """(X, Y) density right after the pulse, cm⁻³, at a peak fluence in mJ/cm²."""
        linear = self._yield * self._spec.density_per_fluence * self._pump(fluence, spot)
        saturation = self._spec.saturation_density
        return -saturation * np.expm1(-linear / saturation)

    def carriers(self, fluence: float, spot: Spot | None = None) -> Cloud:
        """Carriers after a pulse of peak fluence > 0, mJ/cm², interpolated between nodes in ln F.

        Without `spot` the pump has its smallest waist and hits the centre of the plate.
        """
        position = math.log(fluence) / NODE
        node = math.floor(position)
        low, high = math.exp(node * NODE), math.exp((node + 1) * NODE)
        share = (fluence - low) / (high - low)
        spot = spot or self._default
        return self._node(node, spot).mixed(self._node(node + 1, spot), share)

    def _node(self, node: int, spot: Spot) -> Cloud:
        key = (node, spot)
        if key not in self._solved:
            initial = self.created(math.exp(node * NODE), spot)
            size = (self._spec.length, self._spec.width)
            self._solved[key] = solve(initial, size, self.rates)
            if len(self._solved) > KEPT:
                self._solved.popitem(last=False)
        self._solved.move_to_end(key)
        return self._solved[key]

    def density(self, time: ArrayLike, cloud: Cloud, x: float, y: float) -> NDArray[np.float64]:
        """Density at `time` (ps after the pump), mean over the probe's light on the plate, cm⁻³."""
        time = np.asarray(time, dtype=float)
        if self.coverage(x, y) < 1e-6:
            return np.zeros(time.shape)
        along, across = self._beam(x, y, self._probe_waist)
        along, across = along / along.sum(), across / across.sum()
        seen = along.astype(np.float32) @ cloud.density @ across.astype(np.float32)
        decay = PchipInterpolator(cloud.times, seen)(np.clip(time, 0.0, cloud.times[-1]))
        return decay * ndtr(time / self._rise)

    def delta_n(
        self,
        time: ArrayLike,
        fluence: float,
        x: float,
        y: float,
        spot: Spot | None = None,
        wavelength: float = WAVELENGTH,
    ) -> NDArray[np.float64]:
        """Index change that the probe sees at a wavelength (nm), without noise.

        Parameters
        ----------
        time
            ps after the pump, any shape.
        fluence
            Peak, mJ/cm².
        x, y
            Probe position in the sample's frame, um. Beside the plate the answer is 0.
        spot
            The pump; without it, its smallest waist at the plate's centre.
        """
        if fluence <= 0:
            return np.zeros(np.shape(time))
        return self.index_change(self.density(time, self.carriers(fluence, spot), x, y), wavelength)

    def coverage(self, x: float, y: float, waist: float | None = None) -> float:
        """Share of a beam's light that falls on the plate; of the probe's without `waist`."""
        scale = math.sqrt(2) / (waist or self._probe_waist)
        sides = ((x, self._spec.length), (y, self._spec.width))
        parts = (
            (math.erf(scale * (side / 2 - at)) + math.erf(scale * (side / 2 + at))) / 2
            for at, side in sides
        )
        return math.prod(parts)

    def irradiate(self, fluence: float, spot: Spot, seconds: float) -> None:
        """Bleach for good what gets more than the damage fluence."""
        excess = self._pump(fluence, spot) / self._spec.damage_fluence - 1
        if self._spec.damage_rate and excess.max() > 0:
            self._yield *= np.exp(-self._spec.damage_rate * seconds * np.maximum(excess, 0.0))
            self._solved.clear()

    def _pump(self, fluence: float, spot: Spot) -> NDArray[np.float64]:
        """(X, Y) fluence, mJ/cm²."""
        along, across = self._beam(spot.x, spot.y, spot.waist)
        return np.outer(fluence * along, across)

    def _beam(
        self, x: float, y: float, waist: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Profiles (X,) and (Y,) of a Gaussian beam, 1 at its centre."""
        along: NDArray[np.float64] = np.exp(-2 * ((self._x - x) / waist) ** 2)
        across: NDArray[np.float64] = np.exp(-2 * ((self._y - y) / waist) ** 2)
        return along, across


def _centres(side: float) -> NDArray[np.float64]:
    cells = max(round(side / CELL), 1)
    last = (side - side / cells) / 2
    return np.linspace(-last, last, cells)
