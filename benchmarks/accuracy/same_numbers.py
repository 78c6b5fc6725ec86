"""Prove that a restructuring of the analysis changes no number.

    python -m benchmarks.accuracy.same_inputs INPUTS                       # once: writes the inputs
    python -m benchmarks.accuracy.same_numbers store FILE.npz --inputs INPUTS
    python -m benchmarks.accuracy.same_numbers compare FILE.npz --inputs INPUTS [--only PATTERN ...]
    python -m benchmarks.accuracy.same_numbers rounding FILE.npz --inputs INPUTS
    python -m benchmarks.accuracy.same_numbers list

`store` reduces and fits a fixed set of inputs and writes every number that comes out (values and
sigmas of all variables, numeric attributes, estimates and reduced chi2) under a stable name.
`compare` computes them again, prints every difference and every name that is missing or new, and
ends with status 1 if there is any. The default of INPUTS is a folder in the system's temporary
directory. Texts are not compared.

A number is the same if |now - stored| <= RTOL * max(|stored|, scale), RTOL = 1e-9. The scale is the
sigma that is stored beside the value (``delta_n_sigma`` of ``delta_n``, ``sigma`` of ``value``,
``sigmas`` of ``values``), so that a value near zero is compared with its uncertainty. In an array
without a sigma it is a thousandth of the largest finite magnitude of the array. Single-precision
numbers may differ by one rounding (1.2e-7 instead of RTOL). NaN equals NaN; integers and shapes
have to be equal.

Some results amplify the last digit of a double: what a fit converges to, or the inversion of a
delay scan. A compiler that takes a sum in another order changes them by more than RTOL. `rounding`
computes everything twice with the measured inputs changed at random by 1e-15 of their values, and
writes the largest change of each name to ``FILE.rounding.json``. Where this file exists, `compare`
marks each difference: "rounding" is at most ten times that change and at most 1e-3 of the value or
its scale, everything else is "CHANGED". With ``--accept-rounding`` only the latter set the status
to 1. A sum in another order is rounding; an altered formula, constant, weight or condition also
changes the cases that hardly amplify, such as `reduce_twin_map`.

A process that has just compiled a function may round otherwise than all later ones, which load it.
So `compare` computes the cases that differ once more in a new process, and only that counts.

A quantity that gets a new name in the code is entered in `STABLE_NAMES`, once, and keeps its name
here. Everything runs on one thread, so that the order of sums does not depend on the machine.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

import numpy as np
import xarray as xr

from analysis.calibration.galvo_edges import fit_edges
from analysis.calibration.path_length import (
    fit_fringes,
    group_index,
    mirror_offset,
    plate_thickness,
)
from analysis.calibration.pump_fluence import PowerCalibration, peak_fluence
from analysis.calibration.pump_spot import fit_pump_spot
from analysis.calibration.retarder_curve import (
    check_curve,
    corrected_power,
    fit_retarder,
    relative_change,
)
from analysis.chirp.group_delay import chirp_delay
from analysis.chirp.time_zero import fit_arrival
from analysis.diffusion.cloud_model import ScanGeometry
from analysis.diffusion.gaussian_cloud import cloud_waist, fit_cloud
from analysis.diffusion.movie_fit import fit_movie
from analysis.diffusion.solver import solve_diffusion
from analysis.diffusion.waveguide_fit import fit_line, fit_waveguide
from analysis.estimate import Estimate
from analysis.io.reduced_file import read_reduced, write_reduced
from analysis.kinetics.decay_fit import fit_decay, relaxation_time
from analysis.kinetics.rise_time import measure_rise
from analysis.kinetics.window_dependence import window_influence
from analysis.lasing.emission import find_emission
from analysis.lasing.fast_component import fit_fast_component
from analysis.lasing.fluence_response import fit_fluence_response
from analysis.lasing.fluorescence_threshold import fit_lasing_threshold, fluorescence_intensity
from analysis.lasing.laser_line import separate_line
from analysis.lasing.s_curve import agreement, fit_s_curve
from analysis.materials import MATERIALS
from analysis.noise.spectrum import noise_spectrum
from analysis.paper.infer import infer
from analysis.paper.measurements import Calibration, PaperData
from analysis.probe_band import CENTRE_WAVELENGTH
from analysis.rate_equations.data import Curve, LightCurve, Plate, RateConstants
from analysis.rate_equations.fit import fit_rate_equations
from analysis.reduction.missing_metadata import complete_metadata, open_raw
from analysis.reduction.scan import reduce_scan
from analysis.scan_fits import fit_scan
from analysis.scan_grid import fold

STABLE_NAMES: Mapping[str, str] = {
    "after_pump": "arrival",
    "differential_spectrum": "fluorescence",
}
"""Present name of a quantity in the code: its name here, which is the one it had at first. For
example ``{"differential_spectrum": "fluorescence", "probe_x": "x"}``. It holds for variables,
attributes, dimensions, axes, keys and fields of results, and for the stored reduced scans."""

PAIRS = {
    "FluenceResponse": ("slope", "loss"),
    "LasingThreshold": ("fluence",),
    "Rise": ("middle", "duration"),
}
"""Estimates in a class of results whose value and sigma are stored as ``name``, ``name_sigma``."""

TEXTS = "warnings"
"""Field of results that holds texts; an empty one would count as an array."""

RTOL = 1e-9
INPUTS = Path(tempfile.gettempdir()) / "ocm_same_numbers"
SIZE, PUMP, PROBE = (8.0, 8.0), Estimate(2.25, 0.02, "um"), 0.5
DENSITY_SIGMA = 6e16  # cm⁻³
DIFFUSION = Estimate(0.8, 0.1, "cm2/s")

PERTURBATION, PERTURBED = 1e-15, 2
"""Largest relative change of the inputs that stands for rounding, and how often it is tried."""
AMPLIFIED, MOST = 10.0, 1e-3
"""A difference counts as rounding up to so many times the largest change by the perturbed inputs,
but never beyond this relative difference."""

FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError)
FAILURES += (TypeError, ValueError)
"""Errors that end one case and not the run."""

MEASURED = ("reference", "density", "delta_n", "carrier_density", "phase", "path", "light", "line")
MEASURED += ("initial", "reading", "odd", "level", "plate", "mirror", "signal", "spot")
"""Inputs that are perturbed: values that are measured, not the places and times where."""


@dataclass
class Inputs:
    """The folder of the inputs, and a generator of perturbations or None."""

    folder: Path
    random: np.random.Generator | None = None

    @contextmanager
    def raw(self, name: str, *, pumped: bool = True) -> Iterator[xr.Dataset]:
        """Open a raw scan."""
        with open_raw(self.folder / f"{name}.h5", pumped=pumped) as raw:
            yield self._perturbed(raw)

    def arrays(self, name: str) -> dict[str, Any]:
        """Return the arrays and numbers of a file by their names."""
        data = self._perturbed(xr.load_dataset(self.folder / f"{name}.nc", engine="h5netcdf"))
        return {str(key): values.values for key, values in data.variables.items()} | data.attrs

    def reduced(self, name: str) -> xr.Dataset:
        """Return a reduced scan with the present names of its quantities."""
        data = self._perturbed(xr.load_dataset(self.folder / f"{name}.nc", engine="h5netcdf"))
        attrs = {renamed(key): value for key, value in data.attrs.items()}
        axes = renamed("axes")
        if axes in attrs:
            attrs[axes] = " ".join(map(renamed, str(attrs[axes]).split()))
        data = data.rename({key: renamed(str(key)) for key in (*data.variables, *data.dims)})
        return data.drop_attrs(deep=False).assign_attrs(attrs)

    def _perturbed(self, data: xr.Dataset) -> xr.Dataset:
        if self.random is None:
            return data
        changed = {}
        for name in data.data_vars:
            if stable(str(name)) in MEASURED:
                change = PERTURBATION * self.random.uniform(-1, 1, data[name].shape)
                changed[name] = data[name].dims, data[name].values * (1 + change)
        return data.assign(changed)


Numbers = dict[str, np.ndarray]
Case = Callable[[Inputs], Any]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Enter a function of the inputs' folder under its name."""
    CASES[function.__name__] = function
    return function


