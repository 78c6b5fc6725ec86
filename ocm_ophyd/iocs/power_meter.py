"""Power meter behind a pick-off in the pump beam, scaled to the sample plane."""

from typing import Any

import numpy as np
from caproto import SkipWrite

from ocm_ophyd.iocs.pv import Group, integer, readback, setpoint

__all__ = ["PowerMeter"]

SAMPLING_INTERVAL = 0.01  # s, one reading of the photodiode head


class PowerMeter(Group):
    """Average pump power, the mean of the readings within the integration time."""

    measure = integer("Measure", 0, "1 starts a measurement; completes when the value is there")
    integration_time = setpoint("IntegrationTime", 0.1, "s", 2, (0.02, 10.0), "Averaged over")
    power = readback("Power_RBV", 0.0, "W", 9, "Mean power")
    sigma = readback("Sigma_RBV", 0.0, "W", 9, "Standard deviation of the mean")

    @measure.putter
    async def _put_measure(self, instance: Any, value: int) -> None:
        if value:
            await instance.write(1, verify_value=False)
            duration = self.integration_time.value
            moments = self.bench.clock.now() + np.arange(0, duration, SAMPLING_INTERVAL)
            await self.bench.clock.sleep(duration)
            readings = await self.bench.run(self._read, moments)
            await self.power.write(float(readings.mean()))
            await self.sigma.write(float(readings.std(ddof=1) / np.sqrt(readings.size)))
        await instance.write(0, verify_value=False)
        raise SkipWrite

    def _read(self, moments: np.ndarray) -> np.ndarray:
        bench = self.bench
        return np.array([bench.microscope.pump_power(bench.knobs(t), t) for t in moments])
