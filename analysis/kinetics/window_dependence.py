"""How the decay times of the biexponential depend on the window that is fitted.

A relaxation that is not biexponential, such as that of Eq. 3, has other decay times in every
window: a number without its window means nothing, and this shows by how much.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from analysis.kinetics.decay_fit import fit_decay
from ocm_ophyd.errors import DataError

__all__ = ["window_influence"]

_VALUES = {
    "tau_lasing": "ps",
    "tau_lasing_sigma": "ps",
    "tau_fluor": "ps",
    "tau_fluor_sigma": "ps",
    "reduced_chi2": "1",
}


def window_influence(
    delay: ArrayLike,
    delta_n: ArrayLike,
    sigma: ArrayLike,
    windows: Sequence[tuple[float, float]],
) -> xr.Dataset:
    """Fit the biexponential in several windows of one relaxation curve.

    Parameters
    ----------
    delay, delta_n, sigma : (P,) array
        ps, RIU, RIU. All points of a window get the same weight, from their median sigma: where the
        model misses more than the noise, the decay times depend on the weights, and only equal ones
        make them a property of the sample and the window.
    windows : sequence of (float, float)
        First and last delay, ps.

    Returns
    -------
    xr.Dataset
        Over `window`, with coordinates `start` and `stop` (ps): `tau_lasing`, `tau_fluor` and their
        `_sigma` (ps), which follow from the noise alone, `reduced_chi2`, which says how much more
        than that the model misses, and `reason`: empty, or why there is no number (they are NaN
        then) or what to know of it.
    """
    t, y, s = (np.asarray(values, np.float64) for values in (delay, delta_n, sigma))
    values = np.full((len(windows), len(_VALUES)), np.nan)
    reasons = []
    for row, window in zip(values, windows, strict=True):
        inside = (t >= window[0]) & (t <= window[1]) & np.isfinite(y) & np.isfinite(s)
        try:
            if not inside.any():
                raise DataError(f"window {window[0]:g} to {window[1]:g} ps holds no points")
            even = np.where(np.isfinite(s), np.median(s[inside]), np.nan)
            fit = fit_decay(t, y, even, window, model="biexponential")
        except DataError as error:
            reasons.append(str(error))
            continue
        reasons.append("; ".join(fit.warnings))
        names = ("tau_lasing", "tau_fluor")
        # a decay time that is not even known to be positive is none
        if all(fit.sigmas[name] < fit.values[name] for name in names) and not fit.faults:
            row[0:4:2] = [fit.values[name] for name in names]
            row[1:4:2] = [fit.sigmas[name] for name in names]
            row[4] = fit.reduced_chi2
        elif not fit.faults:
            reasons[-1] = "the data do not determine two decay times"
    edges = np.asarray(windows, np.float64).reshape(-1, 2)
    return xr.Dataset(
        {
            name: ("window", values[:, i], {"units": unit})
            for i, (name, unit) in enumerate(_VALUES.items())
        }
        | {"reason": ("window", np.array(reasons, dtype=np.str_))},
        coords={
            "start": ("window", edges[:, 0], {"units": "ps"}),
            "stop": ("window", edges[:, 1], {"units": "ps"}),
        },
    )
