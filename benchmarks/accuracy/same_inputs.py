"""Write the fixed input files from which `benchmarks.accuracy.same_numbers` computes its numbers.

Run once, as ``python -m benchmarks.accuracy.same_inputs DIRECTORY`` (about three minutes). All
seeds are fixed. Raw scans are written as raw HDF5 files, reduced scans and arrays as netCDF files
with the names of this version, so that later changes of the generators and of names in the code do
not change the inputs. A directory that is complete contains the file ``complete``.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import xarray as xr
from scipy.special import erf, ndtr

from analysis.io.raw_file import write_raw
from analysis.materials import MATERIALS
from analysis.probe_band import CENTRE_WAVELENGTH
from benchmarks.accuracy.coverage import experiment
from benchmarks.accuracy.formula_plate import FormulaPlate
from benchmarks.accuracy.resolution import measure as measure_step
from benchmarks.accuracy.virtual_laboratory import LENS_SCALE, Laboratory
from ocm_ophyd.experiments.definition import (
    DELAYS,
    FLUENCES,
    KINETICS_FLUENCES,
    MOVIE_DELAYS,
    MOVIE_SIDE,
    PERIODS_SILICON,
    SILICON_DELAYS,
    SILICON_FLUENCE,
    SILICON_LINE,
)
from ocm_ophyd.twin import Scenario, load_scenario
from ocm_ophyd.twin.sample import Sample, Spot

COMPLETE = "complete"
"""File that is written last."""

SEED = 20231006
DENSITY_SIGMA = 6e16  # cm⁻³, noise of one density
PUMP, PROBE, SIZE = 2.25, 0.5, (8.0, 8.0)  # um
MIRROR = 15.0  # um, path difference of the reference mirror
POINTS, FRAMES = 8, 60  # of a raw scan of a formula plate
SATURATION = 2**18 - 1


class MirrorLaboratory(Laboratory):
    """A laboratory that can switch to the reference-mirror geometry."""

    def align_by_truth(self, scenario: Scenario) -> None:
        """Set time zero and overlap of the beams to what they really are."""
        self.calibration.time_zero = scenario.actuators.time_zero
        (x, y), (at_x, at_y) = self.pump_position(), self.probe_position()
        self._set(lens_x=(at_x - x) / LENS_SCALE, lens_y=(at_y - y) / LENS_SCALE)

    def use_reference_mirror(self) -> None:
        """Open the mirror arm, and record the sum of the spectra of both arms as reference."""
        self._set(pump_shutter_open=False, mirror_blocked=True)
        arm = self._expose(100)[0].mean(axis=0)
        self._set(sample_arm_open=False, mirror_blocked=False, mirror_position=MIRROR)
        mirror = self._expose(100)[0].mean(axis=0)
        self._set(sample_arm_open=True)
        self._spectra["reference"] = arm + mirror - self._spectra["dark"]
        self._record |= {"geometry": "reference-mirror", "path_difference": MIRROR}


def save_raw(path: Path, raw: xr.Dataset, axes: dict[str, int] | None = None) -> None:
    """Write a raw file, with the scan's axes and shape where they are given."""
    if axes:
        raw = raw.assign_attrs(axes=" ".join(axes), shape=np.array(list(axes.values())))
    write_raw(raw, path)


def save(path: Path, dataset: xr.Dataset) -> None:
    """Write a reduced dataset or arrays as a netCDF file."""
    dataset.drop_encoding().to_netcdf(path, engine="h5netcdf")