def reduction(name: str, change: Callable[[xr.Dataset], xr.Dataset] | None = None) -> Case:
    """Return a case that reduces a raw file, its dataset changed beforehand."""

    def reduce(inputs: Inputs) -> xr.Dataset:
        with inputs.raw(name) as raw:
            return reduce_scan(complete_metadata(change(raw)) if change else raw)

    return reduce


def without(*prefixes: str) -> Callable[[xr.Dataset], xr.Dataset]:
    """Return a function that removes the attributes whose stable names begin with `prefixes`."""

    def change(raw: xr.Dataset) -> xr.Dataset:
        kept = {k: v for k, v in raw.attrs.items() if not stable(k).startswith(prefixes)}
        return raw.drop_attrs(deep=False).assign_attrs(kept)

    return change


PLATES = ("0.4", "1.2", "4", "20")  # fringes
CASES |= {
    f"reduce_{name}": reduction(name)
    for name in (
        *("twin_map", "twin_sweep", "twin_delay", "twin_plane", "mirror_line", "mirror_delay"),
        *("step_delay", "few_frames", "three_beams"),
        *(f"plate_{fringes}" for fringes in PLATES),
        *(f"plate_{fringes}_noiseless" for fringes in PLATES),
        *(f"large_{fringes}" for fringes in PLATES),
        *(f"odd_{fringes}" for fringes in PLATES[1:]),
        *(f"slips_{fringes}" for fringes in PLATES[1:]),
    )
}
CASES |= {
    "reduce_step_delay_without_calibration": reduction("step_delay", without("chirp_")),
    "reduce_twin_delay_without_calibration": reduction("twin_delay", without("chirp_")),
    "reduce_mirror_line_incomplete": reduction(
        "mirror_line", without("path_difference", "resolution")
    ),
    "reduce_plate_20_incomplete": reduction("plate_20", without("resolution")),
}


