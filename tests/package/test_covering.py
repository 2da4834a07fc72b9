"""The rule by which subsets of grids are chosen, and marked."""

from itertools import combinations, product

import pytest
from covering import at_first, covering, every, grid, in_turn
from torture import IS_TORTURE

FACTORS = {
    "many": [f"m{i}" for i in range(11)],
    "pairs": [(a, b) for a in "ab" for b in range(4)],
    "numbers": range(4),
    "flags": [True, False],
    "one": ["alone"],
}


@pytest.mark.parametrize("strength", [1, 2, 3])
@pytest.mark.parametrize("order", [1, -1])
def test_all_combinations_of_so_many_factors_are_there(strength, order):
    factors = dict(list(FACTORS.items())[::order])
    cases, possible = covering(strength, **factors), every(**factors)
    for names in combinations(factors, strength):
        found = {tuple(case[name] for name in names) for case in cases}
        assert found == set(product(*(factors[name] for name in names)))
    assert all(list(case) == list(factors) for case in cases)
    assert all(case in possible for case in cases)


def test_a_covering_subset_is_small_and_always_the_same():
    assert len(covering(**FACTORS)) == 11 * 8
    assert len(covering(1, **FACTORS)) == 11
    assert len(every(**FACTORS)) == 11 * 8 * 4 * 2
    assert covering(**FACTORS) == covering(**FACTORS)
    assert covering(one=[1], other=[2]) == [{"one": 1, "other": 2}]


def params_of(mark):
    return [(param.values, [one.name for one in param.marks]) for param in mark.args[1]]


def test_what_is_not_covering_is_marked():
    factors = {"letter": "abc", "number": [1, 2], "flag": [True, False]}
    params = params_of(grid(**factors))
    assert [values for values, _ in params] == [tuple(case.values()) for case in every(**factors)]
    unmarked = [values for values, marks in params if not marks]
    assert unmarked == [
        tuple(case.values()) for case in every(**factors) if case in covering(**factors)
    ]
    assert {marks[0] for _, marks in params if marks} == {"grid"}


def test_of_a_list_the_first_case_with_a_value_is_not_marked():
    class Case:
        def __init__(self, id, *values):
            self.id, self.values = id, set(values)

    cases = [Case("a", 1, 2), Case("b", 1), Case("c", 2, 3), Case("d", 3, 1)]
    marks = [bool(param.marks) for param in at_first(cases, lambda case: case.values)]
    assert marks == [False, True, False, True]


def test_each_param_has_one_value_in_turn_and_each_value_a_param():
    params = [pytest.param(number, id=str(number)) for number in range(5)]
    (names, cases), values = in_turn(("number",), params, letter="abc").args, "abc"
    assert names == ("letter", "number")
    found = [case.values for case in cases]
    if IS_TORTURE:
        assert sorted(found) == sorted((one, number) for one in values for number in range(5))
    else:
        assert found == [("a", 0), ("b", 1), ("c", 2), ("a", 3), ("b", 4)]
    assert len({case.id for case in cases}) == len(cases)
