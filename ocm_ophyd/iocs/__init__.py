"""The soft IOC: simulated instruments behind EPICS process variables.

One instrument, one `PVGroup`, one module; `main` serves them all. Shared parts: `optical_table`
(the microscope, its clock and its actuators), `pv` (how process variables look), `motor` and
`motion` (the motor record), `recorder` and `frame_file` (the spectrometer's files), `pv_table`
(the table in the documentation).
"""

import os

# read when caproto is imported: it holds a monitor back for 10 ms in case more follow, which
# would be added to every move, and logs how long it did so
os.environ.setdefault("CAPROTO_SERVER_HIGH_LOAD_TIMEOUT_SEC", "0.001")
os.environ.setdefault("CAPROTO_SERVER_HIGH_LOAD_WARN_LATENCY_SEC", "0")
