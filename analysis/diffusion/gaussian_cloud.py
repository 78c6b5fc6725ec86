"""Maps of Δn: where the carrier cloud is and how wide."""

from dataclasses import dataclass

import lmfit
import numpy as np
from numpy.typing import ArrayLike, NDArray

from ocm_ophyd.errors import DataError

Floats = NDArray[np.float64]

PROBE_WAIST = 0.5
"""1/e² radius of the probe in um (stated in the paper)."""


@dataclass(frozen=True)
class Cloud:
    """A round Gaussian: positions and the 1/e² radius `waist` in um, the rest in the map's unit."""

    x: float
    x_sigma: float
    y: float
    y_sigma: float
    waist: float
    waist_sigma: float
    amplitude: float
    amplitude_sigma: float
    offset: float
    offset_sigma: float
    reduced_chi2: float
    warnings: tuple[str, ...]

    def evaluate(self, x: ArrayLike, y: ArrayLike) -> Floats:
        """Value of the fit at positions in um."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        return gaussian(x, y, self.x, self.y, self.waist, self.amplitude, self.offset)


def gaussian(
    x: Floats, y: Floats, x0: float, y0: float, waist: float, amplitude: float, offset: float
) -> Floats:
    """Amplitude e^{−2r²/w²} + offset, as a beam's intensity is written."""
    square = (x - x0) ** 2 + (y - y0) ** 2
    return np.asarray(amplitude * np.exp(-2 * square / waist**2) + offset)


def fit_cloud(
    x: ArrayLike, y: ArrayLike, delta_n: ArrayLike, sigma: ArrayLike | None = None
) -> Cloud:
    """Fit a Gaussian cloud to a map.

    Parameters
    ----------
    x, y, delta_n, sigma : (P,) arrays
        Positions in um in any order, values and their standard deviations; points that are not
        finite are left out. Without `sigma` all points weigh the same and the scatter gives the
        standard deviations.

    Raises
    ------
    DataError
        Fewer than six points, or all on one line in x or y.
    """
    x, y, z = (np.asarray(values, np.float64).ravel() for values in (x, y, delta_n))
    s = np.ones_like(z) if sigma is None else np.asarray(sigma, np.float64).ravel()
    good = np.isfinite(x) & np.isfinite(y) & np.isfinite(z) & np.isfinite(s) & (s > 0)
    x, y, z, s = x[good], y[good], z[good], s[good]
    span = min(np.ptp(x), np.ptp(y)) if len(z) else 0.0
    if len(z) < 6 or span == 0:
        raise DataError("a cloud needs at least six finite points that spread in x and in y")
    # Silicon's cloud is negative: the peak is what stands out from the median on either side.
    offset = np.median(z)
    light = np.clip(np.sign(z[np.argmax(np.abs(z - offset))] - offset) * (z - offset), 0.0, None)
    light = np.where(light > 0.3 * light.max(), light, 0.0)
    start = lmfit.Parameters()
    start.add("x0", np.average(x, weights=light), min=x.min() - span, max=x.max() + span)
    start.add("y0", np.average(y, weights=light), min=y.min() - span, max=y.max() + span)
    start.add("waist", span / 2, min=span / 100, max=20 * span)
    start.add("amplitude", z[np.argmax(light)] - offset)
    start.add("offset", offset)
    model = lmfit.Model(gaussian, independent_vars=["x", "y"])
    result = model.fit(z, start, x=x, y=y, weights=1 / s, scale_covar=sigma is None)
    values = {name: float(p.value) for name, p in result.params.items()}
    sigmas = {name: float(p.stderr or np.nan) for name, p in result.params.items()}
    missing = [name for name, value in sigmas.items() if np.isnan(value)]
    warnings = [f"{name} is not determined by the data" for name in missing]
    if values["waist"] > 2 * span:
        warnings.append("the cloud is wider than the map: waist and offset cannot be told apart")
    return Cloud(
        x=values["x0"],
        x_sigma=sigmas["x0"],
        y=values["y0"],
        y_sigma=sigmas["y0"],
        waist=values["waist"],
        waist_sigma=sigmas["waist"],
        amplitude=values["amplitude"],
        amplitude_sigma=sigmas["amplitude"],
        offset=values["offset"],
        offset_sigma=sigmas["offset"],
        reduced_chi2=float(result.redchi),
        warnings=tuple(warnings),
    )


def cloud_waist(
    map_waist: float, map_waist_sigma: float = 0.0, probe_waist: float = PROBE_WAIST
) -> tuple[float, float]:
    """Waist of the cloud behind a map that the probe blurs, and its sigma.

    w_map² = w_cloud² + w_probe²; um.

    Raises
    ------
    DataError
        The map is narrower than the probe.
    """
    square = map_waist**2 - probe_waist**2
    if square <= 0:
        raise DataError(
            f"a map of waist {map_waist:.3g} um is no wider than the probe ({probe_waist:g} um): "
            "the cloud is not resolved"
        )
    waist = float(np.sqrt(square))
    return waist, map_waist * map_waist_sigma / waist
