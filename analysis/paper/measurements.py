"""What the published experiment measures, as reduced datasets, and what is known beside them."""

from dataclasses import dataclass, field

import xarray as xr

from analysis.estimate import Estimate

__all__ = ["ABOVE", "BELOW", "WINDOW", "Known", "PaperData"]

BELOW, ABOVE = 0.35, 0.8
"""mJ/cm²: the paper's kinetics below and above the lasing threshold; the movie is above."""

WINDOW = (4.0, 150.0)
"""ps, of the biexponential fit; the paper does not state its own. Decay times depend on it."""


@dataclass(frozen=True)
class Known:
    """What calibration and the sample's record say.

    Attributes
    ----------
    size : tuple of float
        Sides of the plate along x and y, um (AFM).
    pump_waist : Estimate
        1/e² radius of the pump on the sample, um.
    probe_waist : float
        1/e² radius of the probe, um.
    fluence_scale : float
        Relative standard deviation that all fluences share (power calibration, waist).
    fluence_scatter : float
        Relative standard deviation of each fluence by itself (setting, drift of the power).
    time_zero_sigma : float
        ps.
    waveguide : tuple of float, optional
        Length and width of the silicon waveguide, um.
    """

    size: tuple[float, float]
    pump_waist: Estimate
    probe_waist: float
    fluence_scale: float
    fluence_scatter: float
    time_zero_sigma: float
    waveguide: tuple[float, float] | None = None


@dataclass(frozen=True)
class PaperData:
    """Reduced runs of the experiment; None where one was not taken.

    Attributes
    ----------
    known : Known
        Calibration.
    sweep : Dataset, optional
        Fluence sweep right after time zero: Δn and fluorescence spectra.
    kinetics : Dataset, optional
        Delay scans at many fluences, `BELOW` and `ABOVE` among them, shape (fluence, delay).
    movie : Dataset, optional
        Maps at many delays at `ABOVE`, shape (delay, y, x).
    silicon : Dataset, optional
        Line scans along a waveguide at many delays, shape (delay, y = 1, x).
    runs : dict
        uid of the raw run by the names above.
    """

    known: Known
    sweep: xr.Dataset | None = None
    kinetics: xr.Dataset | None = None
    movie: xr.Dataset | None = None
    silicon: xr.Dataset | None = None
    runs: dict[str, str] = field(default_factory=dict)
