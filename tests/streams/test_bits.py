"""fit_batches is fit, bit for bit, where the buffer holds all rows."""

import numpy as np
import pandas as pd
import pytest
from covering import covering, name_of
from own_losses import SquaredError
from problems import (
    CUT_SHORT,
    assert_same_bits,
    make_classes,
    make_multilabel,
    make_named_classes,
    make_regression,
    make_weights,
    small,
)
from scipy import sparse
from streams_of import batches_of, uneven_batches_of

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


def positive():
    X, y = make_regression()
    return X, np.exp(y)


def cases(factors):
    """Every value in make check, any two together in make test."""
    kept = covering(1, **factors)
    every = kept + [case for case in covering(2, **factors) if case not in kept]
    return pytest.mark.parametrize(
        tuple(factors),
        [
            pytest.param(
                *case.values(),
                id="-".join(map(name_of, case.values())),
                marks=[] if case in kept else [pytest.mark.grid],
            )
            for case in every
        ],
    )


# name: (estimator, its data, parameters)
PROBLEMS = {
    "two classes": (BackpropClassifier, lambda: make_classes(2), {}),
    "three names": (BackpropClassifier, make_named_classes, {}),
    "one class": (BackpropClassifier, lambda: make_classes(1), {}),
    "logistic of three": (BackpropClassifier, make_classes, {"output_activation": "logistic"}),
    "multi-label": (BackpropClassifier, make_multilabel, {}),
    "balanced": (BackpropClassifier, make_classes, {"class_weight": "balanced"}),
    "balanced labels": (BackpropClassifier, make_multilabel, {"class_weight": "balanced"}),
    "class_weight": (BackpropClassifier, make_classes, {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5}}),
    "smoothing": (BackpropClassifier, make_classes, {"label_smoothing": 0.1}),
    "one output": (BackpropRegressor, make_regression, {}),
    "two outputs": (BackpropRegressor, lambda: make_regression(2), {}),
    "poisson": (BackpropRegressor, positive, {"loss": "poisson"}),
    "gaussian": (BackpropRegressor, make_regression, {"loss": "gaussian"}),
    "quantiles": (BackpropRegressor, make_regression, {"loss": "quantile", "quantile": [0.1, 0.9]}),
    "own loss": (BackpropRegressor, make_regression, {"loss": SquaredError()}),
}
# What may draw random numbers, or need the number of rows.
SETTINGS = {
    "plain": {},
    "dropout": {"dropout": 0.3, "input_dropout": 0.1},
    "cosine": {"learning_rate": "cosine", "warmup_epochs": 1.5},
    "one_cycle": {"learning_rate": "one_cycle"},
    "exponential": {"learning_rate": "exponential"},
    "invscaling": {"learning_rate": "invscaling"},
    "clipping, decay": {"max_grad_norm": 0.1, "weight_decay": 0.01},
    "periodic": {"front": "periodic", "n_periodic": 2, "learning_rate_factors": {"scale": 2.0}},
    "auto batches": {"batch_size": "auto"},
    "rows": {"batch_size": 1},
    "L1": {"l1_ratio": 0.5, "fit_intercept": False},
}


FACTORS = {
    "setting": SETTINGS,
    "problem": PROBLEMS,
    "solver": ["sgd", "adam"],
    "dtype": ["float32", "float64"],
    "shuffle": [True, False],
    "weighted": [True, False],
}


@cases(FACTORS)
def test_a_buffer_of_all_rows(problem, setting, solver, dtype, shuffle, weighted):
    cls, make_data, params = PROBLEMS[problem]
    X, y = make_data()
    arrays = (X.astype(dtype), y, make_weights()) if weighted else (X.astype(dtype), y)
    params = {"solver": solver, "shuffle": shuffle, "max_iter": 3} | params | SETTINGS[setting]
    whole = small(cls, **params).fit(*arrays)
    assert_fit(small(cls, **params).fit_batches(uneven_batches_of(*arrays)), whole)


def assert_fit(streamed, whole):
    assert_same_bits(streamed, whole)
    for name in vars(whole):
        if name.endswith("_") and name not in ("network_",):
            np.testing.assert_array_equal(getattr(streamed, name), getattr(whole, name))
    assert repr(streamed.network_) == repr(whole.network_)
    assert (streamed.network_.l1, streamed.network_.l2) == (whole.network_.l1, whole.network_.l2)


