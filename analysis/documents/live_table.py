"""Table of a reduced run while it is taken.

Beside the numbers it compares the standard deviation of every point with the limit that shot and
read noise set, and names the largest part of the variance.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from bluesky.callbacks import LiveTable

from analysis.point.results import QUANTITIES

__all__ = ["ReductionTable", "compare_with_limit"]

_COMPARISON = {
    "sigma_over_limit": {
        "source": "analysis.documents.live_table",
        "dtype": "number",
        "shape": [],
        "precision": 2,
    },
    "limited_by": {"source": "analysis.documents.live_table", "dtype": "string", "shape": []},
}
"""Data keys of the columns that the table computes."""


def compare_with_limit(data: Mapping[str, float]) -> dict[str, float | str]:
    """Compare the standard deviation of a reduced point with its limit.

    Parameters
    ----------
    data : mapping
        `delta_n_sigma` and `delta_n_limit` (RIU), `drift_share` and `source_share` of the point.

    Returns
    -------
    dict
        `sigma_over_limit`: 1 where shot and read noise alone contribute; `limited_by`: the largest
        part of the variance, `shot` (shot and read noise), `drift` (of the path), `source` (noise
        of the light) or `fringe` (uncertainty of the fringe and of its reference); `-` where the
        point has no number.
    """
    ratio = data["delta_n_sigma"] / data["delta_n_limit"]
    shares = {"shot": ratio**-2, "drift": data["drift_share"], "source": data["source_share"]}
    shares["fringe"] = 1 - sum(shares.values())
    return {
        "sigma_over_limit": ratio,
        "limited_by": max(shares, key=lambda name: shares[name]) if np.isfinite(ratio) else "-",
    }


class ReductionTable(LiveTable):
    """Table of a reduced run, which has no scan id of its own.

    Its columns are the axes, the quantities that `analysis.point.results.QUANTITIES` marks for
    the table, and the comparison with the limit.

    Parameters
    ----------
    axes : sequence of str
        Data keys of the scanned axes.
    out : callable
        Prints a line.
    """

    water_mark = "reduced run {st[uid]:.8s} of scan {st[raw_scan_id]}"

    def __init__(self, axes: Sequence[str], out: Callable[[str], Any]) -> None:
        columns = [name for name, quantity in QUANTITIES.items() if quantity.in_live_table]
        super().__init__([*axes, *columns, *_COMPARISON], default_prec=5, out=out)

    def descriptor(self, doc: Any) -> None:
        """Announce the columns, and those that the table computes."""
        super().descriptor({**doc, "data_keys": doc["data_keys"] | _COMPARISON})

    def event(self, doc: Any) -> Any:
        """Print a point."""
        return super().event({**doc, "data": doc["data"] | compare_with_limit(doc["data"])})
