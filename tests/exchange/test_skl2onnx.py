"""Whole pipelines: the converters that fastbp.onnx registers with skl2onnx."""

import warnings

import numpy as np
import pandas as pd
import pytest
from exported import error_of
from internals import DTYPES
from onnx_sessions import onnx, results_of
from problems import CUT_SHORT, make_classes, make_multilabel, make_regression, small
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastbp import (
    BackpropClassifier,
    BackpropRegressor,
    PiecewiseLinearEncoder,
    RobustSmoothScaler,
    TabularClassifier,
    TabularRegressor,
)

skl2onnx = pytest.importorskip("skl2onnx")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fastbp.onnx  # noqa: F401

pytestmark = CUT_SHORT

OPSET = 17
LATEST_OPSET = min(onnx.defs.onnx_opset_version(), skl2onnx.__max_supported_opset__)
BOUNDS = {"float32": 2e-6, "float64": 1e-13}  # the steps before the network have errors, too
NAMES = ["ant", "bee", "cow"]


def convert(model, X, *, target_opset=OPSET, **options):
    """The model with options of its last step."""
    last = model[-1] if hasattr(model, "steps") else model
    options = {id(last): options} if options else None
    return skl2onnx.to_onnx(model, X[:1], target_opset=target_opset, options=options)


def columns_of(frame):
    return {name: frame[[name]].to_numpy() for name in frame}


