"""The contract of fastbp.Network: parameters, arguments, data in every form, copies."""

import copy
import itertools
import pickle
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from reference import LOSSES
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import fastbp
from fastbp._kernels import core

REFUSED_PAIRS = {
    ("identity", "log_loss"),
    ("exp", "log_loss"),
    ("increasing", "log_loss"),
    ("identity", "poisson"),
    ("increasing", "poisson"),
    ("identity", "gamma"),
    ("increasing", "gamma"),
}
SMOOTHED_OUTPUTS, SMOOTHED_LOSSES = ("logistic", "softmax"), ("log_loss", "squared_error")
SIZES = [3, 5, 4, 2]


@dataclass
class CauchyLoss:
    """A user's own loss, log(1 + (p - y)^2 / c^2)."""

    c: float = 1.0

    def loss(self, y, outputs):
        return np.log1p(((outputs - y) / self.c) ** 2).sum(axis=1)

    def gradient(self, y, outputs):
        return 2 * (outputs - y) / (self.c**2 + (outputs - y) ** 2)


def data(n_samples=6, n_features=3, n_outputs=2):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, n_features)), rng.random((n_samples, n_outputs))


# Parameters: one flat vector and views of it.
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_params_are_all_coefs_then_all_intercepts(dtype, fit_intercept):
    net = fastbp.Network(SIZES, dtype=dtype, fit_intercept=fit_intercept)
    n_coefs, n_intercepts = 15 + 20 + 8, (5 + 4 + 2) * fit_intercept
    assert net.n_params == n_coefs + n_intercepts
    assert net.params.shape == (net.n_params,)
    assert net.params.flags.c_contiguous and net.params.flags.writeable
    assert isinstance(net.coefs, tuple) and isinstance(net.intercepts, tuple)
    assert [coef.shape for coef in net.coefs] == [(3, 5), (5, 4), (4, 2)]
    expected = [(5,), (4,), (2,)] if fit_intercept else []
    assert [intercept.shape for intercept in net.intercepts] == expected
    assert {part.dtype for part in (net.params, *net.coefs, *net.intercepts)} == {np.dtype(dtype)}

    net.params[:] = np.arange(net.n_params)
    parts = [part.ravel() for part in net.coefs + net.intercepts]
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(net.n_params))


def test_no_intercepts_is_an_empty_tuple():
    assert fastbp.Network(SIZES, fit_intercept=False).intercepts == ()


def test_views_share_memory_with_params_in_both_directions():
    net = fastbp.Network(SIZES, random_state=0)
    X, _ = data()
    for part in net.coefs + net.intercepts:
        assert np.shares_memory(part, net.params)
        assert part.flags.writeable and part.flags.c_contiguous
    net.intercepts[-1][:] = [7.0, 8.0]
    np.testing.assert_array_equal(net.params[-2:], [7.0, 8.0])
    before = net.forward(X)
    net.coefs[-1][:] = 0
    np.testing.assert_array_equal(net.params[15 + 20 : 15 + 20 + 8], 0)
    after = net.forward(X)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, np.tile([7.0, 8.0], (len(X), 1)))


def test_gradient_has_the_layout_of_params():
    net = fastbp.Network(SIZES, random_state=0)
    gradient = net.loss_gradient(*data())
    assert isinstance(gradient.loss, float)
    assert [grad.shape for grad in gradient.coefs] == [coef.shape for coef in net.coefs]
    assert [grad.shape for grad in gradient.intercepts] == [b.shape for b in net.intercepts]
    parts = [grad.ravel() for grad in (*gradient.coefs, *gradient.intercepts)]
    np.testing.assert_array_equal(gradient.flat, np.concatenate(parts))


def test_results_belong_to_the_caller():
    """A later call does not overwrite what an earlier one returned."""
    net = fastbp.Network(SIZES, random_state=0)
    X, y = data()
    outputs, gradient = net.forward(X), net.loss_gradient(X, y)
    activations, rows = net.activations(X), net.per_sample_gradients(X, y)
    kept = copy.deepcopy([outputs, gradient.flat, activations, rows])
    net.params *= 2
    net.forward(2 * X), net.loss_gradient(2 * X, y)
    net.activations(2 * X), net.per_sample_gradients(2 * X, y)
    for now, then in zip([outputs, gradient.flat, rows], [kept[0], kept[1], kept[3]], strict=True):
        np.testing.assert_array_equal(now, then)
    for now, then in zip(activations, kept[2], strict=True):
        np.testing.assert_array_equal(now, then)


