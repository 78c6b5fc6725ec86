"""The paper's figures: panels with data, marks and units; words where something is missing.

Data and results are those of `paper_handmade`.
"""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from paper_handmade import DENSITY, FLUENCES, FRAMES, paper_data, paper_results

from analysis.estimate import not_determined
from analysis.materials import MATERIALS
from analysis.paper.figures.all_figures import figures
from analysis.paper.figures.diffusion import figure_diffusion, figure_silicon
from analysis.paper.figures.fig2 import figure_2
from analysis.paper.figures.fig3 import figure_3
from analysis.paper.figures.fig4 import figure_4
from analysis.paper.figures.spots import fit_spot
from analysis.paper.figures.style import gridded
from analysis.paper.infer import Results
from analysis.paper.published import Row


@pytest.fixture(scope="module")
def data():
    return paper_data()


@pytest.fixture(scope="module")
def results(data):
    return paper_results(data)


@pytest.fixture(scope="module")
def drawn(data, results):
    return figures(data, results)


def by_label(figure: Figure, xlabel: str, ylabel: str):
    """The one panel, inset or twin with these labels."""
    everything = [axes for parent in figure.axes for axes in (parent, *parent.child_axes)]
    found = [a for a in everything if (a.get_xlabel(), a.get_ylabel()) == (xlabel, ylabel)]
    assert len(found) == 1, [(a.get_xlabel(), a.get_ylabel()) for a in everything]
    return found[0]


def letters(figure: Figure) -> list[str]:
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    return sorted(title for title in titles if title)


def words(figure: Figure) -> str:
    """All texts inside the panels, on one line."""
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts).replace(
        "\n", " "
    )


def heights(axes) -> list[float]:
    """Of the horizontal lines."""
    lines = [np.asarray(line.get_ydata(), float) for line in axes.get_lines()]
    return [float(y[0]) for y in lines if len(y) == 2 and y[0] == y[1]]


def test_figure_2_has_fluence_upwards_with_threshold_and_marked_fluences(drawn, data):
    figure = drawn["fig2"]
    assert letters(figure) == ["(a)", "(b)", "(c)"]
    left = by_label(figure, "Δn at 1025 nm (10⁻³)", "Pump fluence (mJ/cm²)")
    for axes in (left, *left.get_shared_y_axes().get_siblings(left)):
        assert {0.35, 0.565, 0.8} <= set(heights(axes))
    measured = left.containers[0].lines[0]
    np.testing.assert_allclose(measured.get_xdata(), data.sweep["delta_n"] * 1e3)
    np.testing.assert_allclose(measured.get_ydata(), data.sweep["fluence"])


def test_the_second_axis_of_figure_2_is_equation_1(drawn):
    figure = drawn["fig2"]
    left = by_label(figure, "Δn at 1025 nm (10⁻³)", "Pump fluence (mJ/cm²)")
    density = left.child_axes[0]
    assert density.get_xlabel() == "N (10¹⁹ cm⁻³)"
    ends = np.array(density.get_xlim())
    np.testing.assert_allclose(
        MATERIALS["CsPbBr3"].delta_n(ends * 1e19, 1025.0) * 1e3, left.get_xlim()
    )


def test_the_lower_inset_gives_the_papers_index_change_in_the_probe_and_marks_the_pump(drawn):
    figure = drawn["fig2"]
    index = by_label(figure, "Photon energy (eV)", "Δn, Eq. 1 (10⁻³)")
    energy, delta_n = index.get_lines()[0].get_data()
    # the paper: 1.1e19 is 1e-2 at 1050 nm
    assert np.interp(1.1808, energy, delta_n) == pytest.approx(10, abs=0.2)
    (pump,) = [line for line in index.get_lines() if line.get_label() == "pump"]
    assert pump.get_xdata()[0] == pytest.approx(2.3616, abs=1e-4)  # 525 nm
    (probe,) = [patch for patch in index.patches if patch.get_label() == "probe"]
    left, right = probe.get_x(), probe.get_x() + probe.get_width()
    assert (left, right) == pytest.approx((1239.842 / 1125, 1239.842 / 925), rel=1e-5)


