"""The instrument: devices, soft IOC, simulated microscope, journal, catalog and command line.

`devices` are the ophyd classes, `iocs` the caproto PVs behind them, `twin` the simulated
microscope behind the PVs. `settings` says where data and servers are, `journal` and `catalog`
keep every run, `session` puts a RunEngine together, `cli` is the ``ocm`` command.
"""
