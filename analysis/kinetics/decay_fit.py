"""Decays that start at time zero, seen with a Gaussian response, and fits of them."""

from dataclasses import dataclass, field

import lmfit
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcx

Floats = NDArray[np.float64]


def exponential(time: ArrayLike, tau: float, t0: float = 0.0, response: float = 0.0) -> Floats:
    """e^{−(t − t0)/τ} from t0 on, convolved with a Gaussian of sigma `response`; all in ps."""
    late = np.asarray(time, np.float64) - t0
    if response == 0:
        return np.where(late >= 0, np.exp(-np.maximum(late, 0.0) / tau), 0.0)
    z = (response / tau - late / response) / np.sqrt(2)
    # Each form is used where it neither overflows nor cancels.
    early = np.exp(-0.5 * (late / response) ** 2) * erfcx(np.maximum(z, 0.0))
    after = np.exp(np.minimum(0.5 * (response / tau) ** 2 - late / tau, 700.0)) * erfc(z)
    return 0.5 * np.where(z > 0, early, after)


@dataclass(frozen=True)
class DecayFit:
    """A fitted decay.

    Attributes
    ----------
    equation : str
        The model.
    values, sigmas : dict of str to float
        Parameters and their standard deviations (NaN where the data do not determine them, 0 where
        fixed).
    covariance : xr.DataArray
        Of the free parameters, labelled by their names.
    reduced_chi2, bic : float
        χ² per degree of freedom and Bayesian information criterion.
    window : tuple of float
        The part of the data that was fitted, ps: decay times depend on it.
    points : int
        How many points that were.
    warnings : tuple of str
        What to know before using the numbers.
    """

    equation: str
    values: dict[str, float]
    sigmas: dict[str, float]
    covariance: xr.DataArray
    reduced_chi2: float
    bic: float
    window: tuple[float, float]
    points: int
    warnings: tuple[str, ...]
    model: lmfit.Model = field(repr=False, compare=False)

    def evaluate(self, time: ArrayLike) -> Floats:
        """Fitted Δn at `time` (ps)."""
        names = self.model.param_names
        known = {name: self.values[name] for name in names}
        return np.asarray(self.model.eval(t=np.asarray(time, np.float64), **known))


def select(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None,
    window: tuple[float, float] | None,
    parameters: int,
) -> tuple[Floats, Floats, Floats, tuple[float, float]]:
    """Take the finite points within the window, in order of delay.

    Without `sigma` all points weigh the same, with 1.

    Raises
    ------
    ValueError
        Too few points for so many parameters, or a sigma that is not positive.
    """
    t, y = np.asarray(delay, np.float64), np.asarray(delta_n, np.float64)
    s = np.ones_like(y) if sigma is None else np.asarray(sigma, np.float64)
    low, high = window if window is not None else (float(np.nanmin(t)), float(np.nanmax(t)))
    inside = (t >= low) & (t <= high) & np.isfinite(y) & np.isfinite(s)
    count = int(np.count_nonzero(inside))
    if count <= parameters:
        raise ValueError(
            f"window {low:g} to {high:g} ps holds {count} points, "
            f"the fit needs more than {parameters}"
        )
    if (s[inside] <= 0).any():
        raise ValueError("sigma must be positive: a point without noise cannot be weighed")
    order = np.argsort(t[inside], kind="stable")
    return t[inside][order], y[inside][order], s[inside][order], (low, high)


def run_fit(
    model: lmfit.Model,
    equation: str,
    start: lmfit.Parameters,
    data: tuple[Floats, Floats, Floats, tuple[float, float]],
    known_sigma: bool,
) -> DecayFit:
    """Fit selected data; standard deviations are absolute where the data's are known."""
    t, y, s, window = data
    result = model.fit(y, start, t=t, weights=1 / s, scale_covar=not known_sigma)
    warnings = []
    for name, parameter in result.params.items():
        if parameter.vary and _at_bound(parameter):
            warnings.append(f"{name} = {parameter.value:.4g} is at its bound")
        elif parameter.vary and not parameter.stderr:
            warnings.append(f"{name} is not determined by the data")
    if not result.success:
        warnings.append(f"the fit did not converge: {result.message}")
    names = result.var_names
    covariance = np.full((len(names), len(names)), np.nan)
    if result.covar is not None:
        covariance = result.covar
    return DecayFit(
        equation=equation,
        values={name: float(p.value) for name, p in result.params.items()},
        sigmas={
            name: 0.0 if not p.vary and p.expr is None else float(p.stderr or np.nan)
            for name, p in result.params.items()
        },
        covariance=xr.DataArray(
            covariance, dims=("parameter", "other"), coords={"parameter": names, "other": names}
        ),
        reduced_chi2=float(result.redchi),
        bic=float(result.chisqr + len(names) * np.log(len(t)))
        if known_sigma
        else float(result.bic),
        window=window,
        points=len(t),
        warnings=tuple(warnings),
        model=model,
    )


def _at_bound(parameter: lmfit.Parameter) -> bool:
    return any(
        np.isfinite(bound) and abs(parameter.value - bound) <= 1e-3 * max(abs(bound), 1e-12)
        for bound in (parameter.min, parameter.max)
    )
