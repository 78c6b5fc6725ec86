"""One measuring process: devices, RunEngine, plans, live reduction, lock.

==================  ================================================================================
session             `Session`: all of it put together
run_engine          RunEngine that writes the journal first and reads a baseline
run_metadata        metadata that outlive the session, such as the scan number
channel_access      set-up of Channel Access, before the first device
lock                one session at a time measures
calibration_store   calibration values on disk, with their history
calibration_fits    fits that the calibration plans ask for
live_views          progress bar, table and plot while a run is taken
progress            number of points that a run has taken
ipython, magics     names and commands at the prompt
==================  ================================================================================
"""