@case
def file_of_a_delay_scan(inputs: Inputs) -> xr.Dataset:
    """Reduced scan that has been written to a file and read again."""
    with tempfile.TemporaryDirectory() as folder, inputs.raw("step_delay") as raw:
        points = raw.isel(**{renamed("point"): slice(12, 32)})
        write_reduced(reduce_scan(points), Path(folder) / "reduced.h5")
        return read_reduced(Path(folder) / "reduced.h5")


@case
def noise_pumped(inputs: Inputs) -> Any:
    return noise(inputs, "record_pumped", pumped=True)


@case
def noise_quiet(inputs: Inputs) -> Any:
    return noise(inputs, "record_quiet", pumped=False)


def noise(inputs: Inputs, name: str, *, pumped: bool) -> Any:
    """Return the noise of a record, its estimates under the name that they had at first."""
    with inputs.raw(name, pumped=pumped) as raw:
        values = dict(vars(noise_spectrum(raw)))
    return {"found": values.pop("estimates"), **values}


@case
def scan_fits(inputs: Inputs) -> Any:
    scans = {name: inputs.reduced(f"paper_{name}") for name in ("sweep", "kinetics", "movie")}
    found = {name: fit_scan(scan).estimates for name, scan in scans.items()}
    found["window"] = fit_scan(scans["kinetics"], (4.0, 150.0)).estimates
    # Where readbacks differ by rounding, the mean position is part of the fit's name.
    return {name: list(estimates.values()) for name, estimates in found.items()}


@case
def folded_movie(inputs: Inputs) -> Any:
    name = renamed("fluorescence")
    return fold(inputs.reduced("paper_movie").drop_vars(name))


@case
def paper(inputs: Inputs) -> Any:
    """All that `infer` makes of a whole experiment: Table 1 and what leads to it."""
    known = json.loads((inputs.folder / "paper_known.json").read_text())
    known |= {name: tuple(known[name]) for name in ("size", "waveguide")}
    known["pump_waist"] = Estimate(**known["pump_waist"])
    names = ("sweep", "kinetics", "movie", "silicon")
    scans = {name: inputs.reduced(f"paper_{name}") for name in names}
    return infer(PaperData(Calibration(**known), **scans))


@case
def movie(inputs: Inputs) -> Any:
    return movies(inputs, "movie")


@case
def movie_below_threshold(inputs: Inputs) -> Any:
    return movies(inputs, "movie_dark")


