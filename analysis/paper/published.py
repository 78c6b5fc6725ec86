"""Table 1 of the paper, and what agreeing with it means."""

from dataclasses import dataclass

from analysis.estimate import Estimate

__all__ = ["TABLE", "Row", "Stated", "compare"]


@dataclass(frozen=True)
class Stated:
    """What the paper says of a quantity.

    Attributes
    ----------
    value : float
        In the unit of the estimate.
    tolerance : float
        The paper's own uncertainty, or half a unit of its last digit; 0 for a bound.
    text : str
        As it is printed.
    bound : {"", "at most", "at least"}
        Which side of `value` the paper states.
    """

    value: float
    tolerance: float
    text: str
    bound: str = ""


TABLE: dict[str, Stated] = {
    "A": Stated(2e8, 0.5e8, "2e8"),
    "B": Stated(1.8e-9, 0.05e-9, "1.8e-9"),
    "C": Stated(1e-29, 0.0, "at most 1e-29", "at most"),
    "beta": Stated(0.03, 0.005, "0.03"),
    "tau_lasing": Stated(13.4, 1.3, "13.4 ± 1.3"),
    "tau_fluor": Stated(170.0, 20.0, "170 ± 20"),
    "D": Stated(1.0, 0.0, "at most 1", "at most"),
    "N_threshold": Stated(1.1e19, 0.05e19, "1.1e19"),
    "delta_n_threshold": Stated(1e-2, 0.05e-2, "1e-2"),
    "fluence_threshold": Stated(0.57, 0.005, "0.57"),
    "N_threshold_asymptotic": Stated(1.5e19, 0.05e19, "1.5e19"),
    "relaxation_below": Stated(100.0, 0.0, "over 100", "at least"),
    "relaxation_above": Stated(20.0, 0.0, "under 20", "at most"),
    "D_silicon": Stated(15.0, 0.5, "15"),
}
"""Table 1 and the text around it, in s⁻¹, cm³/s, cm⁶/s, 1, ps, cm²/s, cm⁻³, RIU and mJ/cm²."""


@dataclass(frozen=True)
class Row:
    """One line of the results.

    Attributes
    ----------
    estimate : Estimate
        What was measured.
    paper : str
        What the paper says, empty where it says nothing.
    agrees : bool or None
        Whether the two agree (see `compare`); None where there is nothing to compare.
    """

    estimate: Estimate
    paper: str = ""
    agrees: bool | None = None


def compare(name: str, estimate: Estimate) -> Row:
    """Put an estimate beside the paper's value.

    They agree where they are within the paper's tolerance and two standard deviations of the
    estimate. With the paper's bound they agree where some of these values keep to it, or where an
    upper limit does. An estimate whose two
    standard deviations are as large as the paper's value would agree with nearly everything: it
    says nothing.
    """
    stated = TABLE.get(name)
    if stated is None:
        return Row(estimate)
    if not estimate.determined:
        return Row(estimate, stated.text)
    low = estimate.value - 2 * estimate.sigma
    high = estimate.value + 2 * estimate.sigma
    if stated.bound == "at most":
        measured = low if estimate.upper95 is None else estimate.upper95
        return Row(estimate, stated.text, bool(low <= stated.value or measured <= stated.value))
    if stated.bound == "at least":
        return Row(estimate, stated.text, bool(high >= stated.value))
    if 2 * estimate.sigma >= abs(stated.value):
        return Row(estimate, stated.text)
    distance = abs(estimate.value - stated.value)
    return Row(estimate, stated.text, bool(distance <= stated.tolerance + 2 * estimate.sigma))
