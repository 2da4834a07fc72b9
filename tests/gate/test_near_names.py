"""What the message about a wrong name adds: the name that was probably meant."""

import inspect

import pytest
from internals import ACTIVATIONS, LOSSES, OUTPUTS, SOLVERS
from problems import ESTIMATORS, make_task
from sklearn.metrics import get_scorer_names
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import (
    BackpropClassifier,
    BackpropRegressor,
    Network,
    TabularClassifier,
    TabularRegressor,
)
from fastbp.near_names import ARGUMENTS_ELSEWHERE, ELSEWHERE, PARAMETERS_ELSEWHERE, hint
from fastbp.training.schedules import SCHEDULES

EVERY = {*ACTIVATIONS, *LOSSES, *OUTPUTS, *SOLVERS, *SCHEDULES, *get_scorer_names()}


@pytest.mark.parametrize(("theirs", "ours"), ELSEWHERE.items())
def test_names_of_other_libraries_stand_for_ours(theirs, ours):
    assert ours in EVERY
    assert theirs not in EVERY


@pytest.mark.parametrize(
    ("parameter", "value", "meant"),
    [
        ("activation", "sigmoid", "Did you mean 'logistic'?"),
        ("activation", "ReLU", "Did you mean 'relu'?"),
        ("activation", "swish", "Did you mean 'silu'?"),
        ("solver", "adamw", "Did you mean 'adam' with weight_decay, which is AdamW's?"),
        ("solver", "L-BFGS", "Did you mean 'lbfgs'?"),
        ("learning_rate", "cosin", "Did you mean 'cosine'?"),
        ("scoring", "f1-macro", "Did you mean 'f1_macro'?"),
        ("loss", "MSE", "Did you mean 'squared_error'?"),
        ("output_activation", "sigmoid", "Did you mean 'logistic'?"),
        ("solver", "none of them", "Got 'none of them' instead."),
        ("n_threads", "adam", "Got 'adam' instead."),
    ],
)
@ESTIMATORS
def test_of_an_estimator(cls, parameter, value, meant):
    X, y = make_task(cls)
    with pytest.raises(ValueError) as caught:
        cls(**{parameter: value}).fit(X, y)
    assert str(caught.value).endswith(meant)


@pytest.mark.parametrize(
    ("params", "meant"),
    [
        ({"activation": "swish"}, "Did you mean 'silu'?"),
        ({"activation": ["tanh", "relux"]}, "Did you mean 'relu'?"),
        ({"loss": "mae"}, "Did you mean 'absolute_error'?"),
        ({"output_activation": "linear"}, "Did you mean 'identity'?"),
        ({"loss": "none of them"}, f"{LOSSES[-1]!r}."),
    ],
)
def test_of_a_network(params, meant):
    with pytest.raises(ValueError) as caught:
        Network([2, 3, 3, 1], **params)
    assert str(caught.value).endswith(meant)


@pytest.mark.parametrize("cls", [BackpropClassifier, BackpropRegressor])
def test_a_loss_of_the_other_estimator_is_not_recommended(cls):
    X, y = make_task(cls)
    loss = "pinball" if cls is BackpropClassifier else "cross_entropy"
    with pytest.raises(ValueError) as caught:
        cls(loss=loss).fit(X, y)
    assert str(caught.value).endswith(f"Got {loss!r} instead.")


def test_allowed_names_are_sorted():
    X, y = make_task(BackpropRegressor)
    names = ", ".join(map(repr, sorted(SOLVERS)))
    with pytest.raises(ValueError, match=rf"\{{{names}\}}"):
        BackpropRegressor(solver="none").fit(X, y)


@pytest.mark.parametrize("value", [None, 3, ["relu"], "", "zzz"])
def test_nothing_is_recommended_where_nothing_is_near(value):
    assert hint(value, ACTIVATIONS) == ""


# --- names of parameters and arguments ---


def test_names_of_parameters_elsewhere():
    ours = BackpropClassifier().get_params() | BackpropRegressor().get_params()
    for theirs, name in PARAMETERS_ELSEWHERE.items():
        assert name in ours and theirs not in ours


def test_names_of_arguments_elsewhere():
    ours = inspect.signature(BackpropRegressor.fit).parameters
    for theirs, names in ARGUMENTS_ELSEWHERE.items():
        assert set(names.split(" and ")) <= set(ours) and theirs not in ours


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("hidden_layers", " Did you mean 'hidden_layer_sizes'?"),
        ("lr", " Did you mean 'learning_rate_init'?"),
        ("epochs", " Did you mean 'max_iter'?"),
        ("early_stopping_rounds", " Did you mean 'n_iter_no_change'?"),
        ("learning_rates", " Did you mean 'learning_rate'?"),
        ("zzz", ""),
    ],
)
@ESTIMATORS
def test_of_parameters_that_are_set(cls, name, meant):
    with pytest.raises(ValueError) as caught:
        cls().set_params(**{name: 1})
    said = str(caught.value)
    assert said.startswith(f"Invalid parameter {name!r} for estimator {cls.__name__}")
    assert said.endswith(f"].{meant}")


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_of_parameters_of_a_tabular_estimator(cls):
    for name, meant in (("epochs", " Did you mean 'max_iter'?"), ("alpha", "")):
        with pytest.raises(ValueError) as caught:
            cls().set_params(**{name: 1})
        assert str(caught.value).endswith(f"].{meant}")


def test_of_parameters_of_a_search():
    X, y = make_task(BackpropRegressor)
    pipeline = make_pipeline(StandardScaler(), BackpropRegressor())
    with pytest.raises(ValueError, match="Did you mean 'learning_rate_init'"):
        GridSearchCV(pipeline, {"backpropregressor__lr": [0.1, 0.2]}).fit(X, y)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("eval_set", " Did you mean X_val and y_val?"),
        ("sample_weights", " Did you mean 'sample_weight'?"),
        ("X_valid", " Did you mean 'X_val'?"),
        ("epochs", " Did you mean the parameter 'max_iter' of the constructor?"),
        ("batch_size", " Did you mean the parameter 'batch_size' of the constructor?"),
        ("zzz", ""),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "initialize"])
@ESTIMATORS
def test_of_arguments(cls, method, name, meant):
    X, y = make_task(cls)
    if method == "initialize" and "constructor" not in meant:
        meant = None  # it has neither weights nor validation samples
    estimator = cls()
    with pytest.raises(TypeError) as caught:
        getattr(estimator, method)(X, y, **{name: [X, y]})
    said = f"{cls.__name__}.{method}() got an unexpected keyword argument {name!r}."
    assert str(caught.value).startswith(said)
    assert meant is None or str(caught.value) == said + meant
    assert not hasattr(estimator, "network_")


def test_of_arguments_through_a_pipeline():
    X, y = make_task(BackpropRegressor)
    pipeline = make_pipeline(StandardScaler(), BackpropRegressor())
    with pytest.raises(TypeError, match="Did you mean X_val and y_val?"):
        pipeline.fit(X, y, backpropregressor__eval_set=[(X, y)])