def movies(inputs: Inputs, name: str) -> Any:
    data = inputs.arrays(name)
    known = Estimate(2e8, 2e7, "1/s"), Estimate(1.8e-9, 2e-11, "cm3/s"), Estimate(5e-30, 2e-30, "")
    side = data["side"]
    fit = fit_movie(
        ScanGeometry(time=data["time"], x=side, y=side, size=SIZE, probe_waist=PROBE),
        data["density"],
        np.full(data["density"].shape, DENSITY_SIGMA),
        pump_waist=PUMP,
        rates=RateConstants.independent(*known),
    )
    return {"fit": fit, "curve": fit.evaluate(data["time"], data["side"][::3], data["side"][::4])}


@case
def waveguide(inputs: Inputs) -> Any:
    data = inputs.arrays("waveguide")
    shape = data["delta_n"].shape
    geometry = ScanGeometry(data["time"], data["position"], (20.0, 2.0), PROBE)
    noise = np.full(shape, DENSITY_SIGMA)
    line = fit_line(geometry, data["density"], noise, pump_waist=PUMP)
    curved = fit_waveguide(
        geometry,
        data["delta_n"],
        np.full(shape, 1e-4),
        material=MATERIALS["Si"],
        pump_waist=PUMP,
    )
    return {"line": line, "waveguide": curved}


@case
def diffusion(_: Inputs) -> Any:
    axis = (np.arange(40) + 0.5) / 5 - 4
    beam = np.exp(-2 * (axis / 2.25) ** 2)
    return solve_diffusion(
        np.outer(beam, beam),
        0.2,
        [0.0, 30.0, 500.0],
        diffusion=0.8e-4,
        linear=lambda t: 2e-4 + 0.05 * np.exp(-(((t - 12) / 10) ** 2)),
        quadratic=0.029,
        step=10.0,
    )


@case
def decays(inputs: Inputs) -> Any:
    data = inputs.arrays("kinetics")
    delay, rows = data["delay"], data["delta_n"]
    sigma = np.full(len(delay), DENSITY_SIGMA * abs(data["slope"]))
    found: dict[str, Any] = {}
    for row, fluence in zip(rows, data["fluence"], strict=True):
        both = (None, (4.0, 150.0))
        whole, late = (fit_decay(delay, row, sigma, w, model="biexponential") for w in both)
        chosen = fit_decay(delay, row, sigma, (4.0, 500.0))
        found[f"{fluence:g}"] = {
            "biexponential": whole,
            "late": late,
            "exponential": fit_decay(delay, row, sigma, (4.0, 150.0), model="exponential"),
            "chosen": chosen,
            "relaxation": pair(relaxation_time(chosen)),
            "relaxation_late": pair(relaxation_time(late)),
        }
    return found


@case
def windows(inputs: Inputs) -> Any:
    data = inputs.arrays("kinetics")
    sigma = np.full(len(data["delay"]), DENSITY_SIGMA * abs(data["slope"]))
    edges = [(first, last) for first in (3.0, 4.0, 6.0, 10.0) for last in (80.0, 150.0, 400.0)]
    return [window_influence(data["delay"], row, sigma, edges) for row in data["delta_n"][[2, 9]]]


@case
def rates(inputs: Inputs) -> Any:
    """Rate equations with profile likelihoods, and the curves and light of the fit."""
    data, curves = rate_curves(inputs)
    plate = Plate(SIZE, PUMP.value, PROBE)
    fit = fit_rate_equations(curves, plate, None, DIFFUSION)
    some = fit.initial[[1, 6, 11]]
    found: dict[str, Any] = {"fit": fit, "losses": fit.losses, "light": fit.light(some)}
    found["density"] = [fit.density(n, data["delay"]) for n in some]
    found["photons"] = [fit.photons(n, data["delay"]) for n in some]
    return found


@case
def rates_with_light(inputs: Inputs) -> Any:
    data, curves = rate_curves(inputs)
    names = ("light_fluence", "light", "light_sigma", "initial")
    light = LightCurve(*(data[name] for name in names), scatter=0.005)
    plate = Plate(SIZE, PUMP.value, PROBE)
    return fit_rate_equations(curves, plate, light, DIFFUSION, profiles=False)


