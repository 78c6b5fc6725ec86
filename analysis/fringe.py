"""The fringe of a normalised interference spectrum, and its change, by weighted least squares.

One model serves both. With q = k − k_c in rad/um, κ = q over half the band, and ρ = k/k_c:

    s(k) = (1 + h0 + h1 κ) (g0 + g1 κ + g2 κ²) {1 + (1 + c) [A cos(z q + Δ ρ) − B sin(z q + Δ ρ)]}

Without the pump h0, h1, c and Δ are zero; A = V cos φ and B = V sin φ with the visibility V and the
phase φ at the band's centre, and z is the optical path difference in um (its group value: 2 n_g L
in common path). The pump adds Δ = 4πLΔn/λ_c; pulse energy h0, tilt h1 and contrast c may change
with it.

A plate of 1.5 um shows 1.2 fringes over the band, so no Fourier peak is clear of zero: only a fit
of all of it at once is unbiased.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ENVELOPE_SIGMA = 0.05
"""Prior width of g1 and g2: the reference is the light's spectrum up to a factor, so s is nearly
flat but for fringes."""

CONTRAST_SIGMA = 0.01
"""Prior width of c: Δn = 1e-2 changes the Fresnel coefficients of CsPbBr3's faces by 0.7 % (air)
and 1.7 % (glass)."""

_STATIC, _PUMPED = slice(0, 6), slice(6, 10)  # g0 g1 g2 A B z | Δ h0 h1 c


@dataclass(frozen=True)
class Fringe:
    """A fitted fringe: (g0, g1, g2, A, B, z) in `parameters`, with their covariance."""

    parameters: Floats
    covariance: Floats

    @property
    def visibility(self) -> float:
        """V, between 0 and 1."""
        return float(np.hypot(self.parameters[3], self.parameters[4]))

    @property
    def phase(self) -> float:
        """φ in rad at the band's centre."""
        return float(np.arctan2(self.parameters[4], self.parameters[3]))

    @property
    def path(self) -> float:
        """Optical path difference z in um."""
        return float(self.parameters[5])


@dataclass(frozen=True)
class PhaseStep:
    """The pump's phase change.

    Attributes
    ----------
    delta : float
        Δ in rad at the band's centre.
    functional : (K,) array
        δΔ = functional·δs: what a small change of the difference spectrum does to Δ, free of pulse
        energy and tilt.
    scale_sigma : float
        Standard deviation of Δ in rad that comes from the fringe's own uncertainty; it grows with
        Δ.
    """

    delta: float
    functional: Floats
    scale_sigma: float


