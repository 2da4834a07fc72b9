"""class_weight; for a single column of classes see also test_oracles.py."""

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    N_SAMPLES,
    assert_equal_networks,
    assert_same_state,
    make_classes,
    make_multilabel,
    public_state,
    steady,
)
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.class_weight import compute_sample_weight

from fastbp import BackpropClassifier

pytestmark = CUT_SHORT


LABEL_WEIGHTS = [{0: 1.0, 1: 3.0}, {0: 0.5, 1: 2.0}, {0: 1.0, 1: 4.0}]


@pytest.mark.parametrize("class_weight", ["balanced", LABEL_WEIGHTS], ids=["balanced", "dicts"])
@pytest.mark.parametrize("target_type", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_labels_are_multiplied(class_weight, target_type, weighted):
    """A sample's weight is the product over its labels, as in scikit-learn."""
    X, Y = make_multilabel()
    w = np.random.default_rng(4).uniform(0.2, 2, N_SAMPLES) if weighted else np.ones(N_SAMPLES)
    by_class = steady(BackpropClassifier, class_weight=class_weight)
    by_class.fit(X, target_type(Y), sample_weight=w if weighted else None)
    factors = compute_sample_weight(class_weight, Y)
    assert len(np.unique(factors.round(9))) > 4
    by_sample = steady(BackpropClassifier).fit(X, Y, sample_weight=w * factors)
    np.testing.assert_allclose(by_class.network_.params, by_sample.network_.params, atol=1e-12)


@pytest.mark.parametrize("class_weight", [LABEL_WEIGHTS, [{1: 3.0}, {0: 2.0}, {0: 1.0, 1: 4.0}]])
def test_weights_of_labels_in_partial_fit(class_weight):
    """Chunk by chunk, also where a label is the same for all samples of one."""
    X, Y = make_multilabel()
    by_class = steady(BackpropClassifier, class_weight=class_weight, batch_size="auto")
    by_sample = steady(BackpropClassifier, batch_size="auto")
    order = np.lexsort(Y.T)
    chunks = np.split(order, 4)
    assert any(len(np.unique(Y[rows, k])) == 1 for rows in chunks for k in range(3))
    for rows in chunks:
        factors = np.ones(len(rows))
        for k, weights in enumerate(class_weight):
            factors *= [weights.get(label, 1.0) for label in Y[rows, k]]
        by_class.partial_fit(X[rows], Y[rows])
        by_sample.partial_fit(X[rows], Y[rows], sample_weight=factors)
        np.testing.assert_allclose(by_class.network_.params, by_sample.network_.params, atol=1e-12)


def test_partial_fit_refuses_balanced_class_weights():
    X, y = make_classes()
    estimator = steady(BackpropClassifier, class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced' .* partial_fit, .* Give a dict"):
        estimator.partial_fit(X, y, classes=[0, 1, 2])
    assert vars(estimator) == estimator.get_params()
    estimator.fit(X, y)
    before = public_state(estimator)
    with pytest.raises(ValueError, match="compute_class_weight"):
        estimator.partial_fit(X, y)
    assert_same_state(before, public_state(estimator))


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({0: 1.0, 7: 3.0}, r"The classes, \[1, 2\], are not in class_weight"),
        ({0: -1.0}, "Negative values in data passed to `sample_weight times class_weight`"),
        ({0: np.nan}, "sample_weight times class_weight contains NaN"),
        ({0: 0.0, 1: 0.0, 2: 0.0}, "sample_weight times class_weight is zero for every sample"),
        ([{0: 1.0, 1: 2.0}] * 3, "for one class per sample a dict or 'balanced'"),
        ("rare", "'class_weight' parameter"),
    ],
)
def test_class_weights_that_cannot_be(class_weight, words):
    X, y = make_classes()
    estimator = steady(BackpropClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({0: 1.0, 1: 2.0}, "for multi-label targets a list of dicts"),
        ([{0: 1.0, 1: 2.0}] * 2, "class_weight lists 2 dicts for 3 labels"),
    ],
)
def test_label_weights_that_cannot_be(class_weight, words):
    X, Y = make_multilabel()
    estimator = steady(BackpropClassifier, class_weight=class_weight)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, Y)
    assert vars(estimator) == estimator.get_params()


def test_a_class_that_is_not_named_counts_once_and_one_of_weight_zero_not_at_all():
    X, y = make_classes()
    some = steady(BackpropClassifier, class_weight={1: 3.0}).fit(X, y)
    every = steady(BackpropClassifier, class_weight={0: 1.0, 1: 3.0, 2: 1.0}).fit(X, y)
    assert_equal_networks(some, every)
    params = dict(solver="lbfgs", hidden_layer_sizes=(), alpha=1.0, max_iter=1000)
    without = steady(BackpropClassifier, class_weight={2: 0.0}, **params).fit(X, y)
    moved = np.where((y == 2)[:, np.newaxis], 100 * X, X)
    assert_equal_networks(without, clone(without).fit(moved, y))