def test_shapes_of_the_results():
    net = fastbp.Network(SIZES, random_state=0)
    X, y = data()
    assert net.forward(X).shape == (6, 2)
    activations = net.activations(X)
    assert [a.shape for a in activations] == [(6, 3), (6, 5), (6, 4), (6, 2)]
    np.testing.assert_array_equal(activations[0], X)
    np.testing.assert_array_equal(activations[-1], net.forward(X))
    assert net.per_sample_gradients(X, y).shape == (6, net.n_params)
    assert isinstance(net.loss(X, y), float)


def test_arguments_can_be_read_back():
    arguments = dict(activation="tanh", output_activation="logistic", loss_scale=2.0)
    arguments |= dict(reduction="sum", l2=0.25, fit_intercept=False)
    net = fastbp.Network(SIZES, loss="log_loss", dtype="float32", **arguments)
    assert list(net.layer_sizes) == SIZES
    assert {name: getattr(net, name) for name in arguments} == arguments
    assert np.dtype(net.dtype) == np.float32
    assert net.hidden_activations == ("tanh", "tanh")

    arguments = dict(activation=("gelu", "relu"), l1=0.5, huber_delta=0.25, quantile=(0.1, 0.9))
    net = fastbp.Network(SIZES, loss="quantile", **arguments)
    assert {name: getattr(net, name) for name in arguments} == arguments
    assert net.loss_name == "quantile"
    assert net.hidden_activations == ("gelu", "relu")
    net = fastbp.Network(SIZES, output_activation="softmax", loss="log_loss", label_smoothing=0.1)
    assert net.label_smoothing == 0.1


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_activations_of_each_layer(container):
    names = ["tanh", "logistic"]
    net = fastbp.Network(SIZES, activation=container(names), random_state=0)
    assert net.activation == net.hidden_activations == ("tanh", "logistic")
    assert {type(name) for name in net.hidden_activations} <= {str, np.str_}
    X, _ = data()
    first = fastbp.Network(SIZES[:2], random_state=0)
    first.coefs[0][:], first.intercepts[0][:] = net.coefs[0], net.intercepts[0]
    np.testing.assert_allclose(net.activations(X)[1], np.tanh(first.forward(X)), rtol=1e-14)
    # the same name for each layer is the name for all
    same = fastbp.Network(SIZES, activation=container(["tanh", "tanh"]), random_state=0)
    one = fastbp.Network(SIZES, activation="tanh", random_state=0)
    np.testing.assert_array_equal(same.params, one.params)
    np.testing.assert_array_equal(same.forward(X), one.forward(X))


def test_no_activations_for_no_hidden_layers():
    for activation in "relu", [], ():
        net = fastbp.Network([3, 2], activation=activation, random_state=0)
        assert net.hidden_activations == ()
        assert net.forward(data()[0]).shape == (6, 2)


def test_repr_names_what_was_chosen():
    net = fastbp.Network(
        [3, 5, 2], activation="tanh", output_activation="softmax", loss="log_loss", l2=0.125
    )
    for word in "Network", "3, 5, 2", "tanh", "softmax", "log_loss", "0.125":
        assert word in repr(net)


# Initial weights.
def test_random_state_is_reproducible():
    def draw(random_state):
        return fastbp.Network(SIZES, random_state=random_state).params

    np.testing.assert_array_equal(draw(3), draw(3))
    np.testing.assert_array_equal(draw(3), draw(np.random.RandomState(3)))
    assert not np.array_equal(draw(3), draw(4))
    assert not np.array_equal(draw(None), draw(None))
    generator = np.random.RandomState(3)
    assert not np.array_equal(draw(generator), draw(generator))


