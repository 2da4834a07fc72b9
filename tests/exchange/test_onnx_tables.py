"""to_onnx of tabular estimators: the encoder, and the mean of the networks."""

import numpy as np
import pandas as pd
import pytest
from exported import error_of
from internals import MAX_LEVELS, describe_table, onnx_model, onnx_tables
from onnx_sessions import results_of
from problems import CUT_SHORT
from sklearn.exceptions import NotFittedError

from fastbp import TabularClassifier, TabularRegressor, to_onnx

pytestmark = CUT_SHORT

BOUND = 1e-6  # the networks compute in float32
N_ROWS = 150


def make_frame(seed=0):
    """Columns of every kind, with and without missing values."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "number": rng.normal(size=N_ROWS),
            "float32": rng.lognormal(0, 3, N_ROWS).astype(np.float32),
            "whole": rng.integers(9, size=N_ROWS),
            "gaps": np.where(rng.random(N_ROWS) < 0.2, np.nan, rng.normal(1e6, 10, N_ROWS)),
            "constant": 1.0,
            "empty": np.nan,
            "text": np.array(["x", "y", "zé"], object)[rng.integers(3, size=N_ROWS)],
            "two": np.array(["p", "q"], object)[rng.integers(2, size=N_ROWS)],
            "gaps in text": np.array(["x", "y", None], object)[rng.integers(3, size=N_ROWS)],
            "flag": rng.random(N_ROWS) > 0.5,
            "category": pd.Categorical(rng.choice([3, 5, 8], N_ROWS)),
            "gaps in category": pd.Categorical(rng.choice([0.5, 2.5, np.nan], N_ROWS)),
            "many": pd.Categorical([f"v{i}" for i in rng.integers(MAX_LEVELS + 20, size=N_ROWS)]),
            "many numbers": pd.Categorical(rng.integers(MAX_LEVELS + 20, size=N_ROWS)),
        }
    )
    return frame


def make_unseen_frame():
    """Values that were not in fit, and missing ones where none were."""
    frame = make_frame(1).astype({name: object for name in ("text", "two", "flag", "many")})
    frame["number"] = np.resize([1e300, -1e300, np.nan, 0, -0.0], N_ROWS)
    for name in ("text", "two", "many"):
        frame[name] = np.resize(["new", "x", "p", None, "v1"], N_ROWS)
    frame["flag"] = np.resize(np.array([True, False, None], object), N_ROWS)
    frame["category"] = pd.Categorical(np.resize([3.0, 4.0, np.nan], N_ROWS))
    frame["many numbers"] = pd.Categorical(np.resize([3.0, -4.0, np.nan], N_ROWS))
    return frame


def feed_of(model, frame):
    """A frame's columns as the inputs of a model."""
    feed = {}
    for place, value in enumerate(model.graph.input):
        column = frame.iloc[:, place].astype(object)
        is_text = value.type.tensor_type.elem_type == 8
        column = column.where(column.notna(), "" if is_text else np.nan)
        feed[value.name] = column.to_numpy(object if is_text else np.float64)[:, np.newaxis]
    return feed


def quick(cls, **params):
    return cls(2, hidden_layer_sizes=(6,), max_iter=2, random_state=0, **params)


def make_targets(kind):
    rng = np.random.default_rng(3)
    return {
        "two classes": np.array(["no", "yes"])[rng.integers(2, size=N_ROWS)],
        "three classes": rng.integers(3, size=N_ROWS) * 10,
        "numbers": rng.uniform(5, 9, N_ROWS),
        "two columns": rng.uniform(5, 9, (N_ROWS, 2)),
    }[kind]


@pytest.mark.parametrize("n_bins", [0, 5])
@pytest.mark.parametrize("make_other", [make_frame, make_unseen_frame])
def test_the_networks_see_the_same_bits(make_other, n_bins):
    frame = make_frame()
    fit = quick(TabularRegressor, preset={"n_bins": n_bins}).fit
    estimator = fit(frame, make_targets("numbers"))
    description = describe_table(estimator)
    names = onnx_model.input_names(description.column_names)
    graph = onnx_model.Graph(np.float64, reserved=names)
    encoded = onnx_tables.add_table(graph, description, names)
    kinds = map(onnx_tables.input_type, description.columns, names)
    inputs = {name: (kind, 1) for name, kind in zip(names, kinds, strict=True)}
    width = len(estimator.encoder_.feature_of_column_)
    model = onnx_model.finish_model(
        graph, inputs, {encoded: ("float32", width)}, {"class": "Encoder"}, None
    )
    other = make_other()
    actual = results_of(model, feed_of(model, other))[encoded]
    np.testing.assert_array_equal(actual, estimator.encoder_.transform(other))


