"""Femtosecond laser: 1050 nm, 100 fs, 50 nJ at 70 MHz."""

from typing import Any

from ocm_ophyd.iocs.pv import Group, counter, integer, readback

__all__ = ["REPETITION_RATE", "Laser"]

POWER = 3.5  # W, paper (50 nJ at 70 MHz)
WAVELENGTH = 1050.0  # nm, paper
REPETITION_RATE = 70e6  # Hz, paper


class Laser(Group):
    """The oscillator that drives pump and probe."""

    emission = integer("Emission", 1, "1 lets the laser emit")
    emitting = counter("Emission_RBV", 1, "Whether the laser emits")
    power = readback("Power_RBV", POWER, "W", 2, "Average power")
    wavelength = readback("Wavelength_RBV", WAVELENGTH, "nm", 1, "Centre wavelength")
    repetition_rate = readback("RepetitionRate_RBV", REPETITION_RATE, "Hz", 0, "Pulses a second")

    @emission.putter
    async def _put_emission(self, _: Any, value: int) -> None:
        self.bench.update(laser_on=bool(value))
        await self.emitting.write(value)
        await self.power.write(POWER * value)
