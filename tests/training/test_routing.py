"""Validation samples and weights on their way through pipelines and searches."""

import numpy as np
import pytest
import sklearn
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_TRAINING,
    assert_equal_networks,
    curves,
    early,
    make_task,
    make_validated_task,
    watched,
)
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropRegressor

pytestmark = CUT_SHORT


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
@ESTIMATORS
def test_a_pipeline_transforms_the_validation_samples(cls):
    X, y, X_val, y_val, w_val = make_validated_task(cls)
    X, X_val = 10 * X + 5, 10 * X_val + 5
    w = np.random.default_rng(5).uniform(0.1, 3, N_TRAINING)
    model = early(cls, max_iter=15).set_fit_request(
        X_val=True, y_val=True, sample_weight=True, sample_weight_val=True
    )
    pipeline = Pipeline(
        [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", model)],
        transform_input=["X_val"],
    )
    metadata = dict(sample_weight=w, X_val=X_val, y_val=y_val, sample_weight_val=w_val)
    pipeline.fit(X, y, **metadata)
    scaler = StandardScaler().fit(X)
    metadata["X_val"] = scaler.transform(X_val)
    alone = early(cls, max_iter=15).fit(scaler.transform(X), y, **metadata)
    assert_equal_networks(pipeline[-1], alone)
    assert curves(pipeline[-1]) == curves(alone)


@pytest.mark.usefixtures("routing")
@ESTIMATORS
def test_a_search_routes_weights_and_validation_samples(cls):
    """The rows of the weights are those of each split, and the validation samples the same."""
    X, y, X_val, y_val, _ = make_validated_task(cls)
    w = np.random.default_rng(5).uniform(0.1, 3, N_TRAINING)
    model = watched(cls).set_score_request(sample_weight=True)
    model.set_fit_request(sample_weight=True, X_val=True, y_val=True)
    folds = [(np.arange(30), np.arange(30, N_TRAINING)), (np.arange(30, N_TRAINING), np.arange(30))]
    search = GridSearchCV(model, {"alpha": [0.0, 3.0]}, cv=folds, refit=True)
    search.fit(X, y, sample_weight=w, X_val=X_val, y_val=y_val)
    scores = np.empty((2, 2))
    for row, alpha in enumerate([0.0, 3.0]):
        for column, (train, test) in enumerate(folds):
            alone = watched(cls, alpha=alpha).fit(X[train], y[train], sample_weight=w[train])
            scores[row, column] = alone.score(X[test], y[test], sample_weight=w[test])
    found = search.cv_results_
    np.testing.assert_allclose(found["split0_test_score"], scores[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found["split1_test_score"], scores[:, 1], rtol=1e-12)
    best = search.best_estimator_
    alone = watched(cls, alpha=best.alpha).fit(X, y, w, X_val=X_val, y_val=y_val)
    assert_equal_networks(best, alone)
    assert curves(best) == curves(alone)


@pytest.mark.usefixtures("routing")
def test_metadata_that_was_not_asked_for_is_refused():
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
    pipeline = make_pipeline(StandardScaler(), watched(BackpropRegressor))
    with pytest.raises(ValueError, match=r"\[X_val, y_val\] are passed but are not explicitly set"):
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)


def test_without_routing_a_pipeline_hands_on_by_the_name_of_the_step():
    X, y, X_val, y_val, _ = make_validated_task(BackpropRegressor)
    pipeline = Pipeline([("net", watched(BackpropRegressor))])
    pipeline.fit(X, y, net__X_val=X_val, net__y_val=y_val)
    alone = watched(BackpropRegressor).fit(X, y, X_val=X_val, y_val=y_val)
    assert curves(pipeline[-1]) == curves(alone)


@ESTIMATORS
def test_a_scorer_gets_the_weights_only_if_it_takes_them(cls):
    X, y = make_task(cls)
    seen = []

    def plain(estimator, X, y):
        seen.append(len(y))
        return 0.0

    def weighted(estimator, X, y, sample_weight=None):
        seen.append(sample_weight.sum())
        return 0.0

    weights = np.full(20, 0.5)
    for scoring in (plain, weighted):
        estimator = watched(cls, max_iter=1, scoring=scoring)
        estimator.fit(X, y, X_val=X[:20], y_val=y[:20], sample_weight_val=weights)
    assert seen == [20, 10.0]
