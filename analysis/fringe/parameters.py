"""Indices of the fringe model's parameters in vectors and tables of derivatives.

The symbols are those of `analysis.fringe.model`, which gives the model's equation. Every vector of
parameters has the length `PARAMETERS`, every table of derivatives has the shape `(PARAMETERS, K)`.
The first `FRINGE_PARAMETERS` describe the spectrum without the pump, all others are its change by
the pump and are zero without it.
"""

ENVELOPE = 0
"""g0: envelope at the band's centre, in units of the reference."""

ENVELOPE_SLOPE = 1
"""g1: slope of the envelope over half the band."""

ENVELOPE_BEND = 2
"""g2: curvature of the envelope over half the band."""

COSINE = 3
"""A = V cos φ, with the visibility V and the phase φ at the band's centre."""

SINE = 4
"""B = V sin φ."""

PATH = 5
"""z: optical path difference, um."""

PATH_BEND = 6
"""r: bend of the phase over the band, relative."""

DELTA_PHI = 7
"""Δ: phase change by the pump at the band's centre, rad."""

PUMP_ENERGY = 8
"""h0: relative change of the pulse energy between pump off and pump on."""

PUMP_TILT = 9
"""h1: the same for the tilt of the light's spectrum, over half the band."""

PUMP_CONTRAST = 10
"""c: relative change of the fringe's contrast."""

PUMP_SLOPE = 11
"""d: slope of the phase change over the band, um."""

PUMP_SHIFT = 12
"""f: shift of the light's frequency, in half bands."""

PARAMETERS = 13
FRINGE_PARAMETERS = 7