def test_every_row_of_the_relaxation_map_is_normalised(drawn):
    figure = drawn["fig2"]
    (pictures,) = [
        [c for c in axes.collections if c.get_array() is not None and c.norm.vmax == 1.0]
        for axes in figure.axes
        if axes.get_title(loc="left") == "(c)"
    ]
    rows = pictures[0].get_array()
    assert rows.shape[0] == len(FLUENCES)
    np.testing.assert_allclose(rows.max(axis=1), 1.0)


def test_figure_3_shows_light_and_relaxation_time_on_two_axes(drawn, results):
    figure = drawn["fig3"]
    assert letters(figure) == ["(a)", "(b)", "(c)"]
    light = by_label(figure, "Pump fluence (mJ/cm²)", "Fluorescence (counts)")
    assert light.get_yscale() == "log"
    times = by_label(figure, "", "Relaxation time of Δn (ps)")
    line = times.containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(line[:, 1], results.relaxation["time"])
    positions = {float(line.get_xdata()[0]) for line in light.get_lines()}
    assert {0.35, 0.565, 0.8} <= positions


def test_the_fit_of_the_rate_equations_goes_through_the_relaxation_curves(drawn):
    figure = drawn["fig3"]
    for letter in ("(b)", "(c)"):
        (axes,) = [axes for axes in figure.axes if axes.get_title(loc="left") == letter]
        points = [container.lines[0] for container in axes.containers]
        fits = [line for line in axes.get_lines() if len(line.get_xdata()) > 500]
        assert len(points) == len(fits) == 2
        for measured, fit in zip(points, fits, strict=True):
            time, delta_n = measured.get_data()
            late = time > 6  # the chirped probe has passed the pump
            model = np.interp(time[late], *fit.get_data())
            assert np.abs(delta_n[late] - model).max() < 0.3


def test_photons_below_threshold_are_drawn_twenty_times_larger(drawn, results):
    figure = drawn["fig3"]
    photons = by_label(figure, "", "Photon density / Γ (10¹⁶ cm⁻³)")
    above, below = photons.get_lines()
    assert "×20" in below.get_label()
    time = np.asarray(below.get_xdata(), float)
    expected = 20 * results.rates.photons(0.35 * DENSITY, time) * 1e-16
    np.testing.assert_allclose(below.get_ydata(), expected)
    assert np.max(above.get_ydata()) > np.max(below.get_ydata())


def test_the_light_light_curve_names_beta(drawn):
    figure = drawn["fig3"]
    inset = by_label(figure, "Pump fluence (mJ/cm²)", "All light (counts)")
    assert inset.get_xscale() == inset.get_yscale() == "log"
    assert [text.get_text() for text in inset.texts] == ["β = 0.031"]
    points, model = inset.get_lines()
    assert np.interp(0.3, *model.get_data()) == pytest.approx(
        np.interp(0.3, *points.get_data()), rel=0.1
    )


def test_figure_4_has_six_and_eleven_maps_in_the_same_colours(drawn):
    figure = drawn["fig4"]
    assert letters(figure) == ["(a)", "(b)", "(c)", "(d)", "(e)"]
    pictures = [
        c
        for axes in figure.axes
        for c in axes.collections
        if c.get_array() is not None and c.get_array().shape == (11, 11)
    ]
    assert len(pictures) == 17
    assert len({(p.norm.vmin, p.norm.vmax) for p in pictures}) == 1
    labels = [t.get_text() for axes in figure.axes for t in axes.texts if " ps" in t.get_text()]
    assert labels[6:] == [f"{delay} ps".replace("-", "−") for delay in range(-10, 91, 10)]


def test_cross_sections_measured_and_simulated_agree(drawn):
    figure = drawn["fig4"]
    measured, simulated = (
        next(a for a in figure.axes if a.get_title(loc="left") == f"({letter})") for letter in "de"
    )
    assert len(simulated.get_lines()) == 6
    points = measured.get_lines()[::2]
    for line, model in zip(points, simulated.get_lines(), strict=True):
        x, values = line.get_data()
        assert np.interp(x, *model.get_data()) == pytest.approx(values, abs=0.35)


