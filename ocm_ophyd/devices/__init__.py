"""ophyd classes of the microscope; one instrument, one module.

`instrument` has the `Instrument`: every device under the name that it has in the session. Most
other modules have the device that they are named after. Shared parts: `axes` (motors, voltages,
pseudo axes), `stored_signal` (calibration values), `failures` (what went wrong, in one line).
"""
