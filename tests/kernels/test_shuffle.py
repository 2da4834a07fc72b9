"""The compiled shuffle is NumPy's, draw for draw."""

import numpy as np
import pytest
from internals import core, kernels
from problems import CUT_SHORT, ESTIMATORS, SCIKIT
from tables import make_quarters, make_targets

pytestmark = CUT_SHORT


BIT_GENERATORS = [
    np.random.MT19937,
    np.random.PCG64,
    np.random.Philox,
    np.random.SFC64,
]


@pytest.mark.parametrize("bit_generator", BIT_GENERATORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_shuffle_is_numpys(build, seed, bit_generator):
    """The same order, and the same numbers drawn for it, call after call."""
    ours, theirs = (np.random.RandomState(bit_generator(seed)) for _ in range(2))
    for n in [0, 1, 2, 3, 10, 1000, 65537, 10, 10, 1000]:
        order, expected = np.arange(n), np.arange(n)
        for _ in range(2):
            kernels.core.shuffle(order, ours._bit_generator)
            theirs.shuffle(expected)
            np.testing.assert_array_equal(order, expected)
            np.testing.assert_equal(ours.get_state(legacy=False), theirs.get_state(legacy=False))
    # and the generators are in the same state
    np.testing.assert_array_equal(ours.standard_normal(5), theirs.standard_normal(5))


@pytest.mark.parametrize("seed", [0, 7])
def test_shuffle_of_a_seeded_random_state(seed):
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    order, expected = np.arange(1000)[::-1].copy(), np.arange(1000)[::-1].copy()
    core.shuffle(order, ours._bit_generator)
    theirs.shuffle(expected)
    np.testing.assert_array_equal(order, expected)
    np.testing.assert_equal(ours.get_state(), theirs.get_state())


@pytest.mark.parametrize("bit_generator", BIT_GENERATORS, ids=lambda cls: cls.__name__)
@ESTIMATORS
def test_shuffles_of_a_run_are_scikit_learns(cls, bit_generator):
    X, y = make_quarters(), make_targets(cls)
    states = [np.random.RandomState(bit_generator(3)) for _ in range(2)]
    params = {"hidden_layer_sizes": (5,), "max_iter": 3, "batch_size": 7}
    ours, theirs = (
        one(random_state=state, **params).fit(X, y)
        for one, state in zip((cls, SCIKIT[cls]), states, strict=True)
    )
    for our_coef, their_coef in zip(ours.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(our_coef, their_coef, rtol=1e-10, atol=1e-12)
    one, other = (state.get_state(legacy=False) for state in states)
    np.testing.assert_equal(one, other)
