"""Time zero and chirp from the rise in the differential spectra of a delay scan.

The probe is chirped: the edge that the pump makes passes through the spectrum within some
picoseconds, and each wavelength rises at its own delay, with an amplitude that its phase in the
fringe determines. A phase of the whole band has no meaning during that time; the delays at which
the single wavelengths rise do.

From the pump on, the sample gives the field E(t) of the chirped pulse a phase δ. To first order in
δ its spectrum changes by iδ G E(ω), with the step response G of one wavelength, a Fresnel integral
(`analysis.chirp.pulse_response`). The spectrometer measures |E_ref + E_sig|², so that the
interference and the intensity of the signal beam change together:

    D(τ, λ) = a(λ) Re{[e^{iψ(τ, λ)} + κ] e^{iχ} G(τ + t_c(λ) − t₀)} e^{−r s},   κ = |E_sig / E_ref|,

with time zero t₀, the group delay t_c, the decay rate r, the time s since the rise and an angle χ.
The phase ψ of the fringe drifts from point to point; the spectrum without the pump gives it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import speed_of_light
from scipy.optimize import least_squares
from scipy.special import erfc

from analysis.chirp.group_delay import detuning
from analysis.chirp.linear_model import DelayScan
from analysis.numerics.jackknife import jackknife
from analysis.probe_band import PROBE_BAND
from ocm_ophyd.errors import DataError

__all__ = ["Arrival", "estimate_chirp", "fit_arrival"]

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_EDGE = 10.0
"""Width of the ranges at the ends of the band that are left out, nm: they have little light."""

_PIXELS_PER_BIN = 4
"""Pixels that are averaged: the slit's 1.5 nm are two of them."""

_MIN_DELAYS = 8
"""Smallest number of delays: the fit has eight parameters besides the amplitudes."""

_START_CHIRPS = (-1.4, 1.4)
"""Group delay dispersions to start from, ps/(100 rad/ps): 5 ps over the band (paper), either
sign."""

_MIN_EXPLAINED = 0.5
"""Smallest part of the sum of squares that a rise must explain."""

_MODEL_SIGMA = 0.005
"""Standard deviation of the model's error of the group delay, ps: G is a Fresnel integral, as for a
flat spectrum of the light."""

_BAND_EDGE = 1.5
"""Detuning at the edges of the band that is used, 100 rad/ps."""

_MAX_EVALUATIONS = 60
"""Largest number of evaluations of the fit; a rise needs about ten."""

_MIN_SQUARE = 1e-9
"""Smallest sum of squares of a model curve that an amplitude is divided by."""


