"""Models of the decay of Δn after the pump, and their registry.

A model is a subclass of `DecayModel`: its name and equation, the units of its parameters, Δn at
times after the pump pulse, and start values for a fit. The instrument is the same for all: a decay
begins at t₀ and is convolved with a Gaussian response of standard deviation σ_r,

    Δn(t) = ∫ decay(t − t₀ − u) e^{−u²/2σ_r²} du / (√(2π) σ_r),    decay(t < 0) = 0.

A new built-in model is a new class here and an entry in `DECAY_MODELS`. Others find their way by
`analysis.kinetics.model_lookup`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfc, erfcx

__all__ = [
    "DECAY_MODELS",
    "Biexponential",
    "DecayModel",
    "DensityDependent",
    "Exponential",
    "StretchedExponential",
    "exponential",
]

Floats = NDArray[np.float64]

_TAU = (0.1, 1e5)
"""Bounds of a decay time, ps: from below the probe's resolution to far above the range of the delay
stage (2 ns). `test_models` shows the warning at a bound."""

_GRID = 16
"""Decay times between a two-hundredth of the window and three windows that a guess tries: a factor
of 1.5 apart, within the range from which the fit converges (`test_models`)."""

_SPAN = 6.0
"""Standard deviations of the response over which the convolution is summed: beyond, 2e-9 of it."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
"""Points of that sum: relative error below 1e-6 for decays slower than the response
(`test_models`)."""

_CURVE = 4000
"""Steps in ln Δn of the density-dependent decay: relative error below 1e-8 (`test_models`)."""


def exponential(time: ArrayLike, tau: float, t0: float = 0.0, response: float = 0.0) -> Floats:
    """Return e^{−(t − t0)/τ} from t0 on, convolved with a Gaussian response.

    Parameters
    ----------
    time : (T,) array
        ps.
    tau : float
        Decay time, ps; infinite for a step.
    t0 : float
        Time zero, ps.
    response : float
        Standard deviation of the response, ps; 0 for none.
    """
    late = np.asarray(time, np.float64) - t0
    if response == 0:
        return np.where(late >= 0, np.exp(-np.maximum(late, 0.0) / tau), 0.0)
    z = (response / tau - late / response) / np.sqrt(2)
    # Each form is used where it neither overflows nor cancels.
    early = np.exp(-0.5 * (late / response) ** 2) * erfcx(np.maximum(z, 0.0))
    after = np.exp(np.minimum(0.5 * (response / tau) ** 2 - late / tau, 700.0)) * erfc(z)
    return 0.5 * np.where(z > 0, early, after)


class DecayModel(ABC):
    """A decay of Δn after the pump.

    Attributes
    ----------
    name : str
        As in ``ocm fit --model NAME``.
    equation : str
        For notes and figures; t in ps from time zero on.
    units : dict of str to str
        Parameters of `decay`, in the order of its arguments, with their units.
    simpler : tuple, optional
        Name of a built-in model and the values of those of its parameters that are fixed: a case of
        this model with fewer parameters. A fit warns where it describes the data nearly as well.
    """

    name: ClassVar[str]
    equation: ClassVar[str]
    units: ClassVar[dict[str, str]]
    simpler: ClassVar[tuple[str, dict[str, float]] | None] = None

    @abstractmethod
    def decay(self, time: Floats, **parameters: float) -> Floats:
        """Return Δn without the response of the instrument.

        Parameters
        ----------
        time : array of any shape
            ps after the pump pulse, not negative.
        parameters : float
            Those of `units`.
        """

    @abstractmethod
    def guess(
        self, time: Floats, delta_n: Floats, sigma: Floats, response: float
    ) -> lmfit.Parameters:
        """Return start values and bounds of the parameters of `units`.

        Parameters
        ----------
        time, delta_n, sigma : (P,) array
            The selected data: ps in increasing order, RIU, RIU.
        response : float
            Standard deviation of the response from which the fit starts, ps; 0 for none.
        """

    def signal(self, t: Floats, t0: float, response: float, **parameters: float) -> Floats:
        """Return Δn with time zero and the response of the instrument.

        Parameters
        ----------
        t : (T,) array
            ps.
        t0, response : float
            Time zero and standard deviation of the response, ps.
        parameters : float
            Those of `units`.
        """
        late = np.asarray(t, np.float64) - t0
        if response == 0:
            return np.where(late >= 0, self.decay(np.maximum(late, 0.0), **parameters), 0.0)
        reach = _SPAN * response
        half = (np.clip(late, -reach, reach) + reach)[:, np.newaxis] / 2
        shift = half * (_NODES + 1) - reach
        weight = half * _WEIGHTS * np.exp(-0.5 * (shift / response) ** 2)
        since = np.maximum(late[:, np.newaxis] - shift, 0.0)
        values = self.decay(since, **parameters)
        return (values * weight).sum(axis=-1) / (np.sqrt(2 * np.pi) * response)