def test_constructor_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()
    fastbp.Network(SIZES, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_initial_weights_are_those_of_scikit_learn(activation, dtype):
    X, y = data()
    # One epoch of steps too small to change a weight by a single bit.
    mlp = MLPRegressor(
        hidden_layer_sizes=(5, 4),
        activation=activation,
        solver="sgd",
        learning_rate_init=1e-30,
        max_iter=1,
        random_state=11,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X.astype(dtype), y.astype(dtype))
    net = fastbp.Network([3, 5, 4, 2], activation=activation, dtype=dtype, random_state=11)
    for ours, theirs in zip(
        net.coefs + net.intercepts, [*mlp.coefs_, *mlp.intercepts_], strict=True
    ):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


OTHER_ACTIVATIONS = sorted(core.ACTIVATIONS.keys() - {"identity", "logistic", "tanh", "relu"})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", OTHER_ACTIVATIONS)
def test_initial_weights_of_the_other_activations(activation, dtype):
    """He's, for selu LeCun's, and no draws for intercepts; the output layer has Glorot's."""
    assert len(OTHER_ACTIVATIONS) == 7
    net = fastbp.Network([3, 5, 4, 2], activation=activation, dtype=dtype, random_state=11)
    random_state = np.random.RandomState(11)
    factor = 3 if activation == "selu" else 6
    bounds = [np.sqrt(factor / 3), np.sqrt(factor / 5), np.sqrt(6 / (4 + 2))]
    for coef, bound in zip(net.coefs, bounds, strict=True):
        expected = random_state.uniform(-bound, bound, coef.shape).astype(dtype)
        np.testing.assert_array_equal(coef, expected)
    expected = random_state.uniform(-bounds[-1], bounds[-1], 2).astype(dtype)
    for intercept, values in zip(net.intercepts, [0, 0, expected], strict=True):
        np.testing.assert_array_equal(intercept, values)


def test_initial_weights_suit_the_activation_of_their_layer():
    wide = [200, 300, 100, 50]
    net = fastbp.Network(wide, activation=["selu", "logistic"], random_state=0)
    bounds = np.sqrt([3 / 200, 2 / (300 + 100), 2 / (100 + 50)])
    for coef, bound in zip(net.coefs, bounds, strict=True):
        assert 0.99 * bound < np.abs(coef).max() <= bound
    assert not net.intercepts[0].any()
    assert net.intercepts[1].all() and net.intercepts[2].all()


def test_prediction_of_scikit_learn_from_its_weights():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(3, size=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp = MLPClassifier((6,), activation="logistic", max_iter=20, random_state=0).fit(X, y)
    net = fastbp.Network(
        [3, 6, 3], activation="logistic", output_activation="softmax", loss="log_loss"
    )
    for part, values in zip(net.coefs + net.intercepts, mlp.coefs_ + mlp.intercepts_, strict=True):
        part[:] = values
    np.testing.assert_allclose(net.forward(X), mlp.predict_proba(X), rtol=1e-12)


# Arguments.
def test_every_allowed_pair_has_a_twin_and_works():
    allowed = set(itertools.product(core.OUTPUTS, core.LOSSES)) - REFUSED_PAIRS
    assert allowed == set(LOSSES)
    X, y = data()
    for output, loss in allowed:
        net = fastbp.Network(SIZES, output_activation=output, loss=loss)
        assert np.isfinite(net.loss(X, y))


@pytest.mark.parametrize("pair", sorted(REFUSED_PAIRS), ids="-".join)
def test_refused_pairs_name_both_and_what_fits(pair):
    output, loss = pair
    with pytest.raises(ValueError) as error:
        fastbp.Network(SIZES, output_activation=output, loss=loss)
    message = str(error.value)
    assert output in message and loss in message
    assert "logistic" in message and "softmax" in message


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("activation", list(core.ACTIVATIONS)),
        ("output_activation", list(core.OUTPUTS)),
        ("loss", list(core.LOSSES)),
        ("reduction", ["mean", "sum"]),
        ("dtype", ["float64", "float32"]),
    ],
)
@pytest.mark.parametrize("value", ["no_such_name", "", None, 3, ["relu"]])
def test_unknown_names_are_refused_with_the_allowed_ones(name, allowed, value):
    with pytest.raises((ValueError, TypeError)) as error:
        fastbp.Network(SIZES, **{name: value})
    message = str(error.value)
    assert name in message
    assert repr(value) in message
    for choice in allowed:
        assert choice in message


