"""Effects that partly open frames show without reference to other frames."""

import numpy as np
import pytest
from fringes import frames, parameters, rounded, setup, spectrum, times

from analysis.fringe.solver import derivatives, unpumped
from analysis.point.demodulation import FrameWeights, SpectrumPair
from analysis.point.frame_phases import FramePhases, measure_frames, subtract_drift
from analysis.point.normalisation import Demodulated
from analysis.point.partial_frames import adds_information, partial_frame_effect
from analysis.point.tangents import BY_PUMP, KINDS, fill_tangents

pytestmark = pytest.mark.usefixtures("interpreted")

SETUP, DELTA = setup(), 1.0
TIME, OPENED = times(48)
RNG = np.random.default_rng(8)
NONE = np.zeros(48)


def pumped(delta):
    return parameters(pump=np.array([delta, 0, 0, 0, 0, 0]))


def effect(true, phase, rng=None):
    """Effect beside DELTA of frames with an effect `true`, and the spectra that go with it.

    The measured phases contain the rest of the effect; where they are subtracted from the spectra,
    it is subtracted too.
    """
    off = spectrum(unpumped(pumped(0.0)))
    weight = 1 / ((off * 3e4 / 4 + 6.3) / 3e4**2)
    centred = OPENED - OPENED.mean()
    difference = centred / (centred @ OPENED)
    weights = FrameWeights(1 / len(OPENED) - OPENED.mean() * difference, difference)
    exact = frames(pumped(true), OPENED, phase)
    normal = (exact - 1500) / 3e4
    pair = SpectrumPair(weights.off @ normal, weights.difference @ normal)
    demodulated = Demodulated(pair, weight, weight, weight, weights)
    tangents = np.empty((2, KINDS, len(off)))
    for state, p in enumerate((unpumped(pumped(DELTA)), pumped(DELTA))):
        table = derivatives(p, SETUP.grid.axes)[1]
        fill_tangents(p, table, spectrum(p), SETUP.grid.axes, tangents[state])
    tangents[0, BY_PUMP] = 0
    counts = rounded(exact, rng)
    phases = FramePhases(*np.full((6, 48), np.nan))
    measure_frames(counts, OPENED, DELTA, tangents, demodulated, SETUP, phases)
    subtract_drift(demodulated, tangents, phases, 1.0, OPENED)
    args = pumped(DELTA), demodulated, SETUP, phases, 1e-12, centred / (centred @ OPENED)
    return partial_frame_effect(counts, OPENED, *args), pair


@pytest.mark.parametrize("rest", [-0.01, 0.0, 0.01])
def test_the_effect_is_found_whatever_the_phases_are(rest):
    """The path jumps by 0.03 rad from frame to frame, three times the effect."""
    result, _ = effect(DELTA + rest, 0.03 * RNG.standard_normal(48))
    assert result.effect == pytest.approx(rest, abs=1e-3)  # linear to 5 % of it
    assert 0 < result.limit <= result.variance * (1 + 1e-9)


def test_the_spectra_get_the_effect_back_that_the_phases_took():
    result, pair = effect(DELTA + 0.01, NONE)
    off = spectrum(unpumped(pumped(0.0)))
    taken = spectrum(pumped(DELTA + result.effect)) - off
    np.testing.assert_allclose(pair.difference, taken, atol=2e-4)


def test_the_limit_is_the_scatter():
    found = [effect(DELTA, NONE, np.random.default_rng(seed))[0] for seed in range(20)]
    scatter, sigma = np.std([one.effect for one in found]), np.sqrt(found[0].limit)
    # The spectra are exact here: their part of the noise, which the limit contains, is not.
    assert 0.5 * sigma < scatter < 1.5 * sigma


def test_no_partly_open_frame_says_nothing():
    full = np.where(OPENED > 0.5, 1.0, 0.0)
    off = spectrum(unpumped(pumped(0.0)))
    weight, each = np.full(144, 1e6), np.full(48, 1 / 48)
    pair = SpectrumPair(off, spectrum(pumped(DELTA)) - off)
    demodulated = Demodulated(pair, weight, weight, weight, FrameWeights(each, each))
    phases = FramePhases(NONE, NONE, NONE, full, np.full(48, 1e-5), NONE)
    counts = rounded(frames(pumped(DELTA), full))
    with np.errstate(all="ignore"):
        args = pumped(DELTA), demodulated, SETUP, phases, 1e-3, each
        result = partial_frame_effect(counts, full, *args)
    assert np.isinf(result.variance)


def test_they_add_information_to_a_badly_known_large_effect_only():
    phases = FramePhases(NONE, NONE, NONE, OPENED, np.full(48, 1e-5), NONE)
    assert adds_information(OPENED, 1.0, SETUP, phases, 1e-4)
    assert not adds_information(OPENED, 1.0, SETUP, phases, 1e-9)
    assert not adds_information(OPENED, 1e-3, SETUP, phases, 1e-4)