class Exponential(DecayModel):
    """One decay, and a constant for what outlasts the window."""

    name = "exponential"
    equation = "Δn(t) = b e^{−t/τ_fluor} + c"
    units: ClassVar = {"b": "RIU", "tau_fluor": "ps", "c": "RIU"}

    def decay(self, time: Floats, **parameters: float) -> Floats:
        """Return Δn (RIU) at `time` (ps)."""
        return self.signal(time, 0.0, 0.0, **parameters)

    def signal(self, t: Floats, t0: float, response: float, **parameters: float) -> Floats:
        """Return Δn (RIU) at `t` (ps) with the convolution in closed form."""
        b, tau_fluor, c = (parameters[name] for name in self.units)
        step = exponential(t, np.inf, t0, response)
        return b * exponential(t, tau_fluor, t0, response) + c * step

    def guess(
        self, time: Floats, delta_n: Floats, sigma: Floats, response: float
    ) -> lmfit.Parameters:
        """Start from the best linear fit over a grid of decay times."""
        pairs = ((tau, np.inf) for tau in _decay_times(time))
        (tau, _), (b, c) = _best_pair(pairs, time, delta_n, sigma, response)
        start = lmfit.Parameters()
        start.add("b", b)
        start.add("tau_fluor", tau, min=_TAU[0], max=_TAU[1])
        start.add("c", c)
        return start


class Biexponential(DecayModel):
    """The paper's two decays: stimulated emission, then spontaneous emission."""

    name = "biexponential"
    equation = "Δn(t) = a e^{−t/τ_lasing} + b e^{−t/τ_fluor}"
    units: ClassVar = {"a": "RIU", "tau_lasing": "ps", "b": "RIU", "tau_fluor": "ps"}
    simpler = ("exponential", {"c": 0.0})

    def decay(self, time: Floats, **parameters: float) -> Floats:
        """Return Δn (RIU) at `time` (ps)."""
        return self.signal(time, 0.0, 0.0, **parameters)

    def signal(self, t: Floats, t0: float, response: float, **parameters: float) -> Floats:
        """Return Δn (RIU) at `t` (ps) with the convolution in closed form."""
        a, tau_lasing, b, tau_fluor = (parameters[name] for name in self.units)
        fast = a * exponential(t, tau_lasing, t0, response)
        return fast + b * exponential(t, tau_fluor, t0, response)

    def guess(
        self, time: Floats, delta_n: Floats, sigma: Floats, response: float
    ) -> lmfit.Parameters:
        """Start from the best linear fit over a grid of pairs of decay times."""
        times = _decay_times(time)
        pairs = ((fast, slow) for fast in times for slow in times if slow > fast)
        (fast, slow), (a, b) = _best_pair(pairs, time, delta_n, sigma, response)
        start = lmfit.Parameters()
        start.add("a", a)
        start.add("tau_lasing", fast, min=_TAU[0], max=_TAU[1])
        start.add("b", b)
        start.add("ratio", slow / fast, min=1.0, max=_TAU[1])  # keeps the two in order
        start.add("tau_fluor", expr="tau_lasing * ratio")
        return start


class StretchedExponential(DecayModel):
    """Many decay times about one: Kohlrausch's law, as of traps or of a rough surface."""

    name = "stretched"
    equation = "Δn(t) = b e^{−(t/τ)^β}"
    units: ClassVar = {"b": "RIU", "tau": "ps", "beta": "1"}

    def decay(self, time: Floats, **parameters: float) -> Floats:
        """Return Δn (RIU) at `time` (ps)."""
        b, tau, beta = (parameters[name] for name in self.units)
        return np.asarray(b * np.exp(-((time / tau) ** beta)))

    def guess(
        self, time: Floats, delta_n: Floats, sigma: Floats, response: float
    ) -> lmfit.Parameters:
        """Start from the best linear fit over a grid of decay times and exponents."""
        shapes = [
            {"b": 1.0, "tau": float(tau), "beta": beta}
            for tau in _decay_times(time)
            for beta in (0.4, 0.6, 0.8, 1.0)
        ]
        weighted = delta_n / sigma
        curves = np.array([self.signal(time, 0.0, response, **shape) / sigma for shape in shapes])
        heights = curves @ weighted / np.maximum((curves**2).sum(axis=1), 1e-300)
        best = int(np.argmin(((weighted - heights[:, np.newaxis] * curves) ** 2).sum(axis=1)))
        start = lmfit.Parameters()
        start.add("b", float(heights[best]))
        start.add("tau", shapes[best]["tau"], min=_TAU[0], max=_TAU[1])
        start.add("beta", shapes[best]["beta"], min=0.1, max=2.0)
        return start


