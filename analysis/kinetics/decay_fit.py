"""Fit of a decay model to Δn against delay, and the relaxation time that follows from it.

Where the data begin before time zero, time zero and the response of the instrument are fitted too.
Which decay times come out depends on the window: it is part of every result. Below the lasing
threshold there is one decay, and `fit_decay` takes a second one only where the data ask for it.
`docs/explanation/decay-fits.md` has the equations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import lmfit
import numpy as np
import xarray as xr
from lmfit.minimizer import MinimizerResult
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, not_determined, widening
from analysis.kinetics.model_lookup import MODEL_ERRORS, decay_model
from analysis.kinetics.models import DECAY_MODELS, DecayModel
from ocm_ophyd.errors import DataError

__all__ = ["DecayFit", "fit_decay", "relaxation_time"]

Floats = NDArray[np.float64]

_EARLIEST, _BROADEST = 20.0, 20.0
"""Bounds of time zero and of the response, ps: a larger one is a fault of the instrument, whose
pulses are 5 ps long at most (paper)."""

_RESPONSE = 1.0
"""Start value of a free response, ps: the paper's resolution."""

_LEAST_GAIN = 36.0
"""Decrease of χ² (over χ²/dof, where that is above 1) below which a second decay does not stand out
from one: six standard deviations. Below, the sigmas of the two decay times are too small, because
they follow from the slopes at the best fit: 15 to 25 % of them are more than 3 sigma off; above, at
most 5 % (`test_two_decays_that_are_too_close_are_warned_about`)."""

_ONE_OR_TWO = ("exponential", "biexponential")
"""Models between which `fit_decay` chooses where none is named."""


class _Data(NamedTuple):
    """Data of a fit: delay (P,) in ps, increasing; Δn and its sigma (P,) in RIU; window in ps."""

    delay: Floats
    delta_n: Floats
    sigma: Floats
    known_sigma: bool
    window: tuple[float, float]


@dataclass(frozen=True)
class DecayFit:
    """A decay model fitted to data.

    Attributes
    ----------
    model : DecayModel
        The model, with its name and equation.
    values, sigmas : dict of str to float
        Parameters and the standard deviations that the noise of the data makes (NaN where the data
        do not determine them, 0 where fixed). `estimates` widens them by what the model misses.
    covariance : xr.DataArray
        Of the free parameters, labelled by their names; from the noise of the data.
    reduced_chi2, bic : float
        χ² per degree of freedom and Bayesian information criterion. Without sigmas of the data,
        the first is the variance of the residuals.
    window : tuple of float
        The part of the data that was fitted, ps: decay times depend on it.
    points : int
        Number of points that were fitted.
    warnings : tuple of str
        What to know before using the numbers.
    """

    model: DecayModel
    values: dict[str, float]
    sigmas: dict[str, float]
    covariance: xr.DataArray
    reduced_chi2: float
    bic: float
    window: tuple[float, float]
    points: int
    warnings: tuple[str, ...]
    _data: "_Data" = field(repr=False, compare=False)
    _result: MinimizerResult = field(repr=False, compare=False)

    @property
    def known_sigma(self) -> bool:
        """Whether the data came with their standard deviations."""
        return self._data.known_sigma

    @property
    def faults(self) -> tuple[str, ...]:
        """Those of `warnings` without which there would be numbers: bounds, no convergence."""
        return tuple(_faults(self._result))

    @property
    def widening(self) -> float:
        """Factor between `sigmas` and those of `estimates`: √χ², at least 1."""
        return widening(self.reduced_chi2) if self.known_sigma else 1.0

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Parameters of the model with the sigmas to report."""
        quality = f"window {self.window[0]:g} to {self.window[1]:g} ps"
        if self.known_sigma:
            quality += f"; chi2/dof {self.reduced_chi2:.2f}"
        note = "; ".join([quality, *self.warnings])
        return {
            name: Estimate(self.values[name], self.sigmas[name] * self.widening, unit, note=note)
            for name, unit in self.model.units.items()
        }

    @property
    def delay(self) -> Floats:
        """Delays (P,) of the fitted points, ps, increasing."""
        return self._data.delay

    @property
    def delta_n(self) -> Floats:
        """Fitted data (P,), RIU."""
        return self._data.delta_n

    @property
    def sigma(self) -> Floats:
        """Their standard deviations (P,), RIU; 1 where none were given."""
        return self._data.sigma

    @property
    def aicc(self) -> float:
        """Akaike's information criterion for few points: `analysis.kinetics.model_comparison`."""
        n, k = self.points, self.points - self.dof
        chi2 = float(self._result.chisqr)
        misfit = chi2 if self.known_sigma else n * np.log(chi2 / n)
        return float(misfit + 2 * k + 2 * k * (k + 1) / max(n - k - 1, 1))

    @property
    def residuals(self) -> Floats:
        """Data minus fit (P,) in standard deviations of the data (in RIU where those are none)."""
        return np.asarray(self._result.residual, np.float64)

    @property
    def dof(self) -> int:
        """Degrees of freedom: points minus free parameters."""
        return int(self._result.nfree)

    def evaluate(self, time: ArrayLike) -> Floats:
        """Return the fitted Δn (RIU) at `time` (ps)."""
        return _curve(self.model, np.asarray(time, np.float64), self.values)