class FringeModel:
    """The fringe model on a fixed set of pixels.

    Parameters
    ----------
    wavelength : (K,) array
        nm, inside the probe's band.
    centre : float
        λ_c in nm.
    path : float
        Expected z in um; its sign fixes the sign of the phase.
    path_range : float
        How far z may be from there, in um.
    """

    def __init__(self, wavelength: Floats, centre: float, path: float, path_range: float) -> None:
        k, k_centre = 2e3 * np.pi / wavelength, 2e3 * np.pi / centre
        q, half = k - k_centre, np.ptp(k) / 2
        self._axes = np.stack([q, q / half, k / k_centre])
        # Starts lie a radian apart at the band's edges, within reach of the fit.
        reach = int(path_range * half)
        self._starts = path + np.arange(-reach, reach + 1) / half
        phase = self._starts[:, np.newaxis] * q
        flat = np.broadcast_to(np.stack([np.ones_like(q), q / half]), (len(phase), 2, len(q)))
        waves = np.stack([np.cos(phase), -np.sin(phase)], axis=1)
        self._bases = np.ascontiguousarray(np.concatenate([flat, waves], axis=1))
        self._expected = np.array([0, 0, 0, 0, 0, path])
        self._prior = np.zeros(10)
        self._prior[[1, 2, 5, 9]] = [ENVELOPE_SIGMA, ENVELOPE_SIGMA, path_range, CONTRAST_SIGMA]
        self._prior[[1, 2, 5, 9]] **= -2.0

    def derivatives(self, fringe: Fringe, delta: float | Floats = 0.0) -> tuple[Floats, Floats]:
        """Spectrum (K,) under a phase change `delta` (rad), and its derivatives (10, K).

        `delta` is one number, or one a pixel.

        The derivatives are by g0 g1 g2 A B z Δ h0 h1 c.
        """
        parameters = np.zeros(10)
        parameters[_STATIC] = fringe.parameters
        axes = self._axes.copy()
        axes[2] *= delta
        parameters[6] = 1.0
        model, table = _derivatives(parameters, axes)
        cos, sin = fringe.parameters[3:5]
        table[6] = self._axes[2] * (cos * table[4] - sin * table[3])
        return model, table

    def fit(self, spectrum: Floats, weight: Floats) -> Fringe:
        """Fringe of a normalised spectrum (K,) with weights 1/variance (K,).

        The priors settle what a fraction of a fringe leaves open and are negligible otherwise.
        """
        parameters = np.zeros(10)
        parameters[_STATIC] = self._start(spectrum, weight)
        priors = self._prior[_STATIC], self._expected
        covariance = _fit(parameters, 0, self._axes, spectrum, weight, *priors)
        return Fringe(parameters[_STATIC], covariance)

    def phase_step(self, fringe: Fringe, difference: Floats, weight: Floats) -> PhaseStep:
        """Δ behind S_on − S_off (K,), both normalised, with weights 1/variance (K,).

        Fits the difference, not S_on, so that what the model misses in both spectra alike drops
        out, and solves for Δ in the full model, so that Δ may be large.
        """
        parameters = np.zeros(10)
        parameters[_STATIC] = fringe.parameters
        delta, functional, by_fringe = _phase_step(
            parameters, self._axes, difference, weight, self._prior[_PUMPED]
        )
        scale_sigma = float(np.sqrt(by_fringe @ fringe.covariance @ by_fringe))
        return PhaseStep(delta, functional, scale_sigma)

    def _start(self, spectrum: Floats, weight: Floats) -> Floats:
        """Parameters of the best linear fit on the grid of paths, with a tilted envelope."""
        best, (level, tilt, cos, sin) = _best_linear(self._bases, spectrum, weight)
        return np.array([level, tilt, 0.0, cos / level, sin / level, self._starts[best]])


@njit(cache=True)
def _best_linear(bases: Floats, data: Floats, weight: Floats) -> tuple[int, Floats]:
    """Index of the basis (n, K) that fits best, and the coefficients (n,)."""
    best, explained, coefficients = 0, -np.inf, np.zeros(bases.shape[1])
    for i in range(len(bases)):
        weighted = bases[i] * weight
        right = weighted @ data
        linear = np.linalg.solve(weighted @ bases[i].T, right)
        if linear @ right > explained:
            best, explained, coefficients = i, linear @ right, linear
    return best, coefficients


@njit(cache=True, fastmath=True)
def _pixel(p: Floats, q: float, tilt: float, ratio: float, row: Floats) -> float:
    """Model at one pixel; its derivatives go to `row`."""
    phase = p[5] * q + p[6] * ratio
    cos, sin = np.cos(phase), np.sin(phase)
    gain = 1 + p[7] + p[8] * tilt
    envelope = p[0] + tilt * (p[1] + tilt * p[2])
    swing = gain * envelope * (1 + p[9])
    wave = p[3] * cos - p[4] * sin
    contrast = 1 + (1 + p[9]) * wave
    slope = -swing * (p[3] * sin + p[4] * cos)
    row[0] = gain * contrast
    row[1] = row[0] * tilt
    row[2] = row[1] * tilt
    row[3] = swing * cos
    row[4] = -swing * sin
    row[5] = slope * q
    row[6] = slope * ratio
    row[7] = envelope * contrast
    row[8] = row[7] * tilt
    row[9] = gain * envelope * wave
    return gain * row[7]


