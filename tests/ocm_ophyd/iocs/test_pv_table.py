"""The table of process variables in the reference has all that the devices use."""

from ophyd.signal import EpicsSignalBase

from ocm_ophyd.iocs.pv_table import pv_table


def test_every_process_variable_of_a_device_is_in_the_table(instrument):
    rows = {row.name.replace("$(P)", "OCM:") for table in pv_table().values() for row in table}
    used = {instrument.simulated.pvname}
    for device in instrument.devices().values():
        for walk in device.walk_signals(include_lazy=True):
            if isinstance(walk.item, EpicsSignalBase):
                used |= {walk.item.pvname, getattr(walk.item, "setpoint_pvname", walk.item.pvname)}
    records = {name.split(".")[0] for name in used}
    assert records <= rows
    assert len(records) > 50


def test_every_row_says_what_it_means_and_where_it_can_be_set():
    tables = pv_table()
    assert len(tables) == len({row.name for rows in tables.values() for row in rows[:1]})
    for rows in tables.values():
        for row in rows:
            assert len(row.meaning) > 5
            assert not (row.name.endswith("_RBV") and row.limits)
    voltage = next(row for rows in tables.values() for row in rows if "Retarder:V" in row.name)
    assert (voltage.unit, voltage.limits) == ("V", "0 to 10")
    delay = next(row for rows in tables.values() for row in rows if row.name == "$(P)Delay:m1")
    assert (delay.unit, delay.limits) == ("mm", "0 to 300")
