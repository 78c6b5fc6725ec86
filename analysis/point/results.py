"""What the reduction says of points."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe.model import Fringe

__all__ = ["QUANTITIES", "PointResult", "PointSpectra", "Quantity"]

Floats = NDArray[np.float64]


class PointResult(NamedTuple):
    """What one point says, or several: each attribute a number of one, or an array over points.

    Attributes
    ----------
    delta_phi, delta_phi_sigma : float or (P,) array
        Phase change at `CENTRE_WAVELENGTH` and its standard deviation, rad.
    delta_n, delta_n_sigma : float or (P,) array
        Index change, RIU.
    delta_n_limit : float or (P,) array
        Standard deviation of Δn that shot and read noise alone would leave, RIU.
    delta_n_systematic : float or (P,) array
        Standard deviation of the error of Δn that all points with this fringe share, RIU: what
        reference, group index and thickness leave open of its scale. Part of `delta_n_sigma`; the
        rest of the variance is a point's own, and what points scatter by.
    drift_share, source_share : float or (P,) array
        Parts of the variance of Δn that are drift of the path, and noise of the light: beyond pulse
        energy, tilt and shot noise, and by how far its mean tilt is from the reference's. The rest
        is shot and read noise, by itself and in what is not known of the fringe.
    carrier_density, carrier_density_sigma : float or (P,) array
        cm⁻³; NaN where the material has no model.
    visibility, phase, path : float or (P,) array
        The pump-off fringe: V, φ in rad, optical path difference in um.
    probe_delay, probe_spread : float or (P,) array
        When Δφ looks at the sample, ps: mean time after the scan delay, and standard deviation, of
        the colours that count in Δφ, each at its own time. A signal f is measured as the mean of f
        at scan delay + probe_delay ± probe_spread. NaN where the chirp is not known.
    frames_used, frames_saturated, frames_rejected, frames_slipped : int or (P,) array
        Frames that entered the result; frames left out because a pixel of the probe's band was
        saturated, because they lacked their light or were others once more, and because the chopper
        was not where their open fractions say.
    pixels_repaired, pixels_masked : int or (P,) array
        Pixels of single frames that were replaced (cosmic rays), and pixels left out of all frames
        (hot ones), in the probe's band.
    differential_spectrum : (K,) or (P, K) float32 array
        Pump-on minus pump-off counts of one exposure; NaN where a pixel was saturated. Nearly all
        of a result's size, which single precision halves.
    """

    delta_phi: Any
    delta_phi_sigma: Any
    delta_n: Any
    delta_n_sigma: Any
    delta_n_limit: Any
    delta_n_systematic: Any
    drift_share: Any
    source_share: Any
    carrier_density: Any
    carrier_density_sigma: Any
    visibility: Any
    phase: Any
    path: Any
    probe_delay: Any
    probe_spread: Any
    frames_used: Any
    frames_saturated: Any
    frames_rejected: Any
    frames_slipped: Any
    pixels_repaired: Any
    pixels_masked: Any
    differential_spectrum: Any


class Quantity(NamedTuple):
    """One number of a point in reduced datasets, files and runs.

    Attributes
    ----------
    unit : str
        Unit in datasets, files and data keys; `1` where it has none.
    in_live_table : bool
        Whether the table of a scan that is being taken has a column for it.
    """

    unit: str
    in_live_table: bool = False


QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        "delta_n": Quantity("RIU", in_live_table=True),
        "delta_n_sigma": Quantity("RIU", in_live_table=True),
        "delta_n_limit": Quantity("RIU"),
        "delta_n_systematic": Quantity("RIU"),
        "drift_share": Quantity("1"),
        "source_share": Quantity("1"),
        "delta_phi": Quantity("rad"),
        "delta_phi_sigma": Quantity("rad"),
        "carrier_density": Quantity("cm^-3"),
        "carrier_density_sigma": Quantity("cm^-3"),
        "visibility": Quantity("1"),
        "phase": Quantity("rad"),
        "path": Quantity("um"),
        "probe_delay": Quantity("ps"),
        "probe_spread": Quantity("ps"),
        "frames_used": Quantity("1", in_live_table=True),
        "frames_saturated": Quantity("1"),
        "frames_rejected": Quantity("1"),
        "frames_slipped": Quantity("1"),
        "pixels_repaired": Quantity("1"),
        "pixels_masked": Quantity("1"),
    }
)
"""The numbers of a `PointResult`; all of them but the spectrum."""


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