def make_table(dtype, n_samples=300):
    """Numbers and two columns of text, of which the classes are functions."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 12, n_samples).astype(dtype),
            "income": rng.lognormal(9, 1, n_samples).astype(dtype),
            "city": np.array(["Rome", "Oslo", "Bern"])[rng.integers(3, size=n_samples)],
            "kind": np.array(["a", "b"])[rng.integers(2, size=n_samples)],
        }
    )
    score = (frame.age - 40) / 12 + (frame.city == "Rome") - (frame.kind == "a")
    return frame, np.array(["low", "middle", "high"])[np.digitize(score, [-0.6, 0.6])]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pipeline_of_scaler_one_hot_encoder_and_classifier(dtype):
    frame, y = make_table(dtype)
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "income"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["city", "kind"]),
        ]
    )
    classifier = small(BackpropClassifier, max_iter=40)
    model = make_pipeline(columns, classifier).fit(frame, y)
    assert model.score(frame, y) > 0.8
    results = results_of(convert(model, frame), columns_of(frame))
    np.testing.assert_array_equal(results["output_label"], model.predict(frame))
    results = results_of(convert(model, frame, zipmap=False), columns_of(frame))
    np.testing.assert_array_equal(results["label"], model.predict(frame))
    expected = model.predict_proba(frame)
    if dtype == "float32":
        # scikit-learn computes in float64 here, and skl2onnx in the type of the inputs
        assert np.abs(results["probabilities"] - expected).max() < 1e-5
    else:
        assert error_of(results["probabilities"], expected) < BOUNDS[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target_opset", [13, 15, 17, LATEST_OPSET])
def test_opsets(target_opset, dtype):
    X, y = make_classes(labels=NAMES)
    X = X.astype(dtype)
    model = make_pipeline(StandardScaler(), small(BackpropClassifier, activation="gelu")).fit(X, y)
    results = results_of(convert(model, X, target_opset=target_opset, zipmap=False), X)
    assert error_of(results["probabilities"], model.predict_proba(X)) < BOUNDS[dtype]
    np.testing.assert_array_equal(results["label"], model.predict(X))


def test_an_opset_that_is_too_old():
    X, y = make_classes()
    model = small(BackpropClassifier).fit(X, y)
    with pytest.raises(ValueError, match="target_opset=12 is too old: 13 or later"):
        convert(model, X, target_opset=12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "labels", [[0, 1], [5, -1, 3], [False, True], ["a", "b"], NAMES, [0.0, 1.0, 2.0]], ids=str
)
@pytest.mark.parametrize("zipmap", [True, False, "columns"])
def test_layouts_of_probabilities(zipmap, labels, dtype):
    X, y = make_classes(len(labels), labels)
    X = X.astype(dtype)
    model = small(BackpropClassifier).fit(X, y)
    results = results_of(convert(model, X, zipmap=zipmap), X)
    label, *values = results.values()
    np.testing.assert_array_equal(label, model.predict(X))
    expected = model.predict_proba(X)
    if zipmap is True:
        # what onnxruntime has for it is float32
        names = [int(one) if not isinstance(one, str) else one for one in model.classes_.tolist()]
        actual = np.array([[row[name] for name in names] for row in values[0]])
        assert np.abs(actual - expected).max() < 1e-6
        return
    actual = np.stack(values, axis=1) if zipmap == "columns" else values[0]
    assert error_of(actual, expected) < BOUNDS[dtype]


def test_class_labels_and_no_class_labels():
    X, y = make_classes(labels=NAMES)
    model = small(BackpropClassifier).fit(X, y)
    results = results_of(convert(model, X, zipmap=False, output_class_labels=True), X)
    assert results["class_labels"].tolist() == NAMES
    results = results_of(convert(model, X, zipmap=False, nocl=True), X)
    np.testing.assert_array_equal(model.classes_[results["label"]], model.predict(X))


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_labels(dtype):
    X, y = make_multilabel()
    X = X.astype(dtype)
    model = small(BackpropClassifier).fit(X, y)
    results = results_of(convert(model, X, zipmap=False), X)
    np.testing.assert_array_equal(results["label"], model.predict(X))
    assert error_of(results["probabilities"], model.predict_proba(X)) < BOUNDS[dtype]


def test_a_classifier_without_probabilities():
    X, y = make_classes(2)
    model = small(BackpropClassifier, output_activation="identity", loss="squared_error").fit(X, y)
    with pytest.raises(ValueError, match="has no probabilities to map"):
        convert(model, X)
    results = results_of(convert(model, X, zipmap=False), X)
    np.testing.assert_array_equal(results["label"], model.predict(X))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_regressors(n_outputs, dtype):
    X, y = make_regression(n_outputs)
    X = X.astype(dtype)
    model = make_pipeline(StandardScaler(), small(BackpropRegressor)).fit(X, y)
    results = results_of(convert(model, X), X)
    assert error_of(results["variable"], model.predict(X)) < BOUNDS[dtype]


@pytest.mark.parametrize(
    "params", [dict(quantile=[0.1, 0.9], loss="quantile"), dict(loss="gaussian")], ids=str
)
def test_several_outputs_of_one_target(params):
    X, y = make_regression()
    model = make_pipeline(PCA(2), small(BackpropRegressor, front="periodic", **params)).fit(X, y)
    results = results_of(convert(model, X), X)
    assert error_of(results["variable"], model.predict(X)) < BOUNDS["float64"]


@pytest.mark.parametrize("trained", DTYPES)
@pytest.mark.parametrize("served", [*DTYPES, "int64"])
def test_inputs_of_another_type_than_in_fit(trained, served):
    """The network computes in the type of fit, as predict does; the results have the inputs'."""
    X, y = make_classes(labels=NAMES)
    X = (10 * X).round()  # the same in every type
    model = small(BackpropClassifier).fit(X.astype(trained), y)
    results = results_of(convert(model, X.astype(served), zipmap=False), X.astype(served))
    np.testing.assert_array_equal(results["label"], model.predict(X.astype(served)))
    is_double = served == "float64"
    assert results["probabilities"].dtype == (np.float64 if is_double else np.float32)
    expected = model.predict_proba(X.astype(served)).astype(results["probabilities"].dtype)
    exact = is_double and trained == "float64"
    assert error_of(results["probabilities"], expected) < (1e-13 if exact else 1e-6)


