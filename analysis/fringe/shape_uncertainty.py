"""Variance of a phase step from the uncertainty of its fringe's shape, compiled.

The pump-on spectrum determines Δ relative to the fringe that was fitted to the pump-off spectrum.
The larger the effect, the more an error of the fringe's shape changes Δ: bend of the envelope g2,
visibility V, path z and bend of the phase r. (Phase, energy and tilt, the fringe's other
parameters, are measured anew in every frame; their part of the variance is computed there.) With
the covariance C of the four shape parameters and their covariances c with Δ,

    variance = cᵀ C⁻¹ c,     systematic part = Σ_a c_a² ω_a,

where ω_a are the inverse variances of the priors: an error of a prior is the same in all points.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.fringe import parameters as par
from analysis.numerics.jit import compiled_within
from analysis.numerics.small_linalg import dot, inverse

Floats = NDArray[np.float64]

_SHAPE = 4
"""Number of shape parameters: g2, V, z, r."""


@compiled_within
def shape_variance(
    p: Floats, covariance: Floats, link: Floats, prior_weight: Floats
) -> tuple[float, float]:
    """Return the variance of Δ from the fringe's shape, and the part that the priors cause.

    Parameters
    ----------
    p : (13,) array
        Parameters, see `analysis.fringe.parameters`.
    covariance : (7, 7) array
        Covariance of the fringe's parameters.
    link : (7,) array
        Covariances of Δ with the fringe's parameters.
    prior_weight : (13,) array
        Inverse variances of the priors, which are part of `covariance`.

    Returns
    -------
    variance, systematic : float
        rad².
    """
    # Derivatives of the shape parameters by the fringe's parameters.
    table = np.zeros((_SHAPE, par.FRINGE_PARAMETERS))
    visibility = np.sqrt(p[par.COSINE] * p[par.COSINE] + p[par.SINE] * p[par.SINE])
    table[0, par.ENVELOPE_BEND] = table[2, par.PATH] = table[3, par.PATH_BEND] = 1.0
    table[1, par.COSINE], table[1, par.SINE] = p[par.COSINE] / visibility, p[par.SINE] / visibility
    spread, linked, scale = np.zeros((_SHAPE, _SHAPE)), np.zeros(_SHAPE), np.zeros(_SHAPE)
    for a in range(_SHAPE):
        linked[a] = dot(table[a], link)
        for b in range(_SHAPE):
            for i in range(par.FRINGE_PARAMETERS):
                spread[a, b] += table[a, i] * dot(covariance[i], table[b])
        scale[a] = 1 / np.sqrt(spread[a, a])
    for a in range(_SHAPE):  # to numbers of like size, before the inversion
        linked[a] *= scale[a]
        for b in range(_SHAPE):
            spread[a, b] *= scale[a] * scale[b]
    slope = inverse(spread)
    known = np.zeros(_SHAPE)
    known[0], known[2] = prior_weight[par.ENVELOPE_BEND], prior_weight[par.PATH]
    known[3] = prior_weight[par.PATH_BEND]
    variance = systematic = 0.0
    for a in range(_SHAPE):
        variance += linked[a] * dot(slope[a], linked)
        systematic += (linked[a] / scale[a]) ** 2 * known[a]
    return variance, systematic
