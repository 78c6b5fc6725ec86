"""Step response against method: as published, whole-band phase, all spectra with the chirp undone.

Run as ``python -m benchmarks.accuracy.resolution``, which takes a minute or two; with
``--out docs/reference/resolution.md`` it writes the page and its figure. The simulated microscope
exposes a step of Δn in its own noise (fields through the plate, slit, pixels, read and shot noise,
source noise, drift), and every method gets the same frames. The step is a formula here, a pump of
100 fs and nothing after it, so that it is known.
"""

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy.special import ndtr

from analysis.kinetics.rise_time import measure_rise
from analysis.reduction.missing_metadata import complete_metadata
from analysis.reduction.scan import reduce_scan
from benchmarks.accuracy.paper_baseline import reduce_as_published
from ocm_ophyd.twin import Knobs, Microscope, load_scenario

HEIGHT, ZERO = 1e-2, 0.13  # RIU, ps
PULSE = 0.1 / np.sqrt(8 * np.log(2))  # ps, pump of 100 fs FWHM (stated in the paper)
DELAY = np.arange(-5.0, 8.01, 0.25)  # ps
CHOPPER, FRAMES, DEAD = 20.0, 120, 0.1  # Hz, frames a point (one second), s
OWN_RISE = 2 * 1.2816 * PULSE  # ps, 10–90 % of the step itself


def step(time):
    """Δn of a pump pulse at ZERO."""
    return HEIGHT * ndtr((np.asarray(time, float) - ZERO) / PULSE)


class SteppedMicroscope(Microscope):
    """The microscope with a sample that knows no recombination, and delays that are exact."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self.sample.density = lambda time, *_: step(time)
        self.sample.index_change = lambda density, _: density
        self.delay = 0.0

    def true_delay(self, _):
        return self.delay


def measure(quiet, chirp_known, seed=0):
    """Raw scan of the step, with or without the microscope's noise."""
    scenario = load_scenario().model_copy(update={"seed": 20231006 + seed})
    microscope = SteppedMicroscope(scenario.noiseless() if quiet else scenario)
    now = 0.0

    def expose(count, **knobs):
        nonlocal now
        start = now + np.arange(count) * microscope.slot
        now = float(start[-1]) + DEAD
        exposure = microscope.expose(Knobs(chopper_frequency=CHOPPER, **knobs), start)
        return exposure.frames, start, exposure.pump_open

    dark = expose(FRAMES, probe_shutter_open=False)[0].mean(axis=0)
    reference = expose(FRAMES, sample_x=0.03)[0].mean(axis=0)  # bare substrate
    parts = []
    for delay in DELAY:
        microscope.delay = float(delay)
        parts.append(expose(FRAMES, pump_shutter_open=True, retarder_voltage=5.0))
    frames, start, opened = (np.stack(part) for part in zip(*parts, strict=True))
    sample = scenario.sample
    attrs = {
        "exposure": microscope.exposure,
        "gain": microscope.gain,
        "read_noise": microscope.read_noise,
        "saturation": float(microscope.saturation_counts),
        "chopper_frequency": CHOPPER,
        "geometry": "common-path",
        "sample_name": "step",
        "material": sample.material,
        "thickness": sample.thickness,
        "refractive_index": sample.refractive_index,
    }
    if chirp_known:
        attrs["chirp_wavelength"] = np.linspace(925, 1125, 101)
        probe = microscope.interferometer.probe
        attrs["chirp_delay"] = probe.chirp_delay(attrs["chirp_wavelength"])
    none = ("point", np.zeros(len(DELAY)))
    return xr.Dataset(
        {
            "frames": (("point", "frame", "wavelength"), frames),
            "frame_time": (("point", "frame"), start),
            "pump_open": (("point", "frame"), opened),
            "dark": ("wavelength", dark),
            "reference": ("wavelength", reference),
            "delay": ("point", DELAY),
            "x": none,
            "y": none,
            "fluence": ("point", np.full(len(DELAY), 0.5)),
        },
        coords={"wavelength": microscope.wavelength},
        attrs=attrs,
    )


def resolved(reduced):
    names = ("delay", "delta_n", "delta_n_sigma")
    return tuple(reduced[f"chirp_resolved_{name}"].values for name in names)


def late(time):
    """Where all colours have passed the step; beyond the last delay only some are seen."""
    return (time > ZERO + 4) & (time < DELAY[-1])


def rows(quiet):
    """(method, time, Δn, sigma) of each method on the same frames."""
    known, unknown = measure(quiet, chirp_known=True), measure(quiet, chirp_known=False)
    reduced, blind = (reduce_scan(complete_metadata(raw)) for raw in (known, unknown))
    published = reduce_as_published(known).delta_n
    scatter = np.nan if quiet else published[late(DELAY)].std(ddof=1)
    table = [
        ("as published", DELAY, published, np.full(len(DELAY), scatter)),
        ("whole-band phase", DELAY, reduced["delta_n"].values, reduced["delta_n_sigma"].values),
        ("chirp undone, calibrated", *resolved(reduced)),
        ("chirp undone, chirp from the scan", *resolved(blind)),
    ]
    return table, reduced, blind


def line(name, time, delta_n, sigma):
    """One line of the table."""
    known = np.isfinite(delta_n)
    time, delta_n, sigma = time[known], delta_n[known], sigma[known]
    height = delta_n[late(time)].mean()
    behind = (time > ZERO + 0.4) & (time < ZERO + 4)
    worst = np.abs(delta_n[behind] / HEIGHT - 1).max()
    if "undone" in name:
        found = measure_rise(time, delta_n, sigma)
        middle, duration = found.middle.value, found.duration.value
    else:  # longer than `measure_rise` looks, and with steps in it
        share = np.maximum.accumulate(delta_n / height) + 1e-9 * np.arange(len(time))
        low, middle, high = np.interp([0.1, 0.5, 0.9], share, time)
        duration = high - low
    spread = np.median(sigma[behind]) / HEIGHT * 100
    stated = f"{spread:.2f}" if np.isfinite(spread) else "–"
    return (
        f"| {name} | {duration:.2f} | {1e3 * (middle - ZERO):+.0f} | {100 * worst:.1f} "
        f"| {100 * (height / HEIGHT - 1):+.2f} | {stated} |"
    )


