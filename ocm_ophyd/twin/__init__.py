"""The simulated microscope: light as fields, carriers as rate equations, no EPICS.

An instrument to be measured, not a generator of expected answers. `Microscope` turns `Knobs` (where
the hardware stands) into frames; a `Scenario` holds everything the experimenter does not know.

==================  ================================================================
scenario            the truth of one instrument and sample, from YAML
actuators, chopper  where the hardware really goes for a command
drift               slow random processes on the simulated clock
source              chirped supercontinuum field
carriers, sample    Eq. 3 in space; the plate as the probe sees it
materials           Δn(N)
interferometer      two fields on the pixels
fluorescence        emission and leaking pump
detector            slit, pixels, charge, counts
microscope          all of it together
==================  ================================================================
"""

from .microscope import Exposure, Knobs, Microscope
from .scenario import Scenario, load_scenario

__all__ = ["Exposure", "Knobs", "Microscope", "Scenario", "load_scenario"]