def fit_decay(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None = None,
    window: tuple[float, float] | None = None,
    response: float | None = None,
    model: str | DecayModel | None = None,
) -> DecayFit:
    """Fit a decay model to Δn against delay.

    Parameters
    ----------
    delay : (P,) array
        ps after time zero.
    delta_n, sigma : (P,) array
        Index change and its standard deviation (RIU); without `sigma` all points weigh the same and
        their scatter gives the standard deviations.
    window : tuple of float, optional
        Delays to use, ps; default all.
    response : float, optional
        Standard deviation of the instrument's response in ps. By default it is fitted where the
        window begins before time zero, together with the remaining error of time zero, and 0
        elsewhere.
    model : str or DecayModel, optional
        Name of a model, a Python file that defines one, or the model itself. By default one
        exponential or two, whichever has the lower Bayesian information criterion.

    Returns
    -------
    DecayFit
        With the parameters of the model, `t0` and `response`.

    Raises
    ------
    DataError
        Too few points in the window, a sigma that is not positive, no such model, or one that
        cannot be evaluated.

    Examples
    --------
    >>> import numpy as np
    >>> from analysis import fit_decay
    >>> delay = np.arange(2.0, 300.0, 4.0)
    >>> delta_n = 1e-2 * np.exp(-delay / 80)
    >>> fit = fit_decay(delay, delta_n, np.full(delay.size, 5e-5), model="exponential")
    >>> round(fit.values["tau_fluor"], 1)
    80.0
    """
    if model is None:
        fits = (fit_decay(delay, delta_n, sigma, window, response, one) for one in _ONE_OR_TWO)
        return min(fits, key=lambda fit: fit.bic)
    chosen = model if isinstance(model, DecayModel) else decay_model(model)
    data = _select(delay, delta_n, sigma, window, len(chosen.units) + 2)
    result = _minimise(chosen, data, response)
    warnings = _faults(result)
    if chosen.simpler is not None:
        name, fixed = chosen.simpler
        simple = _minimise(DECAY_MODELS[name], data, response, fixed)
        noise = max(1.0, result.redchi) if data.known_sigma else result.redchi
        if simple.chisqr - result.chisqr < _LEAST_GAIN * noise:
            warnings.append(
                f"not determined: one {name} describes the data nearly as well, with chi2 "
                f"{simple.chisqr:.3g} against {result.chisqr:.3g}"
            )
    return _decay_fit(chosen, data, result, warnings)


def relaxation_time(fit: DecayFit) -> Estimate:
    """Return the time in which a fitted decay falls to 1/e of its largest size in the window.

    It counts from the window's start, or from time zero where the window begins before it.
    Unlike decay times it does not depend on how a decay is split into exponentials.

    Returns
    -------
    Estimate
        ps; the standard deviation follows from the fit's covariance, widened where the model
        misses more than the noise. NaN where the fit does not fall so far, and a sigma of NaN
        where the data do not determine the parameters.
    """
    names = [str(name) for name in fit.covariance["parameter"].values]
    slopes = np.zeros(len(names))
    for i, name in enumerate(names):
        step = 0.01 * fit.sigmas[name]
        later = _time_to_fall(fit, {name: fit.values[name] + step})
        slopes[i] = (later - _time_to_fall(fit, {name: fit.values[name] - step})) / (2 * step)
    variance = slopes @ fit.covariance.values @ slopes
    time = _time_to_fall(fit, {})
    if not np.isfinite(time):
        return not_determined("ps", "the fit does not fall to 1/e of its largest size")
    sigma = float(np.sqrt(variance)) * fit.widening
    return Estimate(time, sigma, "ps", note="from the largest to 1/e")


def _time_to_fall(fit: DecayFit, changed: dict[str, float]) -> float:
    """Return the relaxation time (ps) with some free parameters changed; NaN where it is none."""
    low, high = fit.window
    parameters = fit._result.params.copy()
    for name, value in changed.items():
        parameters[name].set(min=-np.inf, max=np.inf)
        parameters[name].value = value
    time = np.linspace(low, low + 4 * (high - low), 8000)
    size = np.abs(_curve(fit.model, time, parameters.valuesdict()))
    top = int(np.argmax(np.where(time <= high, size, 0.0)))  # its height counts, which is flat
    above = size - size[top] / np.e
    below = top + np.flatnonzero(above[top:] <= 0)
    if not below.size or not size[top] > 0:
        return float("nan")
    last = below[0] - 1
    step = (time[1] - time[0]) * above[last] / (above[last] - above[last + 1])
    return float(time[last] + step - max(low, parameters["t0"].value))