@njit(cache=True)
def _derivatives(p: Floats, axes: Floats) -> tuple[Floats, Floats]:
    """Model (K,) and its derivatives (10, K)."""
    model = np.empty(axes.shape[1])
    table = np.empty((10, axes.shape[1]))
    row = np.empty(10)
    for i in range(len(model)):
        model[i] = _pixel(p, axes[0, i], axes[1, i], axes[2, i], row)
        table[:, i] = row
    return model, table


@njit(cache=True, fastmath=True)
def _normal_equations(
    p: Floats,
    first: int,
    axes: Floats,
    data: Floats,
    weight: Floats,
    hessian: Floats,
    gradient: Floats,
) -> float:
    """Fill JᵀWJ and JᵀWr of the free parameters; returns rᵀWr."""
    n = len(gradient)
    hessian[:] = 0.0
    gradient[:] = 0.0
    row = np.empty(10)
    cost = 0.0
    for i in range(len(data)):
        residual = data[i] - _pixel(p, axes[0, i], axes[1, i], axes[2, i], row)
        cost += weight[i] * residual * residual
        for a in range(n):
            weighted = weight[i] * row[first + a]
            gradient[a] += weighted * residual
            for b in range(a + 1):
                hessian[a, b] += weighted * row[first + b]
    for a in range(n):
        for b in range(a):
            hessian[b, a] = hessian[a, b]
    return cost


@njit(cache=True)
def _fit(
    p: Floats,
    first: int,
    axes: Floats,
    data: Floats,
    weight: Floats,
    prior: Floats,
    expected: Floats,
) -> Floats:
    """Levenberg–Marquardt on p[first:first + n], in place; returns the covariance (n, n).

    The priors have inverse variances (n,) about `expected`. Compiled, because interpreted array
    operations on a hundred pixels cost five times as much.


    Compiled, because interpreted array operations on a few hundred pixels cost five times as much.
    Returns the covariance (n, n).
    """
    n = len(prior)
    free = slice(first, first + n)
    hessian, gradient = np.empty((n, n)), np.empty(n)
    new_hessian, new_gradient = np.empty((n, n)), np.empty(n)
    diagonal = np.diag(prior)
    cost = _normal_equations(p, first, axes, data, weight, hessian, gradient)
    cost += np.sum(prior * (p[free] - expected) ** 2)
    damping = 0.0
    for _ in range(50):
        downhill = gradient - prior * (p[free] - expected)
        curvature = hessian + diagonal
        step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), downhill)
        p[free] += step
        if np.sum(step * downhill) < 1e-4:  # of χ²: a hundredth of a standard deviation
            break
        new_cost = _normal_equations(p, first, axes, data, weight, new_hessian, new_gradient)
        new_cost += np.sum(prior * (p[free] - expected) ** 2)
        if new_cost <= cost:
            hessian, new_hessian = new_hessian, hessian
            gradient, new_gradient = new_gradient, gradient
            cost = new_cost
            damping /= 10
        else:
            p[free] -= step
            damping = max(10 * damping, 1e-3)
    covariance: Floats = np.linalg.inv(hessian + diagonal)  # type: ignore[assignment]
    return covariance


@njit(cache=True)
def _phase_step(
    p: Floats, axes: Floats, difference: Floats, weight: Floats, prior: Floats
) -> tuple[float, Floats, Floats]:
    """Δ, the functional (K,) that gives it, and its derivatives (6,) by the fringe's parameters."""
    off, by_off = _derivatives(p, axes)
    covariance = _fit(p, 6, axes, off + difference, weight, prior, np.zeros(4))
    _, by_on = _derivatives(p, axes)
    functional = (np.ascontiguousarray(covariance[0]) @ by_on[6:]) * weight
    return p[6], functional, (by_on[:6] - by_off[:6]) @ functional
