"""The soft IOC: simulated instruments behind EPICS process variables.

One instrument, one `PVGroup`, one file. `bench` is what they share, `pv` how their PVs look,
`motor` and `motion` the motor record, `frame_file` the spectrometer's HDF5 file, `main` serves
them all.
"""

import os

# caproto holds a monitor back for 10 ms in case more follow, which would be added to every
# move; read from the environment when caproto is imported
os.environ.setdefault("CAPROTO_SERVER_HIGH_LOAD_TIMEOUT_SEC", "0.001")
