"""The instrument: devices, soft IOC, simulated microscope, archive, session and command line.

================  ==================================================================================
devices           ophyd classes; `devices.instrument` has all of them together
iocs, twin        process variables of the simulated instrument, and the physics behind them
archive           journal and catalog of every run
session           one measuring process: devices, RunEngine, plans, live reduction, IPython
processes         IOC and catalog as child processes
experiments       whole experiments: demonstration, reproduction of the paper, overnight series
cli               the ``ocm`` command
settings          where this installation keeps its data and reaches its servers
samples           samples and their largest fluence
input_files       files that a user writes in YAML
frame_schema      names, types and units of data keys and frame files
errors            `OcmError`, the base of all errors that a user can cause
================  ==================================================================================
"""
