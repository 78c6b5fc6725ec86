"""Phases, energies and tilts of frames that were made with known ones."""

import numpy as np
import pytest
from fringes import frames, model, parameters, rounded, setup, spectrum, times

from analysis.fringe.solver import derivatives, unpumped
from analysis.point.demodulation import FrameWeights, SpectrumPair
from analysis.point.frame_phases import FramePhases, measure_frames, subtract_drift
from analysis.point.normalisation import Demodulated
from analysis.point.tangents import BY_PUMP, KINDS, fill_tangents

pytestmark = pytest.mark.usefixtures("interpreted")

SETUP, AXES = setup(), model().grid.axes
TIME, OPENED = times(48)
RNG = np.random.default_rng(6)


def pumped(delta):
    return parameters(pump=np.array([delta, 1e-3, 0, 0, 0, 0]))


def tangents(p):
    """Tangents (2, 5, B) of exact spectra."""
    result = np.empty((2, KINDS, len(AXES.tilt)))
    for state, q in enumerate((unpumped(p), p)):
        fill_tangents(q, derivatives(q, AXES)[1], spectrum(q), AXES, result[state])
    result[0, BY_PUMP] = 0
    return result


def exact(p):
    """Exact spectra with the weights of frames."""
    off, on = spectrum(unpumped(p)), spectrum(p)
    weight = 1 / ((off * 3e4 / 4 + 6.3) / 3e4**2)
    centred = OPENED - OPENED.mean()
    difference = centred / (centred @ OPENED)
    weights = FrameWeights(1 / len(OPENED) - OPENED.mean() * difference, difference)
    return Demodulated(SpectrumPair(off, on - off), weight, weight, weight, weights)


def measured(p, phase, energy, tilt, rng=None):
    """What `measure_frames` finds, and the contrast."""
    phases = FramePhases(*np.full((6, len(OPENED)), np.nan))
    counts = rounded(frames(p, OPENED, phase, energy, tilt), rng)
    args = counts, OPENED, p[7], tangents(p), exact(p), SETUP, phases
    return phases, measure_frames(*args)


@pytest.mark.parametrize("delta", [0.02, 1.0])
def test_known_phases_energies_and_tilts_are_found_together(delta):
    """Up to 0.3 rad, 5 % and 1 %: far beyond what is linear."""
    phase = 0.15 * np.sin(9 * np.arange(48))
    energy, tilt = RNG.normal(0, 0.02, 48), RNG.normal(0, 0.005, 48)
    phases, contrast = measured(pumped(delta), phase, energy, tilt)
    # The spectra here are exact, so the mean's contrast is that of a frame, within the tolerance
    # of the contrast, 0.011 of the phases.
    assert 0.985 < contrast <= 1
    sharp = np.abs(phases.phase - phase)[phases.variance < 1]
    assert sharp.max() < 0.02 * 0.15 + 1e-4
    np.testing.assert_allclose(phases.energy, energy, atol=1e-3)
    np.testing.assert_allclose(phases.tilt, tilt, atol=1e-3)


def test_variance_is_the_scatter_of_phases():
    still = np.zeros(48)
    found = [measured(pumped(0.02), still, still, still, RNG)[0] for _ in range(12)]
    scatter = np.std([phases.phase for phases in found])
    assert scatter == pytest.approx(np.sqrt(found[0].variance.mean()), rel=0.12)  # 576 phases


def test_response_and_imbalance_are_derivatives_of_the_phase():
    p = pumped(1.0)
    still = np.zeros(48)
    phases, _ = measured(p, still, still, still)
    partly = (OPENED > 0.05) & (OPENED < 0.95) & (phases.variance < 1)
    assert partly.any()
    more = p.copy()
    more[7] += 0.02
    counts = rounded(frames(more, OPENED))
    shifted = FramePhases(*np.full((6, 48), np.nan))
    measure_frames(counts, OPENED, p[7], tangents(p), exact(p), SETUP, shifted)
    numeric = (shifted.phase - phases.phase) / 0.02
    np.testing.assert_allclose(phases.response[partly], numeric[partly], atol=0.03)
    # A path that moves during the pump-on part alone.
    for f in np.flatnonzero(partly)[:4]:
        o = OPENED[f]
        mixed = (1 - o) * spectrum(unpumped(p)) + o * spectrum(p, 0.02)
        count = np.rint(1500 + 3e4 * mixed).astype(np.uint32)
        one = FramePhases(*np.full((6, 1), np.nan))
        args = tangents(p), exact(p), SETUP, one
        measure_frames(count[np.newaxis], OPENED[f : f + 1], p[7], *args)
        on_part = (one.phase[0] - phases.phase[f]) / 0.02
        assert on_part - o == pytest.approx(phases.imbalance[f], abs=0.03)


@pytest.mark.parametrize("delta", [0.02, 0.5])
def test_what_drift_added_to_the_spectra_is_subtracted(delta):
    p = pumped(delta)
    phase, tilt = 0.1 * np.sin(0.7 * np.arange(48)), RNG.normal(0, 0.003, 48)
    clean = exact(p)
    weights = clean.frame_weights
    normal = (frames(p, OPENED, phase, 0.0, tilt) - 1500) / 3e4
    pair = SpectrumPair(weights.off @ normal, weights.difference @ normal)
    drifting = clean._replace(spectra=pair)
    before = np.abs(pair.difference - clean.spectra.difference).max()
    known = FramePhases(phase, 0 * phase, tilt, OPENED, 0 * phase, 0 * phase)
    subtract_drift(drifting, tangents(p), known, 1.0, OPENED)
    after = np.abs(pair.difference - clean.spectra.difference).max()
    assert before > 1e-3
    assert after < 0.01 * before + 1e-5
    np.testing.assert_allclose(pair.off, clean.spectra.off, atol=5e-5)
