"""Estimates of points, and the replacement of one of them."""

import numpy as np
import pytest

from analysis.point.estimates import Estimates


def filled(points, frames, value, *, spectra=True):
    """Estimates that all have the same value."""
    estimates = Estimates.empty(points, frames, 9, 4, spectra=spectra)
    flat = [estimates.valid, estimates.delta_phi, estimates.parameters, estimates.sensitivity]
    for group in (estimates.terms, estimates.spectra, estimates.counts, estimates.phases):
        flat += list(group)
    for array in [*flat, estimates.covariance, *estimates.tally]:
        array[...] = value
    return estimates


def test_empty_estimates_are_invalid_and_use_all_frames():
    estimates = Estimates.empty(3, 12, 9, 4, spectra=False)
    assert not estimates.valid.any()
    assert np.isnan(estimates.delta_phi).all()
    assert (estimates.tally.used == 12).all()
    assert (estimates.tally.rejected == 0).all()
    assert estimates.spectra.off.shape == (0, 4)
    assert estimates.phases.energy.shape == (3, 12)


@pytest.mark.parametrize("spectra", [True, False])
def test_one_point_is_replaced_and_no_other(spectra):
    estimates = filled(3, 12, 1, spectra=spectra)
    estimates.replace_point(1, filled(1, 7, 0))
    for array in (
        *(estimates.delta_phi, estimates.terms.shape, estimates.parameters[:, 5]),
        *(estimates.covariance[:, 2, 3], estimates.sensitivity[:, 0], estimates.valid),
        *(estimates.counts.difference[:, 8], estimates.tally.masked, estimates.tally.used),
    ):
        np.testing.assert_array_equal(array, [1, 0, 1])
    assert (estimates.phases.phase == 1).all()
    if spectra:
        np.testing.assert_array_equal(estimates.spectra.off_weight[:, 3], [1, 0, 1])


def test_the_variance_is_the_sum_of_effect_and_shape():
    estimates = filled(2, 12, 1)
    estimates.terms.shape[:] = 3.0
    np.testing.assert_array_equal(estimates.terms.total(), [4.0, 4.0])
