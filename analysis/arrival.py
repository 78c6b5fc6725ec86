"""When the pump arrives: time zero from the differential spectra of a delay scan.

The probe is chirped: the pump's edge passes through the spectrum within some picoseconds, each
wavelength rises at its own delay and by an amplitude that the fringe gives it. A phase of the
whole band means nothing during that time, and what it seems to do depends on the fringe's phase;
the delays at which the single wavelengths rise do not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import ndtr

from analysis.band import CENTRE_WAVELENGTH, PROBE_BAND

__all__ = ["Arrival", "fit_arrival"]

Floats = NDArray[np.float64]

_EDGE = 10.0  # nm left out at either end of the band, where there is little light
_BIN = 4  # pixels taken together: the slit's 1.5 nm is two of them
_CHIRPS = (-2.5, 2.5)  # ps per 100 nm to start from, either sign: 5 ps over the band (paper)
_EXPLAINED = 0.5  # of the sum of squares, below which there is no rise to speak of


@dataclass(frozen=True)
class Arrival:
    """The pump's arrival at the probe.

    Attributes
    ----------
    time_zero, time_zero_sigma : float
        Delay at which the band's centre wavelength rises, ps.
    response : float
        Standard deviation of the rise of one wavelength, ps.
    chirp : tuple of float
        When a wavelength passes the sample, ps, as a polynomial without constant in the distance
        from the centre in 100 nm: positive is later.
    """

    time_zero: float
    time_zero_sigma: float
    response: float
    chirp: tuple[float, float, float]


def fit_arrival(delay: ArrayLike, wavelength: ArrayLike, differential: ArrayLike) -> Arrival:
    """Find when the pump arrives in a delay scan across the rise.

    Least squares of D(τ, λ) = A(λ) Φ((τ + t_c(λ) - t₀)/w) e^{-r (τ + t_c(λ) - t₀)}, with the
    amplitude A free for every wavelength, t_c a cubic in λ. What disturbs one point disturbs all
    its wavelengths, so the uncertainty is that of leaving out one delay after another.

    Parameters
    ----------
    delay : (P,) array
        ps, on the scale whose zero is looked for.
    wavelength : (K,) array
        nm.
    differential : (P, K) array
        Pump-on minus pump-off spectrum, counts.

    Raises
    ------
    ValueError
        Too few delays, or no rise inside the scan.
    """
    order = np.argsort(np.asarray(delay, np.float64))
    t = np.asarray(delay, np.float64)[order]
    if len(t) < 8:
        raise ValueError(f"time zero needs 8 or more delays, not {len(t)}")
    x, d = _binned(np.asarray(wavelength, np.float64), np.asarray(differential, np.float64)[order])
    d = d / np.abs(d).max()

    def residuals(parameters: Floats) -> Floats:
        rise = _rise(t, x, parameters)
        amplitude = (rise * d).sum(0) / np.maximum((rise**2).sum(0), 1e-9)
        return (d - rise * amplitude).ravel()

    starts = [
        np.array([t0, chirp, 0.0, 0.0, 0.4, 0.0])
        for t0 in np.arange(t[0], t[-1], max(1.0, np.diff(t).max()))
        for chirp in _CHIRPS
    ]
    begin = min(starts, key=lambda start: float((residuals(start) ** 2).sum()))
    low, high = [t[0], -6, -6, -6, 0.05, -0.1], [t[-1], 6, 6, 6, 3, 0.3]
    fit = least_squares(residuals, begin, bounds=(low, high), x_scale=(1, 1, 1, 1, 0.3, 0.01))
    t0 = float(fit.x[0])
    if 2 * fit.cost > (1 - _EXPLAINED) * (d**2).sum() or not t[1] < t0 < t[-2]:
        raise ValueError(
            f"no rise of the differential spectrum between {t[0]:g} and {t[-1]:g} ps: scan a "
            "wider range of delays, or pump harder"
        )
    sigma = _jackknife(fit.jac.reshape(*d.shape, -1), fit.fun.reshape(d.shape))[0]
    chirp = (float(fit.x[1]), float(fit.x[2]), float(fit.x[3]))
    return Arrival(t0, float(sigma), float(fit.x[4]), chirp)


def _jackknife(jacobian: Floats, residuals: Floats) -> Floats:
    """Return the standard deviations of a fit's parameters, (P, K, M) and (P, K) given.

    How far the parameters move, to first order, when one delay is left out: few delays stand on
    the rise, and each of them pulls the fit towards itself.
    """
    normal = np.einsum("pki,pkj->pij", jacobian, jacobian)
    pulls = np.einsum("pki,pk->pi", jacobian, residuals)
    without = normal.sum(0) - normal
    moves = np.einsum("pij,pj->pi", np.linalg.pinv(without, hermitian=True), pulls)
    count = len(residuals)
    sigmas: Floats = np.sqrt((count - 1) / count * (moves**2).sum(0))
    return sigmas


def _binned(wavelength: Floats, spectra: Floats) -> tuple[Floats, Floats]:
    """Distance from the centre (100 nm) and spectra of the band, a few pixels together."""
    low, high = PROBE_BAND
    inside = np.flatnonzero((wavelength > low + _EDGE) & (wavelength < high - _EDGE))
    band = inside[: len(inside) // _BIN * _BIN].reshape(-1, _BIN)
    return (wavelength[band].mean(1) - CENTRE_WAVELENGTH) / 100, spectra[:, band].mean(2)


def _rise(delay: Floats, x: Floats, parameters: Floats) -> Floats:
    """(P, K) model of unit amplitude."""
    t0, a, b, c, response, rate = parameters
    since = delay[:, None] - t0 + (a * x + b * x**2 + c * x**3)
    rise: Floats = ndtr(since / response) * np.exp(-rate * np.maximum(since, 0))
    return rise
