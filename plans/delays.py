"""Lists of delays."""

import numpy as np

from plans.stubs.points import PlanError

__all__ = ["linear_then_logarithmic"]


def linear_then_logarithmic(
    start: float, linear_stop: float, step: float, stop: float, points_per_decade: int
) -> list[float]:
    """Delays that are evenly spaced at first and logarithmically later.

    Parameters
    ----------
    start, linear_stop, step : float
        The even part, ps; `linear_stop` is its last delay.
    stop : float
        Last delay, ps.
    points_per_decade : int
        Density of the logarithmic part.

    Returns
    -------
    list of float
        Rising delays, ps.

    Raises
    ------
    PlanError
        Unless start < linear_stop < stop, 0 < linear_stop and 0 < step.

    Examples
    --------
    >>> from plans import linear_then_logarithmic
    >>> linear_then_logarithmic(-5, 10, 5, 1000, 1)
    [-5.0, 0.0, 5.0, 10.0, 100.0, 1000.0]
    """
    if not (start < linear_stop < stop and linear_stop > 0 and step > 0 and points_per_decade > 0):
        msg = (
            f"delays need start < linear_stop < stop with linear_stop, step and points_per_decade "
            f"above 0, not {start:g}, {linear_stop:g}, {stop:g}, {step:g}, {points_per_decade}"
        )
        raise PlanError(msg)
    linear = np.linspace(start, linear_stop, round((linear_stop - start) / step) + 1)
    count = int(np.ceil(np.log10(stop / linear_stop) * points_per_decade)) + 1
    logarithmic = np.geomspace(linear_stop, stop, count)
    return [float(delay) for delay in np.concatenate([linear, logarithmic[1:]]).round(6)]
