"""The instruments besides motors and spectrometer, over Channel Access."""

import asyncio
import time

import numpy as np
import pytest
from ca_client import LATENCY

from ocm_ophyd.iocs.chopper import Chopper
from ocm_ophyd.iocs.optical_table import Bench, SimulatedClock
from ocm_ophyd.twin import Knobs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Retarder:Voltage", 10.5),
        ("Retarder:Voltage", -0.1),
        ("Retarder:Voltage", float("nan")),
        ("Galvo:X", 5.1),
        ("Galvo:Y", -5.1),
        ("Chopper:Frequency", 3.0),
        ("Chopper:Frequency", 101.0),
        ("Chopper:Run", 2),
        ("Picker:Divider", 10),
        ("Power:IntegrationTime", 0.0),
        ("Shutter:Pump:Open", 2),
        ("Shutter:Pump:Open", -1),
        ("RefMirror:Block", 2),
        ("Laser:Emission", 2),
        ("Spec:NumFrames", 0),
        ("Spec:Temperature", -60.0),
    ],
)
def test_writes_outside_the_limits_are_refused_and_change_nothing(fast, name, value):
    before = fast.get(name)
    assert "Limits are set to" in fast.refusal(name, value)
    assert fast.get(name) == before


def test_readbacks_cannot_be_written(fast):
    assert "cannot write" in fast.refusal("Retarder:Voltage_RBV", 1.0)


def test_analogue_values_have_units_limits_and_precision(fast):
    for name, units, limits in (
        ("Retarder:Voltage", b"V", (0, 10)),
        ("Galvo:X", b"V", (-5, 5)),
        ("Chopper:Frequency", b"Hz", (4, 100)),
        ("Spec:Temperature", b"degC", (-25, 25)),
    ):
        metadata = fast.pv(name).read(data_type="control").metadata
        assert metadata.units == units
        assert (metadata.lower_ctrl_limit, metadata.upper_ctrl_limit) == limits
        assert metadata.precision > 0
        assert fast.get(f"{name}.EGU") == units


@pytest.mark.parametrize("shutter", ["Pump", "Probe", "SampleArm"])
def test_a_shutter_takes_20_ms(slow, shutter):
    name = f"Shutter:{shutter}:Open"
    before = slow.get(f"{name}_RBV")
    assert before == (shutter != "Pump")  # the pump starts closed
    for state in (1 - before, before):
        taken = slow.quickest(name, state, 1 - state, 0.02)
        assert 0.019 < taken < 0.02 + LATENCY
        assert slow.get(f"{name}_RBV") == state


def test_a_galvo_settles_on_a_step_of_its_converter(fast):
    fast.put("Galvo:X", 1.00001)
    steps = fast.get("Galvo:X_RBV") / 3e-4
    assert steps == pytest.approx(round(1.00001 / 3e-4), abs=1e-6)
    assert fast.get("Galvo:Y_RBV") == 0.0
    fast.put("Galvo:X", 0.0)


@pytest.mark.parametrize(("start", "stop"), [(1.0, 2.0), (2.0, 1.5)])
def test_the_liquid_crystal_relaxes_with_25_ms_and_completes_when_settled(slow, start, stop):
    expected = 0.025 * np.log(abs(stop - start) / 5e-3)
    taken = slow.quickest("Retarder:Voltage", stop, start, expected)
    assert expected - 2e-3 < taken < expected + LATENCY
    slow.put("Retarder:Voltage", start)
    slow.until(lambda: slow.get("Retarder:Voltage_RBV") == start)
    seen = slow.watch("Retarder:Voltage_RBV")
    slow.put("Retarder:Voltage", stop)
    assert slow.get("Retarder:Voltage_RBV") == pytest.approx(stop, abs=5e-3)
    slow.until(lambda: slow.get("Retarder:Voltage_RBV") == stop)
    steps = np.sign(stop - start) * np.diff(seen)
    assert np.count_nonzero(steps > 0) > 3  # followed on the way ...
    assert np.all(steps >= 0)  # ... and never back


def test_a_crystal_driven_again_before_it_settles_goes_to_the_last_voltage(fast):
    first = fast.start("Retarder:Voltage", 9.0)
    fast.until(lambda: fast.get("Retarder:Voltage") == 9.0)
    fast.put("Retarder:Voltage", 3.0)
    first.result(5)
    fast.until(lambda: fast.get("Retarder:Voltage_RBV") == 3.0)
    assert fast.get("Retarder:Voltage") == 3.0


def test_the_chopper_needs_about_two_seconds_to_lock(slow):
    assert slow.get("Chopper:Locked_RBV") == 1
    assert slow.get("Chopper:Frequency_RBV") == 20.0
    frequencies = slow.watch("Chopper:Frequency_RBV")
    start = time.perf_counter()
    slow.put("Chopper:Frequency", 30.0)
    assert slow.get("Chopper:Locked_RBV") == 0
    slow.until(lambda: slow.get("Chopper:Locked_RBV") == 1)
    assert 1.0 < time.perf_counter() - start < 3.0
    assert slow.get("Chopper:Frequency_RBV") == pytest.approx(30.0, abs=0.1)
    assert max(frequencies) > 30.2  # the loop swings over before it locks


