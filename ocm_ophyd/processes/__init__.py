"""Servers in processes of their own.

============  ===================================================================
servers       IOC and catalog as child processes: start, wait, stop
private_lab   settings, ports and a catalog for one directory, used by `ocm demo`
============  ===================================================================
"""
