"""transform: the last hidden layer as features of another estimator."""

import numpy as np
import pandas as pd
import pytest
from problems import (
    CUT_SHORT,
    ESTIMATORS,
    N_FEATURES,
    N_SAMPLES,
    assert_equal_networks,
    make_named_task,
    small,
)
from reference import ReferenceNetwork
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from fastbp import BackpropClassifier, BackpropRegressor

pytestmark = CUT_SHORT


@ESTIMATORS
@pytest.mark.parametrize("container", [np.asarray, sparse.csr_matrix, np.asfortranarray])
def test_transform_gives_the_last_hidden_layer(cls, container):
    X, y = make_named_task(cls)
    fitted = small(cls, activation=["tanh", "silu"]).fit(X, y)
    transformed = fitted.transform(container(X))
    expected = ReferenceNetwork.like(fitted.network_).propagate(X)[1][-2]
    np.testing.assert_allclose(transformed, expected, rtol=1e-10)
    np.testing.assert_array_equal(fitted.network_.activations(container(X))[-2], transformed)
    # which is what the output layer is given
    scores = transformed @ fitted.coefs_[-1] + fitted.intercepts_[-1]
    if cls is BackpropClassifier:
        np.testing.assert_array_equal(fitted.classes_[scores.argmax(axis=1)], fitted.predict(X))
    else:
        np.testing.assert_allclose(scores.ravel(), fitted.predict(X), rtol=1e-10)


@ESTIMATORS
def test_fit_transform_is_fit_and_transform(cls):
    X, y = make_named_task(cls)
    w = np.random.default_rng(2).uniform(0.1, 2, N_SAMPLES)
    at_once = small(cls)
    transformed = at_once.fit_transform(X, y, sample_weight=w)
    fitted = small(cls).fit(X, y, sample_weight=w)
    assert_equal_networks(at_once, fitted)
    np.testing.assert_array_equal(transformed, fitted.transform(X))


@ESTIMATORS
def test_transform_has_the_type_of_the_network(cls):
    X, y = make_named_task(cls)
    single = small(cls).fit(X.astype(np.float32), y)
    assert single.transform(X).dtype == np.float32
    assert small(cls).fit(X, y).transform(X.astype(np.float32)).dtype == np.float64


@ESTIMATORS
def test_transform_without_hidden_layers_is_the_identity(cls):
    X, y = make_named_task(cls)
    fitted = small(cls, hidden_layer_sizes=()).fit(X, y)
    np.testing.assert_array_equal(fitted.transform(X), X)
    assert fitted.transform(sparse.csr_matrix(X)).shape == X.shape
    assert len(fitted.get_feature_names_out()) == N_FEATURES


@ESTIMATORS
def test_transform_checks_its_samples(cls):
    X, y = make_named_task(cls)
    for method in ("transform", "get_feature_names_out"):
        with pytest.raises(NotFittedError):
            getattr(small(cls), method)(*([X] if method == "transform" else []))
    fitted = small(cls).fit(pd.DataFrame(X, columns=[*"abcd"]), y)
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(pd.DataFrame(X, columns=[*"abce"]))
    with pytest.raises(ValueError, match="3 features, but .* is expecting 4"):
        small(cls).fit(X, y).transform(X[:, :3])
    with pytest.raises(ValueError, match="NaN"):
        small(cls).fit(X, y).transform(np.where(X > 1, np.nan, X))


@ESTIMATORS
def test_names_of_the_units_and_data_frames(cls):
    X, y = make_named_task(cls)
    frame = pd.DataFrame(X, columns=[*"abcd"], index=range(100, 100 + N_SAMPLES))
    fitted = small(cls).fit(frame, y)
    names = [f"{cls.__name__.lower()}{unit}" for unit in range(5)]
    np.testing.assert_array_equal(fitted.get_feature_names_out(), names)
    plain = fitted.transform(frame)
    framed = fitted.set_output(transform="pandas").transform(frame)
    assert list(framed.columns) == names and list(framed.index) == list(frame.index)
    np.testing.assert_array_equal(framed.to_numpy(), plain)
    # set_output does not change predictions
    assert isinstance(fitted.predict(frame), np.ndarray)
    united = make_union(StandardScaler(), small(cls)).fit(frame, y)
    assert list(united.get_feature_names_out())[3:5] == [
        "standardscaler__d",
        f"{cls.__name__.lower()}__{names[0]}",
    ]


@pytest.mark.parametrize(
    ("cls", "last"),
    [
        (BackpropClassifier, LogisticRegression(solver="newton-cholesky")),
        (BackpropRegressor, Ridge()),
    ],
)
def test_units_as_features_of_another_estimator(cls, last):
    X, y = make_named_task(cls)
    pipeline = make_pipeline(StandardScaler(), small(cls, max_iter=40), clone(last)).fit(X, y)
    scaled = StandardScaler().fit_transform(X)
    net = small(cls, max_iter=40).fit(scaled, y)
    alone = clone(last).fit(net.transform(scaled), y)
    np.testing.assert_allclose(pipeline[-1].coef_, alone.coef_)
    np.testing.assert_array_equal(pipeline.predict(X), alone.predict(net.transform(scaled)))
    # both the net and the estimator above it are better than a constant
    assert pipeline.score(X, y) > 0.5
    names = pipeline[:-1].get_feature_names_out([*"abcd"])
    assert len(names) == pipeline[-1].n_features_in_ == 5
