"""An activation for each hidden layer."""

import pickle

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    assert_equal_networks,
    make_named_task,
    make_regression,
    small,
)
from reference import ReferenceNetwork
from sklearn.base import clone

from fastbp import BackpropRegressor

pytestmark = CUT_SHORT


@ESTIMATORS
@pytest.mark.parametrize("container", [list, tuple])
def test_each_hidden_layer_may_have_its_own_activation(cls, container):
    X, y = make_named_task(cls)
    names = container(["leaky_relu", "mish"])
    fitted = small(cls, activation=names).fit(X, y)
    assert fitted.activation is names
    assert fitted.network_.hidden_activations == fitted.network_.activation == tuple(names)
    twin = ReferenceNetwork.like(fitted.network_)
    for ours, expected in zip(fitted.network_.activations(X), twin.propagate(X)[1], strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
    twice, once = (small(cls, activation=a).fit(X, y) for a in (["elu", "elu"], "elu"))
    assert_equal_networks(twice, once)
    assert once.network_.activation == "elu"
    assert once.network_.hidden_activations == ("elu", "elu")
    assert_equal_networks(clone(fitted).fit(X, y), fitted)
    assert_equal_networks(pickle.loads(pickle.dumps(fitted)), fitted)


ALLOWED = "'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu'"


@ESTIMATORS
@pytest.mark.parametrize(
    ("hidden_layer_sizes", "activation", "words"),
    [
        ((6, 5), ["tanh"], r"names 1 activations for 2 hidden layers: hidden layer 1 has none"),
        ((6, 5), ["tanh"] * 3, r"for 2 hidden layers: activation\[2\]='tanh' has no layer"),
        ((), ["tanh"], r"for 0 hidden layers: activation\[0\]='tanh' has no layer"),
        ((6, 5), ["tanh", "relux"], rf"activation\[1\]='relux' is not one of {ALLOWED}"),
        ((6, 5), [None, "relu"], rf"activation\[0\]=None is not one of {ALLOWED}"),
        ((6, 5), "relux", "'activation' parameter of Backprop.* must be a str among"),
        ((6, 5), {"tanh": 2}, "'activation' parameter of Backprop.* must be a str among"),
    ],
)
def test_wrong_activations_are_named_with_their_layer(cls, hidden_layer_sizes, activation, words):
    X, y = make_named_task(cls)
    estimator = small(cls, hidden_layer_sizes=hidden_layer_sizes, activation=activation)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()


def test_an_empty_list_is_for_no_hidden_layers():
    X, y = make_regression()
    none = small(BackpropRegressor, hidden_layer_sizes=(), activation=[]).fit(X, y)
    plain = small(BackpropRegressor, hidden_layer_sizes=(), activation="identity").fit(X, y)
    assert_equal_networks(none, plain)
