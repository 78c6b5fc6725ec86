"""The instrument: devices, soft IOC, simulated microscope, archive and command line.

`devices` are the ophyd classes, `iocs` the caproto PVs behind them, `twin` the simulated
microscope behind the PVs; `archive` keeps every run; `session` puts devices, RunEngine, live
reduction and plans together, `interactive` brings it into IPython; `cli` is the ``ocm`` command.
"""
