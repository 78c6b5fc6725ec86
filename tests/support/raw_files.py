"""Raw files of every kind, and what becomes of them.

They are written with h5py alone, from the format's table, as a program of others would.
"""

import time
import warnings

import h5py
import numpy as np
from handmade import Plate
from hypothesis import HealthCheck, Phase, settings

from analysis.io.schema import NUMBERS, STRINGS, VARIABLES, RawFileError
from analysis.reduction.missing_metadata import open_raw
from analysis.reduction.scan import reduce_scan

POINTS, FRAMES = 3, 18  # three chopper periods a point
SCAN = (
    Plate(np.array([1e-3, 5e-3, -2e-3]), frames=FRAMES, path_difference=14.0, shot_noise=True)
    .dataset()
    .assign(delay=("point", [-1.0, 0.0, 4.0]))
    .assign_attrs(
        chirp_wavelength=np.array([925.0, 1025, 1125]),
        chirp_delay=np.array([-2.4, 0, 2.6]),
        shape=np.array([POINTS]),
        axes="delay",
    )
    .isel(wavelength=slice(80, None))
)
PIXELS = SCAN.sizes["wavelength"]

ENTRIES = {**VARIABLES, **NUMBERS, **STRINGS}
PATHS = {name: entry.path for name, entry in ENTRIES.items()}
NUMERIC = sorted(
    PATHS[name] for name in (*VARIABLES, *NUMBERS) if name in SCAN or name in SCAN.attrs
)
FRAME_PATH, TIME, SHAPE = (PATHS[name] for name in ("frames", "frame_time", "shape"))
DEFINITION = "/entry/definition"

few = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def contents(chirp=True):
    """Everything that a good file holds, by path; the chirp's calibration is optional."""
    held = {PATHS[name]: SCAN[name].values for name in VARIABLES if name in SCAN}
    held |= {PATHS[name]: SCAN.attrs[name] for name in SCAN.attrs if name in PATHS}
    if not chirp:
        del held[PATHS["chirp_wavelength"]], held[PATHS["chirp_delay"]]
    return held | {DEFINITION: "ocm_raw"}


def write(path, held, attributes=None):
    """Write a file anew; a callable makes its object itself, with the file and the path."""
    marks = {(DEFINITION, "version"): "1", (SHAPE, "axes"): "delay"} | (attributes or {})
    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        for place, value in held.items():
            if callable(value):
                value(file, place)
            else:
                file[place] = value
        for (place, name), value in marks.items():
            if value is not None and isinstance(file.get(place), h5py.Dataset | h5py.Group):
                file[place].attrs[name] = value
    return path


def reduced(path):
    """Reduce a file; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with open_raw(path) as dataset:
            return reduce_scan(dataset)


def refusal(path):
    """The line with which a file is refused; empty where it is reduced to numbers."""
    return outcome(path)[0]


def outcome(path):
    """`refusal` of a file, and what it is reduced to; None where it is refused."""
    started = time.monotonic()
    try:
        result = reduced(path)
    except RawFileError as error:
        message = str(error)
        assert "\n" not in message
        assert "/entry" in message or str(path) in message
        assert len(message) < 600
        return message, None
    finally:
        assert time.monotonic() - started < 20
    assert result["frames_used"].dtype.kind == "i"
    for name in ("delta_n", "delta_n_sigma", "delta_phi", "delta_phi_sigma"):
        unusable = ~np.isfinite(result[name].values)
        assert np.isnan(result[name].values[unusable]).all()
    no_number = np.isnan(result["delta_n"].values)
    assert (result["frames_used"].values[no_number] == 0).all()
    return "", result


def same(result, expected, points=slice(None), rtol=1e-9):
    for name in ("delta_n", "delta_n_sigma", "delta_phi", "carrier_density", "delay", "fluence"):
        np.testing.assert_allclose(
            result[name].values, expected[name].values[points], rtol=rtol, err_msg=name
        )


def creating(**keywords):
    """Make a dataset whose storage or type h5py would not choose by itself."""
    return lambda file, place: file.create_dataset(place, **keywords)


def linking(link):
    return lambda file, place: file.__setitem__(place, link)


def of(name, change):
    return change(np.array(contents()[PATHS[name]]))
