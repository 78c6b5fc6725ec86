"""The fringe of a normalised interference spectrum, and its change, by weighted least squares.

One model serves both. With q = k − k_c in rad/um, κ = q over half the band, and ρ = k/k_c:

    s(k) = (1 + h0 + h1 κ) (1 + f ℓ) (g0 + g1 κ + g2 κ²) {1 + (1 + c) [A cos ψ − B sin ψ]}
    ψ = z q [1 + r (ρ − 1)] + Δ e + d κ,   e = ρ Δn(λ)/Δn(λ_c),   ℓ = d ln L/dκ

Without the pump h0, h1, c, d, f and Δ are zero. A = V cos φ and B = V sin φ with the
visibility V and the phase φ at the band's centre; z is the optical path difference in um (its group
value: 2 n_g L in common path), and r the bend that comes with the group index. The pump adds
Δ = 4πLΔn/λ_c, which the material's dispersion of Δn bends over the band; pulse energy h0, tilt h1
and contrast c may change with it, and Δ over the band (d), because the chirped probe's colours pass
the sample at different times. While Δ changes it moves the frequency of the light that passes the
crystal by −dΔ/dt, and with it the ripples of the light's spectrum L, by half of that in what both
beams make together (f). Left out, this would shift Δ in time by up to 10 fs, each fringe phase
otherwise.

A plate of 1.5 um shows 1.2 fringes over the band, so no Fourier peak is clear of zero: only a fit
of all of it at once is unbiased.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fringe_solver import PARAMETERS, derivatives, fit_fringe, fit_step

Floats = NDArray[np.float64]

ENVELOPE_SIGMA = 0.01
"""Prior width of g1 and g2: the reference is the light's spectrum up to a factor, so s is nearly
flat but for fringes."""

CURVATURE = (0.02, 0.02)
"""Prior mean and width of r: (n_g − n)/n_g for an index linear in frequency, 0.031 in CsPbBr3."""

CONTRAST_SIGMA = 0.01
"""Prior width of c: Δn = 1e-2 changes the Fresnel coefficients of CsPbBr3's faces by 0.7 % (air)
and 1.7 % (glass)."""

SLOPE_SIGMA = 0.05
"""Prior width of d, rad: the probe's colours pass 5 ps apart, in which lasing takes 30 % of Δn."""

SHIFT_SIGMA = 3e-4
"""Prior width of f, in half bands of 190 rad/ps: twice what Δ = 0.4 rad makes that falls by 15 % a
ps."""

_STATIC, _PUMPED = slice(0, 7), slice(7, PARAMETERS)  # g0 g1 g2 A B z r | Δ h0 h1 c d f


@dataclass(frozen=True)
class Fringe:
    """A fitted fringe: (g0, g1, g2, A, B, z, r) in `parameters`, with their covariance."""

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
    share : (K,) array
        δΔ = share·δΔ_pixel: how much a pixel's own phase change counts in Δ. Their sum is 1; some
        are negative.
    scale_sigma : float
        Standard deviation of Δ in rad that comes from the fringe's own uncertainty; it grows with
        Δ.
    """

    delta: float
    functional: Floats
    share: Floats
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
    dispersion : (K,) array or float
        Δn(λ)/Δn(λ_c) of the material; 1 where it is not known.
    ripple : (K,) array or float
        d ln L/dk of the light's spectrum L, um/rad; 0 where it is not known.
    """

    def __init__(
        self,
        wavelength: Floats,
        centre: float,
        path: float,
        path_range: float,
        dispersion: Floats | float = 1.0,
        ripple: Floats | float = 0.0,
    ) -> None:
        k, k_centre = 2e3 * np.pi / wavelength, 2e3 * np.pi / centre
        q, half = k - k_centre, np.ptp(k) / 2
        ratio = k / k_centre
        self._axes = np.stack([q, q / half, ratio - 1, ratio * dispersion, ripple * half + 0 * q])
        # Starts lie a radian apart at the band's edges, within reach of the fit.
        reach = int(path_range * half)
        self._starts = path + np.arange(-reach, reach + 1) / half
        phase = self._starts[:, np.newaxis] * q
        flat = np.broadcast_to(np.stack([np.ones_like(q), q / half]), (len(phase), 2, len(q)))
        waves = np.stack([np.cos(phase), -np.sin(phase)], axis=1)
        self._bases = np.ascontiguousarray(np.concatenate([flat, waves], axis=1))
        self._prior = np.zeros(PARAMETERS)
        self._prior[[1, 2]] = ENVELOPE_SIGMA
        self._prior[[5, 6]] = [path_range, CURVATURE[1]]
        self._prior[10:] = CONTRAST_SIGMA, SLOPE_SIGMA, SHIFT_SIGMA
        self._prior[[1, 2, 5, 6, 10, 11, 12]] **= -2.0

    def derivatives(self, fringe: Fringe, delta: float | Floats = 0.0) -> tuple[Floats, Floats]:
        """Spectrum (K,) under a phase change `delta` (rad), and its derivatives (13, K).

        `delta` is one number, or one a pixel.

        The derivatives are by g0 g1 g2 A B z r Δ h0 h1 c d f.
        """
        parameters = np.zeros(PARAMETERS)
        parameters[_STATIC] = fringe.parameters
        axes = self._axes.copy()
        axes[3] *= delta
        parameters[7] = 1.0
        model, table = derivatives(parameters, axes)
        cos, sin = fringe.parameters[3:5]
        table[7] = self._axes[3] * (cos * table[4] - sin * table[3])
        return model, table

    def fit(self, spectrum: Floats, weight: Floats) -> Fringe:
        """Fringe of a normalised spectrum (K,) with weights 1/variance (K,).

        The priors settle what a fraction of a fringe leaves open and are negligible otherwise.
        """
        return Fringe(
            *fit_fringe(
                self._bases,
                self._starts,
                self._axes,
                spectrum,
                weight,
                self._prior[_STATIC],
                CURVATURE[0],
            )
        )

    def phase_step(self, fringe: Fringe, difference: Floats, weight: Floats) -> PhaseStep:
        """Δ behind S_on − S_off (K,), both normalised, with weights 1/variance (K,).

        Fits the difference, not S_on, so that what the model misses in both spectra alike drops
        out, and solves for Δ in the full model, so that Δ may be large.
        """
        parameters = np.zeros(PARAMETERS)
        parameters[_STATIC] = fringe.parameters
        delta, functional, by_fringe, share = fit_step(
            parameters, self._axes, difference, weight, self._prior[_PUMPED]
        )
        scale_sigma = float(np.sqrt(by_fringe @ fringe.covariance @ by_fringe))
        return PhaseStep(delta, functional, share, scale_sigma)
