"""ophyd classes: one instrument, one file; `Instrument` is all of them together."""

from ocm_ophyd.devices._parts import StoredSignal
from ocm_ophyd.devices.chopper import OpticalChopper
from ocm_ophyd.devices.delay import DelayStage
from ocm_ophyd.devices.failures import InstrumentError, TargetError, hardware_failure
from ocm_ophyd.devices.galvo import GalvoScanner
from ocm_ophyd.devices.instrument import Instrument
from ocm_ophyd.devices.lens import SteeringLens
from ocm_ophyd.devices.power_meter import PowerMeter
from ocm_ophyd.devices.pump import LiquidCrystalRetarder, PumpPower
from ocm_ophyd.devices.shutter import BeamBlock, Shutter
from ocm_ophyd.devices.source import FemtosecondLaser, PulsePicker
from ocm_ophyd.devices.spectrometer import AcquisitionError, Spectra, Spectrometer
from ocm_ophyd.devices.stages import ReferenceMirror, SampleStage

__all__ = [
    "AcquisitionError",
    "BeamBlock",
    "DelayStage",
    "FemtosecondLaser",
    "GalvoScanner",
    "Instrument",
    "InstrumentError",
    "LiquidCrystalRetarder",
    "OpticalChopper",
    "PowerMeter",
    "PulsePicker",
    "PumpPower",
    "ReferenceMirror",
    "SampleStage",
    "Shutter",
    "Spectra",
    "Spectrometer",
    "SteeringLens",
    "StoredSignal",
    "TargetError",
    "hardware_failure",
]
