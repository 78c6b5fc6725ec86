"""Page and figure of `benchmarks.accuracy.sensitivity`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Row = Mapping[str, float]


def page(results: Any, figure: str) -> str:
    """Return the page in Markdown.

    Parameters
    ----------
    results : benchmarks.accuracy.sensitivity.Comparison
    figure : str
        Path of the figure, relative to the page.
    """
    lines = [
        "# Sensitivity, bias and time resolution",
        "",
        "Two reductions of the same frames are compared. The published one normalises the "
        "spectrum, resamples it in wavenumber, applies a window, takes the Fourier phase at the "
        "fringe's peak and its amplitude at the chopper's frequency "
        "(`benchmarks/accuracy/paper_baseline.py`). The other is `reduce_scan` of this project. "
        "This page was made by "
        "`python -m benchmarks.accuracy.sensitivity --out docs/reference/sensitivity.md`.",
        "",
        f"![Sensitivity, step response, scatter and bias]({figure})",
        "",
        *_without_pump(results.sensitivity),
        *_rise(results.steps),
        *_fringes(results.plates),
        *_effects(results.effects),
        *_different_plates(results.different_plates),
    ]
    return "\n".join(lines)


def _without_pump(sensitivity: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    lines = [
        "## σ(Δn) without the pump",
        "",
        "One minute of frames of a 1.5 um plate is cut into points of 1, 2, 5, 20 or 60 chopper "
        "periods. The table gives the scatter of Δn among the points. The shot-noise limit is that "
        "of shot and read noise with energy and tilt of the light unknown. The Cramér–Rao bound "
        "also has the scenario's drift as a random walk. The paper states 1e-3 and no averaging "
        "time; the noise of the default scenario is set so that the published reduction shows this "
        "in one chopper period, 50 ms.",
        "",
        "| scenario | averaged | as published | this project | its stated sigma | bound with drift "
        "| shot-noise limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, columns in sensitivity.items():
        for time, *sigmas in zip(*columns.values(), strict=True):
            numbers = " | ".join(f"{sigma:.2g}" for sigma in sigmas)
            lines.append(f"| {name} | {time:g} s | {numbers} |")
    return [
        *lines,
        "",
        "The tilt of the light's spectrum fluctuates by 4 % in 100 nm within 50 ms. With so few "
        "fringes the published reduction takes this for a phase. With a steady spectrum the drift "
        "of the interferometer dominates. Only this drift separates the result of this project "
        "from the shot-noise limit.",
        "",
    ]


def _rise(steps: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        "## Rise at the pump",
        "",
        "Delay scan in steps of 0.25 ps with a 5 ps probe, default scenario, 0.35 mJ/cm². The "
        "plateau is the mean from 4 to 8 ps, divided by that of the true Δn.",
        "",
        "| method | 10–90 % rise | plateau / truth |",
        "|---|---|---|",
        *(
            f"| {name} | {step['rise']:.2f} ps | {step['plateau']:.3f} |"
            for name, step in steps.items()
        ),
        "",
        "The paper states 1 ps, reached with a special algorithm from 5 ps pulses and limited by "
        "the probe. Without such an algorithm the published reduction averages over the "
        "wavelengths of the pulse.",
        "",
    ]


def _fringes(plates: Sequence[Row]) -> list[str]:
    lines = [
        "## Scatter and bias against the number of fringes",
        "",
        "Plates computed from formulas (`benchmarks/accuracy/formula_plate.py`) with shot and read "
        "noise, and in each frame 0.3 % of energy noise and 0.1 % of tilt. A point has half a "
        "second of frames. The index is linear in frequency, as that of CsPbBr3 nearly is. The "
        "Cramér–Rao bound is for this noise, with a free shape of the fringe that has the prior "
        "standard deviations in `formula_plate.SHAPE`. The error from these priors is the same for "
        "all points of one plate, so their scatter does not contain it; bound and stated sigma "
        "are without it here (`delta_n_sigma` without `delta_n_systematic`). The section on "
        "different plates, below, has it. Carriers absorb, so brightness and tilt of the light "
        "with the pump are unknown too. If they were known to be unchanged, a better result would "
        "be possible below one or two fringes, where a tilt resembles a phase. The bias is the "
        "largest over all phases of the fringe, at Δn = 3e-3, without noise and rounding.",
        "",
        "| fringes | bound (RIU) | as published / bound | this project / bound "
        "| / bound of unchanged light | stated / scatter | bias, as published "
        "| bias, this project |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in plates:
        bound, scatter = row["bound"], row["scatter_project"]
        lines.append(
            f"| {row['fringes']:g} | {bound:.2g} | {row['scatter_published'] / bound:.2f} | "
            f"{scatter / bound:.2f} | {scatter / row['bound_same_light']:.2f} | "
            f"{row['stated_project'] / scatter:.2f} | "
            f"{row['bias_published']:.1%} | {row['bias_project']:.2%} |"
        )
    return [*lines, ""]


def _effects(effects: Sequence[Row]) -> list[str]:
    lines = [
        "## Scatter and bias against the size of the effect, and drift",
        "",
        "The same plates at one phase, with a random walk of the path. A point is estimated by "
        "itself: the shape of its fringe (visibility, path, bends, brightness and tilt of the "
        "light) is unknown too. The bound is again that of the scatter among points of one plate. "
        "The bias is the largest over all phases, without drift, noise and rounding.",
        "",
        "| fringes | Δn | drift (rad/√s) | bound (RIU) | this project / bound | stated / scatter "
        "| bias |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in effects:
        bias = "–" if row["drift"] else f"{row['bias']:.2%}"
        lines.append(
            f"| {row['fringes']:g} | {row['delta_n']:g} | {row['drift']:g} | {row['bound']:.2g} | "
            f"{row['scatter'] / row['bound']:.2f} | {row['stated'] / row['scatter']:.2f} | {bias} |"
        )
    return [*lines, ""]


def _different_plates(rows: Sequence[Row]) -> list[str]:
    lines = [
        "## Different plates",
        "",
        "One point of each of 200 plates, with any phase. Their shapes differ by as much as the "
        "priors allow: the group index by 3 %, its bend by 0.02, the tilt of the light relative to "
        "the reference by 1 % and its curvature by 0.2 %. Errors are divided by the whole bound of "
        "their plate, with the unknown shape, and by the whole stated sigma. The root mean squares "
        "are known to 5 %.",
        "",
        "| fringes | Δn | error / bound | / bound of unchanged light | error / sigma | largest "
        "| mean error |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['fringes']:g} | {row['delta_n']:g} | {row['error']:.2f} | "
        f"{row['error_same_light']:.2f} | {row['pull']:.2f} | {row['largest']:.1f} | "
        f"{row['bias']:.2%} ± {row['bias_sigma']:.2%} |"
        for row in rows
    ]
    return [*lines, ""]


_LABELS = {
    "published": "as published",
    "project": "this project",
    "bound": "bound with drift",
    "limit": "shot-noise limit",
}


def draw(results: Any, path: Path) -> None:
    """Draw sensitivity, step response, scatter over bound, and bias to an image file.

    Parameters
    ----------
    results : benchmarks.accuracy.sensitivity.Comparison
    path : Path
    """
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    (quiet, step), (scatter, bias) = figure.subplots(2, 2)
    _draw_sensitivity(quiet, results.sensitivity)
    for name, curve in results.steps.items():
        label = f"{name}: {curve['rise']:.2f} ps"
        step.plot(curve["time"], curve["delta_n"] * 1e3, ".-", ms=3, label=label)
    step.set(xlabel="Delay (ps)", ylabel="Δn (10⁻³)", xlim=(-6, 8))
    step.legend(frameon=False, fontsize=8)
    fringes = [row["fringes"] for row in results.plates]
    for axes, quantity in ((scatter, "scatter"), (bias, "bias")):
        for method, style in (("published", "s-"), ("project", "o-")):
            values = [row[f"{quantity}_{method}"] for row in results.plates]
            if quantity == "scatter":
                values = [v / row["bound"] for v, row in zip(values, results.plates, strict=True)]
            axes.loglog(fringes, values, style, ms=4, label=_LABELS[method])
        axes.set_xlabel("Fringes over the band")
        axes.legend(frameon=False, fontsize=8)
    scatter.axhline(1, color="k", linestyle="--", linewidth=1)
    scatter.set_ylabel("Scatter / Cramér–Rao bound")
    bias.axhline(0.01, color="k", linestyle=":", linewidth=1)
    bias.set_ylabel("Largest relative bias of Δn")
    figure.savefig(path, dpi=120)


def _draw_sensitivity(axes: Axes, sensitivity: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    styles = {"published": "C0s-", "project": "C1o-", "bound": "k:", "limit": "k--"}
    for i, columns in enumerate(sensitivity.values()):
        for column, style in styles.items():
            appearance = {"alpha": 0.4} if i else {"label": _LABELS[column]}
            axes.loglog(columns["time"], columns[column], style, ms=4, **appearance)
    axes.axhline(1e-3, color="0.7", linewidth=1)
    axes.annotate("paper", (axes.get_xlim()[0], 1e-3), va="bottom", color="0.5")
    first, *others = sensitivity
    title = "; pale: ".join([first, *others])
    axes.set(xlabel="Averaging time (s)", ylabel="σ(Δn) (RIU)", title=title, ylim=(5e-7, 3e-3))
    axes.legend(frameon=False, fontsize=8, loc="lower left")
