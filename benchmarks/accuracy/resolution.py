"""Step response of three methods: as published, whole-band phase, chirp-resolved.

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

HEIGHT, ZERO = 1e-2, 0.13  # RIU, ps, of the step
PULSE = 0.1 / np.sqrt(8 * np.log(2))  # ps, pump of 100 fs FWHM (stated in the paper)
DELAY = np.arange(-5.0, 8.01, 0.25)  # ps
CHOPPER, FRAMES, DEAD = 20.0, 120, 0.1  # Hz, frames a point (one second), s
OWN_RISE = 2 * 1.2816 * PULSE  # ps, 10–90 % of the step itself


def step(time):
    """Return Δn, RIU, at times in ps: a step by a pump pulse at ZERO."""
    return HEIGHT * ndtr((np.asarray(time, float) - ZERO) / PULSE)


class SteppedMicroscope(Microscope):
    """Microscope with a sample without recombination, and with exact delays."""

    def __init__(self, scenario):
        super().__init__(scenario)
        self.sample.density = lambda time, *_: step(time)
        self.sample.index_change = lambda density, _: density
        self.delay = 0.0

    def true_delay(self, _):
        return self.delay


def measure(quiet, chirp_known, seed=0):
    """Return a raw scan of the step, with or without (`quiet`) the microscope's noise."""
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
    """Return time (ps), Δn and sigma (RIU) with the chirp resolved."""
    names = ("delay", "delta_n", "delta_n_sigma")
    return tuple(reduced[f"chirp_resolved_{name}"].values for name in names)


def late(time):
    """Return at which times all wavelengths of all points are behind the step."""
    return (time > ZERO + 4) & (time < DELAY[-1])


def rows(quiet):
    """Return (method, time, Δn, sigma) of each method, and both chirp-resolved reductions."""
    known, unknown = measure(quiet, chirp_known=True), measure(quiet, chirp_known=False)
    reduced, from_scan = (reduce_scan(complete_metadata(raw)) for raw in (known, unknown))
    published = reduce_as_published(known).delta_n
    scatter = np.nan if quiet else published[late(DELAY)].std(ddof=1)
    table = [
        ("as published", DELAY, published, np.full(len(DELAY), scatter)),
        ("whole-band phase", DELAY, reduced["delta_n"].values, reduced["delta_n_sigma"].values),
        ("chirp resolved, calibrated", *resolved(reduced)),
        ("chirp resolved, chirp from the scan", *resolved(from_scan)),
    ]
    return table, reduced, from_scan


def line(name, time, delta_n, sigma):
    """Return one line of the table."""
    known = np.isfinite(delta_n)
    time, delta_n, sigma = time[known], delta_n[known], sigma[known]
    height = delta_n[late(time)].mean()
    behind = (time > ZERO + 0.4) & (time < ZERO + 4)
    worst = np.abs(delta_n[behind] / HEIGHT - 1).max()
    if "chirp resolved" in name:
        rise = measure_rise(time, delta_n, sigma)
        middle, duration = rise.middle.value, rise.duration.value
    else:  # longer than the rises that `measure_rise` fits, and not monotonic
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
    """Measure, print the page, and write it with its figure if `--out` is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="page to write; the figure goes to figures/")
    out = parser.parse_args().out
    figure = Figure(figsize=(7.2, 6.4), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    text = []
    for quiet, axes in zip((True, False), panels, strict=True):
        table, reduced, from_scan = rows(quiet)
        title = "without noise" if quiet else "with the default scenario's noise"
        text += [f"\n## {title[0].upper()}{title[1:]}\n", HEADER]
        text += [line(*row) for row in table]
        about = from_scan["chirp_resolved_delay"].attrs
        terms = zip(about["chirp"], about["chirp_sigma"], strict=True)
        coefficients = ", ".join(f"{value:.4f} ± {sigma:.4f}" for value, sigma in terms)
        text.append(f"\nChirp from the scan: {coefficients} ps/(100 rad/ps)^k, k = 1, 2, 3.")
        width = np.interp(
            [ZERO, ZERO + 3],
            reduced["chirp_resolved_delay"].values,
            reduced["chirp_resolved_resolution"].values,
        )
        text.append(
            f"Stated resolution (10–90 % of the averaging kernel): {width[0]:.2f} "
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
    "| method | rise 10–90 %, ps | error of time zero, fs | largest error in 0.4–4 ps, % "
    "| error of the height from 4 ps, % | sigma, % |\n|---|---|---|---|---|---|"
)

INTRODUCTION = f"""# Time resolution

A step of Δn = {HEIGHT:g} by a pump pulse of 100 fs, whose own rise takes {OWN_RISE:.2f} ps from 10
to 90 %, is measured with the 5 ps probe pulse of the simulated microscope. The delays are
{DELAY[1] - DELAY[0]:g} ps apart, with one second of frames each. All methods get the same frames.

- **as published**: normalise, resample in wavenumber, window, Fourier phase at the fringe's peak,
  its amplitude at the chopper's frequency (`benchmarks/accuracy/paper_baseline.py`). A plate of
  1.5 um shows 1.2 fringes, whose peak overlaps its mirror image, so the height of the step depends
  on the phase of the fringe as well. This method states no sigma; with noise, the table has the
  scatter of its points from 4 ps.
- **whole-band phase**: least squares on the fringe, one phase for each delay.
- **chirp resolved**: inversion of all spectra of the scan together, with the calibrated chirp, and
  with the chirp from the same scan.

Goals: 0.30 ps (0.40 ps without a calibration), plateau within 2 %, time zero within 50 fs.
"""

END = """![Step response of each method](figures/resolution.png)

## Why a rise below √(8 fs × 5 ps) is possible

The wavelength of the angular frequency ω passes the sample at t_c(ω), but it takes √D, D = dt_c/dω,
to do so: 0.12 ps for 5 ps over the band. The signal of a single pixel oscillates about a step as
light does behind an edge. This Fresnel integral loses no information. Its transfer function
exp(iDν²/2) has the modulus one at every frequency ν and only rotates the step between the two
quadratures of the fringe. Different pixels and delays sample the same time at different phases of
the fringe, so both quadratures are measured. The equations are in
[the explanation of the inversion](../explanation/chirp-inversion.md).

A swept source, whose wavelengths follow one another without coherence, fits without the integral.
The reduction fits both models of the light; the attribute `light` of `chirp_resolved_delay` is the
better one.

## Limits

- The result is smoothed as much as the data allow, and `resolution` is the time over which it is.
  The smoothing is chosen for each picosecond. A second sharp event within a picosecond that is
  otherwise smooth is resolved only if it exceeds the noise.
- The drift of the interferometer changes the phase of all pixels of a point by the same amount. It
  determines the sigma of the plateau, and neighbouring times have this error in common.
- Sigma contains the noise, the drift, the smoothing and, where the scan gave it, the uncertainty of
  the chirp; where spectra fit worse than their noise, the misfit counts as noise. At a rise it also
  contains an error of t_c of 1.5 fs that differs from wavelength to wavelength: 0.5 % of a step of
  0.1 ps. This number is not derived; the errors at rises of two simulated instruments require it.
  Sigma does not contain the error of a calibration that is wrong by more.
- Without a calibration the chirp is a cubic polynomial; a calibration may be any curve.
- In plates with less than half a fringe over the band, a phase resembles pulse energy and tilt, and
  sigma is large.

This page was made by `python -m benchmarks.accuracy.resolution --out docs/reference/resolution.md`.
"""

if __name__ == "__main__":
    main()
