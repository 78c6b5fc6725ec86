"""Results of the reduction of points, and the units of their quantities."""

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
    """Result of one point, or of P points: each attribute is a number, or an array over the points.

    The page docs/explanation/uncertainty.md derives sigma and its parts.

    Attributes
    ----------
    delta_phi, delta_phi_sigma : float or (P,) array
        Phase change at `CENTRE_WAVELENGTH` and its standard deviation, rad.
    delta_n, delta_n_sigma : float or (P,) array
        Index change and its standard deviation, RIU.
    delta_n_limit : float or (P,) array
        Standard deviation of Δn from shot and read noise alone, RIU.
    delta_n_systematic : float or (P,) array
        Standard deviation of the error of Δn that all points with this fringe share, RIU: errors of
        reference, priors and model. It is part of `delta_n_sigma`; points scatter by the rest of
        the variance.
    drift_share, source_share : float or (P,) array
        Parts of the variance of Δn by drift of the path, and by noise of the light beyond pulse
        energy, tilt and shot noise, with that of its mean tilt. The rest is shot and read noise,
        also in the shape of the fringe.
    carrier_density, carrier_density_sigma : float or (P,) array
        cm⁻³; NaN for a material without a model.
    visibility, phase, path : float or (P,) array
        The pump-off fringe: V, φ in rad, optical path difference in um.
    probe_delay, probe_spread : float or (P,) array
        Mean and standard deviation, ps, of the times after the scan delay at which the colours that
        determine Δφ pass the sample. A signal is measured as its mean at scan delay + probe_delay
        ± probe_spread. NaN where the chirp is not known.
    frames_used, frames_saturated, frames_rejected, frames_slipped : int or (P,) array
        Frames that entered the result; frames that were left out because a pixel of the probe's
        band was saturated, because they lacked their light or were equal to others, and because the
        chopper was not where their open fractions say.
    pixels_repaired, pixels_masked : int or (P,) array
        Samples of single frames that were replaced (cosmic rays), and pixels that were left out of
        all frames (hot ones), in the probe's band.
    differential_spectrum : (K,) or (P, K) float32 array
        Pump-on minus pump-off counts of one exposure; NaN where a pixel was saturated. It is nearly
        all of a result's size, which single precision halves.
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
    """Normalised spectra of one point on the bins of the band.

    Attributes
    ----------
    fringe : Fringe
        Of the pump-off spectrum; where the pump keeps the fringe's shape, of all frames.
    off, difference : (B,) array
        S_off and S_on − S_off in units of the reference.
    off_weight, difference_weight : (B,) array
        Inverse variances of these from shot and read noise; 0 where a bin was left out.
    drift_sigma : float
        Standard deviation of the phase, common to all bins of `difference`, that drift adds, rad.
    """

    fringe: Fringe
    off: Floats
    difference: Floats
    off_weight: Floats
    difference_weight: Floats
    drift_sigma: float
