"""What to measure.

`scans` holds the measurements, `reference`, the calibrations and `alignment` what comes before
them, `noise` what there is without the pump, `overnight` series of measurements; `measure` and
`spectra` are the two ways in which points are taken, with the pump and without, and `checks` what
is looked at before anything moves. Every plan takes the `Instrument` first and JSON-able arguments
after it.
"""

from plans.calibration.alignment import align, find_time_zero, overlap_pump
from plans.calibration.fits import Analyst, Estimates, PumpTable
from plans.calibration.galvos import calibrate_galvos
from plans.calibration.path_length import calibrate_reference_mirror, measure_thickness
from plans.calibration.pump_power import calibrate_pump_power
from plans.calibration.reference import record_reference
from plans.delays import linear_then_logarithmic
from plans.noise import measure_noise
from plans.overnight import check_series, overnight_series
from plans.scans import (
    MEASUREMENTS,
    delay_scan,
    fluence_delay_map,
    fluence_sweep,
    spatiotemporal_grid,
)
from plans.stubs.arguments import Plan
from plans.stubs.points import PlanError, Point

__all__ = [
    "MEASUREMENTS",
    "Analyst",
    "Estimates",
    "Plan",
    "PlanError",
    "Point",
    "PumpTable",
    "align",
    "calibrate_galvos",
    "calibrate_pump_power",
    "calibrate_reference_mirror",
    "check_series",
    "delay_scan",
    "find_time_zero",
    "fluence_delay_map",
    "fluence_sweep",
    "linear_then_logarithmic",
    "measure_noise",
    "measure_thickness",
    "overlap_pump",
    "overnight_series",
    "record_reference",
    "spatiotemporal_grid",
]
