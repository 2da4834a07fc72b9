"""Parameters at the input gate: what is refused, and in which words."""

import tracemalloc
import warnings

import numpy as np
import pytest
from arrays import byte_swapped, unaligned
from covering import in_turn
from own_losses import LogCosh
from problems import CUT_SHORT, ESTIMATORS, N_FEATURES, RAGGED, SCIKIT, tiny
from sklearn.exceptions import ConvergenceWarning
from tables import BOTH, make_quarters, make_targets, same_arrays, train

from fastbp import BackpropClassifier, BackpropRegressor, Network

pytestmark = [CUT_SHORT, RAGGED]

# --- layers ---------------------------------------------------------------------------------------

ABSURD_LAYERS = [
    0,
    -3,
    2.5,
    np.nan,
    None,
    "abc",
    (0,),
    (5, 0),
    (5, -1),
    (2.5,),
    ("5",),
    (None,),
    ((3, 4),),
    (5, np.nan),
]
TOO_LARGE_LAYERS = [(2**31,), (10**12,), (2**62, 2**62), (10**30,), (2**31 - 1, 2**31 - 1)]


@ESTIMATORS
@pytest.mark.parametrize("layers", ABSURD_LAYERS, ids=str)
def test_absurd_hidden_layers(cls, layers):
    X, y = make_quarters(), make_targets(cls)
    with pytest.raises((ValueError, TypeError), match="hidden_layer_sizes"):
        tiny(cls, hidden_layer_sizes=layers).fit(X, y)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        SCIKIT[cls](hidden_layer_sizes=layers).fit(X, y)


def peak_of(action):
    """The most bytes that are allocated at any time during an action."""
    tracemalloc.start()
    try:
        action()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@ESTIMATORS
@pytest.mark.parametrize("layers", TOO_LARGE_LAYERS, ids=str)
def test_hidden_layers_too_large_for_memory(cls, layers):
    """They are refused before memory is allocated and before a product of sizes overflows."""
    X, y = make_quarters(), make_targets(cls)

    def refuse():
        with pytest.raises((ValueError, MemoryError)):
            tiny(cls, hidden_layer_sizes=layers).fit(X, y)
        with pytest.raises((ValueError, MemoryError)):
            Network([N_FEATURES, *layers, 1])

    assert peak_of(refuse) < 10_000_000


@ESTIMATORS
@pytest.mark.parametrize(
    "layers", [3, [3], (3,), np.array([3]), np.int32(3), (np.int64(3),), range(3, 4)], ids=repr
)
def test_hidden_layers_in_every_form(cls, layers):
    X, y = make_quarters(), make_targets(cls)
    same_arrays(
        train("fit", tiny(cls, hidden_layer_sizes=layers), X, y), train("fit", tiny(cls), X, y)
    )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([4], ValueError),
        ([], ValueError),
        ([4, 0], ValueError),
        ([0, 3], ValueError),
        ([4, -1], ValueError),
        ([4, 2.0], TypeError),
        ([4, "2"], TypeError),
        ([4, None], TypeError),
        ([4, True], TypeError),
        (4, TypeError),
        (None, TypeError),
        ("43", TypeError),
    ],
    ids=str,
)
def test_absurd_network_sizes(sizes, expected):
    with pytest.raises(expected, match="layer_sizes"):
        Network(sizes)


# --- parameters -----------------------------------------------------------------------------------