@case
def rates_without_lasing(inputs: Inputs) -> Any:
    _, curves = rate_curves(inputs)
    plate = Plate(SIZE, PUMP.value, PROBE)
    return fit_rate_equations(curves[:4], plate, None, DIFFUSION)


def rate_curves(inputs: Inputs) -> tuple[dict[str, np.ndarray], list[Curve]]:
    data = inputs.arrays("kinetics")
    late = data["delay"] >= 3
    sigma = np.full(int(late.sum()), DENSITY_SIGMA)
    curves = [
        Curve(fluence, data["delay"][late], row[late], sigma, 0.3)
        for fluence, row in zip(data["fluence"], data["density"], strict=True)
    ]
    return data, curves


@case
def onset(inputs: Inputs) -> Any:
    data = inputs.arrays("kinetics")
    sigma = np.full(data["delta_n"].shape, DENSITY_SIGMA * abs(data["slope"]))
    delay = np.broadcast_to(data["delay"], sigma.shape)
    return fit_fast_component(data["fluence"], delay, data["delta_n"], sigma)


@case
def lasing(inputs: Inputs) -> Any:
    """Fluence response, threshold of two lines, laser line, S-curve."""
    data, sweep = inputs.arrays("kinetics"), inputs.reduced("paper_sweep")
    fluence, line, sigma = (data[name] for name in ("light_fluence", "line", "line_sigma"))
    plate = Plate(SIZE, PUMP.value, PROBE)
    spectra = sweep[renamed("fluorescence")].values
    nm = sweep[renamed("wavelength")].values
    columns = [sweep[renamed(name)].values for name in ("fluence", "delta_n", "delta_n_sigma")]
    response = fit_fluence_response(*columns, 7e-4)
    intensity = fluorescence_intensity(spectra, nm, find_emission(sweep))
    s_curves = [
        fit_s_curve(fluence, line, sigma, plate),
        fit_s_curve(fluence, line, sigma, plate, 7e-4, (0.05, 0.01)),
    ]
    onset = Estimate(0.56, 0.004, "mJ/cm2")
    separated = separate_line(spectra, nm, find_emission(sweep))
    return {
        "response": response,
        "response_relative_sigma": response.relative_sigma,
        "response_without_loss": fit_fluence_response(*columns, 0.0, 0.0),
        "intensity": intensity,
        "threshold": fit_lasing_threshold(columns[0], intensity),
        "threshold_with_sigma": fit_lasing_threshold(columns[0], intensity, 0.01 * intensity),
        "separated": separated,
        "s_curves": s_curves,
        "s_curve": s_curves[1].evaluate(np.linspace(0.2, 1.0, 17)),
        "s_curve_of_line": fit_s_curve(columns[0], separated.line, separated.line_sigma, plate),
        "agreement": agreement(s_curves[1].threshold, onset),
    }


@case
def clouds_and_spot(inputs: Inputs) -> Any:
    data, spot = inputs.arrays("movie"), inputs.arrays("rise")
    y, x = np.meshgrid(data["side"], data["side"], indexing="ij")
    clouds = [fit_cloud(x, y, image, np.full(x.shape, DENSITY_SIGMA)) for image in data["density"]]
    place = spot["x_map"], spot["y_map"]
    return {
        "clouds": clouds,
        "unweighted": fit_cloud(x, y, data["density"][0]),
        "waist": cloud_waist(clouds[0].waist, clouds[0].waist_sigma),
        "spot": fit_pump_spot(*place, spot["spot"], np.full(len(place[0]), 7e-5)),
        "negative": fit_pump_spot(*place, -spot["spot"], np.full(len(place[0]), 7e-5)),
    }


@case
def arrival(inputs: Inputs) -> Any:
    scan = inputs.reduced("arrival")
    names = ("delay", "wavelength", "fluorescence", "phase", "path")
    return fit_arrival(*(scan[renamed(name)].values for name in names))