def laboratory_files(folder: Path) -> None:
    """Write raw scans of the simulated microscope and the reduced scans of an experiment."""
    scenario = load_scenario()
    laboratory = MirrorLaboratory(scenario, SEED)
    data = experiment(laboratory, (scenario.sample.length, scenario.sample.width))
    for name in ("sweep", "kinetics", "movie"):
        save(folder / f"paper_{name}.nc", getattr(data, name))
    known = asdict(data.known) | {"waveguide": (20.0, 2.0)}  # um, of the silicon sample
    (folder / "paper_known.json").write_text(json.dumps(known))
    side = np.linspace(-2, 2, 3)
    delays = np.concatenate([np.arange(-6.0, 8, 0.5), np.arange(8.0, 40, 4)])
    scans = {
        "twin_map": ({"y": side, "x": side}, {"delay": 5.0, "fluence": 0.4}),
        "twin_sweep": ({"fluence": np.linspace(0.1, 1.0, 10)}, {"delay": 5.0}),
        "twin_delay": ({"delay": delays}, {"fluence": 0.8}),
        "twin_plane": ({"fluence": [0.3, 0.8], "delay": [-3.0, 5.0, 20.0]}, {}),
    }
    for name, (axes, fixed) in scans.items():
        raw = laboratory.raw(axes, 10, **fixed)
        save_raw(folder / f"{name}.h5", raw, {axis: len(v) for axis, v in axes.items()})
    record(folder, laboratory)
    fine = laboratory.scan({"delay": np.linspace(-6, 6, 25)}, periods=10, fluence=0.5)
    save(folder / "arrival.nc", fine.drop_dims("time", errors="ignore"))
    # plate and mirror together make more fringes than the model has: nothing fits them
    laboratory.use_reference_mirror()
    raw = laboratory.raw({"x": [0.0, 0.5]}, 10, delay=5.0, fluence=0.8)
    save_raw(folder / "three_beams.h5", raw, {"x": 2})
    mirror_files(folder)
    step = measure_step(quiet=False, chirp_known=True)
    save_raw(folder / "step_delay.h5", step.isel(frame=slice(FRAMES)))


def mirror_files(folder: Path) -> None:
    """Write raw scans of the silicon waveguide in reference-mirror geometry."""
    scenario = load_scenario("silicon")
    laboratory = MirrorLaboratory(scenario, SEED)
    laboratory.record_reference()
    laboratory.calibrate_pump_power()
    laboratory.align_by_truth(scenario)
    laboratory.use_reference_mirror()
    raw = laboratory.raw({"x": np.linspace(-6, 6, 9)}, 20, delay=5.0, fluence=1.0)
    save_raw(folder / "mirror_line.h5", raw, {"x": 9})
    raw = laboratory.raw({"delay": np.arange(-6.0, 8.1, 0.5)}, 10, fluence=1.0)
    wavelength = np.linspace(925, 1125, 101)
    delay = laboratory.microscope.interferometer.probe.chirp_delay(wavelength)
    raw = raw.assign_attrs(chirp_wavelength=wavelength, chirp_delay=delay)
    save_raw(folder / "mirror_delay.h5", raw, {"delay": raw.sizes["point"]})
    lines = {"delay": SILICON_DELAYS, "y": [0.0], "x": SILICON_LINE}
    scan = laboratory.scan(lines, PERIODS_SILICON, fluence=SILICON_FLUENCE)
    save(folder / "paper_silicon.nc", scan)


def record(folder: Path, laboratory: Laboratory) -> None:
    """Write records without a gap, with and without the pump, for the noise spectrum."""
    pumped = laboratory.raw({"delay": [5.0]}, 120, fluence=0.3)
    save_raw(folder / "record_pumped.h5", pumped)
    quiet = laboratory.frames(240)
    # A raw file is only written with a modulated pump: the pump is closed in the finished file.
    modulated = quiet.assign(
        pump_open=(quiet["pump_open"].dims, np.arange(quiet["pump_open"].size)[np.newaxis] % 2.0),
        **{name: ("point", np.zeros(1)) for name in ("delay", "x", "y", "fluence")},
    )
    path = folder / "record_quiet.h5"
    save_raw(path, modulated)
    with h5py.File(path, "a") as file:
        file["/entry/instrument/spectrometer/pump_open"][...] = 0.0


def plate(
    fringes: float, delta_n: np.ndarray, seed: int | None = 1, frames: int = FRAMES, **more: float
) -> xr.Dataset:
    """Return a raw scan along x of a plate from formulas."""
    raw = FormulaPlate(fringes, **more).dataset(delta_n, frames, seed)
    material = "CsPbBr3" if fringes == 1.2 else "glass"
    at = ("point", np.arange(len(delta_n), dtype=float))
    return raw.assign(x=at).assign_attrs(material=material)


