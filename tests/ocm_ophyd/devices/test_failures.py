"""What bluesky and ophyd report in layers is one line with the reason; a defect stays one."""

import pytest
from bluesky.utils import FailedStatus
from ophyd import Signal
from ophyd.status import Status
from ophyd.utils import DisconnectedError, LimitError, ReadOnlyError

from ocm_ophyd.devices.failures import InstrumentError, TargetError, hardware_failure
from ocm_ophyd.devices.spectrometer import AcquisitionError


def failed(reason):
    """The error that the RunEngine makes of a status that failed for this reason."""
    status = Status(Signal(name="retarder"))
    status.set_exception(reason)
    error = FailedStatus(status)
    error.__cause__ = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (failed(AcquisitionError("disk full")), AcquisitionError, "^disk full$"),
        (failed(TimeoutError()), InstrumentError, "retarder did not answer in time"),
        (
            failed(DisconnectedError("PV lost")),
            InstrumentError,
            "retarder does not answer .PV lost",
        ),
        (FailedStatus(Status(Signal(name="lens"))), InstrumentError, "lens failed"),
        (DisconnectedError("PV lost"), InstrumentError, "the instrument does not answer"),
        (ReadOnlyError("PV"), InstrumentError, "start the session again"),
        (LimitError("5 outside"), TargetError, "5 outside"),
        (TimeoutError("5 s"), InstrumentError, "5 s"),
    ],
)
def test_failures_of_hardware_are_one_line(error, kind, says):
    reason = hardware_failure(error)
    assert type(reason) is kind
    assert pytest.raises(kind, match=says)
    with pytest.raises(kind, match=says):
        raise reason


@pytest.mark.parametrize("error", [ValueError("shape"), failed(ValueError("shape")), KeyError("a")])
def test_defects_are_none(error):
    assert hardware_failure(error) is None


def test_a_target_is_refused_with_its_limits_and_unit(instrument):
    for device, target, says in (
        (instrument.sample_stage.x, 99, "99 mm: it takes -5 to 5 mm"),
        (instrument.sample_stage.x, "far", "far mm: give a finite number"),
        (instrument.pump.retarder, -1, "-1 V: it takes 0 to 10 V"),
        (instrument.chopper, 1e6, "it takes 4 to 100 Hz"),
        (instrument.galvos, (1, 2, 3), "one number for each of probe_x, probe_y"),
        (instrument.reference_mirror, 1e4, "it takes -100 to 100 um"),
    ):
        with pytest.raises(TargetError, match=says):
            device.set(target)


def test_a_write_that_the_instrument_would_refuse_is_refused_before(instrument):
    spectrometer, meter = instrument.spectrometer, instrument.power_meter
    for signal, value in (
        (spectrometer.frames_per_point, 120_000),
        (spectrometer.next_point, -1),
        (spectrometer.set_temperature, -60.0),
        (meter.integration_time, -1.0),
    ):
        before = signal.get(use_monitor=False)
        with pytest.raises(LimitError):
            signal.set(value)
        assert signal.get(use_monitor=False) == before
