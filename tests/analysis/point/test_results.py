"""The table of a result's quantities."""

from analysis.point.results import QUANTITIES, PointResult


def test_every_number_of_a_result_has_a_unit():
    assert set(QUANTITIES) == set(PointResult._fields) - {"differential_spectrum"}
    assert all(quantity.unit for quantity in QUANTITIES.values())
    for name in QUANTITIES:
        if name.endswith("_sigma"):
            assert QUANTITIES[name].unit == QUANTITIES[name.removesuffix("_sigma")].unit