def plate_files(folder: Path) -> None:
    """Write raw scans of plates from formulas: small and large effects, with and without drift."""
    delta_n = np.array([-1e-3, 0.0, 1e-4, 1e-3, 3e-3, 1e-2, -2e-2, 3e-2])
    for fringes in (0.4, 1.2, 4.0, 20.0):
        noisy = plate(fringes, delta_n, phase=1.0, drift=0.03)
        save_raw(folder / f"plate_{fringes:g}.h5", noisy)
        save_raw(folder / f"plate_{fringes:g}_noiseless.h5", plate(fringes, delta_n, None, 12))
        large = plate(fringes, np.full(POINTS, 3e-2), 2, phase=2.0, drift=0.1, bend=0.04, tilt=0.01)
        save_raw(folder / f"large_{fringes:g}.h5", large)
    save_raw(folder / "few_frames.h5", plate(1.2, delta_n, 3, 12, drift=0.03))


def fault_files(folder: Path) -> None:
    """Write raw scans whose points have faults of pixels, of frames and of the chopper."""
    for fringes in (1.2, 4.0, 20.0):
        clean = plate(fringes, np.full(20, 5e-3), 4, 120, phase=1.0, drift=0.03)
        odd = clean.copy(deep=True)
        for frames, fault in zip(odd["frames"].values, FAULTS, strict=True):
            fault(frames)
        save_raw(folder / f"odd_{fringes:g}.h5", odd)
        slipped = clean.copy(deep=True)
        frames = slipped["frames"].values
        for point, (first, last, by) in enumerate(SLIPS):
            # frames that show another part of the chopper's period than their open fractions say
            shown = (np.arange(120) + by) % 120
            frames[point, first:last] = clean["frames"].values[point, shown[first:last]]
        save_raw(folder / f"slips_{fringes:g}.h5", slipped)


SLIPS = [(first, 120, by) for first in (12, 40, 70, 100) for by in (1, 2, 3, 4)]
SLIPS += [(50, 62, 2), (50, 62, 3), (0, 120, 3), (0, 0, 0)]
"""First and last frame of a slip, and the frames by which the chopper has slipped."""

_INSIDE = 150  # a pixel within the probe's band


def _set_pixels(value: float, *pixels: int):
    def fault(frames):
        frames[:, list(pixels)] = value

    return fault


def _hot(frames):
    frames[:, _INSIDE] += 20_000


def _flickering(frames):
    frames[np.random.default_rng(0).random(len(frames)) < 0.3, _INSIDE] += 9_000


def _cosmic(number: int, seed: int):
    def fault(frames):
        rng = np.random.default_rng(seed)
        for frame in rng.choice(len(frames), number, replace=False):
            first = rng.integers(_INSIDE - 80, _INSIDE + 80)
            width = rng.integers(1, 4)
            frames[frame, first : first + width] += rng.integers(3_000, 60_000, width).astype("u4")

    return fault


def _lost(*lost: int, kept: float = 0.0):
    def fault(frames):
        rows = list(lost)
        frames[rows] = np.rint(1500 + kept * (frames[rows] - 1500.0))

    return fault


def _part_lost(frames):
    frames[33, _INSIDE - 20 : _INSIDE + 40] = 0


def _repeated(share: float):
    def fault(frames):
        rng = np.random.default_rng(2)
        for late in range(1, len(frames)):
            if rng.random() < share:
                frames[late] = frames[late - 1]

    return fault


def _saturated(*rows: int):
    def fault(frames):
        frames[list(rows), _INSIDE - 3 : _INSIDE + 3] = SATURATION

    return fault


def _clipped(frames):
    top = np.quantile(frames.max(axis=1), 0.5)
    np.minimum(frames, np.uint32(top), out=frames)


def _stopped(frames):
    frames[:] = frames[0]


FAULTS = [
    _hot,
    _set_pixels(SATURATION, _INSIDE),
    _set_pixels(0, _INSIDE),
    _flickering,
    _set_pixels(0, _INSIDE - 60, _INSIDE - 20, _INSIDE, _INSIDE + 35),
    _set_pixels(1500, _INSIDE - 60, _INSIDE - 20, _INSIDE, _INSIDE + 35),
    _set_pixels(30_000, _INSIDE - 60, _INSIDE - 20, _INSIDE, _INSIDE + 35),
    _cosmic(1, 5),
    _cosmic(8, 3),
    _cosmic(30, 6),
    _lost(7, 8, 61),
    _lost(7, 8, 61, kept=0.4),
    _lost(*range(3, 118, 8)),
    _part_lost,
    _repeated(0.05),
    _repeated(0.55),
    _saturated(5, 6, 7, 44),
    _saturated(*range(40)),
    _clipped,
    _stopped,
]


