"""Plans: what to measure. Every plan takes the `Instrument` first and JSON-able arguments after it.

=================  ================================================================================
scans              delay scans, fluence sweeps and maps
noise              frames without the pump
overnight          series of measurements, unattended
delays             lists of delays
calibration        what precedes a measurement: reference, pump power, time zero, overlap, galvos,
                   path lengths; `alignment` does all in order, `fits` is what they ask to be fitted
stubs              parts of plans: `points` (coordinates and checks), `pump_probe` and `pump_off`
                   (points with and without the pump), `arguments` (checks of a plan's arguments)
=================  ================================================================================
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
