"""What to measure.

`scans` holds the measurements, `reference` and `alignment` what comes before them,
`overnight` series of them; `measure` is the one way in which points are taken and `checks`
what is looked at before anything moves. Every plan takes the `Instrument` first and JSON-able
arguments after it.
"""

from plans.alignment import Analyst, calibrate_pump_power, find_time_zero
from plans.checks import PlanError, Point
from plans.measure import Plan
from plans.overnight import MEASUREMENTS, check_series, overnight_series
from plans.reference import record_reference
from plans.scans import delay_scan, fluence_delay_map, fluence_sweep, spatiotemporal_grid
from plans.spacing import linear_then_logarithmic

__all__ = [
    "MEASUREMENTS",
    "Analyst",
    "Plan",
    "PlanError",
    "Point",
    "calibrate_pump_power",
    "check_series",
    "delay_scan",
    "find_time_zero",
    "fluence_delay_map",
    "fluence_sweep",
    "linear_then_logarithmic",
    "overnight_series",
    "record_reference",
    "spatiotemporal_grid",
]