class DensityDependent(DecayModel):
    """Trapping, radiative and Auger recombination in one place, as rates of Δn.

    dΔn/dt = −A Δn − B Δn² − C Δn³ for a positive Δn, with the opposite sign for a negative one.
    Diffusion and the uneven density of a cloud are neglected: the rate constants of the sample come
    from `analysis.rate_equations`.
    """

    name = "abc"
    equation = "dΔn/dt = −A Δn − B Δn² − C Δn³, Δn(0) = Δn₀"
    units: ClassVar = {
        "delta_n0": "RIU",
        "A": "1/ps",
        "B": "1/(ps RIU)",
        "C": "1/(ps RIU^2)",
    }

    def decay(self, time: Floats, **parameters: float) -> Floats:
        """Return Δn (RIU) at `time` (ps), from the time t(ln Δn) at which it has fallen so far."""
        initial, a, b, c = (parameters[name] for name in self.units)
        size = abs(initial)
        fastest = a + b * size + c * size**2
        drop = min(fastest * float(np.max(time, initial=0.0)), 60.0)  # e^-60 is nothing
        if not drop > 0:
            return np.full(np.shape(time), initial, np.float64)
        logarithm = np.linspace(0.0, -drop, _CURVE + 1)
        middle = (logarithm[1:] + logarithm[:-1]) / 2

        def rate(log: Floats) -> Floats:
            density = size * np.exp(log)
            return np.asarray(a + b * density + c * density**2) + 1e-300

        slowness = 1 / rate(logarithm)
        steps = drop / _CURVE * (slowness[1:] + 4 / rate(middle) + slowness[:-1]) / 6
        reached = np.concatenate([[0.0], np.cumsum(steps)])
        after = np.asarray(time, np.float64)
        place = np.clip(np.searchsorted(reached, after, side="right") - 1, 0, _CURVE - 1)
        share = np.clip((after - reached[place]) / np.maximum(steps[place], 1e-300), 0.0, 1.0)
        # Hermite's polynomial with the known slopes −rate at both ends of the step
        first, last = (-rate(logarithm[place + end]) * steps[place] for end in (0, 1))
        value = (
            (1 + 2 * share) * (1 - share) ** 2 * logarithm[place]
            + share * (1 - share) ** 2 * first
            + share**2 * (3 - 2 * share) * logarithm[place + 1]
            + share**2 * (share - 1) * last
        )
        return np.asarray(initial * np.exp(value))

    def guess(
        self, time: Floats, delta_n: Floats, sigma: Floats, response: float
    ) -> lmfit.Parameters:
        """Start from the best of a grid of initial rates, shared between the three terms."""
        top = int(np.argmax(np.abs(delta_n)))
        initial = float(delta_n[top]) or 1e-12
        size = abs(initial)
        shares = ((1.0, 0.0, 0.0), (0.4, 0.6, 0.0), (0.1, 0.9, 0.0), (0.1, 0.4, 0.5))
        best, least = dict.fromkeys(self.units, 0.0), np.inf
        for tau in _decay_times(time):
            for linear, square, cube in shares:
                shape = {"A": linear / tau, "B": square / tau / size, "C": cube / tau / size**2}
                for height in (1.0, 1.5):
                    trial = {"delta_n0": height * initial, **shape}
                    curve = self.signal(time, 0.0, response, **trial)
                    misfit = float(np.sum(((delta_n - curve) / sigma) ** 2))
                    if misfit < least:
                        best, least = trial, misfit
        start = lmfit.Parameters()
        start.add("delta_n0", best["delta_n0"])
        for name in ("A", "B", "C"):
            start.add(name, best[name], min=0.0)
        return start


DECAY_MODELS: dict[str, DecayModel] = {
    model.name: model
    for model in (Biexponential(), Exponential(), StretchedExponential(), DensityDependent())
}
"""The built-in decay models by name; the first is the one of `ocm fit`."""


def _decay_times(time: Floats) -> Floats:
    """Return decay times (ps) to start from."""
    span = time[-1] - max(time[0], 0.0)
    return np.geomspace(max(span / 200, 2 * _TAU[0]), 3 * span, _GRID)


def _best_pair(
    pairs: Iterable[tuple[float, float]],
    time: Floats,
    delta_n: Floats,
    sigma: Floats,
    response: float,
) -> tuple[tuple[float, float], Floats]:
    """Return the two decay times whose amplitudes, fitted linearly, describe the data best."""
    best, misfit, amplitudes = (1.0, np.inf), np.inf, np.zeros(2)
    for pair in pairs:
        basis = np.stack([exponential(time, tau, 0.0, response) / sigma for tau in pair], axis=1)
        linear = np.linalg.lstsq(basis, delta_n / sigma, rcond=None)[0].astype(np.float64)
        distance = float(np.sum((delta_n / sigma - basis @ linear) ** 2))
        if distance < misfit:
            best, misfit, amplitudes = pair, distance, linear
    return best, amplitudes
