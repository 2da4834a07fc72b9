"""label_smoothing."""

import numpy as np
import pytest
from problems import (
    CUT_SHORT,
    N_SAMPLES,
    assert_equal_networks,
    make_classes,
    make_multilabel,
    steady,
)
from reference import ReferenceNetwork
from scipy.special import expit, log_softmax
from sklearn.base import clone

from fastbp import BackpropClassifier

pytestmark = CUT_SHORT


@pytest.mark.parametrize("kind", ["two classes", "three classes", "labels", "one against the rest"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_smoothed_labels_are_the_objective_written_out(kind, loss):
    e, alpha = 0.3, 2.0
    X, y = (
        make_multilabel() if kind == "labels" else make_classes(2 if kind == "two classes" else 3)
    )
    output = "logistic" if kind == "one against the rest" else "auto"
    fitted = steady(
        BackpropClassifier, label_smoothing=e, loss=loss, alpha=alpha, output_activation=output,
        solver="adam", batch_size=N_SAMPLES, max_iter=3,
    ).fit(X, y)  # fmt: skip
    _, activations = ReferenceNetwork.like(fitted.network_).propagate(X)
    z = activations[-2] @ fitted.coefs_[-1] + fitted.intercepts_[-1]
    targets = y if kind == "labels" else np.eye(3)[y]
    if kind == "two classes":
        targets = y[:, np.newaxis]
    n_classes = 3 if kind == "three classes" else 2
    smooth = np.where(targets == 1, 1 - e + e / n_classes, e / n_classes)
    if kind == "three classes":
        log_p, log_rest = log_softmax(z, axis=1), 0
        np.testing.assert_allclose(smooth.sum(axis=1), 1)
    else:
        log_p, log_rest = np.log(expit(z)), np.log(expit(-z))
    if loss == "squared_error":
        losses = (np.exp(log_p) - smooth) ** 2 / 2
    else:
        losses = -smooth * log_p - (1 - smooth) * log_rest
    squares = sum(np.sum(coef**2) for coef in fitted.coefs_)
    expected = losses.sum(axis=1).mean() + alpha / (2 * N_SAMPLES) * squares
    labels_or_matrix = y if kind == "three classes" else targets
    assert fitted.network_.loss(X, labels_or_matrix) == pytest.approx(expected, rel=1e-10)
    one_more = clone(fitted).set_params(max_iter=4).fit(X, y)
    assert one_more.loss_ == pytest.approx(expected, rel=1e-10)


def test_no_smoothing_is_none_and_smoothing_makes_modest():
    X, y = make_classes()
    params = dict(solver="lbfgs", max_iter=500, alpha=0.01)
    plain = steady(BackpropClassifier, **params).fit(X, y)
    assert_equal_networks(plain, steady(BackpropClassifier, label_smoothing=0, **params).fit(X, y))
    smooth = steady(BackpropClassifier, label_smoothing=0.3, **params).fit(X, y)
    assert plain.predict_proba(X).max(axis=1).mean() > 0.95
    assert smooth.predict_proba(X).max(axis=1).mean() == pytest.approx(1 - 0.3 + 0.1, abs=0.03)


class Absolute:
    def loss(self, y, outputs):
        return np.abs(outputs - y).sum(axis=1)

    def gradient(self, y, outputs):
        return np.sign(outputs - y)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (dict(label_smoothing=1.0), "'label_smoothing' parameter"),
        (dict(label_smoothing=-0.1), "'label_smoothing' parameter"),
        (
            dict(label_smoothing=0.1, output_activation="identity", loss="squared_error"),
            r"label_smoothing=0.1 needs .* got .*output_activation='identity'; set",
        ),
        (dict(label_smoothing=0.1, loss=Absolute()), "label_smoothing=0.1 needs loss='log_loss'"),
    ],
)
def test_smoothing_that_cannot_be(params, words):
    X, y = make_classes()
    estimator = steady(BackpropClassifier, **params)
    with pytest.raises(ValueError, match=words):
        estimator.fit(X, y)
    assert vars(estimator) == estimator.get_params()
