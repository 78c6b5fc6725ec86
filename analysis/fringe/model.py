"""The fringe of a normalised interference spectrum, and its change, by weighted least squares.

One model serves both. With q = k − k_c in rad/um, κ = λ_c − λ over half the band, and ρ = k/k_c:

    s(k) = (1 + h0 + h1 κ) (1 + f ℓ) (g0 + g1 κ + g2 κ²) {1 + (1 + c) b [A cos ψ − B sin ψ]}
    ψ = z q [1 + r (ρ − 1)] + Δ e + d q,   e = ρ Δn(λ)/Δn(λ_c),   ℓ = d ln L/dκ

Without the pump h0, h1, c, d, f and Δ are zero. A = V cos φ and B = V sin φ with the
visibility V and the phase φ at the band's centre; z is the optical path difference in um (its group
value: 2 n_g L in common path), r the bend that comes with the group index, and b what bins, and the
spectrometer's slit against the centre, leave of the fringes. The pump adds Δ = 4πLΔn/λ_c, which the
material's dispersion of Δn bends over the band; pulse energy h0, tilt h1 and contrast c may change
with it, and Δ over the band (d), because the chirped probe's colours pass the sample at different
times. While Δ changes it moves the frequency of the light that passes the crystal by −dΔ/dt, and
with it the ripples of the light's spectrum L, by half of that in what both beams make together (f).
Left out, this would shift Δ in time by up to 10 fs, each fringe phase otherwise.

A plate of 1.5 um shows 1.2 fringes over the band, so no Fourier peak is clear of zero: only a fit
of all of it at once is unbiased.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.solver import PARAMETERS, STATIC, Grid, derivatives, fit_fringe

Floats = NDArray[np.float64]

ENVELOPE_SIGMA = (0.01, 0.002)
"""Prior widths of g1 and g2. The reference is the light's spectrum up to a factor, but for the
dispersion of the faces' reflection, 0.7 % (air) and 2 % (glass) at the band's edges for CsPbBr3,
which bends by a tenth of that."""

CURVATURE = (0.02, 0.02)
"""Prior mean and width of r: (n_g − n)/n_g for an index linear in frequency, 0.031 in CsPbBr3."""

CONTRAST_SIGMA = 0.01
"""Prior width of c: Δn = 1e-2 changes the Fresnel coefficients of CsPbBr3's faces by 0.7 % (air)
and 1.7 % (glass)."""

SLOPE_SIGMA = 0.05
"""Prior width of d over half the band, rad: the probe's colours pass 5 ps apart, in which lasing
takes 30 % of Δn."""

SHIFT_SIGMA = 3e-4
"""Prior width of f, in half bands of 190 rad/ps: twice what Δ = 0.4 rad makes that falls by 15 % a
ps."""


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
    slit : float
        Standard deviation of the wavelengths in a pixel, nm.
    spread : (K,) array or float
        Variance of k among pixels that are added, (rad/um)².

    Attributes
    ----------
    grid : Grid
    """

    def __init__(
        self,
        wavelength: Floats,
        centre: float,
        path: float,
        path_range: float,
        dispersion: Floats | float = 1.0,
        ripple: Floats | float = 0.0,
        slit: float = 0.0,
        spread: Floats | float = 0.0,
    ) -> None:
        k, k_centre = 2e3 * np.pi / wavelength, 2e3 * np.pi / centre
        q, half = k - k_centre, np.ptp(k) / 2
        ratio = k / k_centre
        tilt = (centre - wavelength) / (np.ptp(wavelength) / 2)
        # Slit and bins blur the fringes most where they are narrow, at short wavelengths.
        slit_spread = (slit / centre * k_centre) ** 2 * (ratio**4 - 1)
        blur = np.exp(-0.5 * path**2 * (slit_spread + spread))
        axes = np.stack([q, tilt, ratio - 1, ratio * dispersion, blur, ripple * half + 0 * q])
        # Starts lie a radian apart at the band's edges, within reach of the fit.
        reach = int(path_range * half)
        starts = path + np.arange(-reach, reach + 1) / half
        phase = starts[:, np.newaxis] * q
        flat = np.broadcast_to(np.stack([np.ones_like(q), tilt]), (len(phase), 2, len(q)))
        waves = np.stack([np.cos(phase), -np.sin(phase)], axis=1)
        bases = np.ascontiguousarray(np.concatenate([flat, waves], axis=1))
        prior, expected = np.zeros(PARAMETERS), np.zeros(PARAMETERS)
        prior[[1, 2]] = ENVELOPE_SIGMA
        prior[[5, 6]] = [path_range, CURVATURE[1]]
        prior[10:] = CONTRAST_SIGMA, SLOPE_SIGMA / half, SHIFT_SIGMA
        prior[[1, 2, 5, 6, 10, 11, 12]] **= -2.0
        expected[[5, 6]] = path, CURVATURE[0]
        self.grid = Grid(axes, bases, starts, prior, expected)

    def derivatives(self, fringe: Fringe, delta: float | Floats = 0.0) -> tuple[Floats, Floats]:
        """Spectrum (K,) under a phase change `delta` (rad), and its derivatives (13, K).

        `delta` is one number, or one a pixel.

        The derivatives are by g0 g1 g2 A B z r Δ h0 h1 c d f.
        """
        parameters = np.zeros(PARAMETERS)
        parameters[:STATIC] = fringe.parameters
        axes = self.grid.axes.copy()
        axes[3] *= delta
        parameters[7] = 1.0
        model, table = derivatives(parameters, axes)
        cos, sin = fringe.parameters[3:5]
        table[7] = self.grid.axes[3] * (cos * table[4] - sin * table[3])
        return model, table

    def fit(self, spectrum: Floats, weight: Floats) -> Fringe:
        """Fringe of a normalised spectrum (K,) with weights 1/variance (K,).

        The priors settle what a fraction of a fringe leaves open and are negligible otherwise.
        """
        parameters, covariance = fit_fringe(self.grid, spectrum, weight)
        return Fringe(parameters[:STATIC], covariance)
