"""The lasing threshold from the kinetics of Δn alone, without any light.

The photons of the mode grow while gain exceeds loss and fade afterwards, so the density at which
the fast decay turns from growing to fading is the one at which the two are equal. It needs what
decays slowly, but no model of the photons.
"""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimate import Estimate, widening

__all__ = ["Onset", "fast_component"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Onset:
    """Where the decay of Δn becomes fast.

    Attributes
    ----------
    fluence, delta_n : Estimate
        mJ/cm² and RIU right after the pulse, at which gain equals loss.
    fast_fraction, fast_fraction_sigma : (M,) array
        Share of the carriers at 4 ps that something faster than spontaneous emission takes until
        40 ps, at each fluence; NaN where a curve is unusable.
    linear, quadratic : float
        What remains at low fluence: dΔn/dt = −linear Δn − quadratic Δn²; 1/ps and 1/(ps RIU).
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


_SLOW_END, _FAST_END = (
    150.0,
    60.0,
)  # ps: the slow law is learnt, and a fast component sought, so far
_FIRST = 3.0  # ps: earlier the chirped probe crosses the pump
_STANDS_OUT = 5.0  # sigmas; a chance of 3e-7
_FRACTION = 0.04  # from so much on the turning point of a fast component is found in one curve
_SEED = 0.010
"""Spontaneous emission keeps the photons growing a little beyond gain = loss: the turning density
is low by this, relatively, times the spontaneous over the fast rate there. It is 0.4 β, and β is
taken as 0.025 ± 0.025."""


_SHAPE = 0.005
"""Relative, ± as much: by this the turning point of a pulse of Eq. 3, solved in space, comes out
high with Richards' curve and a Gaussian cloud without diffusion (0.998 to 1.011 for constants
within ±30 % of this sample's)."""


def fast_component(
    fluence: ArrayLike, delay: ArrayLike, delta_n: ArrayLike, sigma: ArrayLike
) -> Onset:
    """Find where gain equals loss from relaxation curves alone, without a model of the photons.

    At low fluence all curves obey one law, y' = −a y − b y², hence −ln y − a t − b ∫y dt stays
    constant: linear in a and b. At high fluence the same expression grows, by the integral of the
    fast rate. That rate is proportional to the photons in the mode; they grow until the carriers
    have fallen to where gain equals loss, and fade afterwards. The density at the largest fast rate
    is thus the threshold's, whatever the fluence. The gain feels the whole cloud, whose middle has
    meanwhile been flattened by recombination: with Λ = b ∫y dt a Gaussian cloud is worth a
    fresh one of y Λ/(1 − e^{−Λ}).

    Parameters
    ----------
    fluence : (M,) array
        mJ/cm²; three or more of them below the threshold.
    delay, delta_n, sigma : (M, T) array
        ps after the pump, RIU (either sign), RIU. Points that are not finite are left out, and so
        are curves with too few good points.

    Raises
    ------
    ValueError
        One line: too few curves, none with a fast component, or too few without.
    """
    arrays = (np.asarray(values, np.float64) for values in (delay, delta_n, sigma))
    t, y, s = (np.broadcast_to(values, np.shape(delta_n)) for values in arrays)
    sign = 1.0 if np.nansum(y / s**2) >= 0 else -1.0
    every = [_Decay.of(*row) for row in zip(t, sign * y, s, strict=True)]
    usable = np.array([curve is not None for curve in every])
    f, curves = np.asarray(fluence, np.float64)[usable], [c for c in every if c is not None]
    if len(curves) < 4:
        raise ValueError(
            f"{len(curves)} relaxation curves reach from 3 to 40 ps with twelve good points, an "
            "onset needs four"
        )
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
            raise ValueError(
                "no relaxation curve has a fast component that turns within 40 ps: measure at "
                "fluences above the threshold"
            )
        weight = np.where(used, 1 / turns[:, 1] ** 2, 0.0)
        value, exponent = weight[used] @ turns[used][:, [0, 2]] / weight.sum()
        fresh = np.array([c.fresh(law) for c in curves])
        slow = np.flatnonzero((fresh < 0.75 * value) & ~used)
        if len(slow) < 2:
            raise ValueError(
                "fewer than two relaxation curves are well below the threshold: measure at lower "
                "fluences"
            )
    chi2 = float(np.sum(weight[used] * (turns[used, 0] - value) ** 2)) / max(used.sum() - 1, 1)
    noise = widening(chi2) / np.sqrt(weight.sum())
    of_law = value * exponent / 2 * np.sqrt(covariance[1, 1]) / law[1]  # y Λ/(1 − e^{−Λ}) by b
    value /= 1 + _SHAPE
    error = float(np.sqrt(noise**2 + of_law**2 + (_SHAPE * value) ** 2))

    early = fresh < 1.25 * value  # above, the fast component begins before the first points
    response = fresh[early] / f[early]
    at = float(value / response.mean())
    scatter = response.std(ddof=1) / response.mean() / np.sqrt(len(response))
    note = "density at which the fast decay turns: gain equals loss"
    whole = np.full((3, len(every)), np.nan)
    whole[:, usable] = fraction, fraction_sigma, used
    return Onset(
        fluence=Estimate(at, float(at * np.hypot(error / value, scatter)), "mJ/cm2", note=note),
        delta_n=Estimate(sign * float(value), error, "RIU", note=note),
        fast_fraction=whole[0],
        fast_fraction_sigma=whole[1],
        linear=float(law[0]),
        quadratic=float(law[1]),
        used=whole[2] == 1,
    )


@dataclass(frozen=True)
class _Decay:
    """One curve from `_FIRST` on: times, ln Δn, its sigma, Δn and ∫Δn dt from the first point."""

    time: Floats
    log: Floats
    sigma: Floats
    value: Floats
    integral: Floats

    @classmethod
    def of(cls, t: Floats, y: Floats, s: Floats) -> "_Decay | None":
        """Take the good points of a curve; None where they are too few."""
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
        """Δn right after the pulse, back from the first points by the slow law."""
        return float(np.exp(self._early(law)))

    def _early(self, law: Floats) -> float:
        """Logarithm of the same; until 6 ps nothing but the slow law acts."""
        early = self.time <= 6.0
        t, weight = self.time[early], 1 / self.sigma[early] ** 2
        level = (self.log + law[0] * self.time + law[1] * self.integral)[early]
        start = float(weight @ level / weight.sum()) - law[0] * t[0]  # ln y at the first point
        # y0 of the solution of y' = −a y − b y² that passes there
        return float(start + law[0] * t[0] - np.log1p(-law[1] * np.exp(start) * t[0]))

    def fast(self, law: Floats) -> Floats:
        """∫ of the fast rate, up to a constant."""
        return np.asarray(-self.log - law[0] * self.time - law[1] * self.integral)

    def fast_fraction(self, law: Floats, covariance: Floats) -> tuple[float, float]:
        """Share lost to the fast component between 4 and 40 ps, and its sigma."""
        ends = [np.abs(self.time - 4) <= 2, np.abs(self.time - 40) <= 6]
        weights = [np.where(end, 1 / self.sigma**2, 0.0) for end in ends]
        contrast = weights[1] / weights[1].sum() - weights[0] / weights[0].sum()
        left = np.exp(-contrast @ self.fast(law))
        slope = np.array([contrast @ self.time, contrast @ self.integral])
        variance = contrast**2 @ self.sigma**2 + slope @ covariance @ slope
        return float(1 - left), float(left * np.sqrt(variance))

    def turning(self, law: Floats) -> tuple[float, float, float]:
        """Density where the fast rate is largest, in Δn of a fresh cloud, its sigma, and Λ."""
        soon = self.time <= _FAST_END
        t, rise, sigma = self.time[soon], self.fast(law)[soon], self.sigma[soon]
        lambda0 = law[1] * self.time[0] * (self.fresh(law) + self.value[0]) / 2

        def density(p: lmfit.Parameters) -> tuple[float, float]:
            """Δn of a fresh cloud worth as much, and Λ, at the turning point."""
            when = p["when"].value
            integral = float(np.interp(when, t, self.integral[soon]))
            exponent = lambda0 + law[1] * integral
            value = np.exp(-_sigmoid(p, np.array([when]))[0] - law[0] * when - law[1] * integral)
            return float(value * exponent / -np.expm1(-exponent)), exponent

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
        if best is None or best.covar is None:
            return np.nan, np.nan, np.nan
        value, exponent = density(best.params)
        gradient = np.zeros(len(best.var_names))
        for i, name in enumerate(best.var_names):
            moved = best.params.copy()
            step = 0.05 * np.sqrt(best.covar[i, i])
            moved[name].value += step
            gradient[i] = (density(moved)[0] - value) / step
        skew = np.exp(best.params["skew"].value)
        steepest = best.params["height"].value / np.exp(best.params["width"].value)
        steepest *= (1 + skew) ** (-1 / skew - 1)
        seed = _SEED * value * (law[0] + law[1] * value) / steepest
        noise = np.sqrt(gradient @ best.covar @ gradient) * widening(best.redchi)
        return value + seed, float(np.hypot(noise, seed)), exponent


def _sigmoid(p: lmfit.Parameters, t: Floats) -> Floats:
    """Richards' curve, steepest at `when`: a pulse of any skewness, integrated."""
    level, height, when, width, skew = (p[name].value for name in p)
    z, nu = np.clip((when - t) / np.exp(width), -50, 50), np.exp(skew)
    return np.asarray(level + height * np.exp(-np.log1p(nu * np.exp(z)) / nu))


def _slow_law(curves: list[_Decay]) -> tuple[Floats, Floats]:
    """Find (a, b) that keep −ln y − a t − b ∫y dt constant along every curve; covariance."""
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
