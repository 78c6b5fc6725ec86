"""Phase, pulse energy and tilt of every frame of a record in which nothing is scanned.

The envelope of the light and the fringe in it come from the frames themselves. E is the mean M of
the first frames, divided by their fitted fringe 1 + V cos θ. A frame is modelled as

    (1 + h + s κ) E {1 + V cos(θ + ρ δ)},   E = M / (1 + V cos θ),   ρ = k/k_c,

with the phase δ at the band's centre, the pulse energy h, the tilt s, and κ, the distance from the
band's centre over half the band. δ, h and s are fitted to every frame by least squares with the
weights of shot and read noise. The fit of each quarter of a second starts where the previous one
ended, so δ may run through any number of periods.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from analysis.io.schema import SATURATION
from analysis.point.reducer import Reducer
from analysis.probe_band import CENTRE_WAVELENGTH, PROBE_BAND, lit_pixels
from ocm_ophyd.errors import DataError

Floats = NDArray[np.float64]

__all__ = ["FramePhases", "frame_phases", "virtual_chopper"]

_BLOCK = 0.25
"""Time within which frames share a start of the fit, s: a drift of 1 rad/s blurs the fringe of a
mean over it by 0.3 %."""

_MIN_BLOCK = 12
"""Smallest number of frames whose mean gives the envelope: two chopper periods."""

_ITERATIONS = 5
"""Gauss–Newton steps: from half a radian away the last step is below 1e-9 rad."""

_SIGMA_FRAMES = 100
"""Frames, spread over the record, over which the standard deviation of a phase is averaged."""

_MAX_VISIBILITY = 0.99
"""Largest visibility that the envelope is computed with: a fringe that reaches zero has none."""

_MAX_UNEVENNESS = 0.01
"""Largest relative deviation of an interval between frames from the median."""


@dataclass(frozen=True)
class FramePhases:
    """Phase, energy and tilt of the F frames of a record.

    Attributes
    ----------
    phase : (F,) array
        δ at `CENTRE_WAVELENGTH`, relative to the record's first frames, rad.
    energy, tilt : (F,) array
        h, relative change of the light, and s, of its slope from the band's centre to its end.
    sigma : float
        Standard deviation of the phase of one frame from shot and read noise alone, rad: the
        Cramér–Rao bound with energy and tilt unknown. It depends on the phase of the fringe and is
        averaged over the record.
    """

    phase: Floats
    energy: Floats
    tilt: Floats
    sigma: float


def frame_phases(dataset: xr.Dataset, frames: NDArray[np.uint32], times: Floats) -> FramePhases:
    """Fit phase, energy and tilt of every frame of a record.

    Parameters
    ----------
    dataset : xr.Dataset
        Complete raw dataset (`analysis.io.schema`), or all of it but frames.
    frames : (F, K) array
        Counts as read.
    times : (F,) array
        Starts of the exposures, s, at equal intervals.

    Raises
    ------
    DataError
        Frames are saturated, at unequal intervals, or without a fringe.
    """
    interval = float(np.median(np.diff(times)))
    if np.abs(np.diff(times) / interval - 1).max() > _MAX_UNEVENNESS:
        msg = "frames are missing between others: a noise spectrum needs all of them"
        raise DataError(msg)
    wavelength, dark, reference = (
        dataset[name].values.astype(float) for name in ("wavelength", "dark", "reference")
    )
    lit = lit_pixels(wavelength, reference - dark)
    saturation = dataset.attrs.get("saturation", SATURATION)
    saturated = np.count_nonzero((frames[:, lit] >= saturation).any(axis=1))
    if saturated:
        msg = f"{saturated} of {len(frames)} frames are saturated: take less light"
        raise DataError(msg)

    first = slice(0, max(round(_BLOCK / interval), _MIN_BLOCK))
    opened = virtual_chopper(times[first], interval, dataset.attrs["chopper_frequency"])
    point = Reducer.from_dataset(dataset).point(frames[first], times[first], opened)
    if not point.visibility > 0:
        msg = "no fringe in the probe's band: is the sample in place?"
        raise DataError(msg)
    k, k_centre = 2e3 * np.pi / wavelength[lit], 2e3 * np.pi / CENTRE_WAVELENGTH
    spectra = frames[:, lit] - dark[lit]
    mean = spectra[first].mean(axis=0)
    visibility = min(point.visibility, _MAX_VISIBILITY)
    theta = point.path * (k - k_centre) + point.phase
    gain, read_noise = dataset.attrs["gain"], dataset.attrs["read_noise"]
    model = _FrameModel(
        envelope=mean / (1 + visibility * np.cos(theta)),
        visibility=visibility,
        theta=theta,
        ratio=k / k_centre,
        kappa=(wavelength[lit] - CENTRE_WAVELENGTH) / (np.ptp(PROBE_BAND) / 2),
        weight=1.0 / (np.maximum(mean, 0) / gain + (read_noise / gain) ** 2),
    )
    start, blocks = 0.0, []
    for block in np.array_split(spectra, max(int(len(spectra) * interval / _BLOCK), 1)):
        blocks.append(model.fit(block, start))
        start = float(blocks[-1][-1, 0])
    phase, energy, tilt = np.concatenate(blocks).T
    return FramePhases(phase, energy, tilt, model.sigma(phase))


@dataclass(frozen=True)
class _FrameModel:
    """Model of the module's docstring on the B lit pixels.

    Attributes
    ----------
    envelope : (B,) array
        E, counts.
    visibility : float
        V.
    theta : (B,) array
        Phase of the fringe of the first frames, rad.
    ratio, kappa : (B,) array
        ρ and κ.
    weight : (B,) array
        Inverse variance of a frame, counts⁻².
    """

    envelope: Floats
    visibility: float
    theta: Floats
    ratio: Floats
    kappa: Floats
    weight: Floats

    def sigma(self, phase: Floats) -> float:
        """Return the standard deviation of one frame's phase, averaged over phases (F,), rad."""
        _, normal = self._linearise(phase[:: max(len(phase) // _SIGMA_FRAMES, 1)])
        return float(np.sqrt(np.linalg.inv(normal)[:, 0, 0].mean()))

    def fit(self, spectra: Floats, start: float) -> Floats:
        """Fit phase, energy and tilt of frames.

        Parameters
        ----------
        spectra : (F, B) array
            Counts above the dark frame.
        start : float
            Phase that the iteration starts from, rad.

        Returns
        -------
        (F, 3) array
            δ (rad), h and s.
        """
        phase = np.full(len(spectra), start)
        for _ in range(_ITERATIONS):
            derivatives, normal = self._linearise(phase)
            residual = (spectra - derivatives[:, 1]) * self.weight  # ∂/∂h is the model itself
            gradient = np.einsum("fib,fb->fi", derivatives, residual)
            step = np.linalg.solve(normal, gradient[..., None])
            phase = phase + step[:, 0, 0]
        return np.column_stack([phase, step[:, 1:, 0]])

    def _linearise(self, phase: Floats) -> tuple[Floats, Floats]:
        """Return derivatives (F, 3, B) by δ, h and s at h = s = 0, and normal matrices (F, 3, 3).

        Parameters
        ----------
        phase : (F,) array
            δ, rad.
        """
        angle = self.theta + self.ratio * phase[:, np.newaxis]
        model = self.envelope * (1 + self.visibility * np.cos(angle))
        by_phase = -self.envelope * self.visibility * self.ratio * np.sin(angle)
        table = np.stack([by_phase, model, model * self.kappa], axis=1)
        return table, np.einsum("fib,b,fjb->fij", table, self.weight, table, optimize=True)


def virtual_chopper(times: Floats, exposure: float, frequency: float) -> Floats:
    """Return the open fraction (F,) of exposures with a chopper that is open half of the time.

    It takes the place of the chopper where the pump is shut. Its edges fall a quarter of an
    exposure into a frame: on the boundary of a frame, rounding would cut the periods differently.

    Parameters
    ----------
    times : (F,) array
        Starts of the exposures, s.
    exposure : float
        s.
    frequency : float
        Of the chopper, Hz.
    """

    def open_until(time: Floats) -> Floats:
        cycles = frequency * (time - times[0] - exposure / 4)
        return (np.floor(cycles) / 2 + np.minimum(cycles % 1, 0.5)) / frequency

    return (open_until(times + exposure) - open_until(times)) / exposure
