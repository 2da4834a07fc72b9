"""ImportanceDisplay: which bars are drawn, in which order, and what may be given."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import ImportanceDisplay, TabularClassifier

NAMES = ["age", "size", "noise"]


@pytest.fixture(scope="module")
def table():
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((200, 3)), columns=NAMES)
    return X, (X["size"] + 0.7 * X["age"] > 0).astype(int)


def quick():
    return TabularClassifier(2, hidden_layer_sizes=(8,), max_iter=20, random_state=0)


def labels(display):
    return [text.get_text() for text in display.ax_.get_yticklabels()]


def test_the_most_important_comes_first(table):
    model = quick().fit(*table)
    display = ImportanceDisplay.from_estimator(model)
    assert labels(display) == ["size", "age", "noise"]
    widths = [bar.get_width() for bar in display.bars_]
    np.testing.assert_array_equal(widths, np.sort(model.feature_importances_)[::-1])
    assert display.ax_.yaxis_inverted()
    assert display.ax_.get_xlabel() == "Importance" and display.ax_.get_ylabel() == "Feature"


def test_most_features():
    display = ImportanceDisplay(importances=[3.0, 1.0, 2.0]).plot(max_features=2)
    assert labels(display) == ["x0", "x2"] and display.ax_.get_ylabel() == "Feature (first 2)"
    with pytest.raises(ValueError, match="max_features=0 must be a positive"):
        display.plot(max_features=0)


def test_axes_and_keywords():
    _, ax = plt.subplots()
    display = ImportanceDisplay(importances=[1.0, -0.5], feature_names=["a", "b"])
    assert display.plot(ax, bar_kw={"color": "red"}).ax_ is ax
    assert display.bars_[0].get_facecolor() == (1.0, 0.0, 0.0, 1.0)
    assert display.figure_ is ax.get_figure()


def test_names_have_to_fit():
    with pytest.raises(ValueError, match="There are 1 feature_names, but 2 importances"):
        ImportanceDisplay(importances=[1.0, 2.0], feature_names=["a"])


def test_what_may_be_given(table):
    X, y = table
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), quick()).fit(X, y)
    assert set(labels(ImportanceDisplay.from_estimator(pipeline))) == set(NAMES)
    search = GridSearchCV(quick(), {"max_iter": [5]}, cv=2).fit(X, y)
    assert set(labels(ImportanceDisplay.from_estimator(search))) == set(NAMES)
    scaled = make_pipeline(StandardScaler(), RandomForestClassifier(5)).fit(X, y)
    assert set(labels(ImportanceDisplay.from_estimator(scaled))) == set(NAMES)
    own = ImportanceDisplay.from_estimator(pipeline, feature_names=["p", "q", "r"])
    assert set(labels(own)) == {"p", "q", "r"}


def test_what_may_not_be_given(table):
    with pytest.raises(NotFittedError):
        ImportanceDisplay.from_estimator(quick())
    words = "draws feature_importances_, which a fitted Logistic.* give a TabularClassifier"
    with pytest.raises(TypeError, match=words):
        ImportanceDisplay.from_estimator(LogisticRegression().fit(*table))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="ImportanceDisplay.plot needs matplotlib"):
        ImportanceDisplay(importances=[1.0]).plot()
    with pytest.raises(ImportError, match="ImportanceDisplay.from_estimator needs matplotlib"):
        ImportanceDisplay.from_estimator(quick())