def test_the_wheel_never_jumps_while_it_locks(tmp_path):
    async def sampled():
        """Simulated times, and frequency and phase of the wheel after 20 -> 30 Hz."""
        clock = SimulatedClock(1e-4)  # all but stands still while the frequency is written
        bench = Bench(None, Knobs(), clock, tmp_path)
        chopper = Chopper("X:", bench=bench)
        await chopper.frequency.write(30.0)
        moments = clock.now() + np.arange(0, 3, 2e-3)
        knobs = [bench.knobs(moment) for moment in moments]
        bench.close()
        return moments, np.array([(at.chopper_frequency, at.chopper_phase) for at in knobs])

    moments, wheel = asyncio.run(sampled())
    frequency, phase = wheel.T
    turns = np.unwrap((frequency * moments + phase) % 1, period=1)
    # doubles resolve 0.24 us of Unix time, that is 7e-6 turns at 30 Hz
    np.testing.assert_allclose(np.diff(turns) / 2e-3, frequency[:-1], atol=0.15)
    assert frequency[0] == pytest.approx(20, abs=0.5)
    assert frequency[-1] == pytest.approx(30, abs=1e-3)
    assert (turns[-1] - 30 * moments[-1] + 0.5) % 1 == pytest.approx(0.5, abs=1e-3)  # locked


def test_a_stopped_chopper_is_not_locked_and_locks_again(fast):
    fast.put("Chopper:Run", 0)
    fast.until(lambda: fast.get("Chopper:Frequency_RBV") == 0)
    assert fast.get("Chopper:Locked_RBV") == 0
    fast.put("Chopper:Run", 1)
    fast.until(lambda: fast.get("Chopper:Locked_RBV") == 1)
    assert fast.get("Chopper:Frequency_RBV") == pytest.approx(20.0, abs=0.1)


def test_the_phase_of_the_chopper_can_be_set(fast):
    fast.put("Chopper:Phase", 90.0)
    fast.until(lambda: fast.get("Chopper:Locked_RBV") == 1)
    assert fast.get("Chopper:Phase_RBV") == pytest.approx(90.0, abs=1.0)
    fast.put("Chopper:Phase", 0.0)
    fast.until(lambda: fast.get("Chopper:Locked_RBV") == 1)


def test_the_pulse_picker_divides_70_mhz(fast):
    assert fast.get("Picker:RepetitionRate_RBV") == pytest.approx(50e3)
    fast.put("Picker:Divider", 2800)
    assert fast.get("Picker:RepetitionRate_RBV") == pytest.approx(25e3)
    fast.put("Picker:Divider", 1400)


def test_the_laser_gives_no_power_while_it_does_not_emit(fast):
    assert fast.get("Laser:Power_RBV") == 3.5
    fast.put("Laser:Emission", 0)
    assert (fast.get("Laser:Emission_RBV"), fast.get("Laser:Power_RBV")) == (0, 0)
    fast.put("Laser:Emission", 1)
    assert (fast.get("Laser:Emission_RBV"), fast.get("Laser:Power_RBV")) == (1, 3.5)


def test_the_power_meter_integrates_and_sees_the_pump_behind_its_shutter(slow):
    assert 0.099 < slow.quickest("Power:Measure", 1, 0, 0.1) < 0.1 + LATENCY
    dark, dark_sigma = slow.get("Power:Power_RBV"), slow.get("Power:Sigma_RBV")
    slow.put("Shutter:Pump:Open", 1)
    slow.put("Power:Measure", 1)
    power, sigma = slow.get("Power:Power_RBV"), slow.get("Power:Sigma_RBV")
    slow.put("Shutter:Pump:Open", 0)
    assert power > 0
    assert power - dark > 20 * np.hypot(sigma, dark_sigma)
    assert 0 < sigma < 0.02 * power
    assert slow.get("Power:Measure") == 0


def test_the_power_follows_the_repetition_rate(fast):
    fast.put("Retarder:Voltage", 1.0)
    fast.put("Shutter:Pump:Open", 1)
    fast.put("Power:IntegrationTime", 1.0)

    def measured():
        fast.put("Power:Measure", 1)
        return fast.get("Power:Power_RBV"), fast.get("Power:Sigma_RBV")

    full, full_sigma = measured()
    fast.put("Picker:Divider", 2800)
    half, half_sigma = measured()
    fast.put("Picker:Divider", 1400)
    fast.put("Shutter:Pump:Open", 0)
    dark, dark_sigma = measured()  # the meter's offset
    # the offset may wander, by as much as it is
    uncertainty = 5 * np.sqrt(full_sigma**2 + 4 * half_sigma**2 + dark_sigma**2) + 2 * abs(dark)
    assert full - 2 * half == pytest.approx(0, abs=uncertainty)


def test_the_reference_mirror_starts_blocked_in_common_path_geometry(fast):
    assert fast.get("RefMirror:Block_RBV") == 1
    fast.put("RefMirror:Block", 0)
    assert fast.get("RefMirror:Block_RBV") == 0
    fast.put("RefMirror:Block", 1)


def test_the_sensor_relaxes_to_its_set_point(fast):
    assert fast.get("Spec:Temperature_RBV") == pytest.approx(-10.0, abs=0.01)
    fast.put("Spec:Temperature", -5.0)
    fast.until(lambda: fast.get("Spec:Temperature_RBV") == pytest.approx(-5.0, abs=0.05))
    fast.put("Spec:Temperature", -10.0)
