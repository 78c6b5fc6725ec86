"""Fit of fringe and phase step to a point's spectra, with and without drift, compiled.

The first fit gives the derivatives of the spectrum by a drift of the path, with which the phases of
the frames are measured. The final fit uses S_off and ΔS from which these phases were subtracted.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.fringe.phase_step import fit_step
from analysis.fringe.solver import BOTH, OFF, ON, Grid, derivatives, fit, fit_fringe, unpumped
from analysis.numerics.jit import compiled, compiled_within
from analysis.numerics.small_linalg import dot
from analysis.point.demodulation import SpectrumPair
from analysis.point.normalisation import Demodulated, Setup
from analysis.point.tangents import BY_PUMP, CLOSED, KINDS, OPEN, fill_tangents

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_MAX_CHI2 = 1.5
"""Reduced χ² up to which S_on counts as a fringe of the same shape as S_off, so that both are
fitted together."""

_MAX_RELATIVE_CHI2 = 1e-5
"""χ² relative to that of ΔS itself, up to which the same holds: 0.3 % of ΔS is not worth more."""

_CHI2_SIGMAS = 4.0
"""Standard deviations of χ² above its mean beyond which a misfit is not noise."""

_MISFIT = 0.005
"""Misfit, relative to the fringe, that is not counted as an uncertainty: the true shape of a slit
leaves as much, and it does not change the phase. Test: tests/analysis/point/test_limits.py."""

_SAME_FRINGE = 0.3
"""Effect in rad over which S_off and S_on become different fringes: beyond it, errors of the model
in one are not those in the other."""


class FirstFit(NamedTuple):
    """Fit of a point's spectra that still contain drift.

    Attributes
    ----------
    p : (13,) array
        Parameters of fringe and pump.
    chosen : (n,) array
        Indices of the pump's parameters that are fitted.
    variance : float
        Variance of Δ if contrast, slope and frequency shift were known, rad².
    one_shape : bool
        Whether S_off and S_on are fringes of one shape, so that both determine it.
    similarity : float
        How similar S_off and S_on are: 1 for a small effect, or if there is no one shape.
    tangents : (2, 5, B) array
        See `analysis.point.tangents`: of the measured spectra where these are similar, of the
        fitted ones where not.
    """

    p: Floats
    chosen: Indices
    variance: float
    one_shape: bool
    similarity: float
    tangents: Floats


class FinalFit(NamedTuple):
    """Fit of a point's spectra without drift.

    Attributes
    ----------
    p : (13,) array
        Parameters of fringe and pump.
    covariance : (7, 7) array
        Covariance of the fringe's parameters.
    off : (B,) array
        Fitted S_off.
    sensitivity : (B,) array
        Change of the fitted Δ by a phase change of a single bin.
    link : (7,) array
        Covariances of Δ with the fringe's parameters.
    extra : float
        Variance of Δ because contrast, slope and frequency shift are fitted, rad².
    by_tilt_noise, by_tilt_prior : float
        Variance of Δ by the light's mean tilt relative to the reference, rad²: by its variation
        within the point, and by its prior.
    by_misfit : float
        Variance of Δ by the part of the fringe that the model misses, beyond noise, rad².
    """

    p: Floats
    covariance: Floats
    off: Floats
    sensitivity: Floats
    link: Floats
    extra: float
    by_tilt_noise: float
    by_tilt_prior: float
    by_misfit: float


class SpectrumWeights(NamedTuple):
    """Inverse variances (B,) of S_off, S_on and ΔS, from shot and read noise."""

    off: Floats
    on: Floats
    difference: Floats


@compiled
def spectrum_weights(demodulated: Demodulated) -> SpectrumWeights:
    """Return the inverse variances of spectra that are weighted sums of frames."""
    frame_weights, bins = demodulated.frame_weights, len(demodulated.mean_weight)
    off_power = dot(frame_weights.off, frame_weights.off)
    power = dot(frame_weights.difference, frame_weights.difference)
    on_power = off_power + 2 * dot(frame_weights.off, frame_weights.difference) + power
    weights = SpectrumWeights(np.empty(bins), np.empty(bins), np.empty(bins))
    for i in range(bins):
        weights.off[i] = demodulated.closed_weight[i] / off_power
        weights.on[i] = demodulated.open_weight[i] / on_power
        weights.difference[i] = demodulated.mean_weight[i] / power
    return weights


@compiled
def fit_with_drift(demodulated: Demodulated, setup: Setup) -> FirstFit:
    """Fit fringe and phase step of spectra that still contain drift."""
    grid, spectra, weights = setup.grid, demodulated.spectra, spectrum_weights(demodulated)
    bins = len(spectra.off)
    data, weight, on = np.empty((2, bins)), np.empty((2, bins)), np.empty(bins)
    power = 0.0
    for i in range(bins):
        data[0, i], weight[0, i] = spectra.off[i], weights.off[i]
        power += spectra.difference[i] ** 2 * weights.difference[i]
    p, _ = fit_fringe(grid, data, weight)
    chosen, _, variance, chi2 = fit_step(
        p, grid, spectra.difference, weights.difference, setup.chirped
    )
    one_shape = not setup.chirped and chi2 < max(_MAX_CHI2 * bins, _MAX_RELATIVE_CHI2 * power)
    similarity = np.exp(-((p[par.DELTA_PHI] / _SAME_FRINGE) ** 2)) if one_shape else 1.0
    off_model, by_off = derivatives(unpumped(p), grid.axes)
    on_model, by_on = derivatives(p, grid.axes)
    for i in range(bins):
        on[i] = similarity * (spectra.off[i] + spectra.difference[i])
        on[i] += (1 - similarity) * on_model[i]
        off_model[i] = similarity * spectra.off[i] + (1 - similarity) * off_model[i]
    tangents = np.empty((2, KINDS, bins))
    fill_tangents(unpumped(p), by_off, off_model, grid.axes, tangents[CLOSED])
    fill_tangents(p, by_on, on, grid.axes, tangents[OPEN])
    for i in range(bins):
        tangents[CLOSED, BY_PUMP, i] = 0.0  # where the pump is off, it has no effect
    return FirstFit(p, chosen, variance, one_shape, similarity, tangents)


@compiled
def fit_without_drift(
    first: FirstFit, demodulated: Demodulated, tilt_variance: float, setup: Setup
) -> FinalFit:
    """Fit fringe and phase step of spectra from which drift was subtracted.

    Parameters
    ----------
    first : FirstFit
    demodulated : Demodulated
    tilt_variance : float
        Variance of the point's mean tilt; it is added to that of the reference's tilt.
    setup : Setup
    """
    spectra, weights = demodulated.spectra, spectrum_weights(demodulated)
    bins, p, chosen, grid = len(spectra.off), first.p.copy(), first.chosen, setup.grid
    prior = grid.prior_weight.copy()
    prior[par.ENVELOPE_SLOPE] = 1 / (1 / prior[par.ENVELOPE_SLOPE] + tilt_variance)
    grid = Grid(grid.axes, grid.bases, grid.starts, prior, grid.prior_mean)
    data, weight = np.empty((2, bins)), np.empty((2, bins))
    for i in range(bins):
        data[0, i], data[1, i] = spectra.off[i], spectra.off[i] + spectra.difference[i]
        weight[0, i], weight[1, i] = weights.off[i], weights.on[i]
    states, count = OFF, 0
    if first.one_shape:  # then S_on determines the fringe as well as S_off does
        states, count = BOTH, len(chosen)
    fitted = np.arange(par.FRINGE_PARAMETERS + count)
    for a in range(count):
        fitted[par.FRINGE_PARAMETERS + a] = chosen[a]
    covariance, _ = fit(p, fitted, states, grid, data, weight)
    # Errors of the model that both spectra share are not in their difference. If the two are
    # different fringes, the difference has more of the noise of S_off than S_on has.
    off, by_off = derivatives(unpumped(p), grid.axes)
    for i in range(bins):
        data[1, i] -= first.similarity * (spectra.off[i] - off[i])
        weight[1, i] = weights.difference[i]
    step_covariance, _ = fit(p, chosen, ON, grid, data, weight)
    _, by_on = derivatives(p, grid.axes)
    functional, link = np.zeros(bins), np.empty(par.FRINGE_PARAMETERS)
    for a in range(len(chosen)):
        for i in range(bins):
            functional[i] += step_covariance[0, a] * by_on[chosen[a], i] * weight[1, i]
    by_fringe = np.empty(par.FRINGE_PARAMETERS)  # derivatives of Δ by the fringe's parameters
    for a in range(par.FRINGE_PARAMETERS):
        by_fringe[a] = dot(functional, by_off[a]) - dot(functional, by_on[a])
    for a in range(par.FRINGE_PARAMETERS):
        link[a] = dot(covariance[a, : par.FRINGE_PARAMETERS], by_fringe)
        if first.one_shape:
            link[a] = covariance[par.FRINGE_PARAMETERS, a]
    by_tilt = (link[par.ENVELOPE_SLOPE] * prior[par.ENVELOPE_SLOPE]) ** 2
    misfit = _misfit(spectra, off, by_off, p, weights.off)
    for i in range(bins):
        functional[i] *= by_on[par.DELTA_PHI, i]
    return FinalFit(
        p=p,
        covariance=covariance[: par.FRINGE_PARAMETERS, : par.FRINGE_PARAMETERS].copy(),
        off=off,
        sensitivity=functional,
        link=link,
        extra=max(step_covariance[0, 0] - first.variance, 0.0),
        by_tilt_noise=by_tilt * tilt_variance,
        by_tilt_prior=by_tilt / setup.grid.prior_weight[par.ENVELOPE_SLOPE],
        by_misfit=misfit * p[par.DELTA_PHI] ** 2,
    )


@compiled_within
def _misfit(spectra: SpectrumPair, off: Floats, by_off: Floats, p: Floats, weight: Floats) -> float:
    """Return the part of the fringe's power that its model misses, beyond noise and `_MISFIT`.

    Parameters
    ----------
    spectra : SpectrumPair
    off : (B,) array
        Fitted S_off.
    by_off : (13, B) array
        Its derivatives.
    p : (13,) array
        Its parameters.
    weight : (B,) array
        Inverse variances of the measured S_off.
    """
    bins, missed, power = len(off), 0.0, 0.0
    for i in range(bins):
        swing = p[par.COSINE] * by_off[par.SINE, i] - p[par.SINE] * by_off[par.COSINE, i]
        missed += weight[i] * (spectra.off[i] - off[i]) ** 2
        power += weight[i] * swing**2
    noise = bins + _CHI2_SIGMAS * np.sqrt(2 * bins)
    return max((missed - noise) / power - _MISFIT**2, 0.0)
