"""Every figure draws what it is given and can be saved without a display."""

import io

import numpy as np
import pytest
from scipy.special import ndtr

from analysis.diffusion.gaussian_cloud import fit_cloud
from analysis.figures import (
    Kinetics,
    delta_n_figure,
    fluorescence_figure,
    kinetics_figure,
    map_figure,
    residuals_figure,
    rise_figure,
)
from analysis.kinetics.decay_fit import fit_decay
from analysis.lasing.emission import Emission
from analysis.lasing.fluence_response import fit_fluence_response
from analysis.materials import MATERIALS
from analysis.scan_fits import Residuals


def saved(figure):
    """Bytes of the figure as PNG."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=60)
    return target.getvalue()


def test_right_hand_axis_is_the_carrier_density_of_the_left():
    fluence = np.linspace(0.1, 1.1, 8)
    delta_n, sigma = 1.75e-2 * fluence, np.full(8, 1e-4)
    figure = delta_n_figure(
        fluence,
        delta_n,
        sigma,
        fit_fluence_response(fluence, delta_n, sigma),
        MATERIALS["CsPbBr3"],
        0.57,
    )
    assert saved(figure).startswith(b"\x89PNG")
    axes = figure.axes[0]
    left, right = axes.get_ylim(), axes.child_axes[0].get_ylim()
    ratio = (right[1] - right[0]) / (left[1] - left[0])
    assert ratio == pytest.approx(1.09 / 10, rel=0.03)  # 1.09e19 for Δn = 10e-3


def test_kinetics_show_every_curve_twice_and_its_times():
    delay = np.concatenate([np.arange(-5, 30, 1.0), np.arange(30, 300, 10.0)])
    late = np.maximum(delay, 0)
    sigma = np.full(delay.size, 1e-4)
    curves = []
    for label, a in (("0.35 mJ/cm²", 0.5e-3), ("0.8 mJ/cm²", 6e-3)):
        rise = delay >= 0
        values = rise * (a * np.exp(-late / 13.4) + 5e-3 * np.exp(-late / 170))
        fit = fit_decay(delay, values, sigma, (1.0, 300.0), model="biexponential")
        curves.append(Kinetics(label, delay, values, sigma, fit))
    figure = kinetics_figure(curves)
    assert saved(figure).startswith(b"\x89PNG")
    axes = figure.axes[0]
    assert [text.get_text().split("\n")[0] for text in axes.get_legend().get_texts()] == [
        "0.35 mJ/cm²",
        "0.8 mJ/cm²",
    ]
    assert "170" in axes.get_legend().get_texts()[1].get_text()
    assert axes.child_axes[0].get_yscale() == "log"


def test_spectra_are_drawn_in_order_of_fluence_with_the_threshold():
    wavelength = np.linspace(400, 1150, 1044)
    fluence = np.array([0.8, 0.2, 0.5])
    spectra = fluence[:, np.newaxis] * 1e4 * np.exp(-(((wavelength - 540) / 8) ** 2))
    figure = fluorescence_figure(
        fluence, wavelength, spectra, Emission((505.0, 560.0), (525.0, 4.0)), 0.57
    )
    assert saved(figure).startswith(b"\x89PNG")
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert labels == ["0.20 mJ/cm²", "0.80 mJ/cm²"]
    assert any(np.allclose(line.get_ydata(), 0.57) for line in figure.axes[0].get_lines())


def test_map_has_the_circle_of_the_cloud():
    x, y = np.meshgrid(np.linspace(-2, 2, 7), np.linspace(-2, 2, 7))
    values = 9e-3 * np.exp(-2 * ((x - 0.3) ** 2 + y**2) / 2.3**2)
    figure = map_figure(x, y, values, fit_cloud(x, y, values, np.full(x.shape, 1e-5)))
    assert saved(figure).startswith(b"\x89PNG")
    circle = figure.axes[0].patches[0]
    assert circle.get_radius() == pytest.approx(2.3, rel=1e-3)
    assert circle.center == pytest.approx((0.3, 0.0), abs=1e-3)


def test_the_rise_shows_every_curve():
    time = np.arange(-3.0, 3.0, 0.02)
    curve = (time, ndtr(time), 0.1 + 0 * time)
    axes = rise_figure({"a": curve, "b": curve}, {"c": curve[:2]}, ("red", "blue")).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "c"]


def test_residuals_of_the_worst_fits_are_drawn():
    place = np.arange(5.0)
    every = {
        f"at {i} ps": Residuals(place, place - 2, "x (µm)", "Gaussian cloud", 3.0 + i, 4)
        for i in range(10)
    }
    figure = residuals_figure(every)
    assert saved(figure).startswith(b"\x89PNG")
    assert [axes.get_title() for axes in figure.axes] == [
        f"at {i} ps, Gaussian cloud: χ²/dof = {3 + i}" for i in range(2, 10)
    ]
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), place - 2)
