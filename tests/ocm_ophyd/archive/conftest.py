"""One ``ocm serve`` for all tests of the catalog."""

import time

import h5py
import hdf5plugin
import numpy as np
import pytest
import tiled.client.utils
from catalog_helpers import FRAMES, PIXELS, Served, documents
from event_model import compose_stream_resource

from ocm_ophyd.archive import feeder
from ocm_ophyd.settings import Settings


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    served = Served(tmp_path_factory.mktemp("data"))
    served.start()
    yield served
    served.stop()


@pytest.fixture
def feeding(served, tmp_path, monkeypatch):
    """A second installation that feeds the same server from this process."""
    monkeypatch.setattr(feeder, "POLL_INTERVAL", 0.05)  # tests need not wait as long as users
    monkeypatch.setattr(feeder, "FLUSH_INTERVAL", 0.1)
    monkeypatch.setattr(tiled.client.utils, "TILED_RETRY_TIMEOUT", 0.1)
    key = (served.settings.catalog_dir / "api_key").read_text()
    settings = Settings(data_dir=tmp_path, tiled_port=served.settings.tiled_port, tiled_api_key=key)
    with feeder.CatalogFeeder(settings) as feeding:
        yield feeding


@pytest.fixture
def frames(served):
    """A frame file as the spectrometer writes it, still open for writing, and its run."""
    counts = np.random.default_rng(2).integers(0, 2**32, (4, FRAMES, PIXELS), dtype=np.uint32)
    path = served.settings.raw_dir / f"{time.time_ns()}.h5"
    with h5py.File(path, "w", libver="latest") as file:
        dataset = file.create_dataset(
            "entry/frames",
            shape=(0, FRAMES, PIXELS),
            maxshape=(None, FRAMES, PIXELS),
            chunks=(1, FRAMES, PIXELS),
            dtype="u4",
            **hdf5plugin.Blosc(cname="lz4", shuffle=hdf5plugin.Blosc.BITSHUFFLE),
        )
        file.swmr_mode = True
        dataset.resize(len(counts), axis=0)
        dataset[:] = counts
        dataset.flush()
        keys = {
            "frames": {
                "dtype": "array",
                "shape": [FRAMES, PIXELS],
                "source": "test",
                "external": "STREAM:",
                "dtype_numpy": "<u4",
                "dims": ["frame", "pixel"],
                "units": "counts",
            },
            "x": {"dtype": "number", "shape": [], "source": "test"},
        }
        taken = documents(len(counts), keys, lambda i: {"x": float(i)})
        bundle = compose_stream_resource(
            mimetype="application/x-hdf5",
            uri=f"file://localhost{path}",
            data_key="frames",
            parameters={"dataset": "/entry/frames", "chunk_shape": [1, FRAMES, PIXELS]},
            start=taken[0][1],
        )
        resource = bundle.stream_resource_doc
        descriptor = taken[1][1]
        run = [*taken[:2], ("stream_resource", resource)]
        for i, event in enumerate(taken[2:-1]):
            datum = bundle.compose_stream_datum(indices={"start": i, "stop": i + 1})
            datum = {**datum, "seq_nums": {"start": i + 1, "stop": i + 2}}
            run += [("stream_datum", {**datum, "descriptor": descriptor["uid"]}), event]
        yield path, counts, [*run, taken[-1]]
