"""The microscope as one object: every device under the name it has in the session."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from ophyd import Device, EpicsSignalRO
from ophyd.utils import DisconnectedError

from ocm_ophyd.devices.chopper import OpticalChopper
from ocm_ophyd.devices.delay import DelayStage
from ocm_ophyd.devices.failures import InstrumentError
from ocm_ophyd.devices.galvo import GalvoScanner
from ocm_ophyd.devices.lens import SteeringLens
from ocm_ophyd.devices.power_meter import PowerMeter
from ocm_ophyd.devices.pump import PumpPower
from ocm_ophyd.devices.shutter import BeamBlock, Shutter
from ocm_ophyd.devices.source import FemtosecondLaser, PulsePicker
from ocm_ophyd.devices.spectrometer import Spectrometer
from ocm_ophyd.devices.stages import ReferenceMirror, SampleStage
from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.samples import Sample

__all__ = ["At", "Instrument"]

#: Seconds within which the pump shutter closes, or the instrument is taken not to answer.
SAFE_TIMEOUT = 10.0


class At(NamedTuple):
    """Where a device is, and its label: IPython's ``%wa`` and ``%ct`` group devices by label."""

    prefix: str
    """Part of the device's PV names after the common prefix."""
    label: Literal["motors", "detectors"]


@dataclass
class Instrument:
    """All devices of the microscope and the samples known to it; one line a device.

    The baseline of every run reads each device, except detectors that plans read at every point.
    """

    laser: Annotated[FemtosecondLaser, At("Laser:", "detectors")]
    pulse_picker: Annotated[PulsePicker, At("Picker:", "detectors")]
    pump_shutter: Annotated[Shutter, At("Shutter:Pump:", "motors")]
    probe_shutter: Annotated[BeamBlock, At("Shutter:Probe:", "motors")]
    sample_arm: Annotated[BeamBlock, At("Shutter:SampleArm:", "motors")]
    delay: Annotated[DelayStage, At("Delay:", "motors")]
    galvos: Annotated[GalvoScanner, At("Galvo:", "motors")]
    chopper: Annotated[OpticalChopper, At("Chopper:", "motors")]
    pump: Annotated[PumpPower, At("Retarder:", "motors")]
    steering_lens: Annotated[SteeringLens, At("Lens:", "motors")]
    reference_mirror: Annotated[ReferenceMirror, At("RefMirror:", "motors")]
    spectrometer: Annotated[Spectrometer, At("Spec:", "detectors")]
    power_meter: Annotated[PowerMeter, At("Power:", "detectors")]
    sample_stage: Annotated[SampleStage, At("Sample:", "motors")]
    simulated: EpicsSignalRO
    samples: dict[str, Sample] = field(default_factory=dict)

    @classmethod
    def create(cls, prefix: str, samples: dict[str, Sample]) -> "Instrument":
        """Return the instrument; its devices connect in the background.

        Parameters
        ----------
        prefix : str
            First part of every PV name.
        samples : dict
            Samples by name.
        """
        devices: dict[str, Any] = {}
        for name, hint in get_type_hints(cls, include_extras=True).items():
            if get_origin(hint) is Annotated:
                kind, at = get_args(hint)
                devices[name] = kind(f"{prefix}{at.prefix}", name=name, labels={at.label})
        simulated = EpicsSignalRO(f"{prefix}IOC:Simulated_RBV", name="simulated")
        return cls(**devices, simulated=simulated, samples=samples)

    def devices(self) -> dict[str, Device]:
        """Return the devices by name."""
        members = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: member for name, member in members.items() if isinstance(member, Device)}

    def connect(self, timeout: float) -> None:
        """Wait until every PV answers.

        Parameters
        ----------
        timeout : float
            Seconds for the first device; one that is up answers for the others too.

        Raises
        ------
        InstrumentError
            Names what does not answer and what to do.
        """
        missing: list[str] = []
        for name, device in {**self.devices(), "simulated": self.simulated}.items():
            try:
                device.wait_for_connection(timeout=0.05 if missing else timeout)
            except TimeoutError:
                missing.append(name)
        if missing:
            silent = (
                "no device answers"
                if len(missing) > len(self.devices())
                else (f"{', '.join(missing)} does not answer")
            )
            msg = (
                f"{silent}: start the instrument with `ocm up`, or set OCM_PREFIX, OCM_CA_ADDRESS "
                "and OCM_CA_PORT to where it is"
            )
            raise InstrumentError(msg)

    def make_safe(self) -> None:
        """Shut the pump and end what a session that died has left running.

        Raises
        ------
        InstrumentError
            If a device does not answer.
        """
        try:
            self.pump_shutter.set("closed").wait(SAFE_TIMEOUT)
            self.spectrometer.release()
        except (TimeoutError, DisconnectedError) as error:
            msg = f"the pump cannot be shut: the instrument does not answer ({error})"
            raise InstrumentError(msg) from error

    def baseline(self) -> list[Device]:
        """Return what is read before and after every run."""
        read_with_points = {"spectrometer", "power_meter"}
        devices = [dev for name, dev in self.devices().items() if name not in read_with_points]
        return [*devices, self.spectrometer.spectra]

    def stored_signals(self) -> Iterator[StoredSignal]:
        """Yield every calibration value that the session keeps."""
        for device in self.devices().values():
            for walk in device.walk_signals(include_lazy=True):
                if isinstance(walk.item, StoredSignal):
                    yield walk.item
