"""Time of a point in excess of its exposures, in real time (target: at most 15 %).

Run ``python -m benchmarks.speed.bench_point``. It takes a delay scan with 20 chopper periods for
each point on the simulated instrument, with the real speeds of its motors and with all callbacks of
a session.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from ocm_ophyd.processes.servers import InstrumentServer, free_ports
from ocm_ophyd.session.session import Session
from ocm_ophyd.settings import Settings

SAMPLE = "CsPbBr3-microplate"
PERIODS = 20
POINTS = 12


def measure(session: Session, step: float) -> tuple[float, float]:
    """Return the median time of a point and the time of its exposures, s."""
    moments: list[float] = []
    primary: set[str] = set()

    def note(name, doc):
        if name == "descriptor" and doc["name"] == "primary":
            primary.add(doc["uid"])
        if name == "event" and doc["descriptor"] in primary:
            moments.append(time.perf_counter())

    token = session.RE.subscribe(note)
    delays = [5.0 + step * i for i in range(POINTS)]
    scan = session.plans()["delay_scan"]
    session.RE(scan(delays, fluence=0.3, sample=SAMPLE, periods=PERIODS))
    session.RE.unsubscribe(token)
    spectrometer = session.instrument.spectrometer
    exposed = spectrometer.frames_per_point.get() * spectrometer.frame_interval.get()
    return float(np.median(np.diff(moments))), float(exposed)


def main():
    ca_port, repeater_port, tiled_port = free_ports(3)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            data_dir=Path(directory),
            ca_port=ca_port,
            ca_repeater_port=repeater_port,
            tiled_port=tiled_port,
            ca_timeout=20,
        )
        with InstrumentServer(settings, time_scale=1) as server:
            server.wait()
            session = Session.start(settings)
            plans = session.plans()
            session.RE(plans["record_reference"](sample=SAMPLE, periods=4))
            voltages = [float(v) for v in np.linspace(1.5, 8, 14)]
            session.RE(plans["calibrate_pump_power"](sample=SAMPLE, voltages=voltages))
            for step in (1.0, 5.0):
                taken, exposed = measure(session, step)
                print(
                    f"a point, {PERIODS} chopper periods, steps of {step:g} ps: {taken:.3f} s, "
                    f"{taken / exposed - 1:.1%} more than its {exposed:.3f} s of exposures"
                )


if __name__ == "__main__":
    main()
