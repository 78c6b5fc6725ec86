"""Table 1 from data made by formulas, and what is left of it when the data are damaged.

The data are those of `paper_handmade`: Eq. 3 on rings, solved by LSODA, without diffusion.
"""

from dataclasses import replace

import numpy as np
import paper_handmade as made
import pytest
from slow_cases import slow_except

from analysis.estimate import Estimate
from analysis.paper.figures.all_figures import figures
from analysis.paper.infer import infer
from analysis.paper.published import compare
from ocm_ophyd.experiments.report import TABLE_1, write_report

THRESHOLD = ("N_threshold", "delta_n_threshold", "N_threshold_asymptotic")
RATES = ("A", "B", "C", "beta", "photon_loss", "threshold_density")
NOT_MEASURED = {"versions": {}, "calibration": [], "runs": {}, "figures": {}, "timing": {}}


def lit(data):
    """Return the data with a laser line that is seen below threshold too.

    It is coherent from 1/√β photons on (Rice and Carmichael, Phys. Rev. A 50, 4318, 1994); with the
    mean number of photons its inflection lies above that of a pulse.
    """
    generator = np.random.default_rng(2)
    wavelength = data.sweep["wavelength"].values
    fluence = data.sweep["fluence"].values
    spontaneous, mode = np.array([made.light_of(f * made.DENSITY) for f in fluence]).T / 1e18
    photons = mode / (made.BETA * spontaneous)
    line = 6e4 * mode / (1 + 1 / (made.BETA * photons**2))
    shapes = [(530, 18, 2e3 * spontaneous), (525, 2.2, 2e3 * fluence), (538.5, 1.6, line)]
    counts = sum(
        height[:, np.newaxis] * np.exp(-4 * np.log(2) * ((wavelength - centre) / width) ** 2)
        for centre, width, height in shapes
    )
    seen = counts + generator.normal(0, 4 + np.sqrt(counts / 4))
    return replace(
        data, sweep=data.sweep.assign(differential_spectrum=(("point", "wavelength"), seen))
    )


@pytest.fixture(scope="module")
def data():
    return lit(made.paper_data())


def only(data, **scans):
    """Return these scans and no others."""
    empty = dict.fromkeys(("sweep", "kinetics", "movie", "silicon"))
    return replace(data, **(empty | scans))


def where(scan, kept):
    return scan.isel(point=np.flatnonzero(kept))


def blank(scan, lost, *names):
    """Return the scan with NaN in what was lost of it."""
    damaged = scan.copy(deep=True)
    for name in names or ("delta_n", "delta_n_sigma", "carrier_density", "carrier_density_sigma"):
        damaged[name].values[lost] = np.nan
    return damaged


def noise_of(scan):
    """Return the scan without the sample."""
    generator = np.random.default_rng(5)
    draws = generator.normal(size=scan.sizes["point"])
    return scan.assign(
        {name: scan[f"{name}_sigma"] * draws for name in ("delta_n", "carrier_density")}
    )


def reasons(results, *names):
    """Why rows have no value; fails where one has."""
    for name in names:
        assert not results.rows[name].estimate.determined, name
        assert results.rows[name].agrees is None
    (one,) = {results.rows[name].estimate.note for name in names}
    assert one.startswith("not determined: ")
    return one


def test_the_density_at_threshold_is_that_right_after_the_pump(data):
    rows = infer(only(data, sweep=data.sweep)).rows
    # a tenth has recombined by the time of the probe, and the sweep alone must say so
    density = rows["N_threshold"].estimate
    true = rows["fluence_threshold"].estimate.value * made.DENSITY
    assert density.value == pytest.approx(true, rel=0.03)


