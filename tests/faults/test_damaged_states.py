"""States of pickles, changed at random: an error, or an object that can be used.

What pickle itself executes is beyond any check (docs/guide/files.md); here its result is changed.
"""

import copy
import warnings

import numpy as np
import pytest
from problems import CUT_SHORT
from torture import shares, times

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [
    CUT_SHORT,
    pytest.mark.faults,
    # NumPy before 2.2 takes an empty array for False
    pytest.mark.filterwarnings("ignore:The truth value of an empty array:DeprecationWarning"),
]

IN_ONE_TEST = times(150, 500)
SEEDS = shares(times(600, 100_000), IN_ONE_TEST)
X = np.random.default_rng(0).normal(size=(12, 3))
N_PARAMS = 3 * 4 + 4 + 4 * 2 + 2

NUMBERS = [None, True, 0, -1, 1, 3, 2**31, 2**63, 10**400, 1.5, -0.5, 5e-324, np.nan, np.inf]
NAMES = ["", "relu", "logistic", "softmax", "log_loss", "gamma", "sum", "float32", b"relu"]
SEQUENCES = [(), (3,), (3, 4, 2), [3, 4, 2], (3, 0, 2), (-1, 2), (3, 2**40, 2), ("relu",), {"a": 1}]
TYPES = [np.dtype(code) for code in ("f4", ">f8", "c16", "O", "i8")]
ARRAYS = [
    np.zeros(N_PARAMS),
    np.zeros(N_PARAMS, "f4"),
    np.ones(N_PARAMS, ">f8"),
    np.ones(2 * N_PARAMS)[::2],
    np.ones(N_PARAMS)[::-1],
    np.broadcast_to(1.0, N_PARAMS),
    np.full(N_PARAMS, np.nan),
    np.zeros(N_PARAMS, "c16"),
    np.zeros(N_PARAMS, object),
    np.zeros(N_PARAMS, [("a", "f8")]),
    np.zeros(N_PARAMS - 1),
    np.zeros((N_PARAMS, 1)),
    np.zeros((2, N_PARAMS), "f4"),
    np.zeros(0),
    np.arange(12),
    np.arange(12)[::-1] - 6,
    np.full(12, 2**40),
]
VALUES = [*NUMBERS, *NAMES, *SEQUENCES, *TYPES, *ARRAYS]


def changed(state, rng):
    """A copy of a state's dict with one to three of its values replaced or left out."""
    state = copy.deepcopy(state)
    for name in rng.choice(list(state), size=int(rng.integers(1, 4)), replace=False):
        if rng.random() < 0.1:
            del state[name]
        else:
            state[name] = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    return state


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_network(seed):
    rng = np.random.default_rng(seed)
    whole = Network([3, 4, 2], activation="tanh", random_state=0).__getstate__()
    n_refused = 0
    for _ in range(IN_ONE_TEST):
        network = Network.__new__(Network)
        try:
            network.__setstate__(changed(whole, rng))
        except (TypeError, ValueError):
            n_refused += 1
            continue
        with np.errstate(all="ignore"):
            outputs = network.forward(X)
            assert outputs.shape == (12, network.layer_sizes[-1])
            network.input_jacobian(X)
    assert 0 < n_refused < IN_ONE_TEST


@pytest.mark.parametrize("seed", SEEDS)
def test_of_a_training_that_goes_on(seed):
    """partial_fit goes on from the state of the optimizer, and follows no size that is wrong."""
    rng = np.random.default_rng(seed)
    y = np.arange(12) % 2
    cls = (BackpropRegressor, BackpropClassifier)[seed % 2]
    params = {"solver": ("adam", "sgd")[seed // 2 % 2], "shuffle": seed % 3 > 0}
    targets = np.c_[y, y] if cls is BackpropRegressor else np.arange(12) % 3
    fitted = cls((4,), random_state=0, max_iter=1, **params).fit(X, targets)
    n_refused = 0
    for _ in range(IN_ONE_TEST):
        estimator = copy.deepcopy(fitted)
        vars(estimator._training_state).update(changed(vars(fitted._training_state), rng))
        before = estimator.network_.params.copy()
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                estimator.partial_fit(X, targets)
        except Exception:  # of any kind, since the state is private; the estimator stays as it was
            n_refused += 1
            np.testing.assert_array_equal(estimator.network_.params, before)
            continue
        assert np.isfinite(estimator.predict(X)).all()
    assert 0 < n_refused < IN_ONE_TEST
