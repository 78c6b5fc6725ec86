"""The QE Pro spectrometer: frames in files, scalars in events."""

import uuid
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from event_model import ComposeStreamDatum, ComposeStreamResource, StreamRange
from ophyd import Component as Cpt
from ophyd import Device, EpicsSignal, EpicsSignalRO, Kind
from ophyd.status import DeviceStatus, Status

from ocm_ophyd.devices.stored_signal import StoredSignal
from ocm_ophyd.errors import OcmError
from ocm_ophyd.frame_schema import POINT_DATASETS, Dataset

__all__ = ["AcquisitionError", "Spectra", "Spectrometer"]


class AcquisitionError(OcmError):
    """The spectrometer did not deliver; the message is the instrument's own."""


class Spectra(Device):
    """The spectra (counts) that turn frames into fringes: wavelength, dark, reference.

    Dark and reference are stored by the session when a reference is recorded, with the
    interferometer geometry and the run that they come from. All are read with the baseline,
    so that a run can be reduced from itself.
    """

    wavelength = Cpt(EpicsSignalRO, "Wavelength_RBV", kind=Kind.normal)
    dark = Cpt(StoredSignal, value=[0.0], units="counts", kind=Kind.normal)
    reference = Cpt(StoredSignal, value=[0.0], units="counts", kind=Kind.normal)
    geometry = Cpt(StoredSignal, value="", kind=Kind.normal)
    reference_run = Cpt(StoredSignal, value="", kind=Kind.normal)

    def describe(self) -> OrderedDict:
        """Return the data keys with numpy types and units."""
        description = super().describe()
        description[self.wavelength.name] |= {"dtype_numpy": "<f8", "units": "nm"}
        return description

    @property
    def recorded(self) -> bool:
        """Whether dark and reference spectra are stored."""
        return bool(len(self.dark.get()) > 1 and len(self.reference.get()) > 1)


class MeanSpectrum(EpicsSignalRO):
    """Mean of the frames of the last point, counts; small enough to stand in an event."""

    def describe(self) -> Any:
        """Return the data key with numpy type and unit."""
        description = super().describe()
        description[self.name] |= {"dtype_numpy": "<f8", "units": "counts"}
        return description


