"""Sums over partitions: the bits depend on the number of partitions, and on nothing else."""

import numpy as np
import pytest

sums = pytest.importorskip("fastbp.dask.sums")
add_up, levels_of = sums.add_up, sums.levels_of


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 13, 64])
def test_whoever_adds_up_what_the_bits_are_the_same(n):
    rng = np.random.default_rng(n)
    values = list(rng.standard_normal((n, 3)) * 10.0 ** rng.integers(-9, 9, (n, 1)))
    for k in rng.integers(n, size=n // 3):
        values[k] = None
    leaves = [(k, k + 1) for k in range(n)]
    expected = add_up(leaves, values)
    for n_nodes in range(1, 2 * n):
        levels = levels_of(n, n_nodes)
        assert len(levels[-1]) >= min(n, n_nodes)
        for nodes in levels:
            assert [stop for _, stop in nodes[:-1]] == [start for start, _ in nodes[1:]]
            parts = [add_up(leaves[slice(*node)], values[slice(*node)]) for node in nodes]
            total = add_up(nodes, parts)
            assert (total is None and expected is None) or (total == expected).all()
    if expected is not None:
        there = [value for value in values if value is not None]
        np.testing.assert_allclose(expected, np.sum(there, axis=0), rtol=1e-9, atol=1e-6)


def test_the_sum_of_nothing():
    assert add_up([(0, 1), (1, 2)], [None, None]) is None
    assert levels_of(1, 8) == [[(0, 1)]]
