"""Comparison of the decay models on the data of one fit, by χ² and Akaike's criterion.

With sigmas of the data, k free parameters and n points,

    AICc = χ² + 2k + 2k(k + 1)/(n − k − 1);

the model with the lowest describes the data best for its number of parameters. Where even that one
misses the data by more than their noise, the differences say too much: its χ² per degree of freedom
is stated beside them.
"""

from dataclasses import dataclass

from analysis.kinetics.decay_fit import DecayFit, fit_decay
from analysis.kinetics.model_lookup import model_names
from ocm_ophyd.errors import DataError

__all__ = ["ModelScore", "compare_models", "describe_comparison"]

_CLEAR = 6.0
"""Difference of AICc from which a model does better: e^{6/2} makes it 20 times as likely."""

_WITHIN = 2.0
"""χ² per degree of freedom up to which a model describes the data within their noise, as in
`analysis.scan_fits`."""


@dataclass(frozen=True)
class ModelScore:
    """One model on the data.

    Attributes
    ----------
    name : str
        Of the model.
    aicc, reduced_chi2 : float
        Akaike's criterion for few points, and χ² per degree of freedom; NaN where it failed.
    reason : str
        Why the model could not be fitted; empty where it could.
    """

    name: str
    aicc: float
    reduced_chi2: float
    reason: str = ""


def compare_models(fit: DecayFit) -> list[ModelScore]:
    """Fit all known decay models to the data of a fit, in its window and with its response.

    Parameters
    ----------
    fit : DecayFit
        Its model is one of the scores.

    Returns
    -------
    list of ModelScore
        The best first; those that could not be fitted last.
    """
    scores = [ModelScore(fit.model.name, fit.aicc, fit.reduced_chi2)]
    response = fit.values["response"] if fit.sigmas["response"] == 0 else None
    data = fit.delay, fit.delta_n, fit.sigma if fit.known_sigma else None
    for name in model_names():
        if name == fit.model.name:
            continue
        try:
            other = fit_decay(*data, fit.window, response, name)
        except DataError as error:
            scores.append(ModelScore(name, float("nan"), float("nan"), str(error)))
        else:
            scores.append(ModelScore(name, other.aicc, other.reduced_chi2))
    return sorted(scores, key=lambda score: (bool(score.reason), score.aicc))


def describe_comparison(fit: DecayFit) -> str:
    """Return a sentence on which of the known models describes the data of a fit better.

    Parameters
    ----------
    fit : DecayFit
        A fit that misses its data by more than their noise.
    """
    best, *_ = scores = compare_models(fit)
    others = [score for score in scores if score.name != fit.model.name]
    listed = ", ".join(
        score.name + (" failed" if score.reason else f" {score.reduced_chi2:.3g}")
        for score in others
    )
    gain = fit.aicc - best.aicc
    if best.name == fit.model.name or gain < _CLEAR:
        return f"No known model does better (chi2/dof: {listed})."
    limit = "within the noise" if best.reduced_chi2 < _WITHIN else "not within the noise either"
    return (
        f"The model {best.name} describes the data better, {limit}: chi2/dof "
        f"{best.reduced_chi2:.3g}, AICc lower by {gain:.3g} (all others: {listed})."
    )