def fit_files(folder: Path) -> None:
    """Write the arrays that are fitted: curves, movies, light, power, edges and fringes."""
    rng = np.random.default_rng(SEED)
    sample = Sample(load_scenario())
    sides = np.array(MOVIE_SIDE)
    times = np.array([t for t in MOVIE_DELAYS if t > 0])
    offset = Spot(0.06, -0.04, PUMP)
    for name, fluence in (("movie", 0.8), ("movie_dark", 0.35)):
        cloud = sample.carriers(fluence, offset)
        density = np.array([[sample.density(times, cloud, x, y) for x in sides] for y in sides])
        density = np.moveaxis(density, -1, 0)
        density = density + DENSITY_SIGMA * rng.normal(size=density.shape)
        save(
            folder / f"{name}.nc",
            xr.Dataset({"time": ("t", times), "side": ("s", sides), "density": (TYX, density)}),
        )
    fluence, delay = np.array(KINETICS_FLUENCES), np.array(DELAYS)
    clouds = [sample.carriers(f) for f in fluence]
    density = np.array([sample.density(delay, cloud, 0.0, 0.0) for cloud in clouds])
    density = density + DENSITY_SIGMA * rng.normal(size=density.shape)
    slope = MATERIALS["CsPbBr3"].delta_n(1e19, CENTRE_WAVELENGTH) / 1e19
    light = np.array(FLUENCES)
    clouds = [sample.carriers(f) for f in light]
    intensity = np.array([c.spontaneous + 4 * (c.coherent + c.incoherent) for c in clouds])
    line = np.array([c.coherent for c in clouds]) + 1e-4 * intensity.max() * rng.normal(size=19)
    initial = np.array([2 * float(sample.density(0.0, cloud, 0.0, 0.0)) for cloud in clouds])
    columns = {
        "fluence": ("f", fluence),
        "delay": ("t", delay),
        "density": (("f", "t"), density),
        "delta_n": (("f", "t"), density * float(slope)),
        "light_fluence": ("l", light),
        "light": ("l", intensity * (1 + 0.01 * rng.normal(size=19))),
        "light_sigma": ("l", 0.01 * intensity),
        "line": ("l", line),
        "line_sigma": ("l", np.full(19, 1e-4 * intensity.max())),
        "initial": ("l", initial * (1 + 0.005 * rng.normal(size=19))),
    }
    save(folder / "kinetics.nc", xr.Dataset(columns, attrs={"slope": float(slope)}))
    save(folder / "waveguide.nc", waveguide(rng))
    save(folder / "power.nc", power(rng))
    save(folder / "edges.nc", edges(rng))
    save(folder / "fringes.nc", fringes(rng))
    save(folder / "rise.nc", rise(rng))


TYX = ("t", "y", "x")


def waveguide(rng: np.random.Generator) -> xr.Dataset:
    """Return Δn of line scans along the simulated silicon waveguide."""
    sample = Sample(load_scenario("silicon"))
    cloud = sample.carriers(1.0, Spot(0.06, 0.05, PUMP))
    time, x = np.array([5.0, 20, 50, 100, 150, 200, 300, 400, 500]), np.linspace(-5, 5, 21)
    density = np.array([sample.density(time, cloud, place, 0.0) for place in x]).T
    delta_n = MATERIALS["Si"].delta_n(density, CENTRE_WAVELENGTH)
    noisy = delta_n + 1e-4 * rng.normal(size=delta_n.shape)
    density = density + DENSITY_SIGMA * rng.normal(size=density.shape)
    both = {"delta_n": (("t", "x"), noisy), "density": (("t", "x"), density)}
    return xr.Dataset({"time": ("t", time), "position": ("x", x), **both})


def power(rng: np.random.Generator) -> xr.Dataset:
    """Return readings of a power meter with a drifting zero against the retarder's voltage."""
    moment = np.arange(60.0) * 10
    dark = np.arange(60) % 6 == 0
    dark[-1] = True
    voltage = np.linspace(0, 10, 60)
    above = np.maximum(voltage - 1.3, 0.0) / 1.1
    malus = 2e-6 * (0.002 + 0.998 * np.sin(np.pi * 0.53 / (1 + above**1.5)) ** 2)
    odd = 2e-6 * np.interp(voltage, [0, 2, 2.2, 6, 6.1, 10], [0.95, 0.9, 0.6, 0.55, 0.2, 0.01])
    sigma = np.where(dark, 1e-12, 1e-3 * malus)
    reading = np.where(dark, 0.0, malus) + 4e-9 * np.cos(2 * np.pi * moment / 3600)
    reading = reading + sigma * rng.normal(size=60)
    columns = {"moment": moment, "dark": dark.astype(int), "voltage": voltage}
    columns |= {"reading": reading, "sigma": sigma, "odd": odd}
    return xr.Dataset({name: ("p", values) for name, values in columns.items()})


