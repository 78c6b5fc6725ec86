"""Reduced scans of the published experiment, and the calibration that its analysis uses."""

from dataclasses import dataclass, field

import xarray as xr

from analysis.estimate import Estimate

__all__ = ["ABOVE", "BELOW", "WINDOW", "Calibration", "PaperData"]

BELOW, ABOVE = 0.35, 0.8
"""Pump fluences of the paper's kinetics below and above the lasing threshold, mJ/cm^2; the movie is
measured at `ABOVE`."""

WINDOW = (4.0, 150.0)
"""First and last delay of the biexponential fit, ps. The paper does not state its window, on which
decay times depend; with this one the default simulated microlaser has the published times, and
figure `windows` of the report shows other windows."""


@dataclass(frozen=True)
class Calibration:
    """Calibration of the instrument and dimensions of the samples.

    Attributes
    ----------
    size : tuple of float
        Sides of the plate along x and y, um (measured with an atomic force microscope).
    pump_waist : Estimate
        1/e² radius of the pump on the sample, um.
    probe_waist : float
        1/e² radius of the probe on the sample, um.
    fluence_scale : float
        Relative standard deviation that all fluences share (power calibration, pump waist).
    fluence_scatter : float
        Relative standard deviation of one fluence that is independent of the others (setting,
        drift of the power).
    time_zero_sigma : float
        Standard deviation of time zero, ps.
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
    """Reduced scans of the experiment; None for a scan that was not measured.

    The attribute `material` of each scan chooses its Δn(N) model (`analysis.materials`).

    Attributes
    ----------
    calibration : Calibration
        Calibration and dimensions, known before the analysis.
    sweep : xr.Dataset, optional
        Fluence sweep a few ps after time zero: Δn and fluorescence spectra over `point`.
    kinetics : xr.Dataset, optional
        Delay scans at several fluences, `BELOW` and `ABOVE` among them, shape (fluence, delay).
    movie : xr.Dataset, optional
        Maps at several delays at fluence `ABOVE`, shape (delay, y, x).
    silicon : xr.Dataset, optional
        Line scans along a waveguide at several delays, shape (delay, y = 1, x).
    runs : dict of str to str
        uid of the raw run of each scan.
    """

    calibration: Calibration
    sweep: xr.Dataset | None = None
    kinetics: xr.Dataset | None = None
    movie: xr.Dataset | None = None
    silicon: xr.Dataset | None = None
    runs: dict[str, str] = field(default_factory=dict)