@dataclass(frozen=True)
class Arrival:
    """Arrival of the pump at the probe.

    Attributes
    ----------
    time_zero, time_zero_sigma : float
        Delay at which the band's centre rises, and its standard deviation, ps.
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


class _RiseParameters(NamedTuple):
    """Free parameters in the order of the fit.

    Attributes
    ----------
    time_zero : float
        t₀, ps.
    chirp_1, chirp_2, chirp_3 : float
        Coefficients of t_c, ps/(100 rad/ps)^k.
    response : float
        Standard deviation in time of the pump's edge, ps.
    decay_rate : float
        r, 1/ps.
    angle : float
        χ, rad.
    amplitude_ratio : float
        κ.
    """

    time_zero: float
    chirp_1: float
    chirp_2: float
    chirp_3: float
    response: float
    decay_rate: float
    angle: float
    amplitude_ratio: float


_LOWEST = _RiseParameters(
    time_zero=-np.inf,
    chirp_1=-4,
    chirp_2=-2,
    chirp_3=-2,
    response=0.01,
    decay_rate=-0.1,
    angle=0,
    amplitude_ratio=0,
)
_HIGHEST = _RiseParameters(
    time_zero=np.inf,
    chirp_1=4,
    chirp_2=2,
    chirp_3=2,
    response=3,
    decay_rate=0.3,
    angle=np.pi,
    amplitude_ratio=10,
)
"""Bounds of the fit; those of time zero are the ends of the scan."""

_SCALE = _RiseParameters(
    time_zero=1,
    chirp_1=1,
    chirp_2=1,
    chirp_3=1,
    response=0.3,
    decay_rate=0.01,
    angle=1,
    amplitude_ratio=1,
)
"""Sizes of significant changes of the parameters."""


@dataclass(frozen=True)
class _Rise:
    """Differential spectra of P delays and K bins.

    Attributes
    ----------
    delay : (P,) array
        Increasing, ps.
    detuning : (K,) array
        100 rad/ps.
    differential : (P, K) array
        In units of its largest value.
    fringe : (P, K) complex array
        e^{iψ}.
    """

    delay: Floats
    detuning: Floats
    differential: Floats
    fringe: Complexes

    def residuals(self, vector: Floats) -> Floats:
        """Return the residuals (P·K,) with the best amplitude a(λ) of each bin."""
        at = _RiseParameters(*vector)
        signal = _step_response(self.delay, self.detuning, at) * (self.fringe + at.amplitude_ratio)
        shape = (signal * np.exp(1j * at.angle)).real
        square = np.maximum((shape**2).sum(0), _MIN_SQUARE)
        amplitude = (shape * self.differential).sum(0) / square
        return (self.differential - shape * amplitude).ravel()

    def best_start(self) -> _RiseParameters:
        """Return the best of a grid of starts over time zero and the sign of the chirp."""
        spacing = max(1.0, np.diff(self.delay).max())
        starts = [
            _RiseParameters(
                time_zero=time_zero,
                chirp_1=chirp,
                chirp_2=0.0,
                chirp_3=0.0,
                response=0.3,
                decay_rate=0.0,
                angle=np.pi / 2,
                amplitude_ratio=1.0,
            )
            for time_zero in np.arange(self.delay[0], self.delay[-1], spacing)
            for chirp in _START_CHIRPS
        ]
        return min(starts, key=lambda start: float((self.residuals(np.array(start)) ** 2).sum()))


def fit_arrival(
    delay: ArrayLike,
    wavelength: ArrayLike,
    differential_spectrum: ArrayLike,
    phase: ArrayLike,
    path: ArrayLike,
) -> Arrival:
    """Fit time zero and chirp to a delay scan across the rise.

    Least squares with the model of this module, a group delay of third order, and a free amplitude
    of each bin of wavelengths. A disturbance of one point affects all its wavelengths, so the
    standard deviations are those of a jackknife over delays.

    Parameters
    ----------
    delay : (P,) array
        ps, on any scale: time zero is on the same one.
    wavelength : (K,) array
        nm.
    differential_spectrum : (P, K) array
        Pump-on minus pump-off spectrum, counts.
    phase, path : (P,) array
        Phase of the fringe without the pump at the band's centre, rad, and optical path
        difference, um. Points where they are not finite are left out.

    Raises
    ------
    DataError
        Too few delays, or no rise within the scan.
    """
    rise = _selected(
        np.asarray(delay, np.float64),
        np.asarray(wavelength, np.float64),
        np.asarray(differential_spectrum, np.float64),
        np.asarray(phase, np.float64),
        np.asarray(path, np.float64),
    )
    t, d = rise.delay, rise.differential
    fit = least_squares(
        rise.residuals,
        rise.best_start(),
        bounds=(_LOWEST._replace(time_zero=t[0]), _HIGHEST._replace(time_zero=t[-1])),
        x_scale=_SCALE,
        max_nfev=_MAX_EVALUATIONS,
    )
    best = _RiseParameters(*fit.x.tolist())
    explained = 2 * fit.cost <= (1 - _MIN_EXPLAINED) * (d**2).sum()
    if not explained or not t[1] < best.time_zero < t[-2]:
        raise DataError(
            f"no rise of the differential spectrum between {t[0]:g} and {t[-1]:g} ps: scan a "
            "wider range of delays, or pump harder"
        )
    noise_sigma = jackknife(fit.jac.reshape(*d.shape, -1), fit.fun.reshape(d.shape))
    model_sigma = _MODEL_SIGMA / _BAND_EDGE ** np.arange(4)
    time_zero_sigma, *chirp_sigma = np.hypot(noise_sigma[:4], model_sigma).tolist()
    return Arrival(
        time_zero=best.time_zero,
        time_zero_sigma=time_zero_sigma,
        response=best.response,
        chirp=(best.chirp_1, best.chirp_2, best.chirp_3),
        chirp_sigma=(chirp_sigma[0], chirp_sigma[1], chirp_sigma[2]),
    )


def estimate_chirp(scan: DelayScan) -> Floats:
    """Estimate the chirp from the rise in a delay scan, as a start for its inversion.

    Parameters
    ----------
    scan : DelayScan

    Returns
    -------
    (3,) array
        Coefficients of `analysis.chirp.group_delay.chirp_delay`, ps/(100 rad/ps)^k.

    Raises
    ------
    DataError
        The scan has no rise, or too few delays.
    """
    # A bin of the scan is repeated, because `fit_arrival` averages as many pixels again.
    repeated = [np.repeat(point.difference, _PIXELS_PER_BIN) for point in scan.spectra]
    try:
        arrival = fit_arrival(
            scan.delay,
            np.repeat(scan.wavelength, _PIXELS_PER_BIN),
            np.stack(repeated),
            np.array([point.fringe.phase for point in scan.spectra]),
            np.array([point.fringe.path for point in scan.spectra]),
        )
    except DataError as error:
        raise DataError(
            f"the chirp is not calibrated and cannot be determined from this scan: {error}; or "
            "run find_time_zero, which stores it"
        ) from None
    return np.array(arrival.chirp)


def _selected(
    delay: Floats, wavelength: Floats, differential: Floats, phase: Floats, path: Floats
) -> _Rise:
    """Return the finite points in the order of their delays, with their spectra in bins.

    The parameters are those of `fit_arrival`.

    Raises
    ------
    DataError
        Too few delays.
    """
    usable = np.flatnonzero(np.isfinite(delay) & np.isfinite(phase) & np.isfinite(path))
    order = usable[np.argsort(delay[usable])]
    if len(order) < _MIN_DELAYS:
        raise DataError(f"time zero needs {_MIN_DELAYS} or more delays, not {len(order)}")
    low, high = PROBE_BAND
    inside = np.flatnonzero((wavelength > low + _EDGE) & (wavelength < high - _EDGE))
    bins = inside[: len(inside) // _PIXELS_PER_BIN * _PIXELS_PER_BIN].reshape(-1, _PIXELS_PER_BIN)
    x, d = detuning(wavelength[bins].mean(1)), differential[order][:, bins].mean(2)
    wavenumber = 100 * x / (speed_of_light * 1e-6)  # rad/um from the band's centre
    fringe = np.exp(1j * (phase[order, np.newaxis] + np.outer(path[order], wavenumber)))
    return _Rise(delay[order], x, d / np.abs(d).max(), fringe)


def _step_response(delay: Floats, x: Floats, at: _RiseParameters) -> Complexes:
    """Return the step response G (P, K) of each wavelength with its decay.

    It is a normal integral. Its variance is that of the pump's edge, minus i dt_c/dω.

    Parameters
    ----------
    delay : (P,) array
        ps.
    x : (K,) array
        Detuning, 100 rad/ps.
    at : _RiseParameters
    """
    a, b, c = at.chirp_1, at.chirp_2, at.chirp_3
    since = delay[:, None] - at.time_zero + (a * x + b * x**2 + c * x**3)
    variance = at.response**2 - 0.01j * (a + 2 * b * x + 3 * c * x**2)
    step = 0.5 * erfc(-since / np.sqrt(2 * variance))
    response: Complexes = step * np.exp(-at.decay_rate * np.maximum(since, 0))
    return response
