"""A lasing plate: rates and clouds for the solver's tests, and the twin's curves for the fit's."""

import numpy as np

from analysis.estimate import Estimate
from analysis.rate_equations import solver as rate_solver
from analysis.rate_equations.data import Curve, LightCurve, Plate
from ocm_ophyd.twin import carriers
from ocm_ophyd.twin.sample import Sample

SIDE, PUMP, PROBE = 8.0, 2.25, 0.5  # um, paper
PLATE = Plate((SIDE, SIDE), PUMP, PROBE)
# A, B, C, D, γ, g, β in ps, um and cm⁻³: Table 1 and the paper's β; the rest a typical microlaser.
RATES = np.array([2e-4, 1.8e-21, 5e-42, 8e-5, 0.8, 0.8 / 1.4e18, 0.03])
DENSE = 1.8e19  # cm⁻³: well above the threshold, 1.07e19

FLUENCE = np.array([0.20, 0.28, 0.35, 0.42, 0.49, 0.55, 0.60, 0.66, 0.72, 0.80, 0.88, 0.96])
DELAY = np.concatenate([np.arange(3.0, 21), np.arange(22.0, 61, 2), np.geomspace(70, 500, 13)])
SIGMA = 4e16 * np.sqrt(2)  # cm⁻³, of a point of ten chopper periods
DIFFUSION = Estimate(0.8, 0.1, "cm2/s")


def follow(rates, initial=DENSE, horizon=500.0, plate=PLATE, profile=None, nodes=None, **options):
    """Times and everything else of one cloud."""
    nodes = nodes or plate.nodes
    profile = plate.profile if profile is None else profile
    scale, end = np.array([initial]), np.array([horizon])
    rates = rate_solver.Rates(*map(float, rates))
    times, density, photons, light = rate_solver.solve(scale, end, rates, profile, nodes, **options)
    return times, density[0], photons[0], light[0]


class Laboratory:
    """The twin's noise-free curves, their truth, and noisy copies of them."""

    def __init__(self, scenario):
        self.sample = sample = Sample(scenario)
        spec = scenario.sample
        self.plate = Plate((spec.length, spec.width), scenario.pump.waist, scenario.probe.waist)
        self.clean = [
            sample.density(DELAY, sample.carriers(fluence), 0.0, 0.0) for fluence in FLUENCE
        ]
        self.diffusion = spec.diffusion
        self.truth = {
            "A": spec.trapping,
            "B": spec.radiative,
            "C": spec.auger,
            "beta": spec.lasing.coupling,
            "photon_loss": spec.lasing.photon_loss,
            "threshold_density": self.seen(spec.lasing.threshold_fluence),
        }

    def seen(self, fluence):
        """Density that the probe sees right after the pulse."""
        created = self.sample.created(fluence, self.sample._default)
        x, y = (np.exp(-2 * (axis / PROBE) ** 2) for axis in (self.sample._x, self.sample._y))
        return float(x @ created @ y / x.sum() / y.sum())

    def curves(self, rng):
        noise = SIGMA * rng.normal(size=(len(FLUENCE), len(DELAY)))
        return [
            Curve(fluence, DELAY, clean + extra, np.full(len(DELAY), SIGMA))
            for fluence, clean, extra in zip(FLUENCE, self.clean, noise, strict=True)
        ]

    def light(self, rng, relative, unit=1.0):
        """Light–light curve; the mode reaches the detector four times as well as the band."""
        fluence = np.linspace(0.1, 1.0, 19)
        sample = self.sample
        clouds = [
            carriers.solve(sample.created(f, sample._default), self.plate.size, sample.rates)
            for f in fluence
        ]
        clean = unit * np.array([c.spontaneous + 4 * (c.coherent + c.incoherent) for c in clouds])
        density = np.array([self.seen(f) for f in fluence])
        scatter = 0.005
        return LightCurve(
            fluence,
            clean * (1 + relative * rng.normal(size=19)),
            relative * clean,
            density * (1 + scatter * rng.normal(size=19)),
            scatter,
        )
