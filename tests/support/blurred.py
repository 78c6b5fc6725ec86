"""The plate of `handmade` behind a spectrometer's slit, noise to put on it, and faults."""

import numpy as np
from handmade import Plate as IdealPlate
from handmade import phase_of, reduce_complete
from scipy.ndimage import gaussian_filter1d

RESOLUTION = 1.5 / np.sqrt(8 * np.log(2)) / 0.72  # pixels: 1.5 nm FWHM, 0.72 nm apart
PULSES = {"shot_noise": True, "energy_noise": 3e-3, "tilt_noise": 1e-3}
GLASS = {"material": "glass"}  # whose Δn has no dispersion


class Plate(IdealPlate):
    """A plate behind a slit of 1.5 nm, its reference as well."""

    def _spectrum(self, delta_n, drift):
        return gaussian_filter1d(super()._spectrum(delta_n, drift), RESOLUTION)

    def dataset(self, seed=0):
        scan = super().dataset(seed)
        blurred = gaussian_filter1d(scan["reference"].values, RESOLUTION)
        return scan.assign(reference=("wavelength", blurred))

    def counts(self, delta_phi, drift):
        """Counts of a frame (K,) for a pump's phase and a drift, both in rad."""
        delta_n = delta_phi / phase_of(1.0, self.thickness)
        return self._spectrum(np.array([[delta_n]]), np.array([[drift]]))[0]


def damaged(change, seed=4, **more):
    """Result of a noisy point that `change` has been at, with its error in its own sigmas."""
    noise = PULSES | {"drift": 0.03, "attrs": GLASS} | more
    scan = Plate(np.array([5e-3]), **noise).dataset(seed)
    frames = scan["frames"].values[0].copy()
    change(frames)
    result = reduce_complete(scan.assign(frames=(scan["frames"].dims, frames[np.newaxis])))
    result = result.isel(point=0)
    return result, float((result["delta_n"] - 5e-3) / result["delta_n_sigma"])