@case
def pump_power(inputs: Inputs) -> Any:
    data = inputs.arrays("power")
    dark = data["dark"] == 1
    corrected = corrected_power(data["moment"], data["reading"], data["sigma"], dark)
    voltage = data["voltage"][~dark]
    curve = fit_retarder(voltage, *corrected)
    steps = PowerCalibration(voltage, *corrected)
    powers = np.linspace(*steps.limits, 9)[1:-1]
    at = np.linspace(*steps.branch, 7)[1:-1]
    sigma = 1e-3 * data["odd"] + 1e-12
    return {
        "corrected": corrected,
        "curve": curve,
        "interpolated": fit_retarder(data["voltage"], data["odd"], sigma),
        "nodes": steps.nodes,
        "voltages": [steps.voltage(float(value)) for value in powers],
        "powers": [steps.power(float(value)) for value in at],
        "check": check_curve(curve.voltage, curve.power, at, [steps.power(v) for v in at], 1e-9),
        "change": relative_change([2.0, 2.1], [0.002, 0.003]),
        "fluence": peak_fluence(corrected[0], 5e4, 2.25),
    }


@case
def thickness(inputs: Inputs) -> Any:
    data = inputs.arrays("fringes")

    def fit(spectra: np.ndarray, path: tuple[float, float]) -> Any:
        one = (data["lambda"], data["dark"], data["light"], spectra)
        return fit_fringes(*one, gain=4.0, read_noise=12.0, frames=60, path=path)

    plate, mirror = fit(data["plate"], (2.0, 22.0)), fit(data["mirror"], (6.0, 24.0))
    indices = group_index(2.0, 2.07), group_index(2.0, None)
    return {
        "plate": plate,
        "mirror": mirror,
        "indices": indices,
        "thickness": [plate_thickness(plate, index) for index in indices],
        "offset": mirror_offset(data["position"], mirror),
    }


@case
def plate_edges(inputs: Inputs) -> Any:
    data = inputs.arrays("edges")
    return fit_edges(data["volts"], data["level"], data["edge"], (8.0, 6.0), (2.0, 2.0))


@case
def rise(inputs: Inputs) -> Any:
    data = inputs.arrays("rise")
    return measure_rise(data["time"], data["signal"], np.full(len(data["time"]), 1e-4))


@case
def formulas(_: Inputs) -> Any:
    """Index change and carrier density of every material, and the chirp's delays."""
    density = np.concatenate([[0.0], np.geomspace(1e16, 3e19, 12)])
    found: dict[str, Any] = {}
    for name, material in MATERIALS.items():
        delta_n = material.delta_n(density, CENTRE_WAVELENGTH)
        inverse = material.carrier_density(0.9 * delta_n, CENTRE_WAVELENGTH)
        found[name] = {"delta_n": delta_n, "carrier_density": inverse}
    found["chirp"] = chirp_delay(np.linspace(925, 1125, 21), (1.2, 0.05, 0.04))
    return found


def pair(estimate: Estimate) -> tuple[float, float]:
    """Return value and sigma, as they are stored of a relaxation time."""
    return estimate.value, estimate.sigma


def stable(name: str) -> str:
    """Return the name in the stored file of what the code calls `name`."""
    return STABLE_NAMES.get(name, name)


def renamed(name: str) -> str:
    """Return what the code calls a quantity of the stored file."""
    return {old: new for new, old in STABLE_NAMES.items()}.get(name, name)