def _select(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike | None,
    window: tuple[float, float] | None,
    parameters: int,
) -> _Data:
    """Return the finite points in the window, in order of delay.

    Without `sigma` all points weigh the same, with 1.

    Raises
    ------
    DataError
        Too few points for so many parameters, or a sigma that is not positive.
    """
    t, y = np.asarray(delay, np.float64), np.asarray(delta_n, np.float64)
    s = np.ones_like(y) if sigma is None else np.asarray(sigma, np.float64)
    low, high = window if window is not None else (float(np.nanmin(t)), float(np.nanmax(t)))
    inside = (t >= low) & (t <= high) & np.isfinite(y) & np.isfinite(s)
    count = int(np.count_nonzero(inside))
    if count <= parameters:
        raise DataError(
            f"window {low:g} to {high:g} ps holds {count} points, "
            f"the fit needs more than {parameters}"
        )
    if (s[inside] <= 0).any():
        raise DataError("sigma must be positive: a point without noise cannot be weighed")
    order = np.argsort(t[inside], kind="stable")
    t, y, s = (values[inside][order] for values in (t, y, s))
    return _Data(t, y, s, sigma is not None, (low, high))


def _curve(model: DecayModel, time: Floats, values: Mapping[str, float]) -> Floats:
    """Return Δn (RIU) at `time` (ps) of a model, from parameters among which there may be more."""
    names = (*model.units, "t0", "response")
    return np.asarray(model.signal(time, **{name: values[name] for name in names}), np.float64)


def _minimise(
    model: DecayModel,
    data: _Data,
    response: float | None,
    fixed: Mapping[str, float] = MappingProxyType({}),
) -> MinimizerResult:
    """Return the least-squares fit of a model, time zero and response, some parameters fixed.

    Raises
    ------
    DataError
        A model that is not built in fails.
    """
    rises = bool(data.delay[0] < 0)
    width = response if response is not None else _RESPONSE if rises else 0.0
    free = rises and response is None

    def misfit(parameters: lmfit.Parameters) -> Floats:
        curve = _curve(model, data.delay, parameters.valuesdict())
        return (data.delta_n - curve) * (1 / data.sigma)

    try:
        start = model.guess(data.delay, data.delta_n, data.sigma, width)
        start.add("t0", 0.0, vary=rises, min=-_EARLIEST, max=_EARLIEST)
        start.add("response", width, vary=free, min=0.01 if free else 0.0, max=_BROADEST)
        for name, value in fixed.items():
            start[name].set(value=value, vary=False)
        return lmfit.minimize(misfit, start, scale_covar=not data.known_sigma)
    except MODEL_ERRORS as error:
        if DECAY_MODELS.get(model.name) is model:
            raise
        raise DataError(
            f"the decay model {model.name} cannot be fitted: {type(error).__name__}: {error}"
        ) from error


def _decay_fit(
    model: DecayModel, data: _Data, result: MinimizerResult, warnings: list[str]
) -> DecayFit:
    """Return the result of lmfit as a `DecayFit`."""
    names = result.var_names
    covariance = np.full((len(names), len(names)), np.nan)
    if getattr(result, "covar", None) is not None:
        covariance = result.covar
    bic = result.bic
    if data.known_sigma:
        bic = result.chisqr + len(names) * np.log(result.ndata)
    return DecayFit(
        model=model,
        values={name: float(p.value) for name, p in result.params.items()},
        sigmas={
            name: 0.0 if not p.vary and p.expr is None else float(p.stderr or np.nan)
            for name, p in result.params.items()
        },
        covariance=xr.DataArray(
            covariance, dims=("parameter", "other"), coords={"parameter": names, "other": names}
        ),
        reduced_chi2=float(result.redchi),
        bic=float(bic),
        window=data.window,
        points=int(result.ndata),
        warnings=tuple(warnings),
        _data=data,
        _result=result,
    )


def _faults(result: MinimizerResult) -> list[str]:
    """Return what is wrong with the parameters of a fit."""
    warnings = []
    for name, parameter in result.params.items():
        if parameter.vary and _at_bound(parameter):
            warnings.append(f"{name} = {parameter.value:.4g} is at its bound")
        elif parameter.vary and not parameter.stderr:
            warnings.append(f"{name} is not determined by the data")
    if not result.success:
        warnings.append(f"the fit did not converge: {result.message}")
    return warnings


def _at_bound(parameter: lmfit.Parameter) -> bool:
    return any(
        np.isfinite(bound) and abs(parameter.value - bound) <= 1e-3 * max(abs(bound), 1e-12)
        for bound in (parameter.min, parameter.max)
    )
