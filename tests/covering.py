"""Grids of test cases: all of their combinations, and a covering subset chosen by one rule.

The rule: a covering subset of a grid holds every pair of values of any two factors at least once,
and so every value of each factor.  A mistake shows at one value, or where two values meet; what
takes three values at once is left to the full grid.  The choice is greedy and involves no chance:
the same factors always give the same cases.

Who runs what:

* `make test`: the best build runs the full grid against the NumPy twin.  The other builds, and
  finite differences, run a covering subset.  scikit-learn's checks run for the defaults and for
  each fifth of the other settings, and the tables of odd arguments for one estimator or type each,
  in turn.
* `make check`: a covering subset of every grid.  Of cases that are no product, of slow grids, and
  of builds beside a covering subset, it is one where every value of each factor is there at least
  once.  The others are marked `grid`, and so is a test of a full grid, which then names the test of
  its subset.
* `make torture`: what is tried at random, or in turn, in full (torture.py).

So what is marked `grid` is never the only guard of a value.
"""

from itertools import combinations, product

import pytest
from torture import times


def every(**factors):
    """All combinations of the factors' values, as dicts."""
    return [dict(zip(factors, values, strict=True)) for values in product(*factors.values())]


def covering(strength=2, **factors):
    """A subset of `every`: any `strength` factors show all combinations of their values in it.

    It grows factor by factor, the largest first (Lei and Tai 1998, "In-parameter-order"). A new
    factor takes, in each case that is there, the value that covers most of what is missing. What
    is missing after that gets cases of its own.
    """
    values = {name: list(of_factor) for name, of_factor in factors.items()}
    names = sorted(values, key=lambda name: -len(values[name]))
    sizes = [len(values[name]) for name in names]
    # A case is a list of indices, one for each factor so far.
    cases = [list(case) for case in product(*map(range, sizes[:strength]))]
    for size, n_before in zip(sizes[strength:], range(strength, len(sizes)), strict=True):
        _add_factor(
            cases, sizes[:n_before], size, list(combinations(range(n_before), strength - 1))
        )
    return [
        {name: values[name][case[names.index(name)]] for name in values}
        for case in dict.fromkeys(map(tuple, cases))
    ]


def _add_factor(cases, sizes, size, groups):
    """Append an index of a factor of this size to each case; add cases for what is not covered."""
    missing = {
        (group, indices, new)
        for group in groups
        for indices in product(*(range(sizes[factor]) for factor in group))
        for new in range(size)
    }

    def covered(case, new):
        return {(group, tuple(case[factor] for factor in group), new) for group in groups}

    counts = [0] * size
    for case in cases:
        # where two values cover as much, the one that is rarer so far
        gains = [(len(covered(case, new) & missing), -counts[new], -new) for new in range(size)]
        best = gains.index(max(gains))
        missing -= covered(case, best)
        counts[best] += 1
        case.append(best)

    added = []  # None: any index will do
    for group, indices, new in sorted(missing):
        wanted = dict(zip(group, indices, strict=True)) | {len(sizes): new}
        for case in added:
            if all(case[factor] in (None, index) for factor, index in wanted.items()):
                break
        else:
            case = [None] * (len(sizes) + 1)
            added.append(case)
        for factor, index in wanted.items():
            case[factor] = index
    for number, case in enumerate(added):
        cases.append(
            [number % sizes[f] if index is None else index for f, index in enumerate(case)]
        )


def grid(strength=2, **factors):
    """Parametrise a test with every combination; those that are not covering are marked `grid`.

    The arguments of the test have the names of the factors; `build` is the fixture.
    """
    kept = covering(strength, **factors)
    params = [
        pytest.param(
            *case.values(),
            id="-".join(map(name_of, case.values())),
            marks=[] if case in kept else [pytest.mark.grid],
        )
        for case in every(**factors)
    ]
    indirect = [name for name in factors if name == "build"]
    return pytest.mark.parametrize(tuple(factors), params, indirect=indirect)


def in_turn(names, params, **factor):
    """Parametrise a test with some params, each with one value of a factor, in turn.

    So each param and each value is there. `make torture` has each with every value.
    """
    ((name, values),) = factor.items()
    cases = [
        pytest.param(value, *param.values, id=f"{param.id}-{name_of(value)}")
        for i, param in enumerate(params)
        for value in times([values[i % len(values)]], values)
    ]
    return pytest.mark.parametrize((name, *names), cases)


def at_first(cases, values):
    """Cases that are no product: those with no value that is new in the list are marked `grid`.

    `values` gives the set of a case's values; a case's `id` names it.
    """
    seen, params = set(), []
    for case in cases:
        new = values(case) - seen
        seen |= new
        params.append(pytest.param(case, id=case.id, marks=[] if new else [pytest.mark.grid]))
    return params


def name_of(value):
    """What a value is called in the name of a case."""
    if isinstance(value, tuple | list):
        return "-".join(map(name_of, value))
    return getattr(value, "__name__", None) or str(value)
