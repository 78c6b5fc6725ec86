"""What the reduction says of one point."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import Fringe

__all__ = ["PointResult", "PointSpectra"]

Floats = NDArray[np.float64]


class PointResult(NamedTuple):
    """What one point says.

    Attributes
    ----------
    delta_phi, delta_phi_sigma : float
        Phase change at `CENTRE_WAVELENGTH` and its standard deviation, rad.
    delta_n, delta_n_sigma : float
        Index change, RIU.
    delta_n_limit : float
        Standard deviation of Δn that shot and read noise alone would leave, RIU.
    delta_n_systematic : float
        Standard deviation of the error of Δn that all points with this fringe share, RIU: what
        reference, group index and thickness leave open of its scale. Part of `delta_n_sigma`.
    drift_share, source_share : float
        Parts of the variance of Δn that are drift of the path, and noise of the light beyond pulse
        energy, tilt and shot noise. The rest is shot and read noise, in the point's own fringe as
        well.
    carrier_density, carrier_density_sigma : float
        cm⁻³; NaN where the material has no model.
    visibility, phase, path : float
        The pump-off fringe: V, φ in rad, optical path difference in um.
    probe_delay, probe_spread : float
        When Δφ looks at the sample, ps: mean time after the scan delay, and standard deviation, of
        the colours that count in Δφ, each at its own time. A signal f is measured as the mean of f
        at scan delay + probe_delay ± probe_spread. NaN where the chirp is not known.
    frames_used, frames_saturated, frames_rejected, frames_slipped : int
        Frames that entered the result; frames left out because a pixel of the probe's band was
        saturated, because their light was missing, and because the chopper was not where their open
        fractions say.
    pixels_repaired, pixels_masked : int
        Pixels of single frames that were replaced (cosmic rays), and pixels left out of all frames
        (hot ones), in the probe's band.
    fluorescence : (K,) array
        Pump-on minus pump-off counts of one exposure; NaN where a pixel was saturated.
    """

    delta_phi: float
    delta_phi_sigma: float
    delta_n: float
    delta_n_sigma: float
    delta_n_limit: float
    delta_n_systematic: float
    drift_share: float
    source_share: float
    carrier_density: float
    carrier_density_sigma: float
    visibility: float
    phase: float
    path: float
    probe_delay: float
    probe_spread: float
    frames_used: int
    frames_saturated: int
    frames_rejected: int
    frames_slipped: int
    pixels_repaired: int
    pixels_masked: int
    fluorescence: Floats


@dataclass(frozen=True)
class PointSpectra:
    """The normalised spectra of one point on the bins of the band.

    Attributes
    ----------
    fringe : Fringe
        Of the pump-off spectrum; where the pump leaves its shape, of all frames.
    off, difference : (B,) array
        S_off and S_on − S_off.
    off_weight, difference_weight : (B,) array
        Their inverse variances from shot and read noise; 0 where a bin was left out.
    drift_sigma : float
        Standard deviation in rad that drift gives the phase of all bins of `difference` alike.
    """

    fringe: Fringe
    off: Floats
    difference: Floats
    off_weight: Floats
    difference_weight: Floats
    drift_sigma: float
