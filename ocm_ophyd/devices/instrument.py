"""The microscope as one object: every device under the name it has in the session."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from ophyd import Device, EpicsSignalRO
from ophyd.utils import DisconnectedError

from ocm_ophyd.devices._parts import StoredSignal
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
from ocm_ophyd.samples import Sample

__all__ = ["Instrument"]

#: Seconds within which the pump shutter closes, or the instrument is taken not to answer.
SAFE_TIMEOUT = 10.0


@dataclass
class Instrument:
    """All devices of the microscope and the samples known to it."""

    laser: FemtosecondLaser
    pulse_picker: PulsePicker
    pump_shutter: Shutter
    probe_shutter: BeamBlock
    sample_arm: BeamBlock
    delay: DelayStage
    galvos: GalvoScanner
    chopper: OpticalChopper
    pump: PumpPower
    steering_lens: SteeringLens
    reference_mirror: ReferenceMirror
    spectrometer: Spectrometer
    power_meter: PowerMeter
    sample_stage: SampleStage
    simulated: EpicsSignalRO
    samples: dict[str, Sample] = field(default_factory=dict)

    @classmethod
    def create(cls, prefix: str, samples: dict[str, Sample]) -> "Instrument":
        """Make all devices; they connect in the background.

        Parameters
        ----------
        prefix : str
            First part of every PV name.
        samples : dict
            Samples by name.
        """
        return cls(
            laser=FemtosecondLaser(f"{prefix}Laser:", name="laser", labels={"detectors"}),
            pulse_picker=PulsePicker(f"{prefix}Picker:", name="pulse_picker", labels={"detectors"}),
            pump_shutter=Shutter(f"{prefix}Shutter:Pump:", name="pump_shutter", labels={"motors"}),
            probe_shutter=BeamBlock(
                f"{prefix}Shutter:Probe:", name="probe_shutter", labels={"motors"}
            ),
            sample_arm=BeamBlock(
                f"{prefix}Shutter:SampleArm:", name="sample_arm", labels={"motors"}
            ),
            delay=DelayStage(f"{prefix}Delay:", name="delay", labels={"motors"}),
            galvos=GalvoScanner(f"{prefix}Galvo:", name="galvos", labels={"motors"}),
            chopper=OpticalChopper(f"{prefix}Chopper:", name="chopper", labels={"motors"}),
            pump=PumpPower(f"{prefix}Retarder:", name="pump", labels={"motors"}),
            steering_lens=SteeringLens(f"{prefix}Lens:", name="steering_lens", labels={"motors"}),
            reference_mirror=ReferenceMirror(
                f"{prefix}RefMirror:", name="reference_mirror", labels={"motors"}
            ),
            spectrometer=Spectrometer(f"{prefix}Spec:", name="spectrometer", labels={"detectors"}),
            power_meter=PowerMeter(f"{prefix}Power:", name="power_meter", labels={"detectors"}),
            sample_stage=SampleStage(f"{prefix}Sample:", name="sample_stage", labels={"motors"}),
            simulated=EpicsSignalRO(f"{prefix}IOC:Simulated_RBV", name="simulated"),
            samples=samples,
        )

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