def test_a_spot_is_found_in_a_map_and_in_a_line_through_it(data):
    frame = gridded(data.movie, "delay", "y", "x").sel(delay=FRAMES[1])
    whole = fit_spot(frame["delta_n"], frame["sigma"])
    row = fit_spot(*(frame[name].sel(y=0, method="nearest") for name in ("delta_n", "sigma")))
    assert whole.waist == pytest.approx(2.25, abs=4 * whole.waist_sigma)
    assert row.waist == pytest.approx(2.25, abs=4 * row.waist_sigma)
    assert abs(whole.x) < 0.01


def test_diffusion_shows_likelihood_and_widening_of_both_samples(drawn):
    figure = drawn["diffusion"]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["CsPbBr₃: D = 0.78 ± 0.11, ≤ 0.96 cm²/s", "Si: D = 15.10 ± 0.30 cm²/s"]
    lines = figure.axes[3].containers[0].lines[0]
    slope, _ = np.polyfit(*lines.get_data(), 1)
    assert slope == pytest.approx(8 * 15e-4, rel=0.1)  # w² = w0² + 8 D t, um²/ps


def test_silicon_has_negative_index_changes_that_widen(drawn):
    figure = drawn["silicon"]
    plain, scaled = figure.axes
    assert plain.get_ylim()[0] < -1
    assert min(float(np.min(line.get_ydata())) for line in scaled.get_lines()) > -1.2


def test_the_window_of_table_1_is_circled(drawn):
    figure = drawn["windows"]
    for axes in figure.axes:
        circles = [line for line in axes.get_lines() if line.get_markersize() == 8]
        assert [float(circle.get_xdata()[0]) for circle in circles] == [150.0]


def test_all_figures_can_be_saved_as_vectors(drawn):
    assert list(drawn) == ["fig2", "fig3", "fig4", "diffusion", "silicon", "windows"]
    for name, figure in drawn.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="pdf")
        assert buffer.getvalue().startswith(b"%PDF"), name


@pytest.mark.parametrize(
    ("missing", "draw", "panels", "gaps"),
    [
        ("sweep", figure_2, 3, 3),
        ("kinetics", figure_3, 3, 2),
        ("movie", figure_4, 5, 4),
        ("silicon", figure_diffusion, 4, 1),
        ("silicon", figure_silicon, 2, 2),
    ],
)
def test_without_a_run_its_panels_say_so_and_the_others_are_drawn(
    data, results, missing, draw, panels, gaps
):
    figure = draw(replace(data, **{missing: None}), results)
    assert len(letters(figure)) == panels
    assert words(figure).count("was measured") == gaps


def test_without_any_result_the_data_are_drawn_and_the_reasons_written(data):
    why = "the fit ran into a bound"
    names = ("A", "beta", "D", "D_silicon", "tau_lasing", "tau_fluor", "fluence_threshold")
    empty = Results(rows={name: Row(not_determined("1", why)) for name in names})
    drawn = figures(data, empty)
    for name in ("fig3", "fig4", "diffusion", "windows"):
        assert why in words(drawn[name]), name
    left = by_label(drawn["fig2"], "Δn at 1025 nm (10⁻³)", "Pump fluence (mJ/cm²)")
    assert len(left.containers[0].lines[0].get_xdata()) == data.sweep.sizes["point"]


def test_a_movie_that_was_broken_off_says_which_frames_are_not_there(data, results):
    short = data.movie.isel(point=data.movie["delay"].values < 35)
    said = words(figure_4(replace(data, movie=short), results))
    assert "no frame at 90 ps" in said
    assert "no frame at 30 ps" not in said


def test_points_that_were_not_determined_leave_gaps(data, results):
    holes = data.kinetics.copy(deep=True)
    holes["delta_n"][::7] = np.nan
    figure = figure_2(replace(data, kinetics=holes), results)
    assert letters(figure) == ["(a)", "(b)", "(c)"]
    assert "was measured" not in words(figure)
