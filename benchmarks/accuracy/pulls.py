"""What the results of many scenarios say together: pulls, their table and their figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2

BARS = {"mean": 0.35, "least": 0.7, "most": 1.3, "covered": 0.9}
"""What the pulls' mean, their standard deviation and upper limits at 95 % have to keep."""


@dataclass(frozen=True)
class Summary:
    """The pulls of one quantity, and how often its upper limits hold.

    Attributes
    ----------
    pulls : (n,) array
        Of all estimates that have a sigma.
    limits, held : int
        Upper limits, and how many of them lie above the truth.
    alone : int
        Upper limits without a sigma beside them. Where there are any, the pulls are of a selection,
        the large estimates, and only the limits count.
    undetermined : int
        Scenarios with neither.
    """

    pulls: np.ndarray
    limits: int
    held: int
    alone: int
    undetermined: int

    @property
    def chance(self) -> float:
        """Probability of pulls at least as large, were the sigmas right and nothing biased."""
        return float(chi2.sf(np.sum(self.pulls**2), len(self.pulls)))


def summaries(found: Sequence[Mapping[str, Any]]) -> dict[str, Summary]:
    """Summarise scenarios, quantity by quantity."""
    names = dict.fromkeys(name for record in found for name in record["quantities"])
    return {name: _summary([record["quantities"][name] for record in found]) for name in names}


def _summary(rows: Sequence[Mapping[str, Any]]) -> Summary:
    pulls = np.array([(row["value"] - row["truth"]) / row["sigma"] for row in rows], float)
    limited = np.array([row["upper95"] is not None for row in rows])
    held = sum(row["truth"] <= row["upper95"] for row in rows if row["upper95"] is not None)
    good = np.isfinite(pulls)
    neither, alone = (int(np.count_nonzero(~good & x)) for x in (~limited, limited))
    return Summary(pulls[good], int(limited.sum()), held, alone, neither)


def misses(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return a line for each of the named quantities that does not keep all bars."""
    lines = []
    for name in names:
        summary = summaries(found)[name]
        mean, width = summary.pulls.mean(), summary.pulls.std(ddof=1)
        if summary.undetermined:
            lines.append(f"{name} is not determined in {summary.undetermined} scenarios")
        if summary.held < BARS["covered"] * summary.limits:
            lines.append(f"{name}: {summary.held} of {summary.limits} limits hold")
        if summary.alone:
            continue
        if abs(mean) >= BARS["mean"]:
            lines.append(f"{name}: the mean of the pulls is {mean:+.2f}")
        if not BARS["least"] < width < BARS["most"]:
            lines.append(f"{name}: the standard deviation of the pulls is {width:.2f}")
    return lines


def page(found: Sequence[Mapping[str, Any]], figure: str) -> str:
    """Return the page in Markdown."""
    seeds = [record["seed"] for record in found]
    seconds = np.array([record["seconds"] for record in found]).mean(axis=0)
    lines = [
        "# Coverage: are the uncertainties right?",
        "",
        f"{len(found)} random scenarios (seeds {min(seeds)} to {max(seeds)}): the constants of the "
        "sample ± 30 % (the threshold ± 25 %), another chirp, alignment and noise each time. Each "
        "is calibrated, measured and inferred as the published experiment is, in one process "
        "without EPICS (`benchmarks/accuracy/virtual_laboratory.py`).",
        "",
        "A pull is (estimate − truth)/sigma. Right sigmas without bias give pulls of mean 0 and "
        f"standard deviation 1; wanted are ± {BARS['mean']} and {BARS['least']} to {BARS['most']}, "
        f"and upper limits (95 %) that hold in {BARS['covered']:.0%} or more. p is the probability "
        "of pulls as large as these, were the sigmas right. Where some estimates are upper limits "
        "alone, the other pulls are a selection, in brackets, and only the limits count. What the "
        "truth of each quantity is: `benchmarks/accuracy/coverage.py`.",
        "",
        "| quantity | pulls | mean | std | p | limits held | not determined |",
        "|---|---|---|---|---|---|---|",
        *(_line(name, summary) for name, summary in summaries(found).items()),
        "",
        f"![Pulls of every quantity]({figure})",
        "",
        f"Measuring took {seconds[0]:.0f} s and inferring {seconds[1]:.0f} s a scenario on one "
        f"core. Made by `python -m benchmarks.accuracy.coverage "
        f"--seeds {min(seeds)} {max(seeds)}`; "
        "it ends with an error where a quantity of Table 1 does not keep the bars.",
        "",
    ]
    return "\n".join(lines)


def _line(name: str, summary: Summary) -> str:
    pulls = summary.pulls
    numbers = ["–"] * 3
    if len(pulls) > 1:
        numbers = [f"{pulls.mean():+.2f}", f"{pulls.std(ddof=1):.2f}", f"{summary.chance:.2g}"]
    if summary.alone:
        numbers = [f"({number})" for number in numbers]
    held = f"{summary.held} of {summary.limits}" if summary.limits else "–"
    cells = [name, str(len(pulls)), *numbers, held, str(summary.undetermined or "–")]
    return f"| {' | '.join(cells)} |"


def draw(found: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw every pull as a dot, with mean and standard deviation beside the wanted ones."""
    shown = {name: s.pulls for name, s in summaries(found).items() if len(s.pulls)}
    figure = Figure(figsize=(7, 0.35 * len(shown) + 1), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-1, 1, color="0.92", label="± 1")
    for row, pulls in enumerate(shown.values()):
        axes.plot(np.clip(pulls, -5, 5), np.full(len(pulls), row), "o", ms=3, alpha=0.5, color="C0")
        axes.errorbar(pulls.mean(), row, xerr=pulls.std(), fmt="|", ms=10, capsize=4, color="k")
    axes.set_yticks(range(len(shown)), list(shown))
    axes.invert_yaxis()
    axes.set_xlim(-5.2, 5.2)
    axes.set_xlabel("(estimate − truth) / sigma; beyond ± 5 drawn at ± 5")
    figure.savefig(path, dpi=150)
