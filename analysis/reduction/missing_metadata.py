"""What a raw file does not note of its instrument, found in its own frames."""

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from analysis.point.lock_in import modulated
from analysis.point.reducer import RESOLUTION, Reducer
from analysis.probe_band import ProbeBand

__all__ = ["completed", "path_of_fringe"]

Floats = NDArray[np.float64]

_POINTS = 4  # of the scan, spread over it
_FRAMES = 64  # of a point: more would find no other path
_FINE = 8  # steps of the search in a period of the band
_SMOOTH = 3  # order of what envelope and pulse make, of which a fringe must stand clear
_PERIODS = 2.0  # over the band: fewer are not told from the envelope
_COARSEST = 3.0  # nm FWHM
_CLEAR = 25.0  # χ² by which another resolution must be better than the usual one


def completed(dataset: xr.Dataset) -> xr.Dataset:
    """Raw dataset (see `analysis.io.schema`) with its path difference and resolution.

    What it notes is kept; the rest is looked for in its frames, where it has any.
    """
    if "frames" not in dataset:
        return dataset
    attrs: dict[str, Any] = {}
    if dataset.attrs["geometry"] == "reference-mirror" and "path_difference" not in dataset.attrs:
        path = path_of_fringe(dataset)
        if path is not None:
            sample = dataset.attrs["thickness"] * dataset.attrs["refractive_index"]
            attrs["path_difference"] = path - sample
    dataset = dataset.assign_attrs(attrs)
    if "resolution" in dataset.attrs:
        return dataset
    return dataset.assign_attrs(resolution=_resolution(dataset))


def path_of_fringe(dataset: xr.Dataset) -> float | None:
    """Optical path difference in um at which spectra of the first point oscillate most.

    A sum of the periodograms of single frames, which drift and pump cannot blur, up to a fringe of
    four pixels. Positive; None where the fringe has too few periods to tell.
    """
    wavelength, dark, reference = (
        dataset[name].values.astype(np.float64) for name in ("wavelength", "dark", "reference")
    )
    band = ProbeBand(wavelength, dark, reference, longest_path=np.inf, gain=1.0, read_noise=0.0)
    k = 2e3 * np.pi / band.wavelength
    span, step = np.ptp(k), np.abs(np.diff(k)).max()
    paths = np.arange(2 * np.pi * _PERIODS / span, np.pi / (2 * step), 2 * np.pi / (_FINE * span))
    weight = band.bins.light  # the edges are noise
    x = 2 * (k - k.mean()) / span
    smooth = np.linalg.qr(np.vander(x, _SMOOTH + 1) * weight[:, np.newaxis])[0]
    waves, power = np.exp(-1j * np.multiply.outer(paths, k)), np.zeros(len(paths))
    frames = dataset["frames"][0].values
    for frame in frames[:: max(len(frames) // _FRAMES, 1)]:
        rest = band.normalise(frame)[0] * weight
        rest -= smooth @ (smooth.T @ rest)
        power += np.abs(waves @ (rest * np.hanning(len(k)))) ** 2
    best = int(np.argmax(power))
    return float(paths[best]) if best > 0 else None


def _resolution(dataset: xr.Dataset) -> float:
    """Width of the spectrometer's instrument function, nm FWHM, that fits the fringes best.

    It blurs narrow fringes more than wide ones, and mixes colours where the light has a slope. The
    usual one where the fringes do not clearly ask for another.
    """
    points = np.flatnonzero([modulated(opened) for opened in dataset["pump_open"].values])
    if not len(points):
        return RESOLUTION
    points = np.unique(points[np.linspace(0, len(points) - 1, _POINTS).astype(int)])
    frames = np.stack([np.asarray(dataset["frames"][i].values) for i in points])
    times, opened = (dataset[name].values[points] for name in ("frame_time", "pump_open"))

    def misfit(square: float) -> float:
        reducer = Reducer.from_dataset(dataset.assign_attrs(resolution=float(np.sqrt(square))))
        total = 0.0
        for spectra in reducer.points_and_spectra(frames, times, opened)[1]:
            if spectra is not None:
                rest = spectra.off - reducer.model.derivatives(spectra.fringe)[0]
                total += float(spectra.off_weight @ rest**2)
        return total

    best = minimize_scalar(
        misfit, bounds=(0.0, _COARSEST**2), method="bounded", options={"xatol": 0.02}
    )
    clear = misfit(RESOLUTION**2) - best.fun > _CLEAR
    return float(np.sqrt(best.x)) if clear else RESOLUTION
