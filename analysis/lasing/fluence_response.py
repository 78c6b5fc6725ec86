"""What changes with the pump fluence: Δn in proportion, fluorescence with a threshold."""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2 as chi2_distribution
from scipy.stats import f as f_distribution

from analysis.estimate import widening

Floats = NDArray[np.float64]

FLUORESCENCE_BAND = (505.0, 560.0)
"""Band in nm that holds all but a thousandth of CsPbBr3's fluorescence and its lasing lines (paper,
Fig. 2b): light of the wings that is left out would make the lines seem brighter beside it."""

PUMP_LINE = (525.0, 4.0)
"""Pump wavelength and the half width around it that is left out, nm: 100 fs (4 nm) and the 1.5 nm
slit."""


@dataclass(frozen=True)
class Response:
    """Δn = slope·F/(1 + loss·F), nothing without a pump.

    Slope in RIU cm²/mJ, loss in cm²/mJ. Carriers are generated in proportion to the fluence; by the
    time τ of the probe the dense clouds have lost some to recombination: N(τ) = N₀/(1 + BτN₀), so
    the loss is Bτ(dN/dF). The slope is that of N₀.
    """

    slope: float
    slope_sigma: float
    loss: float
    loss_sigma: float
    reduced_chi2: float
    p_value: float

    @property
    def relative_sigma(self) -> float:
        """Standard deviation of the slope over it, widened where the fit misses the data."""
        return self.slope_sigma / self.slope * widening(self.reduced_chi2)

    def evaluate(self, fluence: ArrayLike) -> Floats:
        """Δn at `fluence` (mJ/cm²)."""
        return _response(np.asarray(fluence, np.float64), self.slope, self.loss)


def _response(fluence: Floats, slope: float, loss: float) -> Floats:
    return np.asarray(slope * fluence / (1 + loss * fluence))


def fit_response(
    fluence: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike,
    fluence_sigma: float = 0.0,
    loss: float | None = None,
) -> Response:
    """Fit the response of Δn (or of the carriers) to the fluence.

    Parameters
    ----------
    fluence, delta_n, sigma : (P,) array
        mJ/cm², RIU, RIU; with densities instead the slope is in their unit.
    fluence_sigma : float
        Relative standard deviation of the single fluences.
    loss : float, optional
        Where it is known, cm²/mJ; 0 for values right after the pump.

    Raises
    ------
    ValueError
        Fewer than four fluences.
    """
    f, y, s = (np.asarray(values, np.float64) for values in (fluence, delta_n, sigma))
    good = np.isfinite(f) & np.isfinite(y) & np.isfinite(s) & (s > 0)
    f, y, s = f[good], y[good], s[good]
    if len(np.unique(f)) < 4:
        raise ValueError(f"a response needs four fluences, not {len(np.unique(f))}")
    s = np.hypot(s, fluence_sigma * np.abs(y))
    scale = float(np.max(np.abs(y)))  # lmfit's steps are relative to numbers near 1
    start = lmfit.Parameters()
    start.add("slope", float(np.sum(f * y / s**2) / np.sum((f / s) ** 2)) / scale)
    start.add("loss", loss or 0.0, min=-0.5 / float(f.max()), vary=loss is None)
    fit = lmfit.Model(_response).fit(
        y / scale, start, fluence=f, weights=scale / s, scale_covar=False
    )
    slope, lost = fit.params["slope"], fit.params["loss"]
    return Response(
        slope=float(slope.value) * scale,
        slope_sigma=float(slope.stderr or np.nan) * scale,
        loss=float(lost.value),
        loss_sigma=float(lost.stderr or np.nan) if lost.vary else 0.0,
        reduced_chi2=float(fit.redchi),
        p_value=float(chi2_distribution.sf(fit.chisqr, fit.nfree)),
    )


def fluorescence_intensity(
    fluorescence: ArrayLike,
    wavelength: ArrayLike,
    band: tuple[float, float] = FLUORESCENCE_BAND,
    pump_line: tuple[float, float] = PUMP_LINE,
) -> Floats:
    """Fluorescence (P,) in counts: the sum over the band without the stray pump line.

    Parameters
    ----------
    fluorescence : (P, K) array
        Counts; saturated pixels are NaN and make the sum NaN.
    wavelength : (K,) array
        nm.
    band : tuple of float
        First and last wavelength, nm.
    pump_line : tuple of float
        Centre and half width of what is left out, nm.
    """
    wavelength = np.asarray(wavelength, np.float64)
    inside = (wavelength >= band[0]) & (wavelength <= band[1])
    inside &= np.abs(wavelength - pump_line[0]) > pump_line[1]
    return np.asarray(fluorescence, np.float64)[..., inside].sum(axis=-1)