class Spectrometer(Device):
    """Interferograms and fluorescence, recorded at once.

    One trigger takes `frames_per_point` frames. The instrument writes them to an HDF5 file of
    its own for every staging, as the datasets of `ocm_ophyd.frame_schema.POINT_DATASETS`;
    the documents refer to them. Events hold only scalars.

    `chirp` says when the probe's colours pass the sample: coefficients, k = 1 to 3, of a power
    series in the angular frequency from the band's centre. Zeros with sigmas of zero are unknown.
    """

    acquire = Cpt(EpicsSignal, "Acquire", limits=True, kind=Kind.omitted, put_complete=True)
    abort = Cpt(EpicsSignal, "Abort", limits=True, kind=Kind.omitted, put_complete=True)
    frames_per_point = Cpt(
        EpicsSignal, "NumFrames", limits=True, kind=Kind.config, put_complete=True
    )
    exposure = Cpt(EpicsSignalRO, "ExposureTime_RBV", kind=Kind.config)
    frame_interval = Cpt(EpicsSignalRO, "FrameInterval_RBV", kind=Kind.config)
    gain = Cpt(EpicsSignalRO, "Gain_RBV", kind=Kind.config)
    read_noise = Cpt(EpicsSignalRO, "ReadNoise_RBV", kind=Kind.config)
    resolution = Cpt(EpicsSignalRO, "Resolution_RBV", kind=Kind.config)
    saturation = Cpt(EpicsSignalRO, "SaturationCounts_RBV", kind=Kind.config)
    chirp = Cpt(StoredSignal, value=[0.0, 0.0, 0.0], units="ps/(100 rad/ps)^k", kind=Kind.config)
    chirp_sigma = Cpt(
        StoredSignal, value=[0.0, 0.0, 0.0], units="ps/(100 rad/ps)^k", kind=Kind.config
    )
    set_temperature = Cpt(
        EpicsSignal, "Temperature", limits=True, kind=Kind.config, put_complete=True
    )
    temperature = Cpt(EpicsSignalRO, "Temperature_RBV", kind=Kind.normal)
    max_counts = Cpt(EpicsSignalRO, "MaxCounts_RBV", kind=Kind.hinted)
    saturated_pixels = Cpt(EpicsSignalRO, "SaturatedPixels_RBV", kind=Kind.normal)
    mean_spectrum = Cpt(MeanSpectrum, "MeanSpectrum_RBV", kind=Kind.omitted)
    status = Cpt(EpicsSignalRO, "Status_RBV", kind=Kind.omitted, string=True)
    message = Cpt(EpicsSignalRO, "Message_RBV", kind=Kind.omitted, string=True)
    directory = Cpt(EpicsSignal, "FilePath", kind=Kind.omitted, string=True, put_complete=True)
    file_name = Cpt(EpicsSignal, "FileName", kind=Kind.omitted, string=True, put_complete=True)
    capture = Cpt(EpicsSignal, "Capture", limits=True, kind=Kind.omitted, put_complete=True)
    capturing = Cpt(EpicsSignalRO, "Capture_RBV", kind=Kind.omitted)
    full_file_name = Cpt(EpicsSignalRO, "FullFileName_RBV", kind=Kind.omitted, string=True)
    next_point = Cpt(EpicsSignal, "NextPoint", limits=True, kind=Kind.omitted, put_complete=True)
    spectra = Cpt(Spectra, "", kind=Kind.omitted)

    #: Wall-clock seconds beyond the exposures after which a trigger has failed.
    ACQUIRE_MARGIN = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pixels = 0
        self._frames = 0
        self._points = 0  # reported in documents
        self._taken = False  # a point in the file that no document has reported yet
        self._paused = False
        self._streams: dict[str, ComposeStreamDatum] = {}
        self._documents: list[tuple[str, Any]] = []

    def stage(self) -> list[object]:
        """Open a new file for the points of this run.

        Raises
        ------
        AcquisitionError
            With the instrument's message, where the file cannot be opened, and where another
            client has one open.
        """
        if self.capturing.get(use_monitor=False):
            msg = (
                f"the spectrometer is writing {self.full_file_name.get(use_monitor=False)} for "
                "another client: wait for it, or end it with spectrometer.release()"
            )
            raise AcquisitionError(msg)
        staged = super().stage()
        self._frames = int(self.frames_per_point.get(use_monitor=False))
        self._pixels = len(self.spectra.wavelength.get())
        self._points, self._taken, self._paused = 0, False, False
        today = datetime.now(UTC).strftime("%Y/%m/%d")
        self.directory.put(today, wait=True)
        self.file_name.put(str(uuid.uuid4()), wait=True)
        self.capture.put(1, wait=True)
        if not self.capturing.get(use_monitor=False):
            super().unstage()
            raise AcquisitionError(self._why())
        uri = Path(self.full_file_name.get()).as_uri().replace("file:///", "file://localhost/")
        self._streams, self._documents = {}, []
        for entry in POINT_DATASETS:
            bundle = ComposeStreamResource()(
                "application/x-hdf5",
                uri,
                entry.data_key,
                {"dataset": entry.path, "swmr": True, "chunk_shape": (1, *self._shape(entry))},
            )
            self._streams[entry.data_key] = bundle.compose_stream_datum
            self._documents.append(("stream_resource", bundle.stream_resource_doc))
        return staged

    def unstage(self) -> list[object]:
        """Close the file, breaking off an acquisition that still runs."""
        self.release()
        self._streams, self._documents = {}, []
        return super().unstage()

    def release(self) -> None:
        """Break off an acquisition and close the file, whoever began them."""
        if self.status.get(use_monitor=False) == "Acquiring":
            self.abort.put(1, wait=True)
        self.capture.put(0, wait=True)

    def trigger(self) -> Status:
        """Take one point; fails with the instrument's message."""
        if int(self.next_point.get(use_monitor=False)) != self._points:
            # a point that was taken again after a pause: its first try was never reported
            self.next_point.put(self._points, wait=True)
        exposing = self._frames * float(self.frame_interval.get())
        status = DeviceStatus(self, timeout=exposing + self.ACQUIRE_MARGIN)

        def finished(acquired: Status) -> None:
            state = self.status.get(use_monitor=False)
            if acquired.exception() is not None:
                status.set_exception(acquired.exception())
            elif state == "Idle" and self._streams and not self.capturing.get(use_monitor=False):
                # an instrument that was started anew takes points and keeps none of them
                msg = "the spectrometer's file is closed, was its IOC restarted? Measure again"
                status.set_exception(AcquisitionError(msg))
            elif state == "Idle":
                self._taken = True
                status.set_finished()
            elif state == "Aborted" and self._paused:
                status.set_finished()  # the RunEngine goes back and triggers again
            else:
                status.set_exception(AcquisitionError(self._why()))

        self.acquire.set(1).add_callback(finished)
        return status

    def pause(self) -> None:
        """Break off the point that is being taken: it is taken again when the run goes on."""
        self._paused = True
        self.abort.put(1, wait=True)

    def resume(self) -> None:
        """Be ready to take the point again."""
        self._paused = False

    def stop(self, *, success: bool = False) -> None:  # noqa: ARG002 - the name bluesky calls
        """Break off the acquisition; points already written stay."""
        self.abort.put(1)

    def describe(self) -> OrderedDict:
        """Scalars, and while staged the keys of the frames in the file."""
        description = super().describe()
        if self._streams:
            for entry in POINT_DATASETS:
                description[entry.data_key] = {
                    "source": f"file:{entry.path}",
                    "dtype": "array",
                    "dtype_numpy": entry.dtype,
                    "shape": list(self._shape(entry)),
                    "dims": list(entry.dims),
                    "units": entry.unit,
                    "external": "STREAM:",
                }
        return description

    def collect_asset_docs(self) -> Iterator[tuple[str, Any]]:
        """Where the frames of the last point are."""
        if not self._taken:
            return
        self._taken = False
        documents, self._documents = self._documents, []
        yield from documents
        for compose in self._streams.values():
            row = StreamRange(start=self._points, stop=self._points + 1)
            yield "stream_datum", compose(row)
        self._points += 1

    def _shape(self, entry: Dataset) -> tuple[int, ...]:
        """Return the shape of a dataset's array of one point."""
        sizes = {"frame": self._frames, "wavelength": self._pixels}
        return tuple(sizes[dim] for dim in entry.dims)

    def _why(self) -> str:
        return self.message.get(use_monitor=False) or "the spectrometer gave no reason"
