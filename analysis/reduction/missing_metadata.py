"""Opening of raw files, with estimates of the metadata that a file does not hold.

The resolution of the spectrometer, and the path difference in reference-mirror geometry, may be
missing in a raw file. Both are estimated once, from the frames, when the file is opened; the
reduction needs them. The attribute `estimated` of the dataset names the estimates.
"""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from analysis.io.hdf5 import naming_file
from analysis.io.raw_file import read_raw
from analysis.io.schema import ESTIMATED
from analysis.point.lock_in import modulated
from analysis.point.reducer import RESOLUTION, Reducer, warm_up
from analysis.probe_band import ProbeBand

__all__ = ["complete_metadata", "open_raw"]

Floats = NDArray[np.float64]

_POINTS = 4
"""Number of points, spread over the scan, whose fringes the resolution is fitted to."""

_FRAMES = 64
"""Number of frames of a point in the periodogram: more frames do not change its highest peak."""

_STEPS_PER_PERIOD = 8
"""Steps of the path in the periodogram, for each step that the width of the band resolves."""

_SMOOTH_ORDER = 3
"""Order of the polynomial that is removed from a spectrum: envelope and pulse energy, no fringe."""

_FEWEST_PERIODS = 2.0
"""Periods in the band below which a fringe cannot be distinguished from the envelope."""

_COARSEST = 3.0
"""Coarsest resolution that is tried, nm FWHM: twice the usual one."""

_SIGNIFICANT = 25.0
"""Decrease of χ² from which another resolution replaces the usual one: five sigma."""


def open_raw(path: str | Path, *, pumped: bool = True) -> xr.Dataset:
    """Open and check a raw file, and complete its metadata.

    The frames are read when they are used: close the dataset, or use it in a `with`. Damage to
    them is noticed then, and is a `RawFileError` too. Links and virtual or external datasets are
    refused: nothing outside the file is opened.

    Parameters
    ----------
    path : str or Path
        The raw file.
    pumped : bool
        Whether the chopper must modulate the pump. False admits records without the pump.

    Returns
    -------
    xr.Dataset
        Variables and attributes as in `analysis.io.schema`.

    Raises
    ------
    RawFileError
        Not a raw file of this version, damaged, incomplete, or with contents that
        `analysis.io.validation` refuses.

    Examples
    --------
    >>> from analysis import open_raw
    >>> with open_raw("sweep.h5") as raw:
    ...     print(raw["frames"].dims, raw.attrs["material"])
    ('point', 'frame', 'wavelength') CsPbBr3
    """
    dataset = read_raw(path, pumped=pumped)
    try:
        with naming_file(path):
            complete = complete_metadata(dataset)
    except BaseException:
        dataset.close()
        raise
    if complete is not dataset:
        complete.encoding = dataset.encoding
        complete.set_close(dataset.close)
    return complete


def complete_metadata(dataset: xr.Dataset) -> xr.Dataset:
    """Return a raw dataset with its path difference and resolution.

    Parameters
    ----------
    dataset : xr.Dataset
        Raw dataset (see `analysis.io.schema`). Attributes that it has are kept.

    Returns
    -------
    xr.Dataset
        With the missing attributes, which its attribute `estimated` names. The path difference
        remains missing where the fringes have too few periods to determine it. A dataset without
        frames is returned as it is.
    """
    if "frames" not in dataset:
        return dataset
    estimates: dict[str, Any] = {}
    if dataset.attrs["geometry"] == "reference-mirror" and "path_difference" not in dataset.attrs:
        path = _path_of_fringe(dataset)
        if path is not None:
            sample = dataset.attrs["thickness"] * dataset.attrs["refractive_index"]
            estimates["path_difference"] = path - sample
    if "resolution" not in dataset.attrs:
        estimates["resolution"] = _resolution(dataset.assign_attrs(estimates))
    if not estimates:
        return dataset
    return dataset.assign_attrs(estimates | {ESTIMATED: " ".join(estimates)})


def _path_of_fringe(dataset: xr.Dataset) -> float | None:
    """Return the optical path difference in um of the fringes in the first point.

    It is the highest peak of the sum of the periodograms of single frames, which drift and pump
    cannot blur. The longest path that is tried has a fringe of four pixels.

    Returns
    -------
    float or None
        Positive; None where the fringe has too few periods to determine it.
    """
    wavelength, dark, reference = (
        dataset[name].values.astype(np.float64) for name in ("wavelength", "dark", "reference")
    )
    band = ProbeBand(wavelength, dark, reference, longest_path=np.inf, gain=1.0, read_noise=0.0)
    k = 2e3 * np.pi / band.wavelength
    span, step = np.ptp(k), np.abs(np.diff(k)).max()
    shortest, resolved = 2 * np.pi * _FEWEST_PERIODS / span, 2 * np.pi / span
    paths = np.arange(shortest, np.pi / (2 * step), resolved / _STEPS_PER_PERIOD)
    weight = band.bins.light  # the edges of the band are noise
    x = 2 * (k - k.mean()) / span
    smooth = np.linalg.qr(np.vander(x, _SMOOTH_ORDER + 1) * weight[:, np.newaxis])[0]
    waves, power = np.exp(-1j * np.multiply.outer(paths, k)), np.zeros(len(paths))
    frames = dataset["frames"][0].values
    for frame in frames[:: max(len(frames) // _FRAMES, 1)]:
        residual = band.normalise(frame)[0] * weight
        residual -= smooth @ (smooth.T @ residual)
        power += np.abs(waves @ (residual * np.hanning(len(k)))) ** 2
    best = int(np.argmax(power))
    return float(paths[best]) if best > 0 else None


def _resolution(dataset: xr.Dataset) -> float:
    """Return the resolution of the spectrometer, nm FWHM, that fits the fringes best.

    The instrument function blurs narrow fringes more than wide ones, and mixes wavelengths where
    the light has a slope.

    Returns
    -------
    float
        `RESOLUTION` where no other one fits significantly better.
    """
    points = np.flatnonzero([modulated(opened) for opened in dataset["pump_open"].values])
    if not len(points):
        return RESOLUTION
    warm_up()
    points = np.unique(points[np.linspace(0, len(points) - 1, _POINTS).astype(int)])
    frames = np.stack([np.asarray(dataset["frames"][i].values) for i in points])
    times, opened = (dataset[name].values[points] for name in ("frame_time", "pump_open"))

    def chi_square(square: float) -> float:
        """Return χ² of the pump-off spectra for a squared resolution, nm²."""
        reducer = Reducer.from_dataset(dataset.assign_attrs(resolution=float(np.sqrt(square))))
        total = 0.0
        for spectra in reducer.points_and_spectra(frames, times, opened)[1]:
            if spectra is not None:
                residual = spectra.off - reducer.model.derivatives(spectra.fringe)[0]
                total += float(spectra.off_weight @ residual**2)
        return total

    best = minimize_scalar(
        chi_square, bounds=(0.0, _COARSEST**2), method="bounded", options={"xatol": 0.02}
    )
    significant = chi_square(RESOLUTION**2) - best.fun > _SIGNIFICANT
    return float(np.sqrt(best.x)) if significant else RESOLUTION
