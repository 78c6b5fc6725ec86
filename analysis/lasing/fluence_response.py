"""Response of Δn to the pump fluence F: Δn = s F / (1 + l F).

Carriers are generated in proportion to the fluence, N₀ = F dN/dF. By the time τ of the probe the
dense clouds have lost some of them to radiative recombination, N(τ) = N₀/(1 + B τ N₀), so the slope
s is that of N₀ and the loss is l = B τ dN/dF.
"""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2 as chi2_distribution

from analysis.estimate import Estimate, widening
from ocm_ophyd.errors import DataError

__all__ = ["FluenceResponse", "fit_fluence_response"]

Floats = NDArray[np.float64]

_FEWEST = 4
"""Different fluences that a fit needs: two parameters and a χ² with two degrees of freedom."""


@dataclass(frozen=True)
class FluenceResponse:
    """Fitted response to the fluence.

    Attributes
    ----------
    slope : Estimate
        Slope towards zero fluence, RIU cm^2/mJ.
    loss : Estimate
        Recombination before the probe, cm^2/mJ; its sigma is 0 where it was given.
    reduced_chi2, p_value : float
        χ² per degree of freedom, and the probability of one at least as large. The sigmas of
        `slope` and `loss` are widened by √χ² where it is above 1.
    """

    slope: Estimate
    loss: Estimate
    reduced_chi2: float
    p_value: float

    @property
    def relative_sigma(self) -> float:
        """Standard deviation of the slope over the slope."""
        return self.slope.sigma / self.slope.value

    def evaluate(self, fluence: ArrayLike) -> Floats:
        """Return the fitted Δn (RIU) at `fluence` (mJ/cm^2)."""
        return _response(np.asarray(fluence, np.float64), self.slope.value, self.loss.value)


def _response(fluence: Floats, slope: float, loss: float) -> Floats:
    return np.asarray(slope * fluence / (1 + loss * fluence))


def fit_fluence_response(
    fluence: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike,
    fluence_sigma: float = 0.0,
    loss: float | None = None,
    unit: str = "RIU",
) -> FluenceResponse:
    """Fit the response of Δn, or of the carrier density, to the fluence.

    Parameters
    ----------
    fluence : (P,) array
        Peak pump fluence, mJ/cm^2.
    delta_n, sigma : (P,) array
        Index change and its standard deviation, in `unit`. Points that are not finite are ignored.
    fluence_sigma : float
        Relative standard deviation of the single fluences.
    loss : float, optional
        Where it is known, cm^2/mJ; 0 for values right after the pump.
    unit : str
        Unit of `delta_n`; cm^-3 for densities.

    Raises
    ------
    DataError
        Fewer than four different fluences.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import fit_fluence_response
    >>> fluence = np.linspace(0.1, 1.0, 7)
    >>> response = fit_fluence_response(fluence, 0.02 * fluence, np.full(7, 1e-5), loss=0)
    >>> f"{response.slope.value:.3f} {response.slope.unit}"
    '0.020 RIU cm^2/mJ'
    """
    f, y, s = (np.asarray(values, np.float64) for values in (fluence, delta_n, sigma))
    good = np.isfinite(f) & np.isfinite(y) & np.isfinite(s) & (s > 0)
    f, y, s = f[good], y[good], s[good]
    if len(np.unique(f)) < _FEWEST:
        raise DataError(f"a fluence response needs four fluences, not {len(np.unique(f))}")
    s = np.hypot(s, fluence_sigma * np.abs(y))
    scale = float(np.max(np.abs(y)))  # lmfit's steps are relative to numbers near 1
    start = lmfit.Parameters()
    start.add("slope", float(np.sum(f * y / s**2) / np.sum((f / s) ** 2)) / scale)
    start.add("loss", loss or 0.0, min=-0.5 / float(f.max()), vary=loss is None)
    fit = lmfit.Model(_response).fit(
        y / scale, start, fluence=f, weights=scale / s, scale_covar=False
    )
    reduced_chi2 = float(fit.redchi)
    wider, note = widening(reduced_chi2), f"chi2/dof {reduced_chi2:.2f}"

    def estimate(name: str, factor: float, unit: str) -> Estimate:
        parameter = fit.params[name]
        noise = float(parameter.stderr or np.nan) * factor if parameter.vary else 0.0
        return Estimate(float(parameter.value) * factor, noise * wider, unit, note=note)

    return FluenceResponse(
        slope=estimate("slope", scale, f"{unit} cm^2/mJ"),
        loss=estimate("loss", 1.0, "cm^2/mJ"),
        reduced_chi2=reduced_chi2,
        p_value=float(chi2_distribution.sf(fit.chisqr, fit.nfree)),
    )
