"""The femtosecond laser and its pulse picker."""

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind

__all__ = ["FemtosecondLaser", "PulsePicker"]


class FemtosecondLaser(Device):
    """1050 nm, 100 fs, 70 MHz oscillator that pumps both arms."""

    emission = Cpt(EpicsSignal, "Emission", limits=True, kind=Kind.omitted, put_complete=True)
    emitting = Cpt(EpicsSignalRO, "Emission_RBV", kind=Kind.normal)
    power = Cpt(EpicsSignalRO, "Power_RBV", kind=Kind.normal)
    wavelength = Cpt(EpicsSignalRO, "Wavelength_RBV", kind=Kind.config)
    repetition_rate = Cpt(EpicsSignalRO, "RepetitionRate_RBV", kind=Kind.config)


class PulsePicker(Device):
    """Passes one pulse in `divider`, so that the sample can cool between pulses."""

    divider = Cpt(EpicsSignal, "Divider", limits=True, kind=Kind.config, put_complete=True)
    repetition_rate = Cpt(EpicsSignalRO, "RepetitionRate_RBV", kind=Kind.normal)
