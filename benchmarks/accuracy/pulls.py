"""Pulls of the estimates of many scenarios: statistics, table and figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import chi2

BARS = {"mean": 0.35, "least": 0.7, "most": 1.3, "covered": 0.9}
"""Goals for the mean of the pulls, for their standard deviation, and for the coverage of limits."""


@dataclass(frozen=True)
class Summary:
    """Pulls of one quantity, and coverage of its upper limits.

    Attributes
    ----------
    pulls : (n,) array
        (estimate − truth)/sigma of all estimates with a sigma.
    limits, held : int
        Number of upper limits, and of those that are above the truth.
    alone : int
        Number of upper limits without a sigma. Where there are any, the estimates with a sigma are
        a selection, the large ones, and only the limits count.
    undetermined : int
        Number of scenarios without a sigma and without a limit.
    """

    pulls: np.ndarray
    limits: int
    held: int
    alone: int
    undetermined: int

    @property
    def chance(self) -> float:
        """Probability of pulls as large as these if all sigmas are right and there is no bias."""
        return float(chi2.sf(np.sum(self.pulls**2), len(self.pulls)))


def summaries(records: Sequence[Mapping[str, Any]]) -> dict[str, Summary]:
    """Return a summary of each quantity over all scenarios."""
    names = dict.fromkeys(name for record in records for name in record["quantities"])
    return {name: _summary([record["quantities"][name] for record in records]) for name in names}


def _summary(rows: Sequence[Mapping[str, Any]]) -> Summary:
    pulls = np.array([(row["value"] - row["truth"]) / row["sigma"] for row in rows], float)
    limited = np.array([row["upper95"] is not None for row in rows])
    held = sum(row["truth"] <= row["upper95"] for row in rows if row["upper95"] is not None)
    good = np.isfinite(pulls)
    neither, alone = (int(np.count_nonzero(~good & x)) for x in (~limited, limited))
    return Summary(pulls[good], int(limited.sum()), held, alone, neither)


def misses(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Return a line for each of the named quantities that does not keep all bars."""
    lines = []
    for name in names:
        summary = summaries(records)[name]
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


def page(records: Sequence[Mapping[str, Any]], figure: str) -> str:
    """Return the page in Markdown."""
    seeds = [record["seed"] for record in records]
    seconds = np.array([record["seconds"] for record in records]).mean(axis=0)
    lines = [
        "# Coverage: are the uncertainties right?",
        "",
        f"{len(records)} random scenarios (seeds {min(seeds)} to {max(seeds)}): constants of the "
        "sample ± 30 % (the threshold ± 25 %), and another chirp, alignment and noise each time. "
        "Each is calibrated, measured and analysed as the published experiment is, in one process "
        "without EPICS (`benchmarks/accuracy/virtual_laboratory.py`).",
        "",
        "A pull is (estimate − truth)/sigma. If all sigmas are right and there is no bias, pulls "
        f"have mean 0 and standard deviation 1. The goals are ± {BARS['mean']} and {BARS['least']} "
        f"to {BARS['most']}, and upper limits (95 %) above the truth in {BARS['covered']:.0%} or "
        "more. p is the probability of pulls as large as these if the sigmas are right. Where some "
        "estimates have an upper limit and no sigma, the pulls are of a selection and stand in "
        "brackets; only the limits count then. `benchmarks/accuracy/coverage.py` defines the truth "
        "of each quantity.",
        "",
        "| quantity | pulls | mean | std | p | limits held | not determined |",
        "|---|---|---|---|---|---|---|",
        *(_line(name, summary) for name, summary in summaries(records).items()),
        "",
        f"![Pulls of every quantity]({figure})",
        "",
        f"Measuring took {seconds[0]:.0f} s and the analysis {seconds[1]:.0f} s for each scenario "
        f"on one core. This page was made by `python -m benchmarks.accuracy.coverage "
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


def draw(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw every pull as a dot, with mean and standard deviation, to an image file."""
    shown = {name: s.pulls for name, s in summaries(records).items() if len(s.pulls)}
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
