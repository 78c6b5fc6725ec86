"""When the pump arrives: time zero and chirp from the differential spectra of a delay scan.

The probe is chirped: the pump's edge passes through the spectrum within some picoseconds, each
wavelength rises at its own delay and by an amplitude that the fringe gives it. A phase of the
whole band means nothing during that time, and what it seems to do depends on the fringe's phase;
the delays at which the single wavelengths rise do not.

The chirped pulse E(t) is cut in two by the pump: from then on it carries a phase δ. To first
order in δ its spectrum changes by iδ G E(ω), where G is a Fresnel integral, the step of one
wavelength. On the spectrometer stands |E_ref + E_sig|², so that the interference and the signal's
own intensity change together:

    D(τ, λ) = a(λ) Re{[e^{iψ(τ, λ)} + κ] e^{iχ} G(τ + t_c(λ) - t₀)},  κ = |E_sig / E_ref|.

ψ, the phase of the fringe, drifts from point to point and is known of each from the spectrum
without the pump.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import speed_of_light
from scipy.optimize import least_squares
from scipy.special import erfc

from analysis.chirp.group_delay import detuning
from analysis.numerics.jackknife import jackknife
from analysis.probe_band import PROBE_BAND

__all__ = ["Arrival", "fit_arrival"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_EDGE = 10.0  # nm left out at either end of the band, where there is little light
_BIN = 4  # pixels taken together: the slit's 1.5 nm is two of them
_CHIRPS = (-1.4, 1.4)  # ps per 100 rad/ps to start from, either sign: 5 ps over the band (paper)
_EXPLAINED = 0.5  # of the sum of squares, below which there is no rise to speak of
_MODEL_SIGMA = 0.005  # ps: the light's own structure, which the Fresnel integral takes as flat
_MOST_STEPS = 60  # a rise takes about ten
_BAND_END = 1.5  # 100 rad/ps from the centre to the last wavelength used


@dataclass(frozen=True)
class Arrival:
    """The pump's arrival at the probe.

    Attributes
    ----------
    time_zero, time_zero_sigma : float
        Delay at which the band's centre wavelength rises, ps.
    response : float
        Standard deviation in time of the pump's edge, ps.
    chirp, chirp_sigma : tuple of float
        Coefficients of `analysis.chirp.group_delay.chirp_delay` and their standard deviations,
        ps/(100 rad/ps)^k with k = 1 to 3.
    """

    time_zero: float
    time_zero_sigma: float
    response: float
    chirp: tuple[float, float, float]
    chirp_sigma: tuple[float, float, float]


def fit_arrival(
    delay: ArrayLike,
    wavelength: ArrayLike,
    differential: ArrayLike,
    phase: ArrayLike,
    path: ArrayLike,
) -> Arrival:
    """Find when the pump arrives in a delay scan across the rise.

    Least squares of the module's formula times e^{-r s} behind the rise, with the amplitude a(λ)
    free for every wavelength and t_c of third order in frequency. What disturbs one point disturbs
    all its wavelengths, so the uncertainty is that of leaving out one delay after another.

    Parameters
    ----------
    delay : (P,) array
        ps, on the scale whose zero is looked for.
    wavelength : (K,) array
        nm.
    differential : (P, K) array
        Pump-on minus pump-off spectrum, counts.
    phase, path : (P,) array
        The fringe without the pump: its phase at the band's centre in rad, and the optical path
        difference in um.

    Raises
    ------
    ValueError
        Too few delays, or no rise inside the scan.
    """
    t, turn, z = (np.asarray(values, np.float64) for values in (delay, phase, path))
    d = np.asarray(differential, np.float64)
    usable = np.flatnonzero(np.isfinite(t) & np.isfinite(turn) & np.isfinite(z))
    order = usable[np.argsort(t[usable])]
    t, turn, z, d = t[order], turn[order], z[order], d[order]
    if len(t) < 8:
        raise ValueError(f"time zero needs 8 or more delays, not {len(t)}")
    x, d = _binned(np.asarray(wavelength, np.float64), d)
    d = d / np.abs(d).max()
    wavenumber = 100 * x / (speed_of_light * 1e-6)  # rad/um from the band's centre
    fringe = np.exp(1j * (turn[:, None] + np.outer(z, wavenumber)))

    def residuals(parameters: Floats) -> Floats:
        *edge, angle, ratio = parameters
        shape = (_rise(t, x, *edge) * (fringe + ratio) * np.exp(1j * angle)).real
        amplitude = (shape * d).sum(0) / np.maximum((shape**2).sum(0), 1e-9)
        return (d - shape * amplitude).ravel()

    starts = [
        np.array([t0, chirp, 0.0, 0.0, 0.3, 0.0, np.pi / 2, 1.0])
        for t0 in np.arange(t[0], t[-1], max(1.0, np.diff(t).max()))
        for chirp in _CHIRPS
    ]
    begin = min(starts, key=lambda start: float((residuals(start) ** 2).sum()))
    low = [t[0], -4, -2, -2, 0.01, -0.1, 0, 0]
    high = [t[-1], 4, 2, 2, 3, 0.3, np.pi, 10]
    scale = (1, 1, 1, 1, 0.3, 0.01, 1, 1)
    fit = least_squares(residuals, begin, bounds=(low, high), x_scale=scale, max_nfev=_MOST_STEPS)
    t0 = float(fit.x[0])
    if 2 * fit.cost > (1 - _EXPLAINED) * (d**2).sum() or not t[1] < t0 < t[-2]:
        raise ValueError(
            f"no rise of the differential spectrum between {t[0]:g} and {t[-1]:g} ps: scan a "
            "wider range of delays, or pump harder"
        )
    sigmas = jackknife(fit.jac.reshape(*d.shape, -1), fit.fun.reshape(d.shape))
    by_model = _MODEL_SIGMA / _BAND_END ** np.arange(4)
    zero_sigma, *chirp_sigma = np.hypot(sigmas[:4], by_model).tolist()
    return Arrival(
        time_zero=t0,
        time_zero_sigma=zero_sigma,
        response=float(fit.x[4]),
        chirp=(float(fit.x[1]), float(fit.x[2]), float(fit.x[3])),
        chirp_sigma=(chirp_sigma[0], chirp_sigma[1], chirp_sigma[2]),
    )


def _binned(wavelength: Floats, spectra: Floats) -> tuple[Floats, Floats]:
    """Detuning from the centre and spectra of the band, a few pixels together."""
    low, high = PROBE_BAND
    inside = np.flatnonzero((wavelength > low + _EDGE) & (wavelength < high - _EDGE))
    band = inside[: len(inside) // _BIN * _BIN].reshape(-1, _BIN)
    return detuning(wavelength[band].mean(1)), spectra[:, band].mean(2)


def _rise(
    delay: Floats, x: Floats, t0: float, a: float, b: float, c: float, response: float, rate: float
) -> Complexes:
    """(P, K) step G of each wavelength, decaying: a normal integral of complex variance.

    The Fresnel integral is the one of the imaginary variance dt_c/dω; the pump's edge adds its
    own.
    """
    since = delay[:, None] - t0 + (a * x + b * x**2 + c * x**3)
    variance = response**2 - 0.01j * (a + 2 * b * x + 3 * c * x**2)
    step = 0.5 * erfc(-since / np.sqrt(2 * variance))
    rise: Complexes = step * np.exp(-rate * np.maximum(since, 0))
    return rise
