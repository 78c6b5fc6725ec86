"""Scenario files: checked, one line for every fault."""

import math

import pytest

from ocm_ophyd.errors import UsageError
from ocm_ophyd.twin import load_scenario
from ocm_ophyd.twin import scenario as module


def test_a_file_names_only_what_differs(tmp_path):
    path = tmp_path / "thin.yaml"
    path.write_text("sample: {thickness: 0.8}\n")
    scenario, default = load_scenario(path), load_scenario()
    assert scenario.sample.thickness == 0.8
    assert scenario.sample.diffusion == default.sample.diffusion
    assert scenario.detector == default.detector


def test_silicon_has_no_gain_and_the_papers_diffusion():
    silicon = load_scenario("silicon")
    assert silicon.sample.lasing is None
    assert silicon.sample.diffusion == 15
    assert silicon.sample.refractive_index == 3.559


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("sample: {thicknes: 1.0}", "sample.thicknes"),
        ("colour: red", "colour"),
        ("sample: {thickness: -1}", "sample.thickness"),
        ("sample: {thickness: .nan}", "sample.thickness"),
        ("probe: {waist: wide}", "probe.waist"),
        ("sample: {lasing: {coupling: 3}}", "sample.lasing.coupling"),
        ("sample: {material: cheese}", "sample.material"),
        ("detector:", "detector"),
        ("- 1", "no keys"),
        ("{", "not YAML"),
        ("", "no keys"),
    ],
)
def test_a_bad_file_is_refused_in_one_line_that_names_the_fault(tmp_path, text, named):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_scenario(path)
    message = str(caught.value)
    assert named in message
    assert "bad.yaml" in message
    assert "\n" not in message


def test_a_missing_scenario_names_the_packaged_ones():
    with pytest.raises(UsageError, match="default or silicon"):
        load_scenario("nowhere")


def test_noiseless_leaves_the_physics_and_drops_every_noise(scenario):
    def numbers(part, path=""):
        for name in type(part).model_fields:
            value = getattr(part, name)
            if hasattr(type(value), "model_fields"):
                yield from numbers(value, f"{path}{name}.")
            else:
                yield f"{path}{name}", value

    quiet = dict(numbers(scenario.noiseless()))
    changed = {name for name, value in numbers(scenario) if quiet[name] != value}
    assert changed == {
        "probe.pulse_energy_noise",
        "probe.slow_energy_noise",
        "probe.pulse_tilt_noise",
        "probe.slow_tilt_noise",
        "pump.energy_noise",
        "pump.meter_noise",
        "pump.meter_offset",
        "interferometer.walk",
        "interferometer.thermal",
        "detector.read_noise",
        "detector.shot_noise",
        "chopper.photodiode_noise",
    }
    assert all(not quiet[name] for name in changed)


def test_every_key_says_what_it_is():
    models = [m for m in vars(module).values() if hasattr(m, "model_fields") and m.__doc__]
    assert len(models) >= 10
    nameless = [
        f"{model.__name__}.{name}"
        for model in models
        for name, field in model.model_fields.items()
        if not field.description and not hasattr(field.annotation, "model_fields")
    ]
    assert nameless == []


def test_pulse_noise_of_a_frame_is_a_third_of_a_percent(scenario):
    pulses = 50_000 * scenario.detector.exposure
    probe = scenario.probe
    energy = math.hypot(probe.pulse_energy_noise / math.sqrt(pulses), probe.slow_energy_noise)
    assert energy == pytest.approx(3e-3, rel=0.05)
