"""Weights that were not given are ones, bit for bit."""

import itertools

import numpy as np
import pytest
from covering import covering, every, grid
from internals import BUILDS, DTYPES, LOSS_RECORDS, PAIRS
from problems import CUT_SHORT, tiny
from reference import random_targets
from scipy import sparse
from tables import fitted_arrays, make_quarters, make_targets, same_arrays

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = CUT_SHORT


CASES = dict(dtype=DTYPES, container=[np.asarray, sparse.csr_matrix])
COVERING = covering(pair=PAIRS, **CASES)


def assert_no_weights_are_ones(rng, pair, dtype, container):
    output, loss = pair
    samples = []
    for n_samples in (1, 7, 300):
        y = random_targets(rng, n_samples, 2 - LOSS_RECORDS[loss].n_extra, output, loss)
        X = rng.normal(size=(n_samples, 5))
        samples.append((n_samples, container(X.astype(dtype)), y.astype(dtype)))
    objective = {"output_activation": output, "loss": loss, "dtype": dtype, "random_state": 0}
    for reduction, l2 in itertools.product(("mean", "sum"), (0.0, 0.3)):
        net = Network((5, 9, 200, 2), reduction=reduction, l2=l2, **objective)
        net.params[:] = rng.normal(size=len(net.params)) / 8
        for n_samples, X, y in samples:
            if n_samples == 300 and (reduction == "sum") != (l2 > 0):
                continue  # of many rows each value once
            gradients = [net.loss_gradient(X, y, weights) for weights in (None, np.ones(n_samples))]
            assert np.isfinite(gradients[0].loss)
            assert gradients[0].loss == gradients[1].loss
            assert net.loss(X, y) == net.loss(X, y, np.ones(n_samples)) == gradients[0].loss
            np.testing.assert_array_equal(gradients[0].flat, gradients[1].flat)


@pytest.mark.grid(covering="test_no_weights_are_ones_to_some_networks")
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_no_weights_are_ones_to_a_network(pair):
    for case in every(**CASES):
        assert_no_weights_are_ones(np.random.default_rng(0), pair, **case)


@grid(1, build=BUILDS, dtype=DTYPES)
def test_no_weights_are_ones_to_some_networks(build, dtype):
    rng = np.random.default_rng(0)
    for case in COVERING:
        if case["dtype"] == dtype:
            assert_no_weights_are_ones(rng, **case)


OBJECTIVES = [
    (BackpropClassifier, {"loss": "log_loss"}),
    (BackpropClassifier, {"loss": "log_loss", "output_activation": "logistic"}),
    (BackpropClassifier, {"loss": "squared_error"}),
    (BackpropClassifier, {"loss": "squared_error", "output_activation": "identity"}),
    (BackpropRegressor, {"loss": "squared_error"}),
    (BackpropRegressor, {"loss": "squared_error", "output_activation": "softmax"}),
    (BackpropRegressor, {"loss": "poisson"}),
    (BackpropRegressor, {"loss": "poisson", "output_activation": "logistic"}),
    (BackpropClassifier, {"loss": "log_loss", "label_smoothing": 0.1}),
    (BackpropRegressor, {"loss": "absolute_error"}),
    (BackpropRegressor, {"loss": "huber", "huber_delta": 0.1}),
    (BackpropRegressor, {"loss": "gamma"}),
    (BackpropRegressor, {"loss": "quantile", "quantile": 0.3, "output_activation": "increasing"}),
]
RUNS = [
    {"solver": "adam"},
    {"solver": "adam", "early_stopping": True, "validation_fraction": 0.2},
    {"solver": "sgd"},
    {"solver": "sgd", "momentum": 0.0, "alpha": 0.0},
    {"solver": "sgd", "momentum": 0.0, "alpha": 0.0, "batch_size": 1},
    {"solver": "lbfgs", "max_iter": 5},
    {"solver": "adam", "dropout": 0.2, "input_dropout": 0.1, "weight_decay": 0.01},
    {"solver": "sgd", "max_grad_norm": 0.1, "l1_ratio": 0.5},
    {"solver": "rprop"},
    {"solver": "levenberg_marquardt"},
]


@grid(objective=OBJECTIVES, **CASES)
def test_no_weights_are_ones_to_an_estimator(objective, dtype, container):
    cls, objective = objective
    X, y = (make_quarters(40) - 4).astype(dtype), make_targets(cls, 40)
    if cls is BackpropRegressor:
        y = np.column_stack([y, 1 - y])
    if objective["loss"] == "gamma":
        y += 0.25
    for run in RUNS:
        if run["solver"] == "levenberg_marquardt" and objective["loss"] != "squared_error":
            continue
        estimators = [tiny(cls, **objective, **{**{"max_iter": 3}, **run}) for _ in range(2)]
        estimators[0].fit(container(X), y)
        estimators[1].fit(container(X), y, sample_weight=np.ones(40))
        same_arrays(*map(fitted_arrays, estimators))
        assert estimators[0].network_.l2 == estimators[1].network_.l2
        assert estimators[0].validation_scores_ == estimators[1].validation_scores_
