"""The page and the figure of `benchmarks.accuracy.sensitivity`."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def page(found: Any, figure: str) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Sensitivity, bias and time resolution",
        "",
        "Both reductions get the same frames: the published one (normalise, resample, window, "
        "Fourier phase at the fringe's peak, amplitude at the chopper's frequency; "
        "`benchmarks/accuracy/paper_baseline.py`) and this project's `reduce_scan`. "
        "Made by `python -m benchmarks.accuracy.sensitivity --out docs/reference/sensitivity.md`.",
        "",
        f"![Sensitivity, step response, scatter and bias]({figure})",
        "",
        "## σ(Δn) without the pump",
        "",
        "One minute of frames of a 1.5 um plate is cut into points of 1, 2, 5, 20 or 60 chopper "
        "periods; the table gives the scatter of Δn among the points. The shot-noise limit is that "
        "of shot and read noise, energy and tilt of the light unknown; the Cramér–Rao bound has "
        "the scenario's drift as a random walk besides. The paper states 1e-3 and no averaging "
        "time: the default scenario's noise is set so that the published reduction shows this in "
        "one chopper period, 50 ms.",
        "",
        "| scenario | averaged | as published | this project | its stated sigma | bound with drift "
        "| shot-noise limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, columns in found.sensitivity.items():
        for time, *sigmas in zip(*columns.values(), strict=True):
            numbers = " | ".join(f"{sigma:.2g}" for sigma in sigmas)
            lines.append(f"| {name} | {time:g} s | {numbers} |")
    lines += [
        "",
        "The light's spectrum sways, by 4 % in 100 nm within 50 ms, which the published reduction "
        "takes for a phase on so few fringes; with a steady spectrum the interferometer's drift is "
        "left. That is all that stands between this project and the shot-noise limit.",
        "",
        "## Rise at the pump",
        "",
        "Delay scan in steps of 0.25 ps with a 5 ps probe, default scenario, 0.35 mJ/cm². The "
        "plateau is the mean from 4 to 8 ps over that of the true Δn.",
        "",
        "| method | 10–90 % rise | plateau / truth |",
        "|---|---|---|",
        *(
            f"| {name} | {step['rise']:.2f} ps | {step['plateau']:.3f} |"
            for name, step in found.steps.items()
        ),
        "",
        "The paper calls its 1 ps, reached with a special algorithm from 5 ps pulses, limited by "
        "the probe; without one the published reduction averages over the pulse's colours.",
        "",
        "## Scatter and bias against the number of fringes",
        "",
        "Plates computed from formulas (`benchmarks/formula_plate.py`) with shot and read noise, "
        "0.3 % of energy noise and 0.1 % of tilt a frame, half a second a point; index linear in "
        "frequency, as CsPbBr3's nearly is. The Cramér–Rao bound is for this noise; the fringe's "
        "shape is free, with the prior widths in `formula_plate.SHAPE`. What these leave unknown "
        "of a plate gives all its points the same error. Their scatter does not show it, so it is "
        "left out of the bound, and of the stated sigma: `delta_n_sigma` without "
        "`delta_n_systematic`. Plates that differ, below, have it. Carriers absorb: with the pump, "
        "level and tilt of the light are unknown too. Whoever knew them unchanged could do better "
        "below a fringe or two, where a tilt looks like a phase. The bias is the largest over all "
        "phases of the fringe, at Δn = 3e-3, without noise and rounding.",
        "",
        "| fringes | bound (RIU) | as published / bound | this project / bound "
        "| / bound of unchanged light | stated / scatter | bias, as published "
        "| bias, this project |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found.plates:
        bound, scatter = row["bound"], row["scatter_project"]
        lines.append(
            f"| {row['fringes']:g} | {bound:.2g} | {row['scatter_published'] / bound:.2f} | "
            f"{scatter / bound:.2f} | {scatter / row['bound_same_light']:.2f} | "
            f"{row['stated_project'] / scatter:.2f} | "
            f"{row['bias_published']:.1%} | {row['bias_project']:.2%} |"
        )
    lines += [
        "",
        "## Scatter and bias against the size of the effect, and drift",
        "",
        "The same plates at one phase, with the path a random walk besides. A point is estimated "
        "by itself: its fringe's shape (visibility, path, bends, level and tilt of the light) is "
        "to be found too. The bound is again that of the scatter among points of one plate. The "
        "bias is the largest over all phases, without "
        "drift, noise and rounding.",
        "",
        "| fringes | Δn | drift (rad/√s) | bound (RIU) | this project / bound | stated / scatter "
        "| bias |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.effects:
        bias = "–" if row["drift"] else f"{row['bias']:.2%}"
        lines.append(
            f"| {row['fringes']:g} | {row['delta_n']:g} | {row['drift']:g} | {row['bound']:.2g} | "
            f"{row['scatter'] / row['bound']:.2f} | {row['stated'] / row['scatter']:.2f} | {bias} |"
        )
    lines += [
        "",
        "## Plates that differ",
        "",
        "A point each of plates of any phase whose shapes differ as much as is not known "
        "beforehand: group index by 3 %, its bend by 0.02, the light's tilt beside the reference "
        "by 1 % and its curvature by 0.2 %. Errors are over the whole bound of their plate, with "
        "what is not known of it (of 200: known to 5 %), and over the whole stated sigma.",
        "",
        "| fringes | Δn | error / bound | / bound of unchanged light | error / sigma | largest "
        "| mean error |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.unlike:
        lines.append(
            f"| {row['fringes']:g} | {row['delta_n']:g} | {row['error']:.2f} | "
            f"{row['error_same_light']:.2f} | {row['pull']:.2f} | {row['largest']:.1f} | "
            f"{row['bias']:.2%} ± {row['bias_sigma']:.2%} |"
        )
    return "\n".join([*lines, ""])


def draw(found: Any, path: Path) -> None:
    """Draw sensitivity, step response, scatter over bound, and bias."""
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    (quiet, step), (scatter, bias) = figure.subplots(2, 2)
    styles = {"published": "C0s-", "project": "C1o-", "bound": "k:", "limit": "k--"}
    labels = {
        "published": "as published",
        "project": "this project",
        "bound": "bound with drift",
        "limit": "shot-noise limit",
    }
    for i, columns in enumerate(found.sensitivity.values()):
        for column, style in styles.items():
            look = {"alpha": 0.4} if i else {"label": labels[column]}
            quiet.loglog(columns["time"], columns[column], style, ms=4, **look)
    quiet.axhline(1e-3, color="0.7", linewidth=1)
    quiet.annotate("paper", (quiet.get_xlim()[0], 1e-3), va="bottom", color="0.5")
    first, *others = found.sensitivity
    title = "; pale: ".join([first, *others])
    quiet.set(xlabel="Averaging time (s)", ylabel="σ(Δn) (RIU)", title=title, ylim=(5e-7, 3e-3))
    quiet.legend(frameon=False, fontsize=8, loc="lower left")
    for name, found_step in found.steps.items():
        label = f"{name}: {found_step['rise']:.2f} ps"
        step.plot(found_step["time"], found_step["delta_n"] * 1e3, ".-", ms=3, label=label)
    step.set(xlabel="Delay (ps)", ylabel="Δn (10⁻³)", xlim=(-6, 8))
    step.legend(frameon=False, fontsize=8)
    fringes = [row["fringes"] for row in found.plates]
    for axes, quantity in ((scatter, "scatter"), (bias, "bias")):
        for method, style in (("published", "s-"), ("project", "o-")):
            values = [row[f"{quantity}_{method}"] for row in found.plates]
            if quantity == "scatter":
                values = [v / row["bound"] for v, row in zip(values, found.plates, strict=True)]
            axes.loglog(fringes, values, style, ms=4, label=labels[method])
        axes.set_xlabel("Fringes over the band")
        axes.legend(frameon=False, fontsize=8)
    scatter.axhline(1, color="k", linestyle="--", linewidth=1)
    scatter.set_ylabel("Scatter / Cramér–Rao bound")
    bias.axhline(0.01, color="k", linestyle=":", linewidth=1)
    bias.set_ylabel("Largest relative bias of Δn")
    figure.savefig(path, dpi=120)
