"""Figure of the noise: spectrum of the phase, and sensitivity against averaging time."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from analysis.noise.spectrum import Noise

__all__ = ["noise_figure"]


def noise_figure(records: Mapping[str, Noise]) -> Figure:
    """Draw the noise of one or more records.

    Dashed lines are the limits of shot and read noise, dotted ones those with drift.

    Parameters
    ----------
    records : mapping
        Results of `analysis.noise.spectrum.noise_spectrum` by the name to show in the legend.
    """
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    spectrum, sensitivity = figure.subplots(1, 2)
    for i, (name, noise) in enumerate(records.items()):
        colour = f"C{i}"
        spectrum.loglog(noise.frequency, noise.density, color=colour, linewidth=0.8, label=name)
        spectrum.axhline(noise.density_limit, color=colour, linestyle="--", linewidth=1)
        sensitivity.errorbar(
            noise.time,
            noise.delta_n_sigma,
            abs(noise.interval - noise.delta_n_sigma),
            fmt=".-",
            color=colour,
            linewidth=0.8,
            label=name,
        )
        line = {"color": colour, "linewidth": 1}
        sensitivity.plot(noise.time, noise.limit, linestyle="--", **line)
        total = (noise.limit**2 + noise.drift**2) ** 0.5
        sensitivity.plot(noise.time, total, linestyle=":", **line)
    sensitivity.plot([], [], "k--", linewidth=1, label="shot and read noise")
    sensitivity.plot([], [], "k:", linewidth=1, label="with drift as a random walk")
    spectrum.set(xlabel="Frequency (Hz)", ylabel="Phase, one-sided PSD (rad²/Hz)")
    sensitivity.set(
        xlabel="Averaging time (s)", ylabel="σ(Δn), Allan (RIU)", xscale="log", yscale="log"
    )
    sensitivity.legend(frameon=False)
    return figure
