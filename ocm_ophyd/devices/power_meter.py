"""The pump's power meter."""

from typing import Any

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import Status

__all__ = ["PowerMeter"]


class PowerMeter(Device):
    """Average pump power at the sample (W), from a pick-off before the chopper."""

    measure = Cpt(EpicsSignal, "Measure", limits=True, kind=Kind.omitted, put_complete=True)
    integration_time = Cpt(
        EpicsSignal, "IntegrationTime", limits=True, kind=Kind.config, put_complete=True
    )
    power = Cpt(EpicsSignalRO, "Power_RBV", kind=Kind.hinted)
    power_sigma = Cpt(EpicsSignalRO, "Sigma_RBV", kind=Kind.normal)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.power.name, self.power_sigma.name = "power", "power_sigma"

    def trigger(self) -> Status:
        """Integrate; done when the reading is there."""
        return self.measure.set(1)