@pytest.mark.parametrize("activation", [[], ["relu"], ["relu"] * 3, ()], ids=str)
def test_one_activation_for_each_hidden_layer(activation):
    with pytest.raises(ValueError) as error:
        fastbp.Network(SIZES, activation=activation)
    assert f"activation={list(activation)}" in str(error.value)
    assert "2 hidden layers" in str(error.value)


@pytest.mark.parametrize("name", ["no_such_name", None, 3, ["relu"]])
def test_the_layer_of_an_unknown_activation_is_named(name):
    with pytest.raises(ValueError) as error:
        fastbp.Network(SIZES, activation=["relu", name])
    assert f"activation[1]={name!r}" in str(error.value)
    for choice in core.ACTIVATIONS:
        assert choice in str(error.value)


@pytest.mark.parametrize(
    "layer_sizes",
    [[], [3], [3, 0], [0, 3], [3, -1, 2], [3, 2.5], [3, "4"], [3, None], 3, None, "34", [[3, 4]]],
)
def test_layer_sizes_must_be_two_or_more_positive_integers(layer_sizes):
    with pytest.raises((ValueError, TypeError), match="layer_sizes"):
        fastbp.Network(layer_sizes)


def test_layer_sizes_too_large_for_any_memory_are_refused():
    for layer_sizes in [2**40, 2**40], [2**31, 2**31, 2**31], [2**62, 4]:
        with pytest.raises((ValueError, MemoryError, OverflowError)):
            fastbp.Network(layer_sizes)


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_layer_sizes_may_be_any_sequence(container):
    net = fastbp.Network(container(SIZES))
    assert list(net.layer_sizes) == SIZES
    assert net.forward(data()[0]).shape == (6, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("l2", -0.1),
        ("l2", np.nan),
        ("l2", np.inf),
        ("l2", "1"),
        ("l2", None),
        ("loss_scale", np.nan),
        ("loss_scale", np.inf),
        ("loss_scale", "1"),
        ("loss_scale", None),
        ("l1", -0.1),
        ("l1", np.nan),
        ("l1", np.inf),
        ("l1", "1"),
        ("l1", None),
        ("label_smoothing", -0.1),
        ("label_smoothing", 1.0),
        ("label_smoothing", np.nan),
        ("label_smoothing", None),
        ("huber_delta", 0.0),
        ("huber_delta", -1.0),
        ("huber_delta", np.inf),
        ("huber_delta", "1"),
        ("quantile", 0.0),
        ("quantile", 1.0),
        ("quantile", np.nan),
        ("quantile", None),
        ("quantile", [0.5, 0.5]),
        ("quantile", [0.9, 0.1]),
        ("quantile", []),
        ("random_state", -1),
        ("random_state", "seed"),
    ],
)
def test_bad_numbers_are_refused_by_name(name, value):
    with pytest.raises((ValueError, TypeError)) as error:
        fastbp.Network(SIZES, **{name: value})
    assert name in str(error.value)
    assert str(value) in str(error.value)


def test_quantiles_are_as_many_as_outputs():
    for quantiles in [0.5], [0.1, 0.5, 0.9]:
        with pytest.raises(ValueError, match=f"{len(quantiles)} entries for 2 outputs") as error:
            fastbp.Network(SIZES, loss="quantile", quantile=quantiles)
        assert str(quantiles) in str(error.value)
    with pytest.raises(ValueError, match=r"quantile\[1\].*1\.5"):
        fastbp.Network(SIZES, loss="quantile", quantile=[0.5, 1.5])


def test_a_column_of_targets_is_compared_with_every_quantile():
    net = fastbp.Network(SIZES, loss="quantile", quantile=[0.1, 0.9], random_state=0)
    X, y = data(n_outputs=1)
    expected = net.loss_gradient(X, np.hstack([y, y]))
    for targets in y, y.ravel(), y.tolist():
        actual = net.loss_gradient(X, targets)
        assert actual.loss == expected.loss
        np.testing.assert_array_equal(actual.flat, expected.flat)
    # one quantile of two outputs is no such thing
    net = fastbp.Network(SIZES, loss="quantile", quantile=0.1, random_state=0)
    with pytest.raises(ValueError):
        net.loss(X, y)


