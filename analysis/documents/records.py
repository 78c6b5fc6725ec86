"""Frames of a run from its documents: with the pump or without, catalogued or not."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import h5py
import hdf5plugin  # noqa: F401 - registers the filter that the frames are compressed with
import numpy as np
import xarray as xr
from xarray.core import indexing

from analysis.documents.datasets import RunError, header
from analysis.io.raw_file import LazyFrames

__all__ = ["recorded_frames"]

_DETECTOR = "spectrometer"


def recorded_frames(documents: Iterable[tuple[str, Any]]) -> xr.Dataset:
    """Return the frames of a run with all that turns them into phases.

    Parameters
    ----------
    documents : iterable
        Names and documents of one run, as a journal holds them.

    Returns
    -------
    xr.Dataset
        Frames, times, open fractions, spectra and attributes as in `analysis.io.schema`, without
        the coordinates of points; frames are read when they are used: close it, or use it in a
        `with`.

    Raises
    ------
    RunError
        The run has no frames, or its file is not there.
    """
    start: Any = {}
    streams: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    spectra: dict[str, Any] = {}
    for name, doc in documents:
        if name == "start":
            start = doc
        elif name == "descriptor":
            streams[doc["uid"]] = doc
        elif name == "stream_resource":
            resources[doc["data_key"]] = doc
        elif name == "event" and streams[doc["descriptor"]]["name"] == "baseline":
            spectra = doc["data"]
    uid = start.get("uid", "")[:8]
    if not {"sample", "geometry", "chopper_frequency"} <= set(start) or not resources:
        msg = f"run {uid} ({start.get('plan_name')}) holds no frames of a chopped measurement"
        raise RunError(msg)
    (primary,) = (doc for doc in streams.values() if doc["name"] == "primary")
    dataset = header(start, primary["configuration"][_DETECTOR]["data"], spectra)
    resource = resources[f"{_DETECTOR}_frames"]
    path = Path(unquote(urlparse(resource["uri"]).path))
    try:
        file = h5py.File(path, "r", libver="latest", swmr=True)
    except OSError as error:
        msg = f"the frames of run {uid} cannot be read: {error}"
        raise RunError(msg) from None
    dataset.set_close(file.close)
    parts = {key: file[doc["parameters"]["dataset"]] for key, doc in resources.items()}
    for name in ("frame_time", "pump_open"):
        dataset[name] = ("point", "frame"), np.asarray(parts[f"{_DETECTOR}_{name}"][()], float)
    lazy = indexing.LazilyIndexedArray(LazyFrames(parts[f"{_DETECTOR}_frames"]))
    dataset["frames"] = xr.Variable(("point", "frame", "wavelength"), lazy)
    return dataset