@pytest.mark.parametrize("matrix", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("shuffle", [True, False])
def test_sparse_rows(matrix, shuffle):
    X, y = make_classes()
    X = sparse.csr_matrix(np.where(np.abs(X) > 0.5, X, 0))
    whole = small(BackpropClassifier, shuffle=shuffle).fit(X, y)
    streamed = small(BackpropClassifier, shuffle=shuffle)
    streamed.fit_batches(lambda: ((matrix(X[k : k + 7]), y[k : k + 7]) for k in range(0, 48, 7)))
    assert_fit(streamed, whole)


def test_sparse_indicators():
    X, Y = make_multilabel()
    whole = small(BackpropClassifier).fit(X, sparse.csr_matrix(Y))
    streamed = small(BackpropClassifier)
    streamed.fit_batches(batches_of(X, sparse.csr_matrix(Y), size=11))
    assert_fit(streamed, whole)
    assert sparse.issparse(streamed.predict(X))


def test_data_frames_lists_and_other_types():
    X, y = make_named_classes()
    table, names = pd.DataFrame(X, columns=list("abcd")), pd.Series(y)
    whole = small(BackpropClassifier).fit(table, names)
    streamed = small(BackpropClassifier)
    streamed.fit_batches(lambda: ((table[k : k + 10], names[k : k + 10]) for k in range(0, 48, 10)))
    assert_fit(streamed, whole)
    for dtypes in ("float32", {"a": "float32", "b": "int64"}, {"a": "Float64"}, {"b": "bool"}):
        other = table.astype(dtypes)
        streamed = small(BackpropRegressor)
        streamed.fit_batches(
            lambda t=other: ((t[k : k + 10], pd.Series(range(k, k + 10))) for k in range(0, 40, 10))
        )
        whole = small(BackpropRegressor).fit(other[:40], np.arange(40.0))
        assert_fit(streamed, whole)
    whole = small(BackpropClassifier).fit(X.tolist(), y.tolist())
    again = small(BackpropClassifier).fit_batches([(X.tolist(), y.tolist())])
    assert_fit(again, whole)
    of_ints = small(BackpropClassifier).fit(np.round(X).astype(int), y)
    again = small(BackpropClassifier).fit_batches(batches_of(np.round(X).astype(int), y, size=5))
    assert_fit(again, of_ints)


def test_tables_of_targets():
    X, Y = make_regression(2)
    whole = small(BackpropRegressor).fit(X, pd.DataFrame(Y))
    streamed = small(BackpropRegressor)
    streamed.fit_batches(
        lambda: ((pd.DataFrame(X[k : k + 9]), pd.DataFrame(Y[k : k + 9])) for k in range(0, 48, 9))
    )
    assert_same_bits(streamed, whole)
    with pytest.raises(ValueError, match="got a tuple of 0"):
        small(BackpropRegressor).fit_batches([()])


def test_the_first_batch_decides_on_the_type():
    X, y = make_regression()
    first = [(X[:8].astype(np.float32), y[:8]), (X[8:], y[8:])]
    streamed = small(BackpropRegressor).fit_batches(first)
    assert_same_bits(streamed, small(BackpropRegressor).fit(X.astype(np.float32), y))


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_validation_samples_and_early_stopping(cls):
    X, y = make_classes(noise=1.5) if cls is BackpropClassifier else make_regression(noise=1.0)
    split = (
        (X[:30], y[:30]),
        {"X_val": X[30:], "y_val": y[30:], "sample_weight_val": X[30:, 0] ** 2},
    )
    params = dict(early_stopping=True, max_iter=50, n_iter_no_change=3, learning_rate_init=0.1)
    whole = small(cls, **params).fit(*split[0], **split[1])
    streamed = small(cls, **params).fit_batches(batches_of(*split[0], size=4), **split[1])
    assert whole.n_iter_ < 50
    assert_fit(streamed, whole)
    recorded = small(cls, scoring="loss").fit_batches([split[0]], **split[1])
    assert_fit(recorded, small(cls, scoring="loss").fit(*split[0], **split[1]))


def test_training_goes_on():
    """warm_start continues from fit, and partial_fit from fit_batches."""
    X, y = make_named_classes()
    whole, streamed = (small(BackpropClassifier, warm_start=True) for _ in range(2))
    whole.fit(X, y).fit(X, y).partial_fit(X, y)
    streamed.fit(X, y).fit_batches(batches_of(X, y, size=10)).partial_fit(X, y)
    assert_same_bits(streamed, whole)
    with pytest.raises(ValueError, match="warm_start can only be used where"):
        streamed.fit_batches([(X, y)], classes=["ant", "bee"])


def test_classes_that_are_given():
    X, y = make_named_classes()
    names = ["dog", "cow", "bee", "ant"]
    model = small(BackpropClassifier).fit_batches(batches_of(X, y, size=10), classes=names)
    assert model.classes_.tolist() == sorted(names)
    assert model.predict_proba(X).shape == (48, 4)
    same = small(BackpropClassifier).fit_batches([(X, y)], classes=sorted(set(y)))
    assert_fit(same, small(BackpropClassifier).fit(X, y))


def test_a_random_state_that_goes_on():
    X, y = make_regression()
    states = [np.random.RandomState(3) for _ in range(2)]
    for _ in range(2):
        whole = small(BackpropRegressor, random_state=states[0]).fit(X, y)
        streamed = small(BackpropRegressor, random_state=states[1]).fit_batches([(X, y)])
        assert_same_bits(streamed, whole)
    assert states[0].randint(10**9) == states[1].randint(10**9)
