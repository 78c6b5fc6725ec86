"""The lasing threshold from the kinetics of Δn alone: where the fast decay turns.

At low fluence all relaxation curves y(t) obey one law,

    dy/dt = −a y − b y²,

hence −ln y − a t − b ∫y dt is constant in time, and linear in a and b. At high fluence the same
expression grows: by the integral of the fast rate, that of stimulated emission. That rate is
proportional to the photons in the mode, which grow while gain exceeds loss and fade afterwards. The
density at the largest fast rate is thus the threshold's, whatever the fluence, and no model of the
photons is needed.

The gain depends on the whole cloud, whose middle has been flattened by recombination by then: with
Λ = b ∫y dt, a Gaussian cloud of y in its middle has the gain of a fresh one of y Λ/(1 − e^{−Λ}).
"""

from dataclasses import dataclass
from typing import NamedTuple

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, widening
from ocm_ophyd.errors import DataError

__all__ = ["Onset", "fit_fast_component"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Onset:
    """Onset of the fast decay of Δn.

    Attributes
    ----------
    fluence, delta_n : Estimate
        Fluence (mJ/cm^2), and Δn right after the pulse (RIU), at which gain equals loss.
    fast_fraction, fast_fraction_sigma : (M,) array
        Share of the carriers at 4 ps that something faster than spontaneous emission takes until
        40 ps, at each fluence; NaN where a curve is unusable.
    linear, quadratic : float
        Rates a (1/ps) and b (1/(ps RIU)) of the law at low fluence, dΔn/dt = −a Δn − b Δn².
    used : (M,) array of bool
        The curves that the estimate rests on.
    """

    fluence: Estimate
    delta_n: Estimate
    fast_fraction: Floats
    fast_fraction_sigma: Floats
    linear: float
    quadratic: float
    used: Bools


_SLOW_END = 150.0
"""Last delay from which the law at low fluence is fitted, ps: later the noise is larger."""

_FAST_END = 60.0
"""Last delay at which a fast component is fitted, ps: it has ended by then (13 ps, Table 1)."""

_FIRST = 3.0
"""First delay that is used, ps: earlier the chirped probe crosses the pump."""

_STANDS_OUT = 5.0
"""Standard deviations by which a point or a fast component stands out of the noise: a chance of
3e-7."""

_FRACTION = 0.04
"""Share of the carriers in a fast component from which on its turning point shows in one curve."""

_SEED = 0.010
"""Spontaneous emission keeps the photons growing a little beyond gain = loss: the turning density
is low by this, relatively, times the spontaneous over the fast rate there. It is 0.4 β, and β is
taken as 0.025 ± 0.025."""

_SHAPE = 0.005
"""Relative, ± as much: by this the turning point of a pulse of Eq. 3, solved in space, comes out
high with Richards' curve and a Gaussian cloud without diffusion (0.998 to 1.011 for constants
within ±30 % of this sample's)."""


def fit_fast_component(
    fluence: ArrayLike, delay: ArrayLike, delta_n: ArrayLike, sigma: ArrayLike
) -> Onset:
    """Fit where gain equals loss to relaxation curves alone.

    Parameters
    ----------
    fluence : (M,) array
        mJ/cm^2; three or more of them below the threshold.
    delay, delta_n, sigma : (M, T) array
        ps after the pump, RIU (either sign), RIU. Points that are not finite are ignored, and so
        are curves with too few good points.

    Raises
    ------
    DataError
        One line: too few curves, none with a fast component, or too few without.
    """
    arrays = (np.asarray(values, np.float64) for values in (delay, delta_n, sigma))
    t, y, s = (np.broadcast_to(values, np.shape(delta_n)) for values in arrays)
    sign = 1.0 if np.nansum(y / s**2) >= 0 else -1.0
    every = [_Decay.of(*row) for row in zip(t, sign * y, s, strict=True)]
    usable = np.array([curve is not None for curve in every])
    f, curves = np.asarray(fluence, np.float64)[usable], [c for c in every if c is not None]
    if len(curves) < 4:
        raise DataError(
            f"{len(curves)} relaxation curves reach from 3 to 40 ps with twelve good points, an "
            "onset needs four"
        )
    turn = _turning_density(f, curves)
    early = turn.fresh < 1.25 * turn.value  # above, it begins before the first points
    response = turn.fresh[early] / f[early]
    at = float(turn.value / response.mean())
    scatter = response.std(ddof=1) / response.mean() / np.sqrt(len(response))
    relative = np.hypot(turn.sigma / turn.value, scatter)
    note = "density at which the fast decay turns: gain equals loss"
    whole = np.full((3, len(every)), np.nan)
    whole[:, usable] = turn.fraction, turn.fraction_sigma, turn.used
    return Onset(
        fluence=Estimate(at, float(at * relative), "mJ/cm^2", note=note),
        delta_n=Estimate(sign * float(turn.value), turn.sigma, "RIU", note=note),
        fast_fraction=whole[0],
        fast_fraction_sigma=whole[1],
        linear=float(turn.law[0]),
        quadratic=float(turn.law[1]),
        used=whole[2] == 1,
    )


class _Turn(NamedTuple):
    """Δn of a fresh cloud where the fast rate is largest, and what belongs to it."""

    value: float
    """RIU, positive"""
    sigma: float
    """RIU"""
    law: Floats
    """(2,) a in 1/ps, b in 1/(ps RIU)"""
    fresh: Floats
    """(M,) Δn of every curve right after the pulse, RIU"""
    fraction: Floats
    """(M,) share of the fast component"""
    fraction_sigma: Floats
    """(M,)"""
    used: Bools
    """(M,) curves with a fast component that turns"""


def _turning_density(f: Floats, curves: "list[_Decay]") -> _Turn:
    """Return the density at which the fast decay turns, from curves at fluences f (M,).

    Raises
    ------
    DataError
        No curve has a fast component, or too few are without one.
    """
    slow = np.argsort(f)[:3]
    for _ in range(2):  # the second time with the law of all curves well below the threshold
        law, covariance = _slow_law([curves[i] for i in slow])
        fraction, fraction_sigma = np.array([c.fast_fraction(law, covariance) for c in curves]).T
        used = fraction > np.maximum(_FRACTION, _STANDS_OUT * fraction_sigma)
        turns = np.full((len(f), 3), np.nan)
        for i in np.flatnonzero(used):
            turns[i] = curves[i].turning(law)
        used &= np.isfinite(turns).all(axis=1)
        if not used.any():
            raise DataError(
                "no relaxation curve has a fast component that turns within 40 ps: measure at "
                "fluences above the threshold"
            )
        weight = np.where(used, 1 / turns[:, 1] ** 2, 0.0)
        value, exponent = weight[used] @ turns[used][:, [0, 2]] / weight.sum()
        fresh = np.array([c.fresh(law) for c in curves])
        slow = np.flatnonzero((fresh < 0.75 * value) & ~used)
        if len(slow) < 2:
            raise DataError(
                "fewer than two relaxation curves are well below the threshold: measure at lower "
                "fluences"
            )
    # Each curve's own misfit is in `turns`; this is by how much more than that they disagree.
    chi2 = float(np.sum(weight[used] * (turns[used, 0] - value) ** 2)) / max(used.sum() - 1, 1)
    noise = widening(chi2) / np.sqrt(weight.sum())
    of_law = value * exponent / 2 * np.sqrt(covariance[1, 1]) / law[1]  # y Λ/(1 − e^{−Λ}) by b
    value /= 1 + _SHAPE
    sigma = float(np.sqrt(noise**2 + of_law**2 + (_SHAPE * value) ** 2))
    return _Turn(float(value), sigma, law, fresh, fraction, fraction_sigma, used)


@dataclass(frozen=True)
class _Decay:
    """One relaxation curve from `_FIRST` on.

    Attributes
    ----------
    time : (T,) array
        ps.
    log, sigma : (T,) array
        ln Δn, and its standard deviation.
    value, integral : (T,) array
        Δn (RIU), and ∫Δn dt from the first point on (ps RIU).
    """

    time: Floats
    log: Floats
    sigma: Floats
    value: Floats
    integral: Floats

    @classmethod
    def of(cls, t: Floats, y: Floats, s: Floats) -> "_Decay | None":
        """Return the curve of the good points; None where they are too few."""
        good = np.isfinite(t) & np.isfinite(y) & np.isfinite(s) & (t >= _FIRST) & (t <= _SLOW_END)
        good &= y > _STANDS_OUT * s
        order = np.argsort(t[good], kind="stable")
        t, y, s = t[good][order], y[good][order], s[good][order]
        reached = len(t) >= 12 and t[0] <= 6 and bool((np.abs(t - 40) <= 6).any())
        if not reached or t[-1] < 40:
            return None
        integral = np.concatenate([[0.0], np.cumsum((y[1:] + y[:-1]) / 2 * np.diff(t))])
        return cls(t, np.log(y), s / y, y, integral)

    def fresh(self, law: Floats) -> float:
        """Return Δn (RIU) right after the pulse: by the slow law, from the points until 6 ps."""
        early = self.time <= 6.0
        t, weight = self.time[early], 1 / self.sigma[early] ** 2
        level = (self.log + law[0] * self.time + law[1] * self.integral)[early]
        start = float(weight @ level / weight.sum()) - law[0] * t[0]  # ln y at the first point
        # y0 of the solution of y' = −a y − b y² that passes there
        return float(np.exp(start + law[0] * t[0] - np.log1p(-law[1] * np.exp(start) * t[0])))

    def fast(self, law: Floats) -> Floats:
        """Return the integral (T,) of the fast rate, up to a constant."""
        return np.asarray(-self.log - law[0] * self.time - law[1] * self.integral)

    def fast_fraction(self, law: Floats, covariance: Floats) -> tuple[float, float]:
        """Return the share lost to the fast component between 4 and 40 ps, and its sigma."""
        ends = [np.abs(self.time - 4) <= 2, np.abs(self.time - 40) <= 6]
        weights = [np.where(end, 1 / self.sigma**2, 0.0) for end in ends]
        contrast = weights[1] / weights[1].sum() - weights[0] / weights[0].sum()
        kept = np.exp(-contrast @ self.fast(law))
        slope = np.array([contrast @ self.time, contrast @ self.integral])
        variance = contrast**2 @ self.sigma**2 + slope @ covariance @ slope
        return float(1 - kept), float(kept * np.sqrt(variance))

    def turning(self, law: Floats) -> tuple[float, float, float]:
        """Return Δn of a fresh cloud where the fast rate is largest, its sigma (RIU), and Λ."""
        early = self.time <= _FAST_END
        t, rise, sigma = self.time[early], self.fast(law)[early], self.sigma[early]
        lambda0 = law[1] * self.time[0] * (self.fresh(law) + self.value[0]) / 2

        def density(p: lmfit.Parameters) -> tuple[float, float]:
            """Return Δn of a fresh cloud of the same gain, and Λ, at the turning point."""
            when = p["when"].value
            integral = float(np.interp(when, t, self.integral[early]))
            exponent = lambda0 + law[1] * integral
            value = np.exp(-_sigmoid(p, np.array([when]))[0] - law[0] * when - law[1] * integral)
            return float(value * exponent / -np.expm1(-exponent)), exponent

        best = _fit_sigmoid(t, rise, sigma)
        if best is None or best.covar is None:
            return np.nan, np.nan, np.nan
        value, exponent = density(best.params)
        gradient = np.zeros(len(best.var_names))
        for i, name in enumerate(best.var_names):
            shifted = best.params.copy()
            step = 0.05 * np.sqrt(best.covar[i, i])
            shifted[name].value += step
            gradient[i] = (density(shifted)[0] - value) / step
        skew = np.exp(best.params["skew"].value)
        steepest = best.params["height"].value / np.exp(best.params["width"].value)
        steepest *= (1 + skew) ** (-1 / skew - 1)
        seed = _SEED * value * (law[0] + law[1] * value) / steepest
        noise = np.sqrt(gradient @ best.covar @ gradient) * widening(best.redchi)
        return value + seed, float(np.hypot(noise, seed)), exponent


def _fit_sigmoid(t: Floats, rise: Floats, sigma: Floats) -> lmfit.minimizer.MinimizerResult | None:
    """Return the best fit of `_sigmoid` to ∫ of the fast rate, from three times to start from."""
    best = None
    for when in (8.0, 14.0, 22.0):
        start = lmfit.Parameters()
        start.add("level", float(rise[0]))
        start.add("height", max(float(rise[-1] - rise[0]), 0.02), min=0.0, max=10.0)
        start.add("when", when, min=float(t[0]), max=40.0)
        start.add("width", np.log(3.0), min=np.log(0.5), max=np.log(30.0))
        start.add("skew", 0.0, min=-3.0, max=3.0)
        result = lmfit.minimize(
            lambda p: (rise - _sigmoid(p, t)) / sigma, start, scale_covar=False, max_nfev=2000
        )
        if best is None or result.chisqr < best.chisqr:
            best = result
    return best


def _sigmoid(p: lmfit.Parameters, t: Floats) -> Floats:
    """Return Richards' curve (T,), steepest at `when`: the integral of a pulse of any skewness."""
    level, height, when, width, skew = (p[name].value for name in p)
    z, nu = np.clip((when - t) / np.exp(width), -50, 50), np.exp(skew)
    return np.asarray(level + height * np.exp(-np.log1p(nu * np.exp(z)) / nu))


def _slow_law(curves: list[_Decay]) -> tuple[Floats, Floats]:
    """Return (a, b) that keep −ln y − a t − b ∫y dt constant along every curve; covariance."""
    normal: Floats = np.zeros((2, 2))
    right: Floats = np.zeros(2)
    for c in curves:
        weight = 1 / c.sigma**2
        columns = np.stack([c.time, c.integral, -c.log])
        columns = columns - (columns @ weight / weight.sum())[:, np.newaxis]
        normal += (columns[:2] * weight) @ columns[:2].T
        right += (columns[:2] * weight) @ columns[2]
    covariance: Floats = np.linalg.inv(normal).astype(np.float64)
    return covariance @ right, covariance