BAD_PARAMETERS = [
    ("activation", ["sigmoid", "softmax", None, 3]),
    ("solver", ["newton", "ADAM", None]),
    ("alpha", [-1.0, np.nan, "0.1", None]),
    ("batch_size", [0, -1, 2.5, "all", None]),
    ("learning_rate", ["linear", None, 0.1]),
    ("learning_rate_init", [0.0, -0.1, np.nan, "fast"]),
    ("power_t", [-1.0, np.nan]),
    ("max_iter", [0, -5, 2.5, None]),
    ("shuffle", ["yes", None, 2]),
    ("random_state", [-1, 2.5, "seed"]),
    ("tol", [-1e-4, np.nan, None]),
    ("verbose", ["yes", -1]),
    ("warm_start", ["yes", None]),
    ("momentum", [-0.1, 1.1, np.nan]),
    ("nesterovs_momentum", ["yes", None]),
    ("early_stopping", ["yes", None]),
    ("validation_fraction", [-0.1, 1.0, np.nan]),
    ("beta_1", [-0.1, 1.0, np.nan]),
    ("beta_2", [-0.1, 1.0, np.nan]),
    ("epsilon", [0.0, -1e-8, np.nan]),
    ("n_iter_no_change", [0, -1, 2.5, None]),
    ("max_fun", [0, -1, 2.5]),
]
NEW_BAD_PARAMETERS = [
    ("output_activation", ["sigmoid", None, 3]),
    ("fit_intercept", ["yes", None]),
    ("loss", ["mse", None, "hinge"]),
    ("n_threads", [0, -1, 1.5, "two"]),
    ("activation", [["sigmoid"], [None], ["relu", "relu"], [], "gelu, relu", np.array(["relu"])]),
    ("learning_rate", ["exp", ["cosine"]]),
    ("decay_rate", [0.0, -0.1, 1.1, np.nan, None]),
    ("warmup_epochs", [-1, np.nan, None, "two"]),
    ("dropout", [-0.1, 1.0, np.nan, None]),
    ("input_dropout", [-0.1, 1.0, np.nan, None]),
    ("weight_decay", [-1.0, np.nan, None]),
    ("l1_ratio", [-0.1, 1.1, np.nan, None]),
    ("max_grad_norm", [0.0, -1.0, np.nan, "one"]),
    ("max_time", [0.0, -1.0, np.nan, "1s"]),
    ("scoring", ["accurate", 3, ["r2"]]),
]
NEW_BAD_PARAMETERS_OF_ONE = [
    (BackpropClassifier, "loss", ["poisson", "gamma", "huber"]),
    (BackpropClassifier, "output_activation", ["exp", "increasing"]),
    (BackpropClassifier, "label_smoothing", [-0.1, 1.0, np.nan, None]),
    (BackpropClassifier, "class_weight", ["even", 3, {0: -1.0}]),
    (BackpropRegressor, "loss", ["log_loss"]),
    (BackpropRegressor, "huber_delta", [0.0, -1.0, np.nan, None]),
    (BackpropRegressor, "quantile", [0.0, 1.0, np.nan, None, "half"]),
]


def flat(bad_parameters):
    return [
        pytest.param(name, value, id=f"{name}={value}")
        for name, values in bad_parameters
        for value in values
    ]


def error_of(action):
    try:
        action()
    except Exception as error:
        return error
    return None


@in_turn(("name", "value"), flat(BAD_PARAMETERS), cls=BOTH)
def test_bad_parameters_as_in_scikit_learn(cls, name, value):
    X, y = make_quarters(), make_targets(cls)
    theirs = error_of(lambda: SCIKIT[cls](**{name: value}).fit(X, y))
    assert isinstance(theirs, ValueError)
    for method in "fit", "partial_fit":
        estimator = tiny(cls, **{name: value})
        if (name, method) == ("solver", "partial_fit"):
            assert not hasattr(estimator, "partial_fit")
            continue
        ours = error_of(lambda: train(method, estimator, X, y))  # noqa: B023
        assert type(ours) is type(theirs), method
        assert name in str(ours), method


@in_turn(("name", "value"), flat(NEW_BAD_PARAMETERS), cls=BOTH)
def test_bad_new_parameters(cls, name, value):
    with pytest.raises(ValueError, match=name):
        tiny(cls, **{name: value}).fit(make_quarters(), make_targets(cls))


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        pytest.param(cls, name, value, id=f"{cls.__name__}-{name}={value}")
        for cls, name, values in NEW_BAD_PARAMETERS_OF_ONE
        for value in values
    ],
)
def test_bad_parameters_of_one_estimator(cls, name, value):
    with pytest.raises(ValueError, match=name):
        tiny(cls, **{name: value}).fit(make_quarters(), make_targets(cls))


@pytest.mark.parametrize("quantile", [[0.5, 0.5], [0.9, 0.1], [0.5, 1.5], [], [0.5, None]], ids=str)
def test_bad_quantiles(quantile):
    y = make_targets(BackpropRegressor)
    with pytest.raises((ValueError, TypeError), match="quantile"):
        tiny(BackpropRegressor, loss="quantile", quantile=quantile).fit(make_quarters(), y)


