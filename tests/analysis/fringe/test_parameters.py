"""The indices of the parameters, fringe first."""

from analysis.fringe import parameters


def test_indices_are_a_permutation_with_the_fringe_first():
    names = [name for name in vars(parameters) if name.isupper()]
    values = {name: getattr(parameters, name) for name in names if "PARAMETERS" not in name}
    assert sorted(values.values()) == list(range(parameters.PARAMETERS))
    pump = {"DELTA_PHI", *(name for name in values if name.startswith("PUMP"))}
    assert {values[name] for name in pump} == set(
        range(parameters.FRINGE_PARAMETERS, parameters.PARAMETERS)
    )
