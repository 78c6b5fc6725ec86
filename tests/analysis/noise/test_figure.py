"""Figure of the noise: what it draws is the record's numbers."""

import numpy as np

from analysis.noise.figure import noise_figure
from analysis.noise.spectrum import Noise


def record(scale):
    time = np.array([0.05, 0.1, 1.0])
    sigma = scale * 1e-5 / np.sqrt(time)
    return Noise(
        frequency=np.linspace(0.1, 60, 50),
        density=np.full(50, scale * 1e-9),
        density_limit=scale * 0.9e-9,
        time=time,
        delta_n_sigma=sigma,
        interval=np.stack([0.8 * sigma, 1.3 * sigma]),
        limit=0.9 * sigma,
        drift=0.5 * sigma,
        estimates={},
    )


def lines(axes):
    return [np.asarray(line.get_ydata(), float) for line in axes.lines]


def drawn(axes, values):
    return any(y.shape == np.shape(values) and np.allclose(y, values) for y in lines(axes))


def test_every_record_is_drawn_beside_its_own_limits():
    records = {"quiet": record(1.0), "loud": record(9.0)}
    figure = noise_figure(records)
    spectrum, sensitivity = figure.axes
    for noise in records.values():
        assert drawn(spectrum, noise.density)
        assert drawn(spectrum, [noise.density_limit] * 2)
        assert drawn(sensitivity, noise.delta_n_sigma)
        assert drawn(sensitivity, noise.limit)
        assert drawn(sensitivity, np.hypot(noise.limit, noise.drift))
    labels = [text.get_text() for text in sensitivity.get_legend().get_texts()]
    assert {"quiet", "loud"} <= set(labels)
    assert spectrum.get_xlabel() == "Frequency (Hz)"
    figure.canvas.draw()