@pytest.mark.parametrize(
    ("output", "loss"),
    sorted(set(LOSSES) - set(itertools.product(SMOOTHED_OUTPUTS, SMOOTHED_LOSSES))),
)
def test_labels_are_smoothed_only_where_that_means_something(output, loss):
    fastbp.Network(SIZES, output_activation=output, loss=loss, label_smoothing=0)
    with pytest.raises(ValueError, match="label_smoothing=0.1") as error:
        fastbp.Network(SIZES, output_activation=output, loss=loss, label_smoothing=0.1)
    for word in output, loss, *SMOOTHED_OUTPUTS, *SMOOTHED_LOSSES:
        assert repr(word) in str(error.value)


def test_everything_but_layer_sizes_is_keyword_only():
    with pytest.raises(TypeError):
        fastbp.Network(SIZES, "tanh")


# Data.
def bad_data():
    X, y = data()
    w = np.ones(6)
    hole = X.copy()
    hole[2, 1] = np.nan
    infinite = X.copy()
    infinite[0, 0] = np.inf
    y_hole = y.copy()
    y_hole[3, 0] = np.nan
    w_hole = w.copy()
    w_hole[1] = np.nan
    return {
        "X of one dimension": (X[0], y, None),
        "X of three dimensions": (X[None], y, None),
        "X with a column too few": (X[:, :2], y, None),
        "X with a column too many": (np.c_[X, X], y, None),
        "sparse X with a column too few": (sparse.csr_matrix(X[:, :2]), y, None),
        "X without rows": (X[:0], y[:0], None),
        "X None": (None, y, None),
        "X of strings": (np.full((6, 3), "a"), y, None),
        "X complex": (X + 1j, y, None),
        "X with NaN": (hole, y, None),
        "X with infinity": (infinite, y, None),
        "sparse X with NaN": (sparse.csr_matrix(hole), y, None),
        "y None": (X, None, None),
        "y with a row too few": (X, y[:5], None),
        "y with a column too few": (X, y[:, :1], None),
        "y of three dimensions": (X, y[:, :, None], None),
        "y with NaN": (X, y_hole, None),
        "weights too few": (X, y, w[:5]),
        "weights of two dimensions": (X, y, w[:, None] * np.ones(2)),
        "weights with NaN": (X, y, w_hole),
        "weights with a negative one": (X, y, -np.eye(6)[0]),
        "weights all zero": (X, y, 0 * w),
        "weights of strings": (X, y, ["heavy"] * 6),
    }


@pytest.mark.parametrize("case", bad_data())
def test_bad_data_is_refused(case):
    net = fastbp.Network([3, 4, 2], random_state=0)
    X, y, sample_weight = bad_data()[case]
    for function in net.loss, net.loss_gradient:
        with pytest.raises((ValueError, TypeError)) as error:
            function(X, y, sample_weight)
        assert len(str(error.value)) > 10
    if sample_weight is None:
        with pytest.raises((ValueError, TypeError)):
            net.per_sample_gradients(X, y)
    if case.startswith(("X", "sparse X")):
        for function in net.forward, net.activations:
            with pytest.raises((ValueError, TypeError)):
                function(X)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_integer_labels_equal_one_hot(build, dtype):
    net = fastbp.Network(
        [3, 5, 4], output_activation="softmax", loss="log_loss", dtype=dtype, random_state=0
    )
    X, _ = data()
    labels = np.array([0, 3, 1, 1, 2, 0])
    one_hot = np.eye(4)[labels]
    weights = np.arange(1.0, 7.0)
    for y in labels, labels.astype(np.int8), labels.astype(np.uint32), labels.tolist():
        assert net.loss(X, y, weights) == net.loss(X, one_hot, weights)
        actual = net.loss_gradient(X, y, weights).flat
        np.testing.assert_array_equal(actual, net.loss_gradient(X, one_hot, weights).flat)
        actual = net.per_sample_gradients(X, y)
        np.testing.assert_array_equal(actual, net.per_sample_gradients(X, one_hot))


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4, 0], [0, 1, -1, 2, 3, 0]])
def test_labels_outside_the_outputs_are_refused(labels):
    net = fastbp.Network([3, 5, 4], output_activation="softmax", loss="log_loss")
    with pytest.raises(ValueError):
        net.loss(data()[0], np.array(labels))


