"""Galvos, steering lens, pump power, shutters and chopper."""

import numpy as np
import pytest

from ocm_ophyd.devices.failures import TargetError


def test_galvos_turn_and_scale_as_calibrated(instrument):
    galvos = instrument.galvos
    names = ("scale_x", "scale_y", "rotation", "offset_x", "offset_y")
    stored = {name: getattr(galvos, name).get() for name in names}
    try:
        galvos.offset_x.put(0.4)
        galvos.offset_y.put(-0.2)
        galvos.scale_x.put(2.0)
        galvos.scale_y.put(4.0)
        galvos.rotation.put(90.0)
        # a quarter turn: x on the sample comes from -y of the mirrors
        volts = galvos.forward((2.4, 0.8))
        assert volts == pytest.approx((0.5, -0.5))
        galvos.set((2.4, 0.8)).wait(10)
        reading = galvos.read()
        assert reading["probe_x"]["value"] == pytest.approx(2.4, abs=2e-3)
        assert reading["probe_y"]["value"] == pytest.approx(0.8, abs=2e-3)
    finally:
        for name, value in stored.items():
            getattr(galvos, name).put(value)
        galvos.set((0.0, 0.0)).wait(10)


@pytest.mark.parametrize("target", [(50.0, 0.0), (0.0, np.inf)])
def test_galvos_refuse_what_the_mirrors_cannot_reach(instrument, target):
    before = instrument.galvos.position
    with pytest.raises(TargetError, match=r"mirrors take|finite"):
        instrument.galvos.set(target)
    assert instrument.galvos.position == before
    instrument.galvos.probe_x.set(0.0).wait(10)  # the refused target is forgotten


def test_lens_widens_the_pump_as_a_gaussian_beam(instrument):
    lens = instrument.steering_lens
    one_rayleigh_length = lens.focal_waist.get() * np.sqrt(2)
    assert lens.forward((0, 0, one_rayleigh_length)).z == pytest.approx(lens.rayleigh_length.get())
    lens.set((2.0, -1.0, 3.0)).wait(20)
    reading = lens.read()
    reached = [reading[key]["value"] for key in ("pump_x", "pump_y", "pump_waist")]
    assert reached == pytest.approx([2.0, -1.0, 3.0], abs=2e-3)
    lens.set((0.0, 0.0, lens.focal_waist.get())).wait(20)
    with pytest.raises(TargetError, match="below the focal"):
        lens.set((0.0, 0.0, 1.0))


class TestPumpPower:
    @pytest.fixture
    def pump(self, instrument):
        """The pump with a made-up calibration, put back afterwards."""
        pump = instrument.pump
        signals = (pump.maximum, pump.calibration)
        stored = [signal.get() for signal in signals]
        volts = np.linspace(2, 8, 25)
        pump.maximum.put(1.2)
        pump.calibration.put([volts, 1.5 * np.exp(-0.5 * (volts - 2))])
        yield pump
        for signal, value in zip(signals, stored, strict=True):
            signal.put(value)

    def test_fluence_goes_through_the_calibration_and_back(self, pump):
        pump.set((0.6,)).wait(10)
        reading = pump.read()
        assert reading["fluence"]["value"] == pytest.approx(
            0.6, rel=5e-3
        )  # the crystal still relaxes
        # where the made-up curve has this fluence
        assert reading["pump_retarder"]["value"] == pytest.approx(2 + 2 * np.log(2.5), abs=0.01)

    @pytest.mark.parametrize(
        ("fluence", "says"),
        [(1.3, "above the sample's maximum"), (0.001, "outside the power"), (np.nan, "finite")],
    )
    def test_refuses_unsafe_and_unknown_fluences(self, pump, fluence, says):
        before = pump.retarder.position
        with pytest.raises(TargetError, match=says):
            pump.set((fluence,))
        assert pump.retarder.position == before

    def test_refuses_everything_without_a_calibration(self, pump):
        pump.calibration.put([[0.0], [0.0]])
        with pytest.raises(TargetError, match="calibrate_pump_power"):
            pump.set((0.5,))

    def test_refuses_everything_without_a_sample(self, pump):
        pump.maximum.put(0.0)
        with pytest.raises(TargetError, match="no sample"):
            pump.set((0.5,))


def test_path_difference_and_pump_position_count_from_their_stored_zeros(instrument):
    mirror, lens = instrument.reference_mirror, instrument.steering_lens
    mirror.offset.put(0.7)
    before = lens.offset_x.get()
    lens.offset_x.put(before + 0.3)
    try:
        assert mirror.forward((15.0,)).m1 == pytest.approx(14.3)
        assert mirror.inverse((14.3,)).path_difference == pytest.approx(15.0)
        waist = lens.focal_waist.get()
        moved = lens.forward((before + 0.3, 0.0, waist)).x
        assert moved == pytest.approx(0.0, abs=1e-9)
        assert lens.inverse((moved, 0.0, 0.0)).pump_x == pytest.approx(before + 0.3)
    finally:
        mirror.offset.put(0.0)
        lens.offset_x.put(before)


def test_shutter_opens_closes_and_closes_when_stopped(instrument):
    shutter = instrument.probe_shutter
    shutter.set("closed").wait(10)
    assert shutter.read()["probe_shutter"]["value"] == 0
    shutter.set("open").wait(10)
    assert shutter.read()["probe_shutter"]["value"] == 1
    with pytest.raises(TargetError, match="ajar"):
        shutter.set("ajar")
    pump = instrument.pump_shutter
    pump.set("open").wait(10)
    pump.stop()
    pump.set("closed").wait(10)  # waits for the move that `stop` began
    assert pump.is_open.get(use_monitor=False) == 0


def test_chopper_is_done_when_it_has_locked(instrument):
    chopper = instrument.chopper
    try:
        chopper.set(25.0).wait(30)
        assert chopper.locked.get(use_monitor=False) == 1
        assert chopper.frequency_readback.get(use_monitor=False) == pytest.approx(25.0, abs=0.01)
    finally:  # other tests count on six frames a period
        chopper.set(20.0).wait(30)
    with pytest.raises(TargetError, match="finite"):
        chopper.check_value(np.nan)