# Each value is allowed with other parameters.
BAD_COMBINATIONS = [
    (
        BackpropClassifier,
        {"label_smoothing": 0.1, "loss": "squared_error", "output_activation": "identity"},
    ),
    (BackpropClassifier, {"output_activation": "identity"}),
    (BackpropClassifier, {"solver": "levenberg_marquardt"}),
    (BackpropRegressor, {"solver": "levenberg_marquardt", "loss": "huber"}),
    (BackpropRegressor, {"solver": "levenberg_marquardt", "l1_ratio": 0.5}),
    (BackpropRegressor, {"solver": "levenberg_marquardt", "hidden_layer_sizes": (20000,)}),
    (BackpropRegressor, {"loss": "poisson", "output_activation": "identity"}),
    (BackpropRegressor, {"loss": "poisson", "output_activation": "increasing"}),
    (BackpropRegressor, {"loss": "gamma", "output_activation": "identity"}),
    (BackpropRegressor, {"loss": "gamma", "output_activation": "increasing"}),
]


@pytest.mark.parametrize(("cls", "params"), BAD_COMBINATIONS)
def test_bad_combinations(cls, params):
    estimator = tiny(cls, **params)
    before = vars(estimator).copy()
    y = make_targets(cls) + (0 if cls is BackpropClassifier else 0.25)
    with pytest.raises(ValueError) as caught:
        estimator.fit(make_quarters(), y)
    for name, value in params.items():
        if name != "hidden_layer_sizes":
            assert name in str(caught.value) and repr(value) in str(caught.value)
    assert vars(estimator) == before


@pytest.mark.parametrize(
    "params",
    [
        {"activation": "sigmoid"},
        {"activation": None},
        {"output_activation": "tanh"},
        {"loss": "mse"},
        {"reduction": "max"},
        {"dtype": "float16"},
        {"dtype": "int64"},
        {"dtype": "nonsense"},
        {"l2": -1.0},
        {"l2": np.nan},
        {"l2": np.inf},
        {"loss_scale": 0.0},
        {"loss_scale": -1.0},
        {"loss_scale": np.nan},
        {"loss_scale": "two"},
        {"random_state": "seed"},
        {"random_state": -1},
        {"loss": "log_loss", "output_activation": "identity"},
        {"loss": "log_loss", "output_activation": "exp"},
        {"loss": "poisson", "output_activation": "identity"},
        {"loss": "poisson", "output_activation": "increasing"},
        {"loss": "gamma", "output_activation": "identity"},
        {"loss": "gamma", "output_activation": "increasing"},
        {"activation": ["relu"]},
        {"l1": -1.0},
        {"label_smoothing": 1.0},
        {"label_smoothing": 0.1},
        {"huber_delta": 0.0},
        {"quantile": 1.0},
        {"quantile": [0.9, 0.1]},
    ],
    ids=str,
)
def test_bad_network_arguments(params):
    """The message for an unknown name lists the known ones."""
    with pytest.raises((ValueError, TypeError)) as caught:
        Network([3, 2], **params)
    assert any(name in str(caught.value) for name in params)
    for name, known in [("activation", "relu"), ("loss", "poisson"), ("dtype", "float32")]:
        if list(params) == [name]:
            assert known in str(caught.value)


@ESTIMATORS
def test_the_gate_is_silent(cls):
    """Odd data that are accepted give no warning, not even of overflow in a cast."""
    X, y = make_quarters(), make_targets(cls)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # a fit that is cut short is not a good one
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = tiny(cls, tol=1e3, n_iter_no_change=1, max_iter=9)
        estimator.fit(unaligned(byte_swapped(X)), y)
        estimator.predict(np.asfortranarray(X.astype(np.float16)))


# --- parameters of a loss -------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile", "huber", LogCosh()])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantile", 0.9),
        ("quantile", [0.1, 0.9]),
        ("quantile", np.array([0.1, 0.9])),
        ("huber_delta", 2.0),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "initialize"])
def test_a_parameter_of_another_loss(method, loss, name, value):
    own = {"quantile": "quantile", "huber_delta": "huber"}[name]
    estimator = tiny(BackpropRegressor, loss=loss, **{name: value})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        getattr(estimator, method)(make_quarters(), make_targets(BackpropRegressor) ** 2 + 0.1)
    said = [str(one.message) for one in caught if "no effect" in str(one.message)]
    expected = f"{name}={value!r} has no effect with loss={loss!r}: it is for loss={own!r}."
    assert said == ([] if own == loss else [expected])
    assert all(one.filename == __file__ for one in caught)


def test_defaults_of_the_parameters_of_a_loss_give_no_warning():
    estimator = tiny(BackpropRegressor, huber_delta=1, quantile=0.5)
    estimator.partial_fit(make_quarters(), make_targets(BackpropRegressor))
