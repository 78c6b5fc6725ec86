"""Published values of the paper, and the criterion of agreement with them."""

from dataclasses import dataclass

from analysis.estimate import Estimate

__all__ = ["TABLE", "Row", "Stated", "compare"]


@dataclass(frozen=True)
class Stated:
    """Published value of a quantity.

    Attributes
    ----------
    value : float
        In the unit of the estimate (see `TABLE`).
    tolerance : float
        The paper's own uncertainty, or half a unit of its last digit; 0 for a bound.
    text : str
        As it is printed.
    bound : {"", "at most", "at least"}
        Whether the paper states the value itself or a bound of it.
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
"""Published values, from Table 1 and the text around it: A in 1/s, B in cm^3/s, C in cm^6/s, beta
without a unit, times in ps, D in cm^2/s, densities in cm^-3, index changes in RIU and fluences in
mJ/cm^2."""


@dataclass(frozen=True)
class Row:
    """One row of the table of results.

    Attributes
    ----------
    estimate : Estimate
        Measured value.
    paper : str
        Published value as it is printed; empty where there is none.
    agrees : bool or None
        Whether the two agree (see `compare`); None where they cannot be compared.
    """

    estimate: Estimate
    paper: str = ""
    agrees: bool | None = None


def compare(name: str, estimate: Estimate) -> Row:
    """Compare an estimate with the published value of the same name.

    A value agrees if its distance from the published one is at most the paper's tolerance plus two
    standard deviations of the estimate. With a published bound it agrees if the estimate, two
    standard deviations towards the allowed side, or its upper limit, keeps to the bound. Where two
    standard deviations are as large as the published value, nearly every value would agree: then
    the two are not compared.
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
