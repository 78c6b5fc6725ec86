"""A measured number with what is known about its uncertainty."""

from dataclasses import dataclass
from math import isfinite, nan

from scipy.stats import norm

__all__ = ["ONE_SIDED", "Estimate", "not_determined"]

ONE_SIDED = float(norm.ppf(0.95))
"""Standard deviations from a value to its one-sided limit at 95 % confidence."""


@dataclass(frozen=True)
class Estimate:
    """A value, its uncertainty and, where there is none, the reason.

    Attributes
    ----------
    value, sigma : float
        NaN where the data do not determine them.
    unit : str
        As it is printed.
    upper95 : float, optional
        One-sided upper limit at 95 % confidence, for what is not resolved from zero.
    interval : tuple of float, optional
        68.3 % interval of the profile likelihood, where it was computed.
    note : str
        The window, the model, or the reason why there is no value.
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