def test_within_estimators_of_scikit_learn():
    X, y = make_classes(labels=NAMES)
    search = GridSearchCV(small(BackpropClassifier), {"alpha": [0.1, 1.0]}, cv=2).fit(X, y)
    results = results_of(convert(search, X, zipmap=False), X)
    np.testing.assert_array_equal(results["label"], search.predict(X))
    nets = [("a", small(BackpropClassifier)), ("b", small(BackpropClassifier, alpha=1.0))]
    single = X.astype(np.float32)
    for ensemble in (
        StackingClassifier(nets, LogisticRegression(), cv=2),
        BaggingClassifier(small(BackpropClassifier), 3, random_state=0),
    ):
        ensemble.fit(single, y)
        results = results_of(convert(ensemble, single, zipmap=False), single)
        np.testing.assert_array_equal(results["label"], ensemble.predict(single))
    X, y = make_regression()
    voting = VotingRegressor([("a", small(BackpropRegressor)), ("b", small(BackpropRegressor))])
    X = X.astype(np.float32)
    voting.fit(X, y)
    results = results_of(convert(voting, X), X)
    assert np.abs(results["variable"][:, 0] - voting.predict(X)).max() < 1e-5


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["array", "frame"])
@pytest.mark.parametrize(
    "scaler",
    [
        RobustSmoothScaler(),
        PiecewiseLinearEncoder(4),
        PiecewiseLinearEncoder(4, edges="tree", min_samples_leaf=5),
    ],
    ids=["smooth", "quantile", "tree"],
)
def test_transformers_of_fastbp(scaler, kind, dtype):
    X, y = make_classes(labels=NAMES)
    X[:, 3] = 1.0  # no bins, and no scale
    X[5] *= 1e6
    X = X.astype(dtype)
    if kind == "frame":
        X = pd.DataFrame(X, columns=list("abcd"))
    feed = columns_of(X) if kind == "frame" else X
    scaler = clone(scaler).fit(X, y)
    results = results_of(convert(scaler, X), feed)
    # the bits of transform
    np.testing.assert_array_equal(results["variable"], scaler.transform(X))
    model = make_pipeline(scaler, small(BackpropClassifier)).fit(X, y)
    results = results_of(convert(model, X, zipmap=False), feed)
    np.testing.assert_array_equal(results["label"], model.predict(X))


def test_missing_values_of_transformers():
    X, _ = make_regression()
    X[::3, 1] = X[:, 2] = np.nan
    for scaler in (RobustSmoothScaler().fit(X), PiecewiseLinearEncoder(3).fit(X)):
        results = results_of(convert(scaler, X), X)
        np.testing.assert_array_equal(results["variable"], scaler.transform(X))


def test_a_frame_whose_columns_are_inputs():
    X, y = make_regression()
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = small(BackpropRegressor).fit(frame, y)
    results = results_of(convert(model, frame), columns_of(frame))
    assert error_of(results["variable"], model.predict(frame)) < BOUNDS["float64"]


@pytest.mark.parametrize("sizes", [(1,), (4,)], ids=str)
@pytest.mark.parametrize("first", [BackpropClassifier, BackpropRegressor])
@pytest.mark.parametrize(
    "steps",
    [
        lambda net: make_pipeline(net, small(BackpropClassifier)),
        lambda net: make_pipeline(net, LogisticRegression()),
        lambda net: make_pipeline(make_pipeline(net), PCA(1), small(BackpropRegressor)),
        lambda net: make_pipeline(FeatureUnion([("net", net), ("pca", PCA(1))]), Ridge()),
        lambda net: ColumnTransformer([("net", net, [0, 1])], remainder="passthrough"),
    ],
    ids="network linear nested union columns".split(),
)
def test_a_network_before_the_last_step(steps, first, sizes):
    """skl2onnx passes on what a network predicts, where a pipeline passes on its hidden layer."""
    X, y = make_classes(2)
    model = steps(small(first, hidden_layer_sizes=sizes)).fit(X, y)
    with pytest.raises(ValueError, match=f"^{first.__name__}: before the last step .* train one"):
        skl2onnx.to_onnx(model, X[:1], target_opset=OPSET)


def test_outputs_of_given_names_and_types():
    X, y = make_regression()
    model = small(BackpropRegressor).fit(X, y)
    for kind in (None, skl2onnx.common.data_types.FloatTensorType([None, 1])):
        converted = skl2onnx.to_onnx(model, X[:1], target_opset=OPSET, final_types=[("y", kind)])
        assert np.abs(results_of(converted, X)["y"][:, 0] - model.predict(X)).max() < 1e-5


def test_a_network_that_is_not_fitted():
    with pytest.raises(NotFittedError, match="BackpropRegressor instance is not fitted yet"):
        skl2onnx.to_onnx(BackpropRegressor(), np.eye(2), target_opset=OPSET)


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_a_tabular_estimator_as_a_step(cls):
    X, y = make_classes(2)
    model = make_pipeline(StandardScaler(), cls(1, max_iter=1, random_state=0)).fit(X, y)
    with pytest.raises(ValueError, match=f"A {cls.__name__} is converted by fastbp.to_onnx, and"):
        skl2onnx.to_onnx(model, X[:1], target_opset=OPSET)


def test_what_skl2onnx_has_no_converter_for():
    X, y = make_regression()
    model = TransformedTargetRegressor(small(BackpropRegressor), func=np.exp, inverse_func=np.log)
    with pytest.raises(skl2onnx.common.exceptions.MissingShapeCalculator):
        convert(model.fit(X, y), X)
