"""The emission band and the pump line of a scan's sample."""

import pytest
import xarray as xr

from analysis.lasing.emission import find_emission
from analysis.materials import MATERIALS
from ocm_ophyd.errors import DataError


def test_material_and_pump_wavelength_of_the_scan_are_used():
    scan = xr.Dataset(attrs={"material": "CsPbBr3", "pump_wavelength": 515.0})
    assert find_emission(scan).band == MATERIALS["CsPbBr3"].emission_band
    assert find_emission(scan).pump_line == (515.0, 4.0)
    assert find_emission(scan.drop_attrs().assign_attrs(material="CsPbBr3")).pump_line[0] == 525.0


@pytest.mark.parametrize(
    ("attrs", "reason"),
    [
        ({}, "material '' has no model"),
        ({"material": "unobtainium"}, "has CsPbBr3, Si"),
        ({"material": "Si"}, "no emission band"),
    ],
)
def test_a_sample_that_does_not_emit_is_refused(attrs, reason):
    with pytest.raises(DataError, match=reason):
        find_emission(xr.Dataset(attrs=attrs))
