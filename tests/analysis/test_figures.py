"""Every figure draws what it is given and can be saved without a display."""

import io

import numpy as np
import pytest

from analysis.diffusion.gaussian_cloud import fit_cloud
from analysis.figures import (
    Kinetics,
    delta_n_figure,
    fluorescence_figure,
    kinetics_figure,
    map_figure,
)
from analysis.kinetics.models import fit_biexponential
from analysis.lasing.fluence_response import fit_response
from analysis.materials import MATERIALS


def saved(figure):
    """Bytes of the figure as PNG."""
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=60)
    return target.getvalue()


def test_right_hand_axis_is_the_carrier_density_of_the_left():
    fluence = np.linspace(0.1, 1.1, 8)
    delta_n, sigma = 1.75e-2 * fluence, np.full(8, 1e-4)
    figure = delta_n_figure(
        fluence, delta_n, sigma, fit_response(fluence, delta_n, sigma), MATERIALS["CsPbBr3"], 0.57
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
        fit = fit_biexponential(delay, values, sigma, (1.0, 300.0))
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
    figure = fluorescence_figure(fluence, wavelength, spectra, 0.57)
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
