"""Fitted estimators of every form, for the tests of exported C; and the C of many, compiled at once."""

import numpy as np
from reference import ACTIVATIONS as TWIN_ACTIVATIONS
from reference import ReferenceNetwork
from scipy.special import expit, softmax
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier, BackpropRegressor, RobustSmoothScaler

N_FEATURES, N_ROWS = 5, 20

# The outputs and losses of regressors: their arguments, and the columns of y.
REGRESSORS = {
    "identity": ({}, 1),
    "two identities": ({}, 2),
    "nine identities": ({"loss": "huber"}, 9),
    "absolute error": ({"loss": "absolute_error"}, 1),
    "poisson": ({"loss": "poisson"}, 1),
    "two gammas": ({"loss": "gamma"}, 2),
    "logistic": ({"output_activation": "logistic"}, 1),
    "softmax": ({"output_activation": "softmax"}, 4),
    "exp": ({"output_activation": "exp", "loss": "huber"}, 2),
    "increasing": ({"output_activation": "increasing"}, 3),
    "quantile": ({"loss": "quantile", "quantile": 0.9}, 1),
    "quantiles": ({"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}, 1),
    "gaussian": ({"loss": "gaussian"}, 1),
}
# Those of classifiers: their arguments, and the classes; lists of lists are indicators.
INDICATORS = [[0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]]
CLASSIFIERS = {
    "two classes": ({}, [3, 7]),
    "two classes of softmax": ({"output_activation": "softmax"}, [False, True]),
    "two classes of identity": ({"loss": "squared_error", "output_activation": "identity"}, [0, 1]),
    "three classes": ({}, ["one", "two", "th?*/ree"]),
    "twelve classes": ({}, [*range(12)]),
    "three of logistic": ({"output_activation": "logistic"}, [1.0, 2.0, 30.0]),
    "ten of logistic": ({"output_activation": "logistic"}, [*range(10)]),
    "three of identity": (
        {"loss": "squared_error", "output_activation": "identity"},
        ["a", "b", "c"],
    ),
    "one class": ({}, [4]),
    "one class of softmax": ({"output_activation": "softmax"}, [4]),
    "one class of identity": ({"loss": "squared_error", "output_activation": "identity"}, [4]),
    "labels": ({}, INDICATORS),
    "labels of squared error": ({"loss": "squared_error"}, INDICATORS),
    "labels of identity": (
        {"loss": "squared_error", "output_activation": "identity"},
        INDICATORS,
    ),
}
FORMS = [*REGRESSORS, *CLASSIFIERS]
HIDDEN = [(), (1,), (6,), (7, 3), (40,), (4, 3, 5)]
FRONTS = [None, "scale", "periodic", "periodic of two"]
SCALERS = [None, "standard", "no mean", "no std", "neither", "smooth"]
ACTIVATIONS = [
    "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "softplus", "silu", "gelu",
    "mish",
]


def inputs(dtype, seed=0, n_rows=N_ROWS):
    rng = np.random.default_rng(seed)
    X = rng.normal(scale=[0.3, 1, 1, 2, 3], size=(n_rows, N_FEATURES)) + [0, 0, 2, -1, 0.1]
    return X.astype(dtype)


def estimator(form, activation, hidden, dtype, front=None, intercept=True, scaler=None, seed=0):
    """An estimator with random parameters, or a pipeline of a scaler and one."""
    rng = np.random.default_rng(seed)
    X = inputs(dtype, seed)
    mixed = [ACTIVATIONS[(ACTIVATIONS.index(activation) + 3 * k) % 11] for k in range(len(hidden))]
    settings = {
        "hidden_layer_sizes": hidden,
        "activation": mixed if len(hidden) > 1 else activation,
        "front": front.split()[0] if front else None,
        "n_periodic": 2 if front == "periodic of two" else None,
        "fit_intercept": intercept,
        "random_state": seed,
    }
    if form in REGRESSORS:
        arguments, n_columns = REGRESSORS[form]
        y = rng.uniform(0.1, 0.9, size=(N_ROWS, n_columns))
        net = BackpropRegressor(**settings, **arguments)
        y = y[:, 0] if n_columns == 1 else y
    else:
        arguments, classes = CLASSIFIERS[form]
        y = np.array(classes)[np.arange(N_ROWS) % len(classes)]
        net = BackpropClassifier(**settings, **arguments)
    scalers = {
        "standard": StandardScaler(),
        "no mean": StandardScaler(with_mean=False),
        "no std": StandardScaler(with_std=False),
        "neither": StandardScaler(with_mean=False, with_std=False),
        "smooth": RobustSmoothScaler(),
    }
    model = net
    if scaler is not None:
        model = make_pipeline(scalers[scaler], net)
        X = model[0].fit_transform(X)
    net.initialize(X, y)
    network = net.network_
    n_coefs = sum(coef.size for coef in network.coefs)
    network.params[n_coefs:] += rng.normal(scale=0.3, size=network.n_params - n_coefs)
    return model


# --- how far apart two ways of rounding may be --------------------------------------------------


def ulps(values, dtype):
    """The distance of a number to the next one of the type; of numbers near 0 the smallest normal."""
    return np.maximum(np.spacing(np.abs(values).astype(dtype)), np.finfo(dtype).tiny).astype(float)


def network_of(model):
    """(scaler or None, estimator) of a model."""
    return (model[0], model[1]) if hasattr(model, "steps") else (None, model)


def values_of(model, X):
    """What predict of the C file computes: (n_samples, n_values)."""
    scaler, net = network_of(model)
    if hasattr(model, "predict_proba"):
        return model.predict_proba(X)
    if isinstance(net, BackpropRegressor):
        return model.predict(X).reshape(len(X), -1)
    return net.network_.forward(X if scaler is None else scaler.transform(X))


def rounding_units(model, X):
    """For each value, how far it moves if each sum of the network is off by an ulp.

    The ulp is one of the sum of the terms' magnitudes: this is what a sum in another order, or with
    fused multiply-adds, may differ by, some ulps at most. What a function returns is off by an ulp
    of its own. Errors are taken on to the outputs by derivatives, with all signs alike.
    """
    scaler, net = network_of(model)
    twin, dtype = ReferenceNetwork.like(net.network_), X.dtype
    inputs = X if scaler is None else scaler.transform(X)
    a, units = inputs.astype(float), np.zeros(inputs.shape)
    if twin.front is not None:
        front, m = twin.unpack_front(twin.params), len(twin.unpack_front(twin.params).w)
        turns = np.abs(front.w * a[:, :m, None]) + np.abs(front.b)
        cosines, sines = np.cos(front.angles(a)), np.sin(front.angles(a))
        of_waves = 2 * np.pi * np.abs(sines) * ulps(turns, dtype) + ulps(cosines, dtype)
        terms = np.einsum("njh,jhr->njr", np.abs(cosines), np.abs(front.V)) + np.abs(front.c)
        of_e = np.einsum("njh,jhr->njr", of_waves, np.abs(front.V)) + ulps(terms, dtype)
        units = np.concatenate([units, of_e.reshape(len(X), -1)], axis=1) * np.abs(front.s)
        a = front.forward(a)
        units += ulps(a, dtype)
    coefs, intercepts = twin.unpack(twin.params)
    for layer, coef in enumerate(coefs):
        intercept = intercepts[layer] if len(intercepts) else np.zeros(coef.shape[1])
        terms = np.abs(a) @ np.abs(coef) + np.abs(intercept)
        units = units @ np.abs(coef) + ulps(terms, dtype)
        z = a @ coef + intercept
        if layer < len(coefs) - 1:
            function, derivative = TWIN_ACTIVATIONS[twin.hidden_activations[layer]]
            a = function(z)
            slopes = np.maximum(*(np.abs(derivative(z + sign * units)) for sign in (-1, 1)))
            units = slopes * units + ulps(a, dtype)
    return _units_of_values(net, z, units, dtype)


def _units_of_values(net, z, units, dtype):
    output = net.out_activation_
    if output == "identity":
        return units[:, :1] if net.loss == "gaussian" else units
    if output == "increasing":
        steps = np.concatenate([np.ones_like(z[:, :1]), expit(z[:, 1:])], axis=1)
        sums = np.cumsum(np.abs(np.concatenate([z[:, :1], np.logaddexp(0, z[:, 1:])], axis=1)), 1)
        return np.cumsum(steps * units, axis=1) + ulps(sums, dtype)
    if output == "exp":
        return np.exp(z) * units + ulps(np.exp(z), dtype)
    if output == "softmax":
        p = softmax(z, axis=1)
        return p * (units + (p * units).sum(axis=1, keepdims=True)) + ulps(p, dtype)
    p = expit(z)
    units = p * (1 - p) * units + ulps(p, dtype)
    if isinstance(net, BackpropRegressor) or net._classes.multilabel:
        return units
    n_classes = len(net.classes_)
    if n_classes == 1:
        return np.zeros_like(units)
    if n_classes == 2:
        return np.concatenate([units + ulps(1 - p, dtype), units], axis=1)
    total = p.sum(axis=1, keepdims=True)
    share = p / total
    return (units + share * units.sum(axis=1, keepdims=True)) / total + ulps(share, dtype)
