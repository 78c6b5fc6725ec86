"""The probe's chirp from the rise in a delay scan: a start for the inversion, which refines it."""

import numpy as np
from numpy.typing import NDArray

from analysis.chirp.linear_model import Scan
from analysis.chirp.time_zero import fit_arrival

__all__ = ["estimate_chirp"]

Floats = NDArray[np.float64]

_AT_LEAST = 4  # pixels that `fit_arrival` takes together


def estimate_chirp(scan: Scan) -> Floats:
    """Coefficients (3,) of `analysis.chirp.group_delay.chirp_delay` in ps/(100 rad/ps)^k.

    Raises
    ------
    ValueError
        The scan has no rise, or too few delays.
    """
    difference = np.stack([point.difference for point in scan.spectra])
    # Every bin stands for a few pixels, which the fit averages again.
    wavelength = np.repeat(scan.wavelength, _AT_LEAST)
    try:
        found = fit_arrival(
            scan.delay,
            wavelength,
            np.repeat(difference, _AT_LEAST, axis=1),
            np.array([point.fringe.phase for point in scan.spectra]),
            np.array([point.fringe.path for point in scan.spectra]),
        )
    except ValueError as error:
        raise ValueError(
            f"no chirp calibration, and the chirp is not to be had from the scan: {error}; or run "
            "find_time_zero, which stores it"
        ) from None
    return np.array(found.chirp)
