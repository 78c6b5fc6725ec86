"""The optical chopper in the pump beam."""

from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import SubscriptionStatus

from ocm_ophyd.devices.axes import check_limits

__all__ = ["OpticalChopper"]


class OpticalChopper(Device):
    """Chopper frequency (Hz), phase (deg) and lock; setting the device sets the frequency."""

    run = Cpt(EpicsSignal, "Run", limits=True, kind=Kind.config, put_complete=True)
    frequency = Cpt(EpicsSignal, "Frequency", limits=True, kind=Kind.config, put_complete=True)
    frequency_readback = Cpt(EpicsSignalRO, "Frequency_RBV", kind=Kind.normal)
    phase = Cpt(EpicsSignal, "Phase", limits=True, kind=Kind.config, put_complete=True)
    phase_readback = Cpt(EpicsSignalRO, "Phase_RBV", kind=Kind.omitted)
    locked = Cpt(EpicsSignalRO, "Locked_RBV", kind=Kind.normal, auto_monitor=True)

    #: Seconds after which a chopper that has not locked is taken to be broken.
    LOCK_TIMEOUT = 30.0

    def set(self, frequency: float) -> SubscriptionStatus:
        """Turn at `frequency` (Hz); done when the chopper has locked.

        The lock is read anew whenever it changes: the last value that was received may be older
        than the new frequency.
        """
        self.check_value(frequency)
        self.frequency.put(frequency, wait=True)
        self.run.put(1, wait=True)
        return SubscriptionStatus(
            self.locked,
            lambda **_: bool(self.locked.get(use_monitor=False)),
            timeout=self.LOCK_TIMEOUT,
        )

    def check_value(self, frequency: float) -> None:
        """Refuse frequencies outside the limits."""
        check_limits(frequency, self.frequency.limits, self.name, "Hz")