def edges(rng: np.random.Generator) -> xr.Dataset:
    """Return the light along lines across the four edges of a plate of 8 by 6 um."""
    half, steps = np.array([4.0, 3.0]), 13
    volts = []
    for axis in (0, 1):
        for along in (-0.3, 0.3):
            for side in (-1, 1):
                for step in np.linspace(-1.5, 1.5, steps):
                    at = np.full(2, along * 2 * half[1 - axis])
                    at[axis] = side * (half[axis] + step)
                    volts.append(at / 2)
    volts = np.array(volts)
    turn = np.deg2rad(1.3)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    at = (np.array([2.07, 1.94]) * volts) @ rotation.T + np.array([0.15, -0.2])
    inside = (erf(2**0.5 / 0.5 * (half - at)) + erf(2**0.5 / 0.5 * (half + at))) / 2
    share = inside.prod(axis=1)
    level = (1 - share - 0.55 * share) ** 2 + (0.8 * share) ** 2
    level = level * (1 + 0.006 * rng.normal(size=len(level)))
    edge = np.repeat(np.arange(8), steps)
    return xr.Dataset({"volts": (("p", "xy"), volts), "level": ("p", level), "edge": ("p", edge)})


def fringes(rng: np.random.Generator) -> xr.Dataset:
    """Return mean spectra of a plate, and of a reference mirror at six positions."""
    wavelength = np.linspace(400, 1150, 1044)
    k, centre = 2e3 * np.pi / wavelength, 2e3 * np.pi / 1025
    light = 8e4 * np.exp(-(((wavelength - 1025) / 95) ** 8)) + 1e-3
    dark = np.full(1044, 1500.0)

    def spectra(paths: np.ndarray) -> np.ndarray:
        rows = []
        for path, phase in zip(paths, rng.uniform(0, 6, len(paths)), strict=True):
            psi = phase + path * (k - centre) * (1 + 0.034 * (k / centre - 1))
            clean = dark + light * (1 + 0.9 * np.cos(psi))
            rows.append(clean + np.sqrt(clean / 240) * rng.normal(size=len(k)))
        return np.array(rows)

    position = np.linspace(10, 20, 6)
    return xr.Dataset(
        {
            "lambda": ("k", wavelength),
            "dark": ("k", dark),
            "light": ("k", dark + light),
            "plate": (("n", "k"), spectra(np.full(6, 6.2))),
            "mirror": (("n", "k"), spectra(position + 0.7)),
            "position": ("n", position),
        }
    )


def rise(rng: np.random.Generator) -> xr.Dataset:
    """Return a rise in time, and a map of the pump's spot."""
    time = np.arange(-3.0, 3.0, 0.02)
    signal = 1e-2 * ndtr((time - 0.4) / 0.1) + 1e-4 * rng.normal(size=len(time))
    x, y = np.meshgrid(np.linspace(-2.5, 2.5, 9), np.linspace(-2.5, 2.5, 9))
    spot = np.exp(-2 * ((x - 0.3) ** 2 + (y + 0.2) ** 2) / 2.3**2)
    spot = 6e-3 * spot / (1 + 0.05 * spot) + 7e-5 * rng.normal(size=x.shape)
    columns = {"x_map": x.ravel(), "y_map": y.ravel(), "spot": spot.ravel()}
    maps = {name: ("p", values) for name, values in columns.items()}
    return xr.Dataset({"time": ("t", time), "signal": ("t", signal), **maps})


def write_inputs(folder: Path) -> None:
    """Write all input files to a folder, and the file `COMPLETE` at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: name a new folder")
    fit_files(folder)
    plate_files(folder)
    fault_files(folder)
    laboratory_files(folder)
    (folder / COMPLETE).write_text("")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="new or empty")
    write_inputs(parser.parse_args().folder)
