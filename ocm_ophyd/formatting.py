"""Text of measured numbers: as many digits as the uncertainty allows, and units."""

import math
import re
from typing import Any

import numpy as np

from analysis.estimate import Estimate

__all__ = ["QUANTITIES", "duration", "measured", "stored", "unit_of"]

QUANTITIES = {
    "A": "A, trapping",
    "B": "B, radiative recombination",
    "C": "C, Auger recombination",
    "beta": "β, light into the laser mode",
    "photon_loss": "v_g γ, loss of the resonator",
    "threshold_density": "N where gain equals loss",
    "tau_lasing": "τ_lasing",
    "tau_fluor": "τ_fluor",
    "D": "D, diffusion in CsPbBr₃",
    "D_silicon": "D, diffusion in silicon",
    "N_threshold": "N at the lasing threshold, Eq. 1",
    "N_threshold_asymptotic": "N at the lasing threshold, Eq. 2",
    "delta_n_threshold": "Δn at the lasing threshold, 1050 nm",
    "fluence_threshold": "Threshold fluence, from the light",
    "fluence_onset": "Threshold fluence, from the carriers",
    "N_onset": "N at the onset of the fast component",
    "delta_n_onset": "Δn at the onset of the fast component",
    "threshold_difference": "Difference of the two thresholds",
    "relaxation_below": "1/e time below threshold",
    "relaxation_above": "1/e time far above threshold",
}
"""Printed names of the quantities."""

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def measured(estimate: Estimate) -> str:
    """Return value ± sigma and the upper limit with the unit, or the reason why there are none."""
    if not estimate.determined:
        return estimate.note or "not determined"
    unit = unit_of(estimate.unit)
    parts = []
    if math.isfinite(estimate.value) and math.isfinite(estimate.sigma):
        parts.append(f"{_number(estimate.value, estimate.sigma, show_sigma=True)} {unit}".rstrip())
    if estimate.upper95 is not None:
        limit = f"≤ {_number(estimate.upper95, estimate.upper95)} {unit}".rstrip()
        parts.append(f"{limit} (95 %)")
    return ", ".join(parts)


def _number(value: float, sigma: float, *, show_sigma: bool = False) -> str:
    """Return a number to the second digit of its sigma, with a power of ten if far from 1."""
    size = max(abs(value), sigma)
    power = math.floor(math.log10(size)) if size > 0 else 0
    power = power if abs(power) > 3 else 0
    digits = 1 - math.floor(math.log10(sigma)) + power if sigma > 0 else 3
    places = min(max(digits, 0), 12)
    text = f"{value / 10**power:.{places}f}".replace("-", "−")
    if show_sigma:
        text = f"{text} ± {sigma / 10**power:.{places}f}"
    if not power:
        return text
    times = f"·10{str(power).translate(_SUPERSCRIPTS)}"
    return f"({text}){times}" if show_sigma else text + times


def unit_of(unit: str) -> str:
    """Return the printed form of a unit: cm³/s for cm^3/s, µm for um, nothing for 1."""
    pretty = re.sub(
        r"(?<=[A-Za-z])\^?-?\d+", lambda m: m[0].strip("^").translate(_SUPERSCRIPTS), unit
    )
    return "" if unit == "1" else re.sub(r"\bum", "µm", pretty)


def stored(value: Any) -> str:
    """Return a stored value as text; of a long column, the first two values and the last."""
    if isinstance(value, str):
        return value
    numbers = np.atleast_1d(value)
    texts = [f"{number:.8g}" for number in numbers]
    if len(texts) > 4:
        return f"{texts[0]}, {texts[1]} … {texts[-1]} ({len(texts)} values)"
    return ", ".join(texts)


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
