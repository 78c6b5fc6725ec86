"""The one number with an uncertainty: in fits, plans, calibrations and tables.

Plans import this module, so it needs nothing but the standard library and imports at once.
"""

from dataclasses import dataclass
from math import isfinite, nan, sqrt

__all__ = ["ONE_SIDED", "Estimate", "not_determined", "widening"]

ONE_SIDED = 1.6448536269514722
"""Standard deviations from a value to its one-sided limit at 95 % confidence: Φ⁻¹(0.95)."""


@dataclass(frozen=True)
class Estimate:
    """A value, its uncertainty and, where there is none, the reason.

    Attributes
    ----------
    value : float
        NaN where the data do not determine it.
    sigma : float
        Standard deviation, in the unit of the value; NaN where it is not known. The fit that made
        the estimate has already widened it where its model misses more than the noise
        (`widening`): nobody does so again.
    unit : str
        As in data keys and files: ``mJ/cm^2``, ``1/s``, ``1`` for a ratio. Tables print ``mJ/cm²``.
    upper95 : float, optional
        One-sided upper limit at 95 % confidence, for what is not resolved from zero.
    interval : tuple of float, optional
        68.3 % interval of the profile likelihood, where it was computed.
    note : str
        The window, the model, or the reason why there is no value.

    Examples
    --------
    >>> from analysis import Estimate
    >>> lifetime = Estimate(13.4, 0.4, "ps")
    >>> lifetime.determined, lifetime.sigma / lifetime.value < 0.05
    (True, True)
    """

    value: float
    sigma: float
    unit: str
    upper95: float | None = None
    interval: tuple[float, float] | None = None
    note: str = ""

    @property
    def determined(self) -> bool:
        """Whether there is a value with a sigma, or an upper limit."""
        return (isfinite(self.value) and isfinite(self.sigma)) or self.upper95 is not None


def not_determined(unit: str, reason: str) -> Estimate:
    """Return what stands for a quantity that the data do not determine."""
    return Estimate(nan, nan, unit, note=f"not determined: {reason}")


def widening(reduced_chi2: float) -> float:
    """Return the factor √χ² by which a fit multiplies its sigmas, at least 1.

    Where the model misses the data by more than their noise, the misfit counts as further noise.

    Parameters
    ----------
    reduced_chi2 : float
        χ² per degree of freedom; a NaN gives 1.
    """
    return sqrt(max(1.0, reduced_chi2))
