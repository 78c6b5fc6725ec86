"""Documents of runs made by hand, and the frame file that grows beside them.

The frames are those of `handmade`; the documents are composed by event_model, as the RunEngine
does it, and refer to an HDF5 file such as the spectrometer writes.
"""

import h5py
import hdf5plugin
from event_model import StreamRange, compose_run
from handmade import CHOPPER, EXPOSURE, GAIN, READ_NOISE

GROUP = "/entry/instrument/spectrometer"
SATURATION = 2**18 - 1
RESOLUTION = 0.0  # nm: each pixel of `handmade` sees one colour
START = {
    "plan_name": "delay_scan",
    "purpose": "kinetics",
    "scan_id": 12,
    "axes": ["delay"],
    "geometry": "common-path",
    "chopper_frequency": CHOPPER,
    "fluence_min": 0.5,
    "fluence_max": 0.5,
    "sample": {
        "name": "plate",
        "material": "CsPbBr3",
        "thickness": 1.5,
        "refractive_index": 2.006,
    },
}


def number(units=""):
    return {"source": "test", "dtype": "number", "shape": [], "units": units}


def array(*shape, **more):
    return {"source": "test", "dtype": "array", "shape": list(shape), **more}


class Scan:
    """A run under way: its documents, and the file that grows beside it."""

    def __init__(self, plate, directory, **metadata):
        self.raw = plate.dataset(seed=7).assign_attrs(resolution=RESOLUTION)
        points, frames, pixels = self.raw["frames"].shape
        start = {**START, "num_points": points, "shape": [points], **metadata}
        self.run = compose_run(metadata=start)
        self.uid = self.run.start_doc["uid"]
        self.directory = directory
        path = directory / "a name with spaces.h5"
        self.file = h5py.File(path, "x", libver="latest")
        self.parts = {}
        streams = {}
        for name, shape in (
            ("frames", (frames, pixels)),
            ("frame_time", (frames,)),
            ("pump_open", (frames,)),
        ):
            self.parts[name] = self.file.create_dataset(
                f"{GROUP}/{name}",
                shape=(0, *shape),
                maxshape=(None, *shape),
                chunks=(1, *shape),
                dtype=self.raw[name].dtype,
                **hdf5plugin.Bitshuffle(cname="lz4"),
            )
            streams[f"spectrometer_{name}"] = array(*shape, external="STREAM:")
        self.file.swmr_mode = True
        baseline = {
            f"spectrometer_spectra_{name}": self.raw[name].values.tolist()
            for name in ("wavelength", "dark", "reference")
        }
        told = self.run.compose_descriptor(
            name="baseline", data_keys={key: array(pixels) for key in baseline}
        )
        constants = {
            "exposure": EXPOSURE,
            "gain": GAIN,
            "read_noise": READ_NOISE,
            "saturation": SATURATION,
            "resolution": RESOLUTION,
        }
        constants = {f"spectrometer_{name}": value for name, value in constants.items()}
        scalars = {"delay": "ps", "probe_x": "um", "probe_y": "um", "fluence": "mJ/cm^2"}
        self.primary = self.run.compose_descriptor(
            name="primary",
            data_keys={**streams, **{key: number(units) for key, units in scalars.items()}},
            configuration={
                "spectrometer": {
                    "data": constants,
                    "timestamps": dict.fromkeys(constants, 1.0),
                    "data_keys": {key: number() for key in constants},
                }
            },
        )
        resources = [
            self.run.compose_stream_resource(
                mimetype="application/x-hdf5",
                uri=path.as_uri().replace("file:///", "file://localhost/"),
                data_key=key,
                parameters={"dataset": f"{GROUP}/{key.removeprefix('spectrometer_')}"},
            )
            for key in streams
        ]
        self.compose_data = [resource.compose_stream_datum for resource in resources]
        self.opening = [
            ("start", self.run.start_doc),
            ("descriptor", told.descriptor_doc),
            ("event", event(told, baseline)),
            ("descriptor", self.primary.descriptor_doc),
            *(("stream_resource", resource.stream_resource_doc) for resource in resources),
        ]

    def point(self, index, row=None, *, write=True):
        """Write a point to its row of the file; returns its documents."""
        row = index if row is None else row
        for name, part in self.parts.items():
            if write:
                part.resize(max(row + 1, len(part)), axis=0)
                part[row] = self.raw[name].values[index]
                part.flush()
        data = {
            key: float(self.raw[name].values[index])
            for name, key in (
                ("delay", "delay"),
                ("x", "probe_x"),
                ("y", "probe_y"),
                ("fluence", "fluence"),
            )
        }
        rows = StreamRange(start=row, stop=row + 1)
        seen = StreamRange(start=index + 1, stop=index + 2)
        return [
            *(
                ("stream_datum", compose(rows, seen, self.primary.descriptor_doc))
                for compose in self.compose_data
            ),
            ("event", event(self.primary, data)),
        ]

    def end(self, exit_status="success", reason=""):
        self.file.close()
        return [("stop", self.run.compose_stop(exit_status=exit_status, reason=reason))]


def event(descriptor, data):
    return descriptor.compose_event(data=data, timestamps=dict.fromkeys(data, 1.0), validate=False)
