"""pinball_scorer: predicted quantiles are scored wherever scikit-learn scores."""

import pickle

import numpy as np
import pytest
from problems import CUT_SHORT, assert_equal_networks, make_regression, make_weights, small
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropRegressor, pinball_scorer

pytestmark = CUT_SHORT

SEVERAL = [0.1, 0.5, 0.9]
X, y = make_regression()


def quantile_net(quantile=SEVERAL, **params):
    return small(BackpropRegressor, loss="quantile", quantile=quantile, **params)


def expected(y, predicted, quantiles, weights=None):
    """From the definition."""
    over = np.reshape(predicted, (len(y), -1)) - y[:, None]
    losses = np.where(over > 0, (1 - np.array(quantiles)) * over, -np.array(quantiles) * over)
    return -np.average(losses.mean(axis=1), weights=weights)


@pytest.mark.parametrize("quantile", [0.3, [0.3], SEVERAL, np.array(SEVERAL)], ids=str)
@pytest.mark.parametrize("weights", [None, make_weights()], ids=["plain", "weighted"])
def test_it_is_minus_the_mean_loss(quantile, weights):
    model = quantile_net(quantile).fit(X, y)
    given = {} if weights is None else {"sample_weight": weights}
    score = pinball_scorer(quantile)(model, X, y, **given)
    assert score == pytest.approx(expected(y, model.predict(X), np.ravel(quantile), weights))


def test_it_is_the_loss_of_the_network_by_the_number_of_quantiles():
    model = quantile_net(alpha=0.0).fit(X, y)
    assert pinball_scorer(SEVERAL)(model, X, y) == pytest.approx(-model.network_.loss(X, y) / 3)


@pytest.mark.parametrize(
    "how",
    [
        {"transformer": StandardScaler()},
        {"func": np.log, "inverse_func": np.exp, "check_inverse": False},
    ],
    ids=["scaled", "logarithm"],
)
def test_of_transformed_targets(how):
    """The quantiles are in units of y, and in order."""
    target = np.exp(y)
    model = TransformedTargetRegressor(make_pipeline(StandardScaler(), quantile_net()), **how)
    predicted = clone(model).fit(X, target).predict(X)
    assert predicted.shape == (len(X), 3) and (np.diff(predicted, axis=1) >= 0).all()
    scorer = pinball_scorer(SEVERAL)
    fitted = clone(model).fit(X[8:], target[8:])
    assert scorer(fitted, X, target) == pytest.approx(expected(target, fitted.predict(X), SEVERAL))
    scores = cross_val_score(model, X, target, scoring=scorer)
    assert np.isfinite(scores).all() and (scores < 0).all()


def test_in_a_search_and_after_pickling():
    scorer = pickle.loads(pickle.dumps(pinball_scorer(SEVERAL)))
    search = GridSearchCV(quantile_net(max_iter=30), {"alpha": [0.1, 1e5]}, scoring=scorer)
    assert search.fit(X, y).best_params_ == {"alpha": 0.1}


def test_as_scoring_of_an_estimator():
    params = dict(early_stopping=True, validation_fraction=0.3, max_iter=20)
    one = quantile_net(**params, scoring=pinball_scorer(SEVERAL)).fit(X, y)
    losses = np.array(one.validation_loss_curve_)
    np.testing.assert_allclose(one.validation_scores_, -losses / 3, rtol=1e-12)
    other = quantile_net(**params, scoring="loss", tol=3e-4).fit(X, y)
    assert_equal_networks(one, other)


@pytest.mark.parametrize("quantile", [0.0, 1.5, [0.5, 0.5], [0.9, 0.1], []], ids=str)
def test_bad_quantiles(quantile):
    with pytest.raises(ValueError, match="quantile"):
        pinball_scorer(quantile)


@pytest.mark.parametrize("quantile", [0.5, [0.1, 0.9]], ids=str)
def test_predictions_of_other_columns(quantile):
    with pytest.raises(ValueError, match=r"needs predictions with . column.* \(48, 3\)"):
        pinball_scorer(quantile)(quantile_net().fit(X, y), X, y)


def test_the_error_about_several_columns_recommends_what_works():
    X, Y = make_regression(2)
    model = quantile_net([0.1, 0.9])
    with pytest.raises(ValueError) as caught:
        model.fit(X, Y)
    said = str(caught.value)
    assert "one quantile at a time (quantile=0.1)" in said
    assert clone(model).set_params(quantile=0.1).fit(X, Y).predict(X).shape == (len(X), 2)
    recommended = said.partition(": ")[2].rstrip(".")
    clones = eval(recommended, {"clone": clone, "model": model, "X": X, "y": Y})
    assert [one.predict(X).shape for one in clones] == [(len(X), 2)] * 2
    one = clones[1].predict(X)[:, 0]
    assert mean_pinball_loss(Y[:, 1], one, alpha=0.1) < mean_pinball_loss(Y[:, 0], one, alpha=0.1)
