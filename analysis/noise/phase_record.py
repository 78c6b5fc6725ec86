"""Fringe phase, pulse energy and tilt of every frame of a sample that stands still.

The light's envelope and the fringe in it come from the frames themselves: the mean M of the first
of them, divided by the fitted fringe 1 + V cos θ. A frame is then

    (1 + h + s κ) E {1 + V cos(θ + ρ δ)},   E = M / (1 + V cos θ),   ρ = k/k_c

with the phase δ at the band's centre, pulse energy h and tilt s, κ over half the band. All three
are fitted to every frame by least squares with the weights of shot and read noise, δ from where the
quarter of a second before ended: so it may run through any number of turns.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.io.schema import SATURATION
from analysis.point.reducer import Reducer
from analysis.probe_band import CENTRE_WAVELENGTH, PROBE_BAND, lit_pixels

Floats = NDArray[np.float64]

__all__ = ["FramePhases", "frame_phases", "virtual_chopper"]

_BLOCK = 0.25  # s; a drift of 1 rad/s blurs the fringe of a mean over it by 0.3 %
_ITERATIONS = 5  # from half a radian away the last step is below 1e-9 rad
_SOME = 100  # frames, all along the record
_CLEAR = 0.99  # of the visibility: a fringe that goes to zero leaves no envelope


@dataclass(frozen=True)
class FramePhases:
    """What every frame of a record says.

    Attributes
    ----------
    phase : (F,) array
        δ in rad at `CENTRE_WAVELENGTH`, against the record's first frames.
    energy, tilt : (F,) array
        Relative change of the light, and of its slope from the band's centre to its end.
    sigma : float
        Standard deviation of one frame's δ from shot and read noise alone, rad: the Cramér–Rao
        bound where energy and tilt are not known beforehand, in the mean over the record, as it
        depends on where the fringe is.
    """

    phase: Floats
    energy: Floats
    tilt: Floats
    sigma: float


def frame_phases(dataset: xr.Dataset, frames: NDArray[np.uint32], times: Floats) -> FramePhases:
    """Fit every frame of a record.

    Parameters
    ----------
    dataset : xr.Dataset
        Complete raw dataset (`analysis.io.schema`), or all of it but frames.
    frames : (F, K) array
        Counts as read.
    times : (F,) array
        Starts of the exposures, s, equally far apart.

    Raises
    ------
    ValueError
        Frames are saturated, not equally far apart, or show no fringe.
    """
    interval = float(np.median(np.diff(times)))
    if np.abs(np.diff(times) / interval - 1).max() > 0.01:
        msg = "frames are missing between others: a noise spectrum needs all of them"
        raise ValueError(msg)
    wavelength, dark, reference = (
        dataset[name].values.astype(float) for name in ("wavelength", "dark", "reference")
    )
    lit = lit_pixels(wavelength, reference - dark)
    if (saturated := (frames[:, lit] >= dataset.attrs.get("saturation", SATURATION)).any(1)).any():
        msg = f"{saturated.sum()} of {len(frames)} frames are saturated: take less light"
        raise ValueError(msg)

    first = slice(0, max(round(_BLOCK / interval), 12))
    opened = virtual_chopper(times[first], interval, dataset.attrs["chopper_frequency"])
    point = Reducer.from_dataset(dataset).point(frames[first], times[first], opened)
    if not point.visibility > 0:
        msg = "no fringe in the probe's band: is the sample in place?"
        raise ValueError(msg)
    k, k_centre = 2e3 * np.pi / wavelength[lit], 2e3 * np.pi / CENTRE_WAVELENGTH
    spectra = frames[:, lit] - dark[lit]
    mean = spectra[first].mean(axis=0)
    visibility = min(point.visibility, _CLEAR)
    theta = point.path * (k - k_centre) + point.phase
    fringe = _Fringe(
        envelope=mean / (1 + visibility * np.cos(theta)),
        visibility=visibility,
        theta=theta,
        stretch=k / k_centre,
        tilt=(wavelength[lit] - CENTRE_WAVELENGTH) / (np.ptp(PROBE_BAND) / 2),
        weight=1.0
        / (
            np.maximum(mean, 0) / dataset.attrs["gain"]
            + (dataset.attrs["read_noise"] / dataset.attrs["gain"]) ** 2
        ),
    )
    start, blocks = 0.0, []
    for block in np.array_split(spectra, max(int(len(spectra) * interval / _BLOCK), 1)):
        blocks.append(fringe.fit(block, start))
        start = float(blocks[-1][-1, 0])
    phase, energy, tilt = np.concatenate(blocks).T
    return FramePhases(phase, energy, tilt, fringe.sigma(phase))


@dataclass(frozen=True)
class _Fringe:
    """The model of the module's docstring on the lit pixels, everything (B,)."""

    envelope: Floats
    visibility: float
    theta: Floats
    stretch: Floats
    tilt: Floats
    weight: Floats

    def sigma(self, phase: Floats) -> float:
        """Of one frame's phase, over those of some of the phases (F,)."""
        _, normal = self._normal(phase[:: max(len(phase) // _SOME, 1)])
        return float(np.sqrt(np.linalg.inv(normal)[:, 0, 0].mean()))

    def fit(self, spectra: Floats, start: float) -> Floats:
        """Phase, energy and tilt (F, 3) of spectra (F, B), the phase sought from `start` on."""
        phase = np.full(len(spectra), start)
        for _ in range(_ITERATIONS):
            table, normal = self._normal(phase)
            residual = (spectra - table[:, 1]) * self.weight
            step = np.linalg.solve(normal, np.einsum("fib,fb->fi", table, residual)[..., None])
            phase = phase + step[:, 0, 0]
        return np.column_stack([phase, step[:, 1:, 0]])

    def _normal(self, phase: Floats) -> tuple[Floats, Floats]:
        """Return derivatives (F, 3, B) by phase, energy and tilt, and normal matrices (F, 3, 3)."""
        turned = self.theta + self.stretch * phase[:, np.newaxis]
        model = self.envelope * (1 + self.visibility * np.cos(turned))
        slope = -self.envelope * self.visibility * self.stretch * np.sin(turned)
        table = np.stack([slope, model, model * self.tilt], axis=1)
        return table, np.einsum("fib,b,fjb->fij", table, self.weight, table, optimize=True)


def virtual_chopper(times: Floats, exposure: float, frequency: float) -> Floats:
    """Open fraction (F,) of exposures from `times` (s) on, of a chopper that is open half the time.

    Stands for the chopper where the pump is shut. Its edges fall a quarter of an exposure into a
    frame: on a frame's boundary the periods would not be cut alike.
    """

    def open_until(time: Floats) -> Floats:
        cycles = frequency * (time - times[0] - exposure / 4)
        return (np.floor(cycles) / 2 + np.minimum(cycles % 1, 0.5)) / frequency

    return (open_until(times + exposure) - open_until(times)) / exposure