@pytest.mark.parametrize("n_rows", [0, 1, N_ROWS])
@pytest.mark.parametrize("kind", ["two classes", "three classes"])
@pytest.mark.parametrize("preset", [None, {"n_bins": 4}, {"front": None}], ids=str)
def test_classifiers(preset, kind, n_rows):
    frame, y = make_frame(), make_targets(kind)
    model = quick(TabularClassifier, preset=preset).fit(frame, y)
    converted = to_onnx(model)
    rows = make_unseen_frame()[:n_rows]
    results = results_of(converted, feed_of(converted, rows))
    assert list(results) == ["label", "probabilities"]
    assert results["probabilities"].shape == (n_rows, len(model.classes_))
    if n_rows:
        np.testing.assert_array_equal(results["label"], model.predict(rows))
        assert error_of(results["probabilities"], model.predict_proba(rows)) < BOUND


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("numbers", {}),
        ("two columns", {}),
        ("numbers", dict(loss="poisson")),
        ("numbers", dict(loss="quantile", quantile=[0.1, 0.9])),
        ("numbers", dict(loss="gaussian")),
        ("numbers", dict(preset={"clips": False, "scales_target": False})),
    ],
    ids=str,
)
def test_regressors(kind, params):
    frame, y = make_frame(), make_targets(kind)
    model = quick(TabularRegressor, **params).fit(frame, y)
    converted = to_onnx(model)
    for rows in (frame, make_unseen_frame()):
        results = results_of(converted, feed_of(converted, rows))
        assert list(results) == ["variable", "std"]
        mean, std = model.predict(rows, return_std=True)
        assert error_of(results["variable"], mean) < BOUND
        # a difference of means, with their errors
        assert error_of(results["std"], std, np.abs(mean).max()) < BOUND


def test_one_network_has_no_spread():
    frame, y = make_frame(), make_targets("numbers")
    model = TabularRegressor(1, hidden_layer_sizes=(4,), max_iter=1, random_state=0).fit(frame, y)
    converted = to_onnx(model)
    assert not results_of(converted, feed_of(converted, frame))["std"].any()


def test_an_array_without_names():
    X, y = make_frame()[["number", "gaps"]].to_numpy(), make_targets("numbers")
    model = quick(TabularRegressor).fit(X, y)
    converted = to_onnx(model)
    assert [one.name for one in converted.graph.input] == ["x0", "x1"]
    results = results_of(converted, feed_of(converted, pd.DataFrame(X)))
    assert error_of(results["variable"], model.predict(X)) < BOUND


def test_names_that_the_graph_has_itself():
    frame = make_frame()[["number", "gaps", "whole", "text", "two", "flag"]]
    frame.columns = ["variable", "constant_1", "number_1", "", "cast_1", "label"]
    model = quick(TabularRegressor).fit(frame, make_targets("numbers"))
    converted = to_onnx(model)
    names = [one.name for one in converted.graph.input]
    assert names == ["variable_", "constant_1", "number_1", "x3", "cast_1", "label_"]
    metadata = {one.key: one.value for one in converted.metadata_props}
    assert metadata["class"] == "TabularRegressor"
    assert '"variable", "constant_1"' in metadata["feature_names"]
    results = results_of(converted, feed_of(converted, frame))
    assert error_of(results["variable"], model.predict(frame)) < BOUND


def test_only_levels():
    frame = make_frame()[["two"]]
    model = quick(TabularRegressor).fit(frame, make_targets("numbers"))
    converted = to_onnx(model)
    results = results_of(converted, feed_of(converted, frame))
    assert error_of(results["variable"], model.predict(frame)) < BOUND


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", 1], "The column 'odd' holds text and numbers"),
        (["a", True], "The column 'odd' holds text and numbers"),
        (["", "b", None], "The column 'odd' holds empty text and missing values"),
        ([2**60, 1], f"The column 'odd' holds the category {2**60}, which is no float64"),
    ],
    ids=str,
)
def test_columns_that_onnx_does_not_have(values, message, tmp_path):
    column = np.resize(np.array(values, dtype=object), N_ROWS)
    frame = pd.DataFrame({"number": make_frame()["number"], "odd": pd.Categorical(column)})
    model = quick(TabularRegressor).fit(frame, make_targets("numbers"))
    with pytest.raises(ValueError, match=message):
        to_onnx(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_empty_text_where_nothing_is_missing():
    frame = make_frame()[["number"]].assign(text=np.resize(["", "b"], N_ROWS))
    model = quick(TabularRegressor).fit(frame, make_targets("numbers"))
    converted = to_onnx(model)
    results = results_of(converted, feed_of(converted, frame))
    assert error_of(results["variable"], model.predict(frame)) < BOUND


def test_not_fitted():
    with pytest.raises(NotFittedError):
        to_onnx(TabularClassifier())