def numbers(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield every number in a result with its stable name; texts and functions have none."""
    if isinstance(value, xr.Dataset | xr.DataArray):
        parts = dict(value.variables) if isinstance(value, xr.Dataset) else dict(value.coords)
        if isinstance(value, xr.DataArray):
            yield from numbers(f"{name}/values", value.values)
        yield from _members(name, {key: part.values for key, part in parts.items()})
        yield from _members(f"{name}/attrs", value.attrs)
    elif isinstance(value, Mapping):
        yield from _members(name, value)
    elif is_dataclass(value) and not isinstance(value, type):
        members = {f.name: getattr(value, f.name) for f in fields(value) if f.name[0] != "_"}
        for key in PAIRS.get(type(value).__name__, ()):
            members[key], members[f"{key}_sigma"] = pair(members[key])
        yield from _members(name, members)
    elif hasattr(value, "_asdict"):
        yield from _members(name, value._asdict())
    elif isinstance(value, list | tuple) and not all(np.isscalar(one) for one in value):
        yield from _members(name, dict(enumerate(value)))
    elif not callable(value):
        array = np.asarray(value)
        if array.dtype.kind in "biufc":
            yield name, array


def _members(name: str, members: Mapping[Any, Any]) -> Iterator[tuple[str, np.ndarray]]:
    for key, value in members.items():
        if key == TEXTS:
            continue
        part = f"{key:g}" if isinstance(key, float) else stable(str(key))
        yield from numbers(f"{name}/{part}", value)


def compute(inputs: Inputs, names: list[str]) -> tuple[Numbers, list[str]]:
    """Return the numbers of the named cases, and the names of cases that ended with an error."""
    found: Numbers = {}
    failed = []
    for name in names:
        begin = time.perf_counter()
        try:
            new = dict(numbers(name, CASES[name](inputs)))
        except FAILURES:
            traceback.print_exc()
            failed.append(name)
            continue
        found |= new
        size = sum(array.size for array in new.values())
        print(f"{name}: {size} numbers, {time.perf_counter() - begin:.1f} s", flush=True)
    return found, failed


def sigma_of(name: str, stored: Numbers) -> np.ndarray | None:
    """Return the sigma that is stored beside a value, of the same shape."""
    parent, _, last = name.rpartition("/")
    candidates = [f"{name}_sigma", f"{parent}_sigma/{last}"]
    if last == "value":
        candidates.append(f"{parent}/sigma")
    if parent.endswith("/values"):
        candidates.append(f"{parent.removesuffix('values')}sigmas/{last}")
    for candidate in candidates:
        sigma = stored.get(candidate)
        if sigma is not None and sigma.shape == stored[name].shape:
            return np.abs(sigma)
    return None


def excess(name: str, now: np.ndarray, stored: Numbers, rtol: float) -> np.ndarray:
    """Return each difference over its tolerance; NaN against a number is infinitely far."""
    was = stored[name]
    if was.dtype.kind in "biu":
        return np.where(now == was, 0.0, np.inf)
    scale = sigma_of(name, stored)
    magnitude = np.abs(was)
    if scale is None:
        scale = 1e-3 * np.max(magnitude, initial=0.0, where=np.isfinite(magnitude))
    scale = np.where(np.isfinite(scale), scale, 0.0)
    if np.float32 in (was.dtype, now.dtype):
        rtol = max(rtol, float(np.finfo(np.float32).eps))
    with np.errstate(all="ignore"):
        ratio = np.abs(now - was) / (rtol * np.maximum(magnitude, scale))
    same = (now == was) | (np.isnan(now) & np.isnan(was))
    return np.where(same, 0.0, np.where(np.isnan(ratio), np.inf, ratio))


def changes(now: Numbers, stored: Numbers, rtol: float) -> dict[str, float]:
    """Return the largest difference over its tolerance of each name; infinite for other shapes."""
    found = dict.fromkeys((*(n for n in stored if n not in now), *now), np.inf)
    for name in stored.keys() & now.keys():
        if stored[name].shape == now[name].shape:
            found[name] = float(np.max(excess(name, now[name], stored, rtol), initial=0.0))
    return found


def described(name: str, now: Numbers, stored: Numbers, rtol: float) -> str:
    """Return a line about a name whose numbers differ, are missing or are new."""
    if name not in now or name not in stored:
        return f"{name}: {'new' if name in now else 'missing'}"
    was, new = stored[name], now[name]
    if was.shape != new.shape:
        return f"{name}: shape {was.shape} is now {new.shape}"
    ratio = excess(name, new, stored, rtol)
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    place = f"[{', '.join(map(str, worst))}]" if worst else ""
    return (
        f"{name}{place}: {was[worst]} is now {new[worst]}, {ratio[worst]:.3g} times the tolerance; "
        f"{np.count_nonzero(ratio > 1)} of {ratio.size} numbers differ"
    )


def rounding_file(file: Path) -> Path:
    """Return where the changes by perturbed inputs are stored."""
    return file.with_suffix(".rounding.json")


def load(file: Path, names: list[str]) -> Numbers:
    """Return the stored numbers of the named cases."""
    with np.load(file) as archive:
        kept = (n for n in archive if n.split("/")[0] in names and not n.endswith(f"/{TEXTS}"))
        return {name: archive[name] for name in kept}


def compare(file: Path, now: Numbers, names: list[str], rtol: float) -> tuple[list[str], list[str]]:
    """Print and return the names that differ from the stored numbers, and the changed ones."""
    stored = load(file, names)
    path = rounding_file(file)
    rounding = json.loads(path.read_text()) if path.exists() else {}
    found = changes(now, stored, rtol)
    changed = []
    differing = [name for name, ratio in found.items() if ratio > 1]
    for name in differing:
        limit = min(AMPLIFIED * rounding.get(name, 0.0) / rtol, MOST / rtol)
        changed += [name] if found[name] > limit else []
        print("CHANGED " if name in changed else "rounding", described(name, now, stored, rtol))
    worst = max(found, key=found.__getitem__, default="")
    print(
        f"{len(differing)} differences among {len(stored)} names, {len(changed)} of them more than "
        f"rounding; the largest is {found.get(worst, 0.0):.3g} times the tolerance of {rtol:g} "
        f"({worst})"
    )
    return differing, changed


def compare_again(cases: list[str]) -> int:
    """Compare some cases in a new process, with the same options; return its status."""
    print(f"once more in a new process: {len(cases)} cases", flush=True)
    command = [sys.executable, "-m", "benchmarks.accuracy.same_numbers", *sys.argv[1:]]
    return subprocess.run([*command, "--once", "--only", *cases], check=False).returncode


def store_rounding(file: Path, folder: Path, names: list[str]) -> list[str]:
    """Store by how much perturbed inputs change each name, relative; return cases with errors."""
    stored, failed = load(file, names), []
    path = rounding_file(file)
    rounding = json.loads(path.read_text()) if path.exists() else {}
    for seed in range(PERTURBED):
        now, errors = compute(Inputs(folder, np.random.default_rng(seed)), names)
        failed += errors
        for name, ratio in changes(now, stored, RTOL).items():
            # what appears, vanishes or has another shape is as far as rounding can go
            rounding[name] = max(rounding.get(name, 0.0), min(ratio * RTOL, MOST))
    path.write_text(json.dumps(rounding, indent=0))
    return failed


def main() -> None:
    """Store or compare the numbers, as asked on the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("store", "compare", "rounding", "list"))
    parser.add_argument("file", type=Path, nargs="?", help="npz file of all numbers")
    parser.add_argument("--inputs", type=Path, default=INPUTS, help=f"folder, default {INPUTS}")
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="cases, such as '*odd*'"
    )
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--rtol", type=float, default=RTOL, help=f"default {RTOL:g}")
    parser.add_argument("--once", action="store_true", help="never compute a case twice")
    parser.add_argument(
        "--accept-rounding", action="store_true", help="status 1 only for what is CHANGED"
    )
    asked = parser.parse_args()
    names = [n for n in CASES if any(fnmatch.fnmatchcase(n, wanted) for wanted in asked.only)]
    if asked.action == "list" or asked.list:
        print(*names, sep="\n")
        return
    if asked.file is None or not names:
        parser.error("a file and at least one case are needed")
    if not (asked.inputs / "complete").exists():
        parser.error(
            f"{asked.inputs} has no complete inputs: run "
            f"`python -m benchmarks.accuracy.same_inputs {asked.inputs}`"
        )
    if asked.action == "rounding":
        failed, counted = store_rounding(asked.file, asked.inputs, names), []
    else:
        now, failed = compute(Inputs(asked.inputs), names)
        counted = []
    if asked.action == "store" and not failed:
        np.savez_compressed(asked.file, **now)
        print(f"{len(now)} names in {asked.file}")
    if asked.action == "compare":
        differing, changed = compare(asked.file, now, names, asked.rtol)
        if differing and not failed and not asked.once:
            sys.exit(compare_again(sorted({name.split("/")[0] for name in differing})))
        counted = changed if asked.accept_rounding else differing
    print(*(f"{name}: ended with an error" for name in failed), sep="\n")
    sys.exit(bool(counted or failed))


if __name__ == "__main__":
    main()