@pytest.mark.parametrize(
    ("output", "loss", "target"),
    [
        ("logistic", "log_loss", 1.5),
        ("logistic", "log_loss", -0.25),
        ("softmax", "log_loss", -0.25),
        ("exp", "poisson", -0.25),
        ("logistic", "poisson", -0.25),
        ("exp", "gamma", -0.25),
        ("exp", "gamma", 0.0),
        ("softmax", "gamma", 0.0),
    ],
)
def test_targets_that_the_loss_cannot_take_are_refused_by_value(output, loss, target):
    net = fastbp.Network(SIZES, output_activation=output, loss=loss)
    X, y = data()
    y[3, 1] = target
    for function in net.loss, net.loss_gradient, net.per_sample_gradients:
        with pytest.raises(ValueError, match=str(target)):
            function(X, y)


@pytest.mark.parametrize("output", SMOOTHED_OUTPUTS)
@pytest.mark.parametrize("target", [1.5, -0.25])
def test_targets_that_cannot_be_smoothed_are_refused_by_value(output, target):
    X, y = data()
    y[3, 1] = target
    settings = dict(output_activation=output, loss="squared_error")
    fastbp.Network(SIZES, **settings).loss(X, y)
    with pytest.raises(ValueError, match=str(target)):
        fastbp.Network(SIZES, **settings, label_smoothing=0.1).loss(X, y)


def test_one_output_takes_targets_of_one_dimension():
    net = fastbp.Network([3, 4, 1], random_state=0)
    X, y = data(n_outputs=1)
    assert net.loss(X, y.ravel()) == net.loss(X, y)
    actual = net.loss_gradient(X, y.ravel()).flat
    np.testing.assert_array_equal(actual, net.loss_gradient(X, y).flat)


def misaligned(array):
    buffer = np.zeros(array.nbytes + 1, dtype=np.uint8)
    copied = buffer[1:].view(array.dtype).reshape(array.shape)
    copied[:] = array
    assert not copied.flags.aligned
    return copied


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORMS = {
    "list": np.ndarray.tolist,
    "read-only": read_only,
    "Fortran order": np.asfortranarray,
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "negative strides": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "every second column": lambda array: np.repeat(array, 2, axis=1)[:, ::2],
    "misaligned": misaligned,
    "longer float": lambda array: array.astype(np.longdouble),
}


