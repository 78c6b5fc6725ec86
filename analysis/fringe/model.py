"""Model and fit of an interference fringe and of its change by the pump.

One equation describes the normalised spectrum with and without the pump. With q = k − k_c in
rad/um, κ = λ_c − λ in units of half the band, and ρ = k/k_c:

    s(k) = (1 + h0 + h1 κ) (1 + f ℓ) (g0 + g1 κ + g2 κ²) {1 + (1 + c) b [A cos ψ − B sin ψ]}
    ψ = z q [1 + r (ρ − 1)] + Δ e + d q,   e = ρ Δn(λ)/Δn(λ_c),   ℓ = d ln L/dκ

The fringe:

- g0, g1, g2: envelope; A = V cos φ and B = V sin φ with the visibility V and the phase φ at the
  band's centre; z: optical path difference in um, the group value 2 n_g L in common path; r: bend
  of the phase by the dispersion of the group index;
- b: part of the contrast that bins and the spectrometer's slit leave, relative to the centre.

The change by the pump, zero without it:

- Δ = 4πLΔn/λ_c: phase change at the centre, which the dispersion of Δn bends over the band (e);
- h0, h1, c: change of pulse energy, tilt and contrast;
- d: change of Δ over the band, because the colours of the chirped probe pass at different times;
- f: shift of the light's frequency. While Δ changes, light that passes the crystal is shifted by
  −dΔ/dt, and with it the ripples of the light's spectrum L; the sum of both beams shows half of
  this. Without f, Δ would be shifted in time by up to 10 fs, by an amount that depends on the
  fringe's phase.

A plate of 1.5 um shows 1.2 fringes over the band. No Fourier peak is then clear of the constant, so
that only a fit of all parameters at once is without bias.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.fringe.solver import Axes, Grid, derivatives, fit_fringe

Floats = NDArray[np.float64]

ENVELOPE_SIGMA = (0.01, 0.002)
"""Prior standard deviations of g1 and g2. The reference is the light's spectrum up to a factor and
the dispersion of the faces' reflection: for CsPbBr3 0.7 % (air) and 2 % (glass) at the band's
edges, with a bend of a tenth of that."""

CURVATURE = (0.02, 0.02)
"""Prior mean and standard deviation of r. For an index that is linear in frequency r is
(n_g − n)/n_g, 0.031 in CsPbBr3."""

CONTRAST_SIGMA = 0.01
"""Prior standard deviation of c. Δn = 1e-2 changes the Fresnel coefficients of CsPbBr3's faces by
0.7 % (air) and 1.7 % (glass)."""

SLOPE_SIGMA = 0.05
"""Prior standard deviation of d over half the band, rad. The colours of the probe pass within 5 ps,
in which lasing takes away 30 % of Δn."""

SHIFT_SIGMA = 3e-4
"""Prior standard deviation of f, in half bands of 190 rad/ps: twice the shift by Δ = 0.4 rad that
falls by 15 % in a picosecond."""


@dataclass(frozen=True)
class Fringe:
    """A fitted fringe.

    Attributes
    ----------
    parameters : (7,) array
        (g0, g1, g2, A, B, z, r), see `analysis.fringe.parameters`.
    covariance : (7, 7) array
    """

    parameters: Floats
    covariance: Floats

    @property
    def visibility(self) -> float:
        """V, between 0 and 1."""
        return float(np.hypot(self.parameters[par.COSINE], self.parameters[par.SINE]))

    @property
    def phase(self) -> float:
        """φ in rad at the band's centre."""
        return float(np.arctan2(self.parameters[par.SINE], self.parameters[par.COSINE]))

    @property
    def path(self) -> float:
        """Optical path difference z in um."""
        return float(self.parameters[par.PATH])


class FringeModel:
    """The fringe model on a fixed set of K pixels.

    Parameters
    ----------
    wavelength : (K,) array
        nm, inside the probe's band.
    centre : float
        λ_c in nm.
    path : float
        Expected z, um; its sign fixes the sign of the phase.
    path_range : float
        Largest distance of z from there, um.
    dispersion : (K,) array or float
        Δn(λ)/Δn(λ_c) of the material; 1 where it is not known.
    ripple : (K,) array or float
        d ln L/dk of the light's spectrum L, um/rad; 0 where it is not known.
    slit : float
        Standard deviation of the wavelengths in a pixel, nm.
    spread : (K,) array or float
        Variance of k among the pixels of a bin, (rad/um)².

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
        axes = Axes(
            wavenumber=q,
            tilt=tilt,
            offset=ratio - 1,
            response=ratio * dispersion,
            blur=blur,
            light_slope=ripple * half + 0 * q,
        )
        # Starts lie a radian apart at the band's edges, within reach of the fit.
        reach = int(path_range * half)
        starts = path + np.arange(-reach, reach + 1) / half
        phase = starts[:, np.newaxis] * q
        flat = np.broadcast_to(np.stack([np.ones_like(q), tilt]), (len(phase), 2, len(q)))
        waves = np.stack([np.cos(phase), -np.sin(phase)], axis=1)
        bases = np.ascontiguousarray(np.concatenate([flat, waves], axis=1))
        sigma = np.full(par.PARAMETERS, np.inf)
        sigma[[par.ENVELOPE_SLOPE, par.ENVELOPE_BEND]] = ENVELOPE_SIGMA
        sigma[[par.PATH, par.PATH_BEND]] = path_range, CURVATURE[1]
        sigma[par.PUMP_CONTRAST] = CONTRAST_SIGMA
        sigma[par.PUMP_SLOPE], sigma[par.PUMP_SHIFT] = SLOPE_SIGMA / half, SHIFT_SIGMA
        mean = np.zeros(par.PARAMETERS)
        mean[[par.PATH, par.PATH_BEND]] = path, CURVATURE[0]
        self.grid = Grid(axes, bases, starts, prior_weight=sigma**-2.0, prior_mean=mean)

    def derivatives(self, fringe: Fringe, delta: float | Floats = 0.0) -> tuple[Floats, Floats]:
        """Return the spectrum (K,) under a phase change, and its derivatives (13, K).

        Parameters
        ----------
        fringe : Fringe
        delta : float or (K,) array
            Phase change at the band's centre, rad: one number, or one for each pixel.
        """
        p = np.zeros(par.PARAMETERS)
        p[: par.FRINGE_PARAMETERS] = fringe.parameters
        p[par.DELTA_PHI] = 1.0
        response = self.grid.axes.response
        model, table = derivatives(p, self.grid.axes._replace(response=response * delta))
        slope = p[par.COSINE] * table[par.SINE] - p[par.SINE] * table[par.COSINE]
        table[par.DELTA_PHI] = response * slope
        return model, table

    def fit(self, spectrum: Floats, weight: Floats) -> Fringe:
        """Fit a normalised spectrum (K,) with weights 1/variance (K,).

        The priors settle what a fraction of a fringe leaves open and are negligible otherwise.
        """
        data, weights = (np.array(row, np.float64)[np.newaxis] for row in (spectrum, weight))
        parameters, covariance = fit_fringe(self.grid, data, weights)
        return Fringe(parameters[: par.FRINGE_PARAMETERS], covariance)
