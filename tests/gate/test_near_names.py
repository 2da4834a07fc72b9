"""What the message about a wrong name adds: the name that was probably meant."""

import pytest
from internals import ACTIVATIONS, LOSSES, OUTPUTS, SOLVERS
from problems import ESTIMATORS, make_task
from sklearn.metrics import get_scorer_names

from fastbp import BackpropClassifier, BackpropRegressor, Network
from fastbp.near_names import ELSEWHERE, hint
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
        ({"loss": "none of them"}, "'quantile'."),
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
    with pytest.raises(
        ValueError, match=r"\{'adam', 'lbfgs', 'levenberg_marquardt', 'rprop', 'sgd'\}"
    ):
        BackpropRegressor(solver="none").fit(X, y)


@pytest.mark.parametrize("value", [None, 3, ["relu"], "", "zzz"])
def test_nothing_is_recommended_where_nothing_is_near(value):
    assert hint(value, ACTIVATIONS) == ""