@pytest.mark.parametrize("form", FORMS)
def test_data_in_every_form_gives_the_same_numbers(form):
    net = fastbp.Network([3, 5, 2], activation="tanh", random_state=0)
    X, y = data()
    convert = FORMS[form]
    weights = convert(np.arange(1.0, 7.0)[:, None])
    weights = [row[0] for row in weights] if form == "list" else weights[:, 0]
    inputs, targets = convert(X), convert(y)
    kept = copy.deepcopy((inputs, targets, weights))
    expected = net.loss_gradient(X, y, np.arange(1.0, 7.0))
    actual = net.loss_gradient(inputs, targets, weights)
    assert actual.loss == expected.loss
    np.testing.assert_array_equal(actual.flat, expected.flat)
    np.testing.assert_array_equal(net.forward(inputs), net.forward(X))
    np.testing.assert_array_equal(
        net.per_sample_gradients(inputs, targets), net.per_sample_gradients(X, y)
    )
    for now, then in zip((inputs, targets, weights), kept, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("dtype", ["int32", "bool", "float16", "uint8"])
def test_other_number_types_are_converted(dtype):
    net = fastbp.Network([3, 5, 2], activation="tanh", random_state=0)
    X, y = data()
    inputs, targets = (10 * X).clip(0).astype(dtype), (3 * y).astype(dtype)
    expected = net.loss_gradient(inputs.astype(float), targets.astype(float)).flat
    np.testing.assert_array_equal(net.loss_gradient(inputs, targets).flat, expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results_have_the_dtype_of_the_network(dtype):
    net = fastbp.Network(SIZES, dtype=dtype)
    for X, y in [data(), [part.astype("float32") for part in data()]]:
        gradient = net.loss_gradient(X, y)
        arrays = [net.forward(X), gradient.flat, net.per_sample_gradients(X, y)]
        arrays += [*net.activations(X), *gradient.coefs, *gradient.intercepts]
        assert {array.dtype for array in arrays} == {np.dtype(dtype)}


def test_a_row_of_weight_zero_counts_for_nothing():
    net = fastbp.Network(SIZES, random_state=0)
    X, y = data()
    weights = np.array([1.0, 0, 2, 0, 1, 3])
    kept = weights > 0
    expected = net.loss_gradient(X[kept], y[kept], weights[kept])
    actual = net.loss_gradient(X, y, weights)
    assert actual.loss == pytest.approx(expected.loss, rel=1e-14)
    np.testing.assert_allclose(actual.flat, expected.flat, rtol=0, atol=1e-14)


def test_weights_equal_repeated_rows():
    X, y = data()
    counts = np.array([1, 3, 2, 1, 4, 1])
    for reduction in "mean", "sum":
        net = fastbp.Network(SIZES, reduction=reduction, l2=0.1, random_state=0)
        expected = net.loss_gradient(np.repeat(X, counts, axis=0), np.repeat(y, counts, axis=0))
        actual = net.loss_gradient(X, y, counts)
        assert actual.loss == pytest.approx(expected.loss, rel=1e-13)
        scale = np.abs(expected.flat).max()
        np.testing.assert_allclose(actual.flat, expected.flat, rtol=0, atol=1e-13 * scale)


# A user's own loss.
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_users_loss_is_given_arrays_that_are_its_own(build, dtype):
    given = []

    class Recorder(CauchyLoss):
        def loss(self, y, outputs):
            given.append((y, outputs))
            return super().loss(y, outputs)

        def gradient(self, y, outputs):
            given.append((y, outputs))
            return super().gradient(y, outputs)

    net = fastbp.Network(SIZES, loss=Recorder(), dtype=dtype, random_state=0)
    X, y = data()
    net.loss_gradient(X, y), net.per_sample_gradients(X, y), net.input_gradient(X, y)
    expected = net.forward(X)
    net.params *= 2
    net.loss(2 * X, 1 - y)
    assert len(given) == 5
    for targets, outputs in given:
        for array in targets, outputs:
            assert array.shape == (6, 2) and array.dtype == dtype
            assert not array.flags.writeable
    for targets, outputs in given[:-1]:  # kept, and not written over
        np.testing.assert_array_equal(targets, y.astype(dtype))
        np.testing.assert_array_equal(outputs, expected)


@pytest.mark.parametrize("method", ["loss", "gradient"])
@pytest.mark.parametrize("error", [ZeroDivisionError("by the user"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_a_users_loss_passes_through(build, method, error):
    net = fastbp.Network(SIZES, loss=CauchyLoss(), random_state=0)
    X, y = data()
    expected = net.loss_gradient(X, y)

    def fail(y, outputs):
        raise error

    setattr(net.loss_name, method, fail)
    functions = [net.loss_gradient]
    functions += [net.loss] if method == "loss" else [net.per_sample_gradients, net.input_gradient]
    for function in functions:
        with pytest.raises(type(error)) as caught:
            function(X, y)
        assert caught.value is error
    delattr(net.loss_name, method)
    assert net.loss(X, y) == expected.loss
    np.testing.assert_array_equal(net.loss_gradient(X, y).flat, expected.flat)


@pytest.mark.parametrize(
    "returned",
    [
        None,
        0.5,
        np.zeros(5),
        np.zeros((6, 1)),
        np.zeros((2, 6)),
        np.zeros((6, 2, 1)),
        np.zeros((6, 2), complex),
        np.full((6, 2), "a"),
        np.zeros((6, 2), object),
    ],
    ids=repr,
)
@pytest.mark.parametrize("method", ["loss", "gradient"])
def test_what_a_users_loss_returns_is_checked(build, method, returned):
    net = fastbp.Network(SIZES, loss=CauchyLoss(), random_state=0)
    setattr(net.loss_name, method, lambda y, outputs: returned)
    with pytest.raises(ValueError, match=rf"{method}\(\) must return"):
        net.loss_gradient(*data())


@pytest.mark.parametrize("convert", [np.asarray, np.asfortranarray, np.ndarray.tolist])
def test_a_users_loss_may_return_any_numbers(build, convert):
    class Squared:
        def loss(self, y, outputs):
            return convert(((outputs - y) ** 2).sum(axis=1))

        def gradient(self, y, outputs):
            return convert(2 * (outputs - y))

    net = fastbp.Network(SIZES, loss=Squared(), random_state=0)
    same = fastbp.Network(SIZES, loss="squared_error", loss_scale=2, random_state=0)
    actual, expected = net.loss_gradient(*data()), same.loss_gradient(*data())
    assert actual.loss == pytest.approx(expected.loss, rel=1e-14)
    np.testing.assert_allclose(actual.flat, expected.flat, rtol=1e-12)


class WithoutGradient:
    def loss(self, y, outputs):
        return np.zeros(len(y))


@pytest.mark.parametrize(
    "loss", [WithoutGradient(), CauchyLoss, len, 3], ids=["object", "class", "function", "int"]
)
def test_a_users_loss_is_an_object_with_two_methods(loss):
    with pytest.raises(TypeError) as error:
        fastbp.Network(SIZES, loss=loss)
    for word in repr(loss), "loss(y, outputs)", "gradient(y, outputs)":
        assert word in str(error.value)


# Copies.
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy]
    + [
        lambda net, protocol=protocol: pickle.loads(pickle.dumps(net, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ],
    ids=["copy", "deepcopy"]
    + [f"pickle{protocol}" for protocol in range(pickle.HIGHEST_PROTOCOL + 1)],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_copies_compute_the_same_and_keep_their_views(duplicate, dtype):
    arguments = dict(activation="tanh", output_activation="softmax", loss="log_loss")
    arguments |= dict(loss_scale=2.0, reduction="sum", l2=0.1, dtype=dtype)
    net = fastbp.Network([3, 5, 2], **arguments, random_state=0)
    X, y = data()
    net.params *= 1.5
    twin = duplicate(net)
    assert repr(twin) == repr(net)
    assert twin.params.dtype == net.params.dtype
    np.testing.assert_array_equal(twin.params, net.params)
    expected = net.loss_gradient(X, y)
    actual = twin.loss_gradient(X, y)
    assert actual.loss == expected.loss
    np.testing.assert_array_equal(actual.flat, expected.flat)
    for part in twin.coefs + twin.intercepts:
        assert np.shares_memory(part, twin.params)
    twin.coefs[0][:] = 0
    np.testing.assert_array_equal(twin.params[:15], 0)
    assert twin.loss(X, y) != expected.loss


@pytest.mark.parametrize(
    "settings",
    [
        dict(activation=["selu", "mish"], l1=0.3),
        dict(loss="huber", huber_delta=0.25, output_activation="increasing"),
        dict(loss="quantile", quantile=[0.1, 0.9], output_activation="increasing"),
        dict(loss="log_loss", output_activation="logistic", label_smoothing=0.2),
        dict(loss=CauchyLoss(0.7), output_activation="exp"),
    ],
    ids=str,
)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_keep_every_setting(duplicate, settings):
    net = fastbp.Network(SIZES, **settings, random_state=0)
    twin = duplicate(net)
    for name in settings:
        attribute = "loss_name" if name == "loss" else name
        assert getattr(twin, attribute) == getattr(net, attribute)
    X, y = data()
    np.testing.assert_array_equal(twin.loss_gradient(X, y).flat, net.loss_gradient(X, y).flat)
    np.testing.assert_array_equal(twin.jacobian(X), net.jacobian(X))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_deep_copies_are_independent(duplicate):
    net = fastbp.Network(SIZES, random_state=0)
    before = net.params.copy()
    duplicate(net).params[:] = 0
    np.testing.assert_array_equal(net.params, before)
