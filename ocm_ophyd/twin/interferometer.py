"""Two fields on one spectrometer: common-path and reference-mirror geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .materials import phase_expansion
from .source import LIGHT, ProbeField

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .detector import Pixels
    from .scenario import Scenario


@dataclass(frozen=True)
class Arms:
    """How the light goes through the interferometer."""

    coverage: float
    """Share of the probe on the plate, 0–1; the rest falls on bare substrate."""
    defocus: float = 0.0
    """um from the best focus."""
    sample_open: bool = True
    path_difference: float | None = None
    """um by which the sample arm is longer than the mirror arm; None without the mirror."""


class Interferometer:
    """Spectra of the sample, lit through its substrate, on the pixels.

    The near face (substrate–crystal) comes back before the crystal, the far face (crystal–air)
    after a double pass through it. Without the mirror these two interfere; with it, it is the
    reference and the whole sample is the signal.

    Attributes
    ----------
    probe
        The light before the interferometer.
    band
        Slice of the pixels that get probe light; B is their number.
    relative_wavenumber
        (B,) wavenumber over that of the band's centre.
    """

    def __init__(self, scenario: Scenario, pixels: Pixels) -> None:
        spec, sample = scenario.interferometer, scenario.sample
        self.probe = ProbeField(scenario.probe)
        self._rayleigh = math.pi * scenario.probe.waist**2 / (self.probe.centre * 1e-3)
        self._thickness = sample.thickness
        self._expansion = phase_expansion(sample.material, self.probe.centre)
        glass, crystal = sample.substrate_index, sample.refractive_index
        face = (glass - crystal) / (glass + crystal)
        self._near = spec.near_collection * face
        self._far = spec.far_collection * (1 - face**2) * (crystal - 1) / (crystal + 1)
        self._bare = spec.substrate_collection * (glass - 1) / (glass + 1)
        self._mirror = spec.mirror_amplitude
        # Index linear in frequency, with the group index n + ω dn/dω at the band's centre.
        omega, carrier = self.probe.omega, self.probe.carrier
        index = crystal + (sample.group_index - crystal) * (omega / carrier - 1)
        self._through = np.exp(2j * index * sample.thickness * omega / LIGHT)
        share = pixels.share(self.probe.wavelength)
        # Outside these pixels there is no probe light.
        energy = share @ np.abs(self.probe.spectrum) ** 2
        lit = np.flatnonzero(energy > 1e-9 * energy.max())
        self.band = slice(int(lit[0]), int(lit[-1]) + 1)
        self._share = share[self.band] * (scenario.probe.electrons / energy.max())
        self.relative_wavenumber = self.probe.centre / pixels.wavelength[self.band]

    def spectra(
        self, arms: Arms, delta_n: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
        """Electrons per exposure at 50 kHz in the pixels of `band`.

        Parameters
        ----------
        arms
            The geometry.
        delta_n
            (M,) index change on the plate at the band's centre and the probe's `time`; None without
            the pump.

        Returns
        -------
        level, fringe
            (B,) each: the spectrum is ``level + Re(fringe)``, and ``level + Re(fringe exp(iφ))``
            when the path drifts by the phase φ.
        """
        field = self.probe.spectrum
        if delta_n is None:
            passed = field
        else:
            delay = 2 * self._thickness * delta_n / LIGHT
            passed = self.probe.delayed(delay, self._expansion)
        # Confocal detection of a Gaussian mode: half the light at one Rayleigh length.
        collected = arms.sample_open / math.hypot(1.0, arms.defocus / self._rayleigh)
        near = collected * (arms.coverage * self._near + (1 - arms.coverage) * self._bare) * field
        far = collected * arms.coverage * self._far * self._through * passed
        if arms.path_difference is None:
            reference, signal = near, far
        else:
            reference = self._mirror * field
            path = np.exp(1j * self.probe.omega * arms.path_difference / LIGHT)
            signal = (near + far) * path
        level = self._share @ (np.abs(reference) ** 2 + np.abs(signal) ** 2)
        return level, self._share @ (2 * reference.conj() * signal)
