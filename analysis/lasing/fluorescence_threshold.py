"""Lasing threshold from the fluorescence: the fluence at which two straight lines meet.

Below the threshold the fluorescence grows with one slope, above it with another, larger one:

    I(F) = I_t + s₁ (F − F_t) for F < F_t,    I_t + s₂ (F − F_t) for F > F_t,    s₂ > s₁.

It needs neither the plate nor the spectrum of the laser line. `analysis.lasing.s_curve` needs both,
and is the more exact one.
"""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import f as f_distribution

from analysis.estimate import Estimate, widening
from analysis.lasing.emission import Emission
from ocm_ophyd.errors import DataError

__all__ = [
    "LasingThreshold",
    "fit_lasing_threshold",
    "fluorescence_intensity",
]

Floats = NDArray[np.float64]

_FEWEST = 6
"""Different fluences that a fit needs: four parameters and two degrees of freedom."""

_CHANCE = 0.01
"""Probability of the F-test with which the scatter about one straight line passes for a threshold
(`test_fluorescence_threshold`)."""

_POSITIONS = 200
"""Thresholds that are tried before the fit: χ² has a minimum of its own between most points."""


@dataclass(frozen=True)
class LasingThreshold:
    """Two straight lines through the fluorescence that meet at the threshold.

    Attributes
    ----------
    fluence : Estimate
        Threshold, mJ/cm^2.
    intensity : float
        Fluorescence at the threshold, counts.
    slope_below, slope_above : float
        Slopes on either side, counts cm^2/mJ.
    reduced_chi2 : float
        χ² per degree of freedom; without sigmas of the data, the variance of the residuals.
    warnings : tuple of str
        What to know before using the numbers.
    """

    fluence: Estimate
    intensity: float
    slope_below: float
    slope_above: float
    reduced_chi2: float
    warnings: tuple[str, ...]

    def evaluate(self, fluence: ArrayLike) -> Floats:
        """Return the fitted intensity (counts) at `fluence` (mJ/cm^2)."""
        return _two_lines(
            np.asarray(fluence, np.float64),
            self.fluence.value,
            self.intensity,
            self.slope_below,
            self.slope_above,
        )


def _two_lines(
    fluence: Floats, threshold: float, intensity: float, slope_below: float, slope_above: float
) -> Floats:
    late = fluence - threshold
    return intensity + np.where(fluence < threshold, slope_below * late, slope_above * late)


def fluorescence_intensity(
    fluorescence: ArrayLike,
    wavelength: ArrayLike,
    emission: Emission,
) -> Floats:
    """Return the fluorescence (P,) in counts: the sum over the band without the stray pump line.

    Parameters
    ----------
    fluorescence : (P, K) array
        Counts; saturated pixels are NaN and make the sum NaN.
    wavelength : (K,) array
        nm.
    emission : Emission
        The band, and the pump line that is omitted.
    """
    wavelength = np.asarray(wavelength, np.float64)
    band, (pump, half_width) = emission
    inside = (wavelength >= band[0]) & (wavelength <= band[1])
    inside &= np.abs(wavelength - pump) > half_width
    return np.asarray(fluorescence, np.float64)[..., inside].sum(axis=-1)


def fit_lasing_threshold(
    fluence: ArrayLike, intensity: ArrayLike, sigma: ArrayLike | None = None
) -> LasingThreshold:
    """Fit two straight lines to the fluorescence against fluence.

    Parameters
    ----------
    fluence : (P,) array
        Peak pump fluence, mJ/cm^2.
    intensity : (P,) array
        Fluorescence, counts; points that are not finite are ignored.
    sigma : (P,) array, optional
        Its standard deviation, counts. By default all points weigh the same and their scatter gives
        the standard deviations. Modes that compete make the real curve bend smoothly, so with
        `sigma` a χ² per degree of freedom above 1 widens them too.

    Raises
    ------
    DataError
        Fewer than six different fluences, or no bend that stands out of the scatter (F-test against
        one straight line, 1 %).

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import fit_lasing_threshold
    >>> fluence = np.linspace(0.1, 1.1, 15)
    >>> intensity = 2e4 * fluence + 3e5 * np.maximum(fluence - 0.57, 0)
    >>> round(fit_lasing_threshold(fluence, intensity, np.full(15, 500.0)).fluence.value, 3)
    0.57
    """
    f, y = np.asarray(fluence, np.float64), np.asarray(intensity, np.float64)
    s = np.ones_like(y) if sigma is None else np.asarray(sigma, np.float64)
    good = np.isfinite(f) & np.isfinite(y) & np.isfinite(s) & (s > 0)
    f, y, s = f[good], y[good], s[good]
    if len(np.unique(f)) < _FEWEST:
        raise DataError(
            f"a threshold needs six fluences with finite fluorescence, not {len(np.unique(f))}"
        )
    result = lmfit.Model(_two_lines).fit(
        y, _start(f, y, s), fluence=f, weights=1 / s, scale_covar=False
    )
    wider = np.sqrt(result.redchi) if sigma is None else widening(result.redchi)
    values, stderr = result.params.valuesdict(), result.params["threshold"].stderr
    threshold = Estimate(
        float(values["threshold"]),
        float((stderr or np.nan) * wider),
        "mJ/cm^2",
        note="two straight lines through the fluorescence meet",
    )
    return LasingThreshold(
        fluence=threshold,
        intensity=float(values["intensity"]),
        slope_below=float(values["slope_below"]),
        slope_above=float(values["slope_above"]),
        reduced_chi2=float(result.redchi),
        warnings=() if stderr else ("the threshold is not determined by the data",),
    )


def _start(f: Floats, y: Floats, s: Floats) -> lmfit.Parameters:
    """Return start values from the best of many thresholds, at each of which the lines are linear.

    Raises
    ------
    DataError
        One straight line describes the data as well.
    """

    def lines(threshold: float) -> tuple[float, Floats]:
        """Return χ² and (intensity, slopes) for a threshold."""
        late = f - threshold
        basis = np.stack([np.ones_like(f), np.minimum(late, 0.0), np.maximum(late, 0.0)], axis=1)
        solution = np.linalg.lstsq(basis / s[:, np.newaxis], y / s, rcond=None)[0].astype(
            np.float64
        )
        return float(np.sum(((y - basis @ solution) / s) ** 2)), solution

    nodes = np.unique(f)
    positions = np.linspace(nodes[1], nodes[-2], _POSITIONS)
    threshold = positions[np.argmin([lines(position)[0] for position in positions])]
    misfit, (level, below, above) = lines(threshold)
    straight, _ = lines(nodes[-1])  # the same two lines with nothing above the threshold
    free = len(f) - 4
    chance = f_distribution.sf((straight - misfit) / 2 * free / max(misfit, 1e-300), 2, free)
    if above <= below or chance > _CHANCE:
        raise DataError("the fluorescence does not bend up: extend the sweep beyond the threshold")
    start = lmfit.Parameters()
    start.add("threshold", threshold, min=nodes[0], max=nodes[-1])
    start.add("intensity", level)
    start.add("slope_below", below)
    start.add("slope_above", above)
    return start