@dataclass(frozen=True)
class Threshold:
    """Two straight lines that meet at the threshold.

    Fluences in mJ/cm², intensities in counts, slopes in counts per mJ/cm².
    """

    fluence: float
    fluence_sigma: float
    intensity: float
    slope_below: float
    slope_above: float
    reduced_chi2: float
    warnings: tuple[str, ...]

    def evaluate(self, fluence: ArrayLike) -> Floats:
        """Intensity of the fit at `fluence`."""
        return _broken_stick(
            np.asarray(fluence, np.float64),
            self.fluence,
            self.intensity,
            self.slope_below,
            self.slope_above,
        )


def _broken_stick(
    fluence: Floats, knee: float, intensity: float, slope_below: float, slope_above: float
) -> Floats:
    return intensity + np.where(
        fluence < knee, slope_below * (fluence - knee), slope_above * (fluence - knee)
    )


def fit_threshold(
    fluence: ArrayLike, intensity: ArrayLike, sigma: ArrayLike | None = None
) -> Threshold:
    """Find the fluence at which the fluorescence bends up.

    Without `sigma` all points weigh the same and the scatter gives the standard deviations. Modes
    that compete make the real curve bend smoothly, so with `sigma` a reduced χ² above 1 widens them
    too.

    Raises
    ------
    ValueError
        Fewer than six points, or no bend that stands out of the scatter (F-test against one
        straight line, 1 %).
    """
    f, y = np.asarray(fluence, np.float64), np.asarray(intensity, np.float64)
    s = np.ones_like(y) if sigma is None else np.asarray(sigma, np.float64)
    good = np.isfinite(f) & np.isfinite(y) & np.isfinite(s) & (s > 0)
    f, y, s = f[good], y[good], s[good]
    nodes = np.unique(f)
    if len(nodes) < 6:
        raise ValueError(
            f"a threshold needs six fluences with finite fluorescence, not {len(nodes)}"
        )

    def linear(knee: float) -> tuple[float, Floats]:
        """Misfit and (intensity, slopes) at a given knee."""
        late = f - knee
        basis = np.stack([np.ones_like(f), np.minimum(late, 0.0), np.maximum(late, 0.0)], axis=1)
        solution = np.linalg.lstsq(basis / s[:, np.newaxis], y / s, rcond=None)[0].astype(
            np.float64
        )
        return float(np.sum(((y - basis @ solution) / s) ** 2)), solution

    # The misfit has a local minimum between most points: look everywhere first.
    knees = np.linspace(nodes[1], nodes[-2], 200)
    knee = knees[np.argmin([linear(value)[0] for value in knees])]
    misfit, (level, below, above) = linear(knee)
    straight, _ = linear(nodes[-1])  # the same two lines with nothing above the knee
    free = len(f) - 4
    chance = f_distribution.sf((straight - misfit) / 2 * free / max(misfit, 1e-300), 2, free)
    if above <= below or chance > 0.01:
        raise ValueError("the fluorescence does not bend up: extend the sweep beyond the threshold")
    start = lmfit.Parameters()
    start.add("knee", knee, min=nodes[0], max=nodes[-1])
    start.add("intensity", level)
    start.add("slope_below", below)
    start.add("slope_above", above)
    model = lmfit.Model(_broken_stick)
    result = model.fit(y, start, fluence=f, weights=1 / s, scale_covar=False)
    widened = np.sqrt(result.redchi) if sigma is None else max(1.0, np.sqrt(result.redchi))
    values = result.params.valuesdict()
    stderr = result.params["knee"].stderr
    warnings = () if stderr else ("the threshold is not determined by the data",)
    return Threshold(
        fluence=float(values["knee"]),
        fluence_sigma=float((stderr or np.nan) * widened),
        intensity=float(values["intensity"]),
        slope_below=float(values["slope_below"]),
        slope_above=float(values["slope_above"]),
        reduced_chi2=float(result.redchi),
        warnings=warnings,
    )
