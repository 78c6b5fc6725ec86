"""Time zero from chirped differential spectra whose arrival is known."""

import numpy as np
import pytest
from scipy.special import erf

from analysis.chirp.group_delay import chirp_delay
from analysis.chirp.linear_model import DelayScan
from analysis.chirp.time_zero import estimate_chirp, fit_arrival
from analysis.fringe.model import Fringe, FringeModel
from analysis.point.results import PointSpectra
from ocm_ophyd.errors import DataError

WAVELENGTH = np.linspace(400, 1150, 1044)  # nm
CENTRE = 1025.0  # nm
DELAY = np.linspace(-4.5, 4.5, 37)  # ps
TIME_ZERO = 0.37  # ps
CHIRP = (1.22, 0.05, 0.04)  # ps/(100 rad/ps)^k: 5 ps over the band, bent
NOISE = 30.0  # counts
PULSE = 0.043  # ps, a pump of 100 fs FWHM
PATH = 6.2  # um, 2 n L of 1.5 um
RATIO = 1.5  # signal over reference


def scan(phase, rng, delay=DELAY):
    """What `fit_arrival` takes of a scan of a thin plate, from fields that are cut in time."""
    light = 2 * np.pi * 299792.458  # nm rad/ps
    step = 16.0 / 2048  # ps
    time = (np.arange(2048) - 1024) * step
    omega = 2 * np.pi * np.fft.fftshift(np.fft.fftfreq(2048, step))  # rad/ps from the centre
    nu = omega / 100
    group = sum(c * nu ** (k + 1) / (k + 1) for k, c in enumerate(CHIRP, 1)) * 100
    flat = np.exp(-((nu / 1.9) ** 10))
    spectrum = flat * np.exp(1j * group)

    def pulse(values):  # a(t) = sum over w of A(w) exp(-iwt), and back
        return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(values)))

    def colours(values):
        return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(values)))

    drift = phase + 0.05 * np.cumsum(rng.standard_normal(len(delay)))
    at = light / (light / CENTRE + omega)  # nm
    order = np.argsort(at)
    rows = []
    for tau, turn in zip(delay, drift, strict=True):
        edge = tau - TIME_ZERO + time
        change = np.exp(
            0.1j * np.exp(-np.maximum(edge, 0) / 60) * (1 + erf(edge / PULSE / 2**0.5)) / 2
        )
        passed = colours(change * pulse(spectrum))
        fringe = np.exp(1j * (turn + PATH * omega / 299.792458))
        on = np.abs(flat + RATIO * fringe * passed * spectrum.conj() / np.maximum(flat, 1e-3)) ** 2
        off = np.abs(flat + RATIO * fringe * flat) ** 2
        rows.append(np.interp(WAVELENGTH, at[order], 3e4 * (on - off)[order], 0.0, 0.0))
    counts = np.array(rows) + rng.normal(0, NOISE, (len(delay), len(WAVELENGTH)))
    return delay, WAVELENGTH, counts, drift, np.full(len(delay), PATH)


@pytest.mark.parametrize("phase", np.linspace(0, 2 * np.pi, 5)[:-1])
def test_arrival_and_chirp_are_right_whatever_the_phase_of_the_fringe(phase):
    arrival = fit_arrival(*scan(phase, np.random.default_rng(1)))
    assert abs(arrival.time_zero - TIME_ZERO) < 3 * arrival.time_zero_sigma
    assert arrival.time_zero_sigma < 0.02, "50 fs are asked for"
    colours = np.linspace(935, 1115, 19)
    late = chirp_delay(colours, arrival.chirp) - chirp_delay(colours, CHIRP)
    assert np.abs(late).max() < 0.05, "a hundredth of the chirp"
    assert arrival.response == pytest.approx(PULSE, abs=0.03)


def test_the_uncertainty_is_what_repeated_scans_scatter_by():
    rng = np.random.default_rng(2)
    fits = [fit_arrival(*scan(1.0, rng)) for _ in range(5)]
    pulls = [(np.array(fit.chirp) - CHIRP) / np.array(fit.chirp_sigma) for fit in fits]
    # 15 pulls; a jackknife tends to be cautious
    assert 0.1 < np.sqrt(np.mean(np.square(pulls))) < 1.6
    assert np.std([fit.time_zero for fit in fits]) < 2 * fits[0].time_zero_sigma


def test_no_rise_is_refused():
    rng = np.random.default_rng(3)
    delay, wavelength, counts, phase, path = scan(1.0, rng)
    empty = rng.normal(0, NOISE, counts.shape)
    with pytest.raises(DataError, match="wider range"):
        fit_arrival(delay, wavelength, empty, phase, path)
    with pytest.raises(DataError, match="wider range"):
        fit_arrival(*scan(1.0, rng, DELAY + 50))
    with pytest.raises(DataError, match="8 or more"):
        fit_arrival(delay[:5], wavelength, counts[:5], phase[:5], path[:5])


def binned(delay, wavelength, counts, phase, path):
    """The scan as the reduction gives it to the inversion: bins of the band, fitted fringes."""
    band = np.flatnonzero((wavelength > 925) & (wavelength < 1125))
    bins = band[: len(band) // 3 * 3].reshape(-1, 3)
    colours = wavelength[bins].mean(axis=1)
    spectra = []
    for row, turn, z in zip(counts, phase, path, strict=True):
        fringe = Fringe(np.array([1, 0, 0, np.cos(turn), np.sin(turn), z, 0.02]), np.eye(7))
        change = row[bins].mean(axis=1)
        one = np.ones(len(colours))
        spectra.append(PointSpectra(fringe, one, change, one, one, drift_sigma=0.01))
    return DelayScan(
        model=FringeModel(colours, CENTRE, PATH, 1.0),
        wavelength=colours,
        light=one,
        spectra=spectra,
        delay=delay,
        drift_sigma=np.full(len(delay), 0.01),
        resolution=1.5,
    )


def test_a_scan_without_calibration_gives_a_start_for_its_chirp():
    rng = np.random.default_rng(4)
    start = estimate_chirp(binned(*scan(1.0, rng)))
    colours = np.linspace(935, 1115, 19)
    late = chirp_delay(colours, start) - chirp_delay(colours, CHIRP)
    assert np.ptp(late) < 0.1, "of 5 ps"
    with pytest.raises(DataError, match=r"not calibrated.*8 or more delays.*find_time_zero"):
        estimate_chirp(binned(*scan(1.0, rng, DELAY[::6])))
