"""The contract of fastbp.Network: parameters, initial weights, results, copies."""

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
from internals import ACTIVATIONS
from own_losses import Cauchy
from problems import SIZES, make_data
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import fastbp
from fastbp.initialization import GLOROT_FACTORS


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
    X, _ = make_data()
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
    gradient = net.loss_gradient(*make_data())
    assert isinstance(gradient.loss, float)
    assert [grad.shape for grad in gradient.coefs] == [coef.shape for coef in net.coefs]
    assert [grad.shape for grad in gradient.intercepts] == [b.shape for b in net.intercepts]
    parts = [grad.ravel() for grad in (*gradient.coefs, *gradient.intercepts)]
    np.testing.assert_array_equal(gradient.flat, np.concatenate(parts))


def test_results_belong_to_the_caller():
    """A later call does not overwrite what an earlier one returned."""
    net = fastbp.Network(SIZES, random_state=0)
    X, y = make_data()
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
    X, y = make_data()
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


FIXED = {
    "layer_sizes": (3, 5, 2),
    "activation": "tanh",
    "hidden_activations": ("tanh", "tanh"),
    "output_activation": "exp",
    "loss_name": "huber",
    "loss_scale": 2.0,
    "reduction": "sum",
    "label_smoothing": 0.1,
    "huber_delta": 0.5,
    "quantile": 0.1,
    "fit_intercept": False,
    "front": "scale",
    "n_periodic": 1,
    "dtype": np.dtype("float32"),
}


def test_the_compiled_part_follows_no_assignment_so_there_is_none():
    net, twin = (fastbp.Network(SIZES, random_state=0) for _ in range(2))
    for name, value in FIXED.items():
        with pytest.raises(AttributeError, match=f"{name} is fixed .* make a new Network"):
            setattr(net, name, value)
    for name in "coefs", "intercepts", "front_params", "n_params":
        with pytest.raises(AttributeError, match=name):
            setattr(net, name, ())
    assert repr(net) == repr(twin) == repr(net.copy()) == repr(pickle.loads(pickle.dumps(net)))


def test_every_setting_is_fixed_or_acts_at_once():
    settings = set(inspect.signature(fastbp.Network).parameters) - {"random_state", "loss"}
    assert settings | {"loss_name", "hidden_activations"} == {*FIXED, "l2", "l1"}
    net, (X, y) = fastbp.Network(SIZES, random_state=0), make_data()
    for factor in "l2", "l1":
        setattr(net, factor, 0.5)
        made = fastbp.Network(SIZES, l2=net.l2, l1=net.l1, random_state=0)
        assert net.loss(X, y) == made.loss(X, y)
        with pytest.raises(ValueError, match=factor):
            setattr(net, factor, -1)
        assert repr(net) == repr(made) == repr(net.copy())


def test_a_slip_makes_no_attribute():
    net = fastbp.Network(SIZES)
    with pytest.raises(AttributeError, match="no attribute 'param'"):
        net.param = 1

    class Named(fastbp.Network):
        pass

    net = Named(SIZES, random_state=0)
    net.name = "a subclass may have more"
    with pytest.raises(AttributeError, match="fixed"):
        net.activation = "tanh"


@pytest.mark.parametrize("container", [list, tuple, np.array])
def test_activations_of_each_layer(container):
    names = ["tanh", "logistic"]
    net = fastbp.Network(SIZES, activation=container(names), random_state=0)
    assert net.activation == net.hidden_activations == ("tanh", "logistic")
    assert {type(name) for name in net.hidden_activations} <= {str, np.str_}
    X, _ = make_data()
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
        assert net.forward(make_data()[0]).shape == (6, 2)


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
    X, y = make_data()
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


OTHER_ACTIVATIONS = sorted(set(ACTIVATIONS) - set(GLOROT_FACTORS))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", OTHER_ACTIVATIONS)
def test_initial_weights_of_the_other_activations(activation, dtype):
    """He's, for selu LeCun's, and no draws for intercepts; the output layer has Glorot's."""
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
    X, y = make_data()
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
        dict(loss=Cauchy(0.7), output_activation="exp"),
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
    X, y = make_data()
    np.testing.assert_array_equal(twin.loss_gradient(X, y).flat, net.loss_gradient(X, y).flat)
    np.testing.assert_array_equal(twin.jacobian(X), net.jacobian(X))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_deep_copies_are_independent(duplicate):
    net = fastbp.Network(SIZES, random_state=0)
    before = net.params.copy()
    duplicate(net).params[:] = 0
    np.testing.assert_array_equal(net.params, before)