def damages(data):
    """Damaged data, the rows that are lost with it, and a word of the reason."""
    sweep, kinetics, silicon = data.sweep, data.kinetics, data.silicon
    f, delay = kinetics["fluence"].values, kinetics["delay"].values
    pumped, late = sweep["fluence"].values, silicon["delay"].values
    light = ("fluence_threshold", *THRESHOLD)
    tau = ("tau_lasing", "tau_fluor")
    onset = ("fluence_onset", "N_onset", "delta_n_onset", "threshold_difference")
    some = np.random.default_rng(1).random(len(f)) < 0.5
    return {
        "never lases": ({"sweep": where(sweep, pumped < 0.45)}, light, "extend the sweep"),
        "saturated": (
            {"sweep": blank(sweep, pumped > 0.55, "differential_spectrum")},
            light,
            "extend the sweep",
        ),
        "all saturated": (
            {"sweep": blank(sweep, pumped > 0, "differential_spectrum")},
            light,
            "saturated",
        ),
        "no index": ({"sweep": blank(sweep, pumped > 0)}, THRESHOLD, "four fluences"),
        "no carriers": ({"sweep": noise_of(sweep)}, THRESHOLD, "noise"),
        "no points": ({"sweep": where(sweep, pumped < 0)}, light, "no fluence sweep"),
        "kinetics lost": ({"kinetics": blank(kinetics, f > 0)}, (*RATES, *tau, *onset), "half"),
        "kinetics noise": ({"kinetics": noise_of(kinetics)}, tau, "two decay times"),
        "before the pump": ({"kinetics": where(kinetics, delay < 0)}, RATES, "after time zero"),
        "no points in time": ({"kinetics": where(kinetics, f < 0)}, (*RATES, *tau), "no kinetics"),
        "half of it lost": ({"kinetics": blank(kinetics, some)}, ("D",), "no movie"),
        "one fluence": ({"kinetics": where(kinetics, abs(f - 0.35) < 0.01)}, tau, "at 0.8"),
        "short": ({"kinetics": where(kinetics, delay < 30)}, onset, "from 3 to 40 ps"),
        "few delays": ({"silicon": where(silicon, late < 60)}, ("D_silicon",), "more delays"),
        "nothing after": ({"silicon": where(silicon, late < 0)}, ("D_silicon",), "more delays"),
        "no cloud": ({"silicon": noise_of(silicon)}, ("D_silicon",), "noise"),
        "silicon empty": ({"silicon": where(silicon, late < -99)}, ("D_silicon",), "no silicon"),
    }


DAMAGES = tuple(damages(lit(made.paper_data())))
WORST = ("saturated", "no index", "kinetics noise", "half of it lost", "nothing after", "no cloud")


@pytest.mark.parametrize("case", slow_except(WORST, DAMAGES))
def test_what_is_damaged_is_not_determined_and_the_report_is_made(data, case, tmp_path):
    scans, lost, word = damages(data)[case]
    damaged = only(data, **scans)
    results = infer(damaged)
    assert word in reasons(results, *lost)
    drawn = figures(damaged, results)
    page = write_report(tmp_path, damaged, results, **NOT_MEASURED).read_text("utf-8")
    assert len(drawn) == 6
    assert page.count("not determined") >= len(lost)
    assert set(TABLE_1) <= set(results.rows)


def test_the_threshold_fluence_needs_no_index(data):
    damaged = blank(data.sweep, data.sweep["fluence"].values > 0)
    assert infer(only(data, sweep=damaged)).rows["fluence_threshold"].estimate.determined


def test_a_time_above_threshold_is_not_one_from_below(data):
    kinetics = where(data.kinetics, data.kinetics["fluence"].values < 0.5)
    rows = infer(only(data, kinetics=kinetics)).rows
    assert rows["relaxation_below"].estimate.value > 100
    assert "from 0.8 mJ/cm^2 on" in rows["relaxation_above"].estimate.note


def test_a_fluence_scale_that_nobody_knows_leaves_no_sigma(data):
    unknown = replace(data.calibration, fluence_scale=float("nan"))
    results = infer(replace(only(data, sweep=data.sweep), calibration=unknown))
    assert "uncertainty is not known" in reasons(results, "fluence_threshold")


def test_an_estimate_that_would_agree_with_anything_agrees_with_nothing():
    assert compare("A", Estimate(2e8, 0.2e8, "1/s")).agrees is True
    assert compare("A", Estimate(4e8, 0.2e8, "1/s")).agrees is False
    assert compare("A", Estimate(2e8, 5e8, "1/s")).agrees is None
