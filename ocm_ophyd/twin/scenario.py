"""What the experimenter does not know: one YAML file, checked, every key with its unit.

``scenarios/default.yaml`` holds every key. Any other scenario file names only what differs from it.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

from ocm_ophyd.errors import UsageError
from ocm_ophyd.input_files import check_values, parse_yaml, read_text


def _noise(description: str) -> Any:
    """Describe a field that `noiseless` sets to zero."""
    return Field(ge=0, description=description, json_schema_extra={"noise": True})


def _positive(description: str) -> Any:
    return Field(gt=0, description=description)


def _share(description: str) -> Any:
    return Field(ge=0, le=1, description=description)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def noiseless(self) -> Self:
        """Return a copy without noise, drift and measurement errors."""
        quiet: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, _Part):
                quiet[name] = value.noiseless()
            elif isinstance(field.json_schema_extra, dict) and "noise" in field.json_schema_extra:
                quiet[name] = type(value)(0)
        return self.model_copy(update=quiet)


class Ripple(_Part):
    """One cosine in the probe spectrum."""

    amplitude: float = _share("relative to the envelope")
    period: float = _positive("nm")
    phase: float = Field(description="rad, at the band's centre")


class Probe(_Part):
    """Supercontinuum after the photonic-crystal fibre."""

    band: tuple[PositiveFloat, PositiveFloat] = Field(description="nm, its ends")
    edge: float = Field(
        gt=0, lt=1, description="spectral density at the ends, of the envelope's top"
    )
    ripples: tuple[Ripple, ...] = Field(description="structure on the envelope")
    waist: float = _positive("um, radius on the sample, 1/e²")
    chirp_span: float = Field(description="ps from the red end to the blue end, red first")
    chirp_quadratic: float = Field(description="ps at half a band from the centre")
    chirp_cubic: float = Field(description="ps at half a band from the centre")
    electrons: float = _positive(
        "electrons per exposure in the brightest pixel from a perfect mirror at 50 kHz"
    )
    pulse_energy_noise: float = _noise("relative rms from pulse to pulse")
    slow_energy_noise: float = _noise("relative rms, technical")
    pulse_tilt_noise: float = _noise("relative rms per 100 nm from pulse to pulse")
    slow_tilt_noise: float = _noise("relative rms per 100 nm, technical")
    slow_time: float = _positive("s, correlation time of the technical noise")


class Pump(_Part):
    """Second harmonic of the laser on the sample."""

    wavelength: float = _positive("nm")
    duration: float = _positive("ps, full width at half maximum")
    waist: float = _positive("um, smallest radius on the sample, 1/e²")
    full_fluence: float = _positive("mJ/cm², peak, smallest waist, all light through the retarder")
    energy_noise: float = _noise("relative rms per exposure")
    meter_noise: float = _noise("relative rms per reading of the power meter")
    meter_offset: float = Field(
        description="W, by which the zero of the power meter moves to and fro",
        json_schema_extra={"noise": True},
    )
    meter_period: float = _positive("s, of the power meter's zero")


class Lasing(_Part):
    """The photon mode of Eq. 3."""

    threshold_fluence: float = _positive("mJ/cm² peak, plate's centre: where Γ G <N> = γ")
    photon_loss: float = _positive("1/ps, v_g γ")
    coupling: float = _share("β, share of the spontaneous emission that enters the mode")


class Sample(_Part):
    """The crystal on its substrate, with the constants of Eq. 3."""

    name: str = Field(description="what the sample is called")
    material: Literal["CsPbBr3", "Si"] = Field(description="chooses the model of Δn(N)")
    length: float = _positive("um, along x")
    width: float = _positive("um, along y")
    thickness: float = _positive("um")
    refractive_index: float = _positive("at the band's centre")
    group_index: float = _positive("at the band's centre")
    substrate_index: float = _positive("glass")
    density_per_fluence: float = _positive("cm⁻³ per mJ/cm², well below saturation")
    saturation_density: float = _positive("cm⁻³: N = N_s (1 − exp(−N_linear / N_s))")
    damage_fluence: float = _positive("mJ/cm²: above it the material is bleached for good")
    damage_rate: float = Field(
        ge=0, description="1/s at twice the damage fluence: loss of carrier yield"
    )
    trapping: float = Field(ge=0, description="A, 1/s")
    radiative: float = Field(ge=0, description="B, cm³/s")
    auger: float = Field(ge=0, description="C, cm⁶/s")
    diffusion: float = Field(ge=0, description="D, cm²/s")
    lasing: Lasing | None = Field(description="null: no gain")


class Interferometer(_Part):
    """Both geometries."""

    near_collection: float = _share("amplitude collected from the substrate–crystal face")
    far_collection: float = _share("amplitude collected from the crystal–air face")
    substrate_collection: float = _share("amplitude collected from the bare substrate")
    mirror_amplitude: float = _share("amplitude that comes back from the reference mirror")
    path_offset: float = Field(description="um, path difference with the mirror at zero")
    focus_offset: float = Field(description="mm, stage position of the best focus")
    walk: float = _noise("rad/√s, random walk of the common-path phase at the band's centre")
    thermal: float = _noise("rad rms, slow thermal part of the same phase")
    thermal_time: float = _positive("s, its correlation time")
    mirror_drift: float = _positive("drift in reference-mirror geometry, in common-path drifts")


class Fluorescence(_Part):
    """Emission spectrum; counts follow from the carriers."""

    band: tuple[PositiveFloat, PositiveFloat] = Field(description="nm, centre and FWHM")
    band_electrons: float = Field(
        ge=0, description="electrons per exposure at 50 kHz per 1e18 cm⁻³ (plate mean) emitted"
    )
    mode_electrons: float = Field(ge=0, description="the same for photons that leave the mode")
    modes: tuple[PositiveFloat, ...] = Field(min_length=1, description="nm, at threshold")
    mode_width: float = _positive("nm, FWHM, cold cavity: v_gγ/2π in wavelength")
    blue_shift: float = Field(description="nm per threshold density above threshold")
    gain_centre: float = _positive("nm, at threshold")
    gain_width: float = _positive("nm, FWHM of the gain profile")
    gain_red_shift: float = Field(description="nm per threshold density above threshold")


class Detector(_Part):
    """Spectrometer with cooled sensor (QE Pro data sheet; Hamamatsu S7031 for the dark current)."""

    pixels: int = Field(gt=1, description="number of pixels")
    range: tuple[PositiveFloat, PositiveFloat] = Field(description="nm, first and last pixel")
    slit: float = _positive("nm, FWHM of the instrument function")
    bits: int = Field(gt=0, le=24, description="of the converter")
    gain: float = _positive("electrons per count")
    full_well: float = _positive("electrons")
    bias: float = Field(ge=0, description="counts")
    read_noise: float = _noise("electrons rms")
    shot_noise: bool = Field(description="Poisson counting", json_schema_extra={"noise": True})
    dark_current: float = Field(ge=0, description="electrons/s and pixel at −10 °C")
    dark_doubling: float = _positive("K that double the dark current")
    exposure: float = _positive("s")
    slot: float = _positive("s, from one exposure to the next")
    stray_pump: float = Field(
        ge=0, description="electrons per exposure and mJ/cm² that leak through, all pixels, 50 kHz"
    )


class Chopper(_Part):
    """Wheel in the pump beam."""

    phase_offset: float = Field(description="periods by which the wheel is ahead of its readback")
    edge_time: float = _positive("s at 20 Hz, 10–90 % of the beam crossing a blade")
    photodiode_noise: float = _noise("rms error of a measured open fraction")


class Actuators(_Part):
    """Where the hardware really puts the beams."""

    time_zero: float = Field(description="mm, delay stage position of zero delay")
    galvo_scale: tuple[float, float] = Field(description="um/V, x and y")
    galvo_rotation: float = Field(description="degrees, anticlockwise")
    galvo_offset: tuple[float, float] = Field(description="um, probe at 0 V")
    lens_scale: tuple[float, float] = Field(description="um/mm, x and y")
    lens_offset: tuple[float, float] = Field(description="um, pump with the lens at zero")
    lens_focus: float = Field(description="mm, lens z of the smallest pump waist")
    lens_range: float = _positive("mm of lens z that widen the pump waist by √2")
    retardance: float = _positive("waves, liquid crystal without voltage")
    retarder_threshold: float = _positive("V, below it nothing turns")
    retarder_half: float = _positive("V above threshold that halve the retardance")
    retarder_leak: float = _share("transmission at extinction")


class Scenario(_Part):
    """The truth behind the simulated microscope."""

    seed: int = Field(ge=0, description="of every random number")
    probe: Probe
    pump: Pump
    sample: Sample
    interferometer: Interferometer
    fluorescence: Fluorescence | None = Field(description="null: dark material")
    detector: Detector
    chopper: Chopper
    actuators: Actuators


def load_scenario(name: str | Path | None = None) -> Scenario:
    """Read a scenario.

    Parameters
    ----------
    name
        A packaged one (``"default"``, ``"silicon"``), a path, or None for the default. A file
        names only the keys that differ from the default.

    Raises
    ------
    UsageError
        If the file is missing, is not YAML, has an unknown key or an impossible value.
    """
    packaged = resources.files(__package__) / "scenarios"
    names = sorted(p.name.removesuffix(".yaml") for p in packaged.iterdir())
    keys = parse_yaml((packaged / "default.yaml").read_text("utf-8"), "default.yaml")
    where = f"scenario {name or 'default'}"
    if name is not None and name != "default":
        if name in names:
            text = (packaged / f"{name}.yaml").read_text("utf-8")
        else:
            if not Path(name).exists():
                msg = f"there is no scenario {name}: name {' or '.join(names)}, or a YAML file"
                raise UsageError(msg)
            text = read_text(Path(name), "the scenario file")
        changes = parse_yaml(text, where)
        if not isinstance(changes, dict):
            msg = f"{where} holds no keys: name at least one that differs from the default"
            raise UsageError(msg)
        keys = _overlaid(keys, changes)
    return check_values(Scenario, keys, where)


def _overlaid(base: Any, changes: Any) -> Any:
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return changes
    return base | {key: _overlaid(base.get(key), value) for key, value in changes.items()}