def main():
    """Measure, print the page, and write it with its figure where that is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="page to write; the figure goes to figures/")
    out = parser.parse_args().out
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    text = []
    for quiet, axes in zip((True, False), panels, strict=True):
        table, reduced, blind = rows(quiet)
        title = "without noise" if quiet else "with the default scenario's noise"
        text += [f"\n## {title[0].upper()}{title[1:]}\n", HEADER]
        text += [line(*row) for row in table]
        about = blind["chirp_resolved_delay"].attrs
        terms = zip(about["chirp"], about["chirp_sigma"], strict=True)
        coefficients = ", ".join(f"{value:.4f} ± {sigma:.4f}" for value, sigma in terms)
        text.append(f"\nChirp found from the scan: {coefficients} ps/(100 rad/ps)^k, k = 1, 2, 3.")
        width = np.interp(
            [ZERO, ZERO + 3],
            reduced["chirp_resolved_delay"].values,
            reduced["chirp_resolved_resolution"].values,
        )
        text.append(
            f"Resolution as the result states it (10–90 % of its averaging kernel): {width[0]:.2f} "
            f"ps at the rise, {width[1]:.1f} ps on the plateau."
        )
        fine = np.linspace(-4, 6, 2000)
        axes.plot(fine, step(fine) * 1e3, color="black", linewidth=0.8, label="truth")
        for (name, time, delta_n, _), style in zip(table, ("s", "o", "-", "--"), strict=True):
            axes.plot(time, delta_n * 1e3, style, markersize=3, linewidth=1.3, label=name)
        axes.set(xlim=(-4, 6), ylabel="Δn (10⁻³)", title=title)
    panels[0].legend(frameon=False, fontsize=8)
    panels[1].set_xlabel("Time (ps)")
    page = INTRODUCTION + "\n".join(text) + "\n\n" + END
    print(page)
    if out is not None:
        path = out.parent / "figures" / "resolution.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=150)
        out.write_text(page, "utf-8")


HEADER = (
    "| method | rise 10–90 %, ps | time zero off by, fs | worst of 0.4–4 ps, % "
    "| height from 4 ps, % | sigma, % |\n|---|---|---|---|---|---|"
)

INTRODUCTION = f"""# Time resolution

A step of Δn = {HEIGHT:g} made by a pump pulse of 100 fs (its own rise takes {OWN_RISE:.2f} ps from
10 to 90 %), seen by the 5 ps probe pulse of the simulated microscope at delays of
{DELAY[1] - DELAY[0]:g} ps, one second of frames each. All methods get the same frames.

- **as published**: normalise, resample in wavenumber, window, Fourier phase at the fringe's peak,
  its amplitude at the chopper's frequency (`benchmarks/accuracy/paper_baseline.py`). A plate of
  1.5 um shows 1.2 fringes, whose peak overlaps its mirror image, so that its height depends on the
  fringe's phase as well. It states no sigma: with noise, the table has the scatter of its points
  from 4 ps.
- **whole-band phase**: least squares on the fringe, one phase a delay.
- **chirp undone**: all spectra of the scan inverted together. With the calibrated chirp, and with
  the chirp found from the same scan.

Wanted: 0.30 ps (0.40 ps without a calibration), plateau within 2 %, time zero within 50 fs.
"""

END = """![Step response against method](figures/resolution.png)

## Why less than √(8 fs × 5 ps) is possible

The colour ω passes the sample at t_c(ω), but it does so within √D, D = dt_c/dω: 0.12 ps for 5 ps
over the band, and a single pixel's signal rings about a step as light does about the shadow of an
edge. This Fresnel integral loses nothing: its transfer function exp(iDν²/2) has the modulus one at
every frequency ν and only turns the step between the two quadratures of the fringe. Different
pixels and delays see the same time at different fringe phases, and both quadratures are measured.
The inversion has the whole integral in its model, with the light's spectrum and the bend of its
chirp (what the changing phase moves in frequency comes from a colour of another brightness and
another delay), the slit's 1.5 nm and the bins.
Files whose colours merely follow one another, as of a swept source, fit without the integral; the
reduction tries both and says in `chirp_resolved/delay`, attribute `light`, which one it was.

## Limits

- Times are smoothed as much as the data ask for; `resolution` says over how much. The smoothing is
  chosen for each picosecond; in one that looks smooth, a second sharp event is resolved only if it
  exceeds the noise.
- The phase that all pixels of a point share is uncertain by the interferometer's drift, which sets
  the plateau's sigma; neighbouring times have this error in common.
- Sigma holds the noise, the interferometer's drift, the smoothing and, where the scan gave it, the
  chirp's uncertainty; where spectra fit worse than their noise, that counts as noise. At a rise it
  holds 1.5 fs of t_c besides, different from colour to colour: 0.5 % of a step of 0.1 ps. A
  calibration that is off by more is not in it.
- Without a calibration the chirp is a cubic; a calibration may be any curve.
- Plates with less than half a fringe over the band tell a phase from pulse energy and tilt badly:
  sigma says so.

Made by `python -m benchmarks.accuracy.resolution --out docs/reference/resolution.md`.
"""

if __name__ == "__main__":
    main()
