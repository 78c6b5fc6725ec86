"""Everything that one measuring process holds: devices, RunEngine, plans, live reduction, lock."""
