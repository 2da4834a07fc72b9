"""What the displays are made from: estimators, what wraps them, and Matplotlib or none."""

import sys

import numpy as np
import pytest
from problems import CUT_SHORT, make_clf
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropRegressor, LossCurveDisplay, WeightsDisplay

pytestmark = CUT_SHORT

# --- what may be given ---


def wrapped(kind):
    reg = BackpropRegressor((4,), max_iter=3, random_state=0)
    return {
        "pipeline": make_pipeline(StandardScaler(), reg),
        "search": GridSearchCV(reg, {"alpha": [0.1, 1]}, cv=2),
        "search of pipeline": GridSearchCV(
            make_pipeline(StandardScaler(), reg), {"backpropregressor__alpha": [0.1]}, cv=2
        ),
        "transformed target": TransformedTargetRegressor(reg, transformer=StandardScaler()),
    }[kind]


def inner(kind, model):
    return {
        "pipeline": lambda: model[-1],
        "search": lambda: model.best_estimator_,
        "search of pipeline": lambda: model.best_estimator_[-1],
        "transformed target": lambda: model.regressor_,
    }[kind]()


WRAPPED = pytest.mark.parametrize(
    "kind", ["pipeline", "search", "search of pipeline", "transformed target"]
)


@WRAPPED
def test_wrapped_estimator(kind, digits):
    model = wrapped(kind).fit(*digits)
    losses = LossCurveDisplay.from_estimator(model)
    np.testing.assert_array_equal(losses.lines_[0].get_ydata(), inner(kind, model).loss_curve_)
    weights = WeightsDisplay.from_estimator(model)
    np.testing.assert_array_equal(weights.weights, inner(kind, model).coefs_[0])


@pytest.mark.parametrize("display", [LossCurveDisplay, WeightsDisplay])
@WRAPPED
def test_not_fitted(kind, display):
    for est in (make_clf(), wrapped(kind)):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            display.from_estimator(est)


def test_not_trained_yet(digits):
    clf = make_clf().initialize(*digits)
    with pytest.raises(NotFittedError, match="has not been trained yet: its loss_curve_ is empty"):
        LossCurveDisplay.from_estimator(clf)
    assert WeightsDisplay.from_estimator(clf).weights.shape == (64, 6)


@pytest.mark.parametrize(
    ("display", "attribute"), [(LossCurveDisplay, "loss_curve_"), (WeightsDisplay, "coefs_")]
)
def test_estimator_of_another_kind(display, attribute, digits):
    forest = RandomForestClassifier(n_estimators=2).fit(*digits)
    words = f"{display.__name__}.from_estimator draws {attribute}, which a fitted RandomForestC"
    with pytest.raises(TypeError, match=words):
        display.from_estimator(forest)


# --- without Matplotlib ---


@pytest.mark.parametrize(
    ("caller", "draw"),
    [
        ("LossCurveDisplay.from_estimator", LossCurveDisplay.from_estimator),
        ("LossCurveDisplay.from_estimators", lambda est: LossCurveDisplay.from_estimators([est])),
        ("LossCurveDisplay.plot", lambda est: LossCurveDisplay(loss_curves=[[1.0]]).plot()),
        ("WeightsDisplay.from_estimator", WeightsDisplay.from_estimator),
        ("WeightsDisplay.plot", lambda est: WeightsDisplay(weights=np.eye(2)).plot()),
    ],
)
def test_without_matplotlib(caller, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    message = rf'{caller} needs matplotlib: pip install "fastbp\[demo\]"'
    with pytest.raises(ImportError, match=message):
        draw(make_clf())
