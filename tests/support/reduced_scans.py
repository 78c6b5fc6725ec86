"""Reduced scans with known parameters, without interferograms."""

import numpy as np
import xarray as xr

from analysis.io.reduced_file import DEFINITION, VERSION

SIGMA = 3e-5  # RIU, of a point of one second
WAVELENGTH = np.linspace(500, 600, 140)
FAST, SLOW = 13.4, 170.0  # ps, Table 1
THRESHOLD = 0.57  # mJ/cm², paper


def scan(axes, shape, delta_n, seed=0, **columns):
    """A reduced scan with noise of `SIGMA`, whose fluorescence bends at the threshold."""
    points = np.size(delta_n)
    still = {"delay": 2.5, "x": 0.0, "y": 0.0, "fluence": 0.8}
    columns = {name: np.broadcast_to(columns.get(name, still[name]), points) for name in still}
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, SIGMA, points)
    fluence = columns["fluence"]
    glow = 1e3 * fluence + 5e4 * np.maximum(fluence - THRESHOLD, 0.0)
    glow = glow * (1 + rng.normal(0, 0.005, points))
    line = np.exp(-(((WAVELENGTH - 540) / 3) ** 2))
    return xr.Dataset(
        {
            **{name: ("point", values) for name, values in columns.items()},
            "delta_n": ("point", np.ravel(delta_n) + noise),
            "delta_n_sigma": ("point", np.full(points, SIGMA)),
            "differential_spectrum": (("point", "wavelength"), np.outer(glow, line)),
        },
        coords={"wavelength": WAVELENGTH},
        attrs={
            "axes": axes,
            "shape": np.array(shape),
            "definition": DEFINITION,
            "version": VERSION,
            "material": "CsPbBr3",
        },
    )


def biexponential(delay):
    return 6e-3 * np.exp(-delay / FAST) + 8e-3 * np.exp(-delay / SLOW)
